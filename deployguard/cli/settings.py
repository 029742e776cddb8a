"""The file .deployguard.yaml: what a project sets once instead of typing it each time.

The file of the folder that is scanned counts, where that is the only TARGET and has one, else that
of the folder one stands in; one file at most, and the command line beats it. It is read where a
person keeps settings and nowhere else: not in an image layout, and not in a folder that is named
behind a prefix, such as a build context.
"""

import os
import posixpath
import re
from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from deployguard import files, policy
from deployguard.cli.images import Images
from deployguard.errors import InputError, PolicyError
from deployguard.formats import yaml
from deployguard.formats.checked import Reader, nodes
from deployguard.inputs.discovery.kinds import LAYOUT

NAME = ".deployguard.yaml"
PLATFORM = re.compile(r"[a-z0-9_.-]+(?:/[a-z0-9_.-]+){1,2}", re.IGNORECASE)
_LIMIT = 1024 * 1024
_KEYS = ("policy", "exclude", "images", "platform", "workloads")
_KIND = re.compile(r"[A-Z][A-Za-z0-9]*\.[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?")
_PATH = re.compile(r"[A-Za-z][A-Za-z0-9_-]*(?:\.[A-Za-z][A-Za-z0-9_-]*)*")


class Settings(Struct, frozen=True, kw_only=True):
    """What a file sets; what it leaves out is empty. `source` is the file, None without one.

    `policies` are names of shipped ones or paths as seen from where one stands; `workloads` are
    paths of pod templates by "Kind.group".
    """

    source: str | None = None
    policies: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    images: str | None = None
    platform: str | None = None
    workloads: Mapping[str, str] = field(default_factory=dict)


def settings(targets: Sequence[str], prefixes: Sequence[str]) -> Settings:
    """Read the file that counts for a scan of these targets, if there is one.

    Raises PolicyError for the first mistake, with the others in its `others`.
    """
    for folder in _folders(targets, prefixes):
        path = posixpath.join(folder, NAME) if folder != "." else NAME
        if os.path.lexists(path) and not os.path.lexists(posixpath.join(folder, LAYOUT)):
            return read(path)
    return Settings()


def _folders(targets: Sequence[str], prefixes: Sequence[str]) -> tuple[str, ...]:
    if len(targets) == 1:
        (target,) = targets
        prefix, colon, _ = target.partition(":")
        if not (colon and prefix in prefixes) and os.path.isdir(target):  # noqa: PTH112  (any name)
            return (target, ".")
    return (".",)


def read(path: str) -> Settings:
    """Read one file. Raises PolicyError for the first mistake, the others in its `others`."""
    try:
        data = files.read(path, _LIMIT)
    except InputError as error:
        raise PolicyError(error.message, location=error.location, hint=error.hint) from error
    documents = nodes(data, path)
    reader = _Reader(posixpath.dirname(path))
    found = reader.settings(documents[0], path) if documents else Settings(source=path)
    if len(documents) > 1:
        reader.fail("one file holds one set of settings", documents[1].location, "join them")
    reader.check()
    return found


class _Reader(Reader):
    """Reads the nodes of a settings file; paths in it are seen from its folder."""

    def __init__(self, folder: str) -> None:
        super().__init__()
        self.folder = folder

    def settings(self, node: yaml.Node, source: str) -> Settings:
        """Read the whole document."""
        top = self.fields(node, _KEYS)
        images, platform = top.get("images"), top.get("platform")
        return Settings(
            source=source,
            policies=self.policies(top.get("policy")),
            exclude=self.items(top.get("exclude"), self.text),
            images=None if images is None else self.word(images, Images, Images.AUTO).value,
            platform=None if platform is None else self.platform(platform),
            workloads=self.workloads(top.get("workloads")),
        )

    def policies(self, node: yaml.Node | None) -> tuple[str, ...]:
        """Read one policy or a list of them: shipped names, and paths from the file's folder."""
        names = (self.text(node),) if isinstance(node, yaml.Scalar) else self.items(node, self.text)
        shipped = policy.shipped()
        return tuple(
            name if name in shipped else posixpath.join(self.folder, name) for name in names if name
        )

    def platform(self, node: yaml.Node) -> str:
        """Read a platform such as linux/arm64."""
        text = self.text(node)
        if text and not PLATFORM.fullmatch(text):
            self.fail(f"not a platform: {text}", node.location, "write OS/ARCH: linux/arm64")
        return text

    def workloads(self, node: yaml.Node | None) -> dict[str, str]:
        """Read the paths of pod templates in kinds of one's own."""
        found: dict[str, str] = {}
        for key, value in self.entries(node):
            kind, path = str(key.value), self.text(value)
            if not _KIND.fullmatch(kind):
                hint = "write Kind.group, as in Rollout.argoproj.io"
                self.fail(f"not a kind with its group: {kind}", key.location, hint)
            if path and not _PATH.fullmatch(path):
                hint = "write the names of the fields with dots: spec.template"
                self.fail(f"not a path of fields: {path}", value.location, hint)
            found[kind] = path
        return found
