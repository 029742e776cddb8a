"""What a file is, by its name and its first bytes: cheap, for thousands of files are asked."""

import re
import zlib

from deployguard.errors import InputError
from deployguard.formats.yaml import Dialect, Mapping, Sequence, documents
from deployguard.inputs.image.compression import unpacker

MANIFEST_ENDINGS = (".yaml", ".yml", ".json")
ARCHIVE_ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.zst")
# In the order in which compose looks for them (compose-go, cli/options.go: DefaultFileNames and
# DefaultOverrideFileNames); an override is laid over a project's file, whichever name that has.
COMPOSE_NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
OVERRIDE_NAMES = (
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
)
CHART = "Chart.yaml"
KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
LAYOUT = "oci-layout"
# Endings of what other programs render: Jinja, Go, ERB, Mustache, envsubst, ytt and the like.
_TEMPLATE_ENDINGS = (
    ".dist", ".erb", ".gotmpl", ".hbs", ".in", ".j2", ".jinja", ".jinja2", ".mustache", ".template",
    ".tmpl", ".tpl",
)  # fmt: skip
# No files to build from: notes, backups, what editors leave.
_NOT_BUILT = (".bak", ".dockerignore", ".md", ".orig", ".rej", ".swp", ".txt", "~")
_MARKS = {b"\xef\xbb\xbf": "utf-8", b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
# Where braces stand that only a template engine makes sense of: a line of its own, a bare value.
_RENDERED = re.compile(rb"^[ \t]*(?:- )?(?:\{\{|\{%|<%)|:[ \t]+\{\{", re.MULTILINE)
_KIND = re.compile(rb"^[\"']?kind[\"']?[ \t]*:", re.MULTILINE)
_VERSION = re.compile(rb"^[\"']?apiVersion[\"']?[ \t]*:", re.MULTILINE)
_OWN = re.compile(rb"^apiVersion:[ \t]*[\"']?deployguard/", re.MULTILINE)
_METADATA = re.compile(rb"^[\"']?metadata[\"']?[ \t]*:", re.MULTILINE)
_SERVICES = re.compile(rb"^[\"']?services[\"']?[ \t]*:", re.MULTILINE)
_LIST = re.compile(rb"^[\"']?items[\"']?[ \t]*:", re.MULTILINE)
_MEMBER = re.compile(
    r"(?:\./)?(?:blobs(?:/|$)|oci-layout$|index\.json$|manifest\.json$|repositories$|[0-9a-f]{64})"
)
_BLOCK = 512
_LINK_KINDS = frozenset(b"xgLK")  # headers of more about the next member


def is_dockerfile(name: str) -> bool:
    """Say whether a file is called as Dockerfiles are, also beside others: Dockerfile.dev."""
    if name.endswith(_NOT_BUILT):
        return False
    return name in {"Dockerfile", "Containerfile"} or (
        name.startswith(("Dockerfile.", "Containerfile.")) or name.lower().endswith(".dockerfile")
    )


def is_template(name: str) -> bool:
    """Say whether a file is called as what renders to a Dockerfile, a manifest or a project."""
    for ending in _TEMPLATE_ENDINGS:
        if name.endswith(ending):
            plain = name.removesuffix(ending)
            return plain.endswith(MANIFEST_ENDINGS) or is_dockerfile(plain)
    return False


def is_archive(name: str) -> bool:
    """Say whether a file is called as archives are."""
    return name.endswith(ARCHIVE_ENDINGS)


def utf8(data: bytes) -> bytes:
    """Return text of the encodings that a byte order mark tells as UTF-8 without one."""
    for mark, encoding in _MARKS.items():
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace").encode()
    return data


def is_compose(name: str, head: bytes) -> bool:
    """Say whether YAML is a compose file: by its name, or by services and no kind at the top."""
    if name in COMPOSE_NAMES:
        return True
    data = utf8(head)
    if _KIND.search(data) or _VERSION.search(data) or data.lstrip().startswith(b"{"):
        return False
    return _SERVICES.search(data) is not None


def is_rendered(data: bytes) -> bool:
    """Say whether a text is a template: YAML that another program renders first."""
    return _RENDERED.search(utf8(data)) is not None


def is_manifest(data: bytes, source: str) -> bool:
    """Say whether YAML or JSON holds API objects: kind, apiVersion, and metadata or items.

    One that does not parse though it begins like one is a manifest as well, for whoever reads it to
    say so. What only quotes a manifest, as a workflow's script does, is none, nor is a policy.
    """
    if b"kind" not in data or b"apiVersion" not in data or _OWN.search(data):
        return False
    begins = _KIND.search(data) is not None and _VERSION.search(data) is not None
    if begins and (_METADATA.search(data) or _LIST.search(data)):
        return True
    try:
        found = list(documents(data, source, Dialect.KUBECTL))
    except InputError:
        return begins or data.lstrip().startswith(b"{")
    return any(
        isinstance(node, Mapping)
        and node.get("kind") is not None
        and node.get("apiVersion") is not None
        and isinstance(node.get("metadata") or node.get("items"), Mapping | Sequence)
        for node in found
    )


def is_tar(head: bytes) -> bool:
    """Say whether bytes begin as a tar does, or as what one is packed with."""
    return head[257:262] == b"ustar" or head.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd"))


def holds_image(head: bytes) -> bool:
    """Say whether the first member of an archive is one of a saved image.

    Layers and configs are called by their digests, all else by fixed names (docker save, and the
    OCI image layout), so that a source distribution is told by its first name.
    """
    data = _unpacked(head)
    position = 0
    while position + _BLOCK <= len(data):
        block = data[position : position + _BLOCK]
        name = block[:100].rstrip(b"\0").decode("utf-8", "replace")
        if block[156] not in _LINK_KINDS:
            return _MEMBER.match(name) is not None
        try:
            size = int(block[124:135].strip(b"\0 ") or b"0", 8)
        except ValueError:
            return True  # for the reader to refuse it
        position += _BLOCK + -(-size // _BLOCK) * _BLOCK
    return bool(data)


def _unpacked(head: bytes) -> bytes:
    try:
        unpack = unpacker(head, "an archive")
        if unpack is None:
            return head
        return next(unpack.unpack(head), b"")
    except (InputError, zlib.error, EOFError):
        return head
