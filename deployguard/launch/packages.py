"""Which package of its distribution a program belongs to, by the image's package database.

Sources: dpkg (dpkg-query(1), deb-md5sums(5), dpkg-divert(1)), the status.d folder of distroless
images, and apk (apk-package(5), the installed database of apk-tools).
"""

import base64
import hashlib
import posixpath
import re
from collections.abc import Iterable, Iterator

from msgspec import Struct

from deployguard.model.evidence import Location, Reason
from deployguard.model.filesystem import Absent, Content, Filesystem, Stat, Unread
from deployguard.model.structs import replace

_STATUS = "/var/lib/dpkg/status"
_INFO = "/var/lib/dpkg/info"
_STATUS_PARTS = "/var/lib/dpkg/status.d"
_DIVERSIONS = "/var/lib/dpkg/diversions"
_APK = ("/lib/apk/db/installed", "/usr/lib/apk/db/installed")
_LISTS = 2_000
_MERGED = re.compile(r"/usr(/(?:bin|sbin|lib[^/]*)/.+)")
# Parts of paths that say nothing of a package's name.
_COMMON = frozenset({"usr", "bin", "sbin", "lib", "libexec", "local", "share", "opt"})


class Package(Struct, frozen=True, kw_only=True):
    """An installed package; `needs` are the names of what it depends on."""

    name: str
    version: str
    needs: frozenset[str]


class Owned(Struct, frozen=True, kw_only=True):
    """A file of a package: `location` is the list that names it."""

    package: Package
    location: Location


def installed(image: Filesystem) -> tuple[Package, ...] | Unread:
    """Return the packages of an image; none where it has no database that is known here."""
    found: list[Package] = []
    for content in _databases(image):
        if isinstance(content, Unread):
            return content
        text = content.data.decode("utf-8", "replace")
        apk = content.location.file.endswith("/installed")
        found.extend(_apk_packages(text) if apk else _dpkg_packages(text))
    return tuple(found)


def owner(path: str, image: Filesystem) -> Owned | Absent | Unread:
    """Return the package that a file belongs to, by its real path.

    Absent where no package lists it, or where it is not what the package brought: a file that was
    put over it is the image's own.
    """
    content = image.read(path)
    if isinstance(content, Absent):
        return content
    if isinstance(content, Unread) and content.missing.reason is not Reason.LIMIT:
        return content
    known = installed(image)
    if isinstance(known, Unread):
        return known
    packages = {package.name: package for package in known}
    data = content.data if isinstance(content, Content) else None
    for claim in (_dpkg_claim, _distroless_claim, _apk_claim):
        found = claim(path, data, image)
        if isinstance(found, Absent):
            continue
        if isinstance(found, Unread):
            return found
        name, location = found
        if name in packages:
            return Owned(package=packages[name], location=location)
    return Absent(path)


def _databases(image: Filesystem) -> Iterator[Content | Unread]:
    parts = image.list(_STATUS_PARTS)
    if isinstance(parts, Unread):
        yield parts
    entries = parts if isinstance(parts, tuple) else ()
    names = [name for name in entries if not name.endswith(".md5sums")]
    for path in (_STATUS, *_APK, *(posixpath.join(_STATUS_PARTS, name) for name in names[:_LISTS])):
        content = image.read(path)
        if not isinstance(content, Absent):
            yield content


def _stanzas(text: str) -> Iterator[dict[str, str]]:
    """Yield the fields of each paragraph (deb822(5)); lines that continue a field are joined."""
    for paragraph in re.split(r"\n\s*\n", text):
        fields: dict[str, str] = {}
        last = ""
        for line in paragraph.splitlines():
            if line[:1] in {" ", "\t"}:
                fields[last] = fields.get(last, "") + line
            else:
                last, _, value = line.partition(":")
                fields[last] = value.strip()
        if fields:
            yield fields


def _dpkg_packages(text: str) -> Iterator[Package]:
    for fields in _stanzas(text):
        # A removed package stays in the status file until it is purged.
        if "Package" in fields and fields.get("Status", "installed").endswith("installed"):
            depends = f"{fields.get('Pre-Depends', '')},{fields.get('Depends', '')}"
            needs = (re.split(r"[\s(:]", one.strip())[0] for one in re.split(r"[,|]", depends))
            yield Package(
                name=fields["Package"],
                version=fields.get("Version", ""),
                needs=frozenset(filter(None, needs)),
            )


def _apk_packages(text: str) -> Iterator[Package]:
    for paragraph in text.split("\n\n"):
        fields = dict(line.split(":", 1) for line in paragraph.splitlines() if line[1:2] == ":")
        if "P" in fields:
            needs = (re.split(r"[<>=~]", one)[0] for one in fields.get("D", "").split())
            yield Package(name=fields["P"], version=fields.get("V", ""), needs=frozenset(needs))


_Claim = tuple[str, Location]


def _dpkg_claim(path: str, data: bytes | None, image: Filesystem) -> _Claim | Absent | Unread:
    """Return the package whose list names a path."""
    names = image.list(_INFO)
    if not isinstance(names, tuple):
        return names
    diversions = _diversions(image)
    if isinstance(diversions, Unread):
        return diversions
    for one in _spellings(path, image):
        kept = next((item for item in diversions if item.to == one), None)
        listed = one if kept is None else kept.path
        # Where a package diverts a path, what lies there is its own; of a local diversion nobody's.
        taken = next((item.by for item in diversions if item.path == one), None)
        lists = [name for name in names if name.endswith(".list")]
        for name in _likely(lists, path)[:_LISTS]:
            package = name.removesuffix(".list").partition(":")[0]
            if (taken is not None and package != taken) or (kept and kept.by == package):
                continue
            content = image.read(posixpath.join(_INFO, name))
            if isinstance(content, Unread):
                return content
            if isinstance(content, Content) and listed in _lines(content):
                sums = image.read(posixpath.join(_INFO, f"{name.removesuffix('.list')}.md5sums"))
                if isinstance(sums, Unread):
                    return sums
                if isinstance(sums, Content) and not _unchanged(listed, data, sums):
                    return Absent(path)
                return package, content.location
    return Absent(path)


class _Diversion(Struct, frozen=True):
    path: str
    to: str
    by: str


def _diversions(image: Filesystem) -> tuple[_Diversion, ...] | Unread:
    """Read the diversions: three lines each, the path, where it went, and for which package."""
    content = image.read(_DIVERSIONS)
    if not isinstance(content, Content):
        return content if isinstance(content, Unread) else ()
    lines = content.data.decode("utf-8", "replace").splitlines()
    return tuple(_Diversion(*three) for three in zip(*[iter(lines)] * 3, strict=False))


def _spellings(path: str, image: Filesystem) -> Iterator[str]:
    """Yield a path as lists may spell it: a merged /usr leaves /bin/x for /usr/bin/x."""
    yield path
    merged = _MERGED.fullmatch(path)
    if merged is not None:
        found = image.stat(merged[1])
        if isinstance(found, Stat) and found.path == path:
            yield merged[1]


def _likely(names: Iterable[str], path: str) -> list[str]:
    """Return the lists in the order in which they are likely to name a path."""
    parts = [part for part in path.lower().split("/") if part not in _COMMON and part]

    def rank(name: str) -> int:
        package = re.split(r"[.:]", name)[0]
        if package in parts:
            return 0
        word = re.split(r"[-0-9]", package)[0]
        return 1 if any(part.startswith(word) or package.startswith(part) for part in parts) else 2

    return sorted(names, key=rank)


def _lines(content: Content) -> frozenset[str]:
    return frozenset(content.data.decode("utf-8", "replace").splitlines())


def _unchanged(path: str, data: bytes | None, sums: Content) -> bool:
    """Compare a file with its sum; one too large to be read is taken for what its list says."""
    wanted = path.lstrip("/")
    for line in _lines(sums):
        hexadecimal, _, name = line.partition("  ")
        if name == wanted and data is not None:
            return hashlib.md5(data, usedforsecurity=False).hexdigest() == hexadecimal
    return True


def _distroless_claim(path: str, data: bytes | None, image: Filesystem) -> _Claim | Absent | Unread:
    """Return the package whose sums name a path: distroless images have no lists."""
    names = image.list(_STATUS_PARTS)
    if not isinstance(names, tuple):
        return names
    spellings = {one.lstrip("/") for one in _spellings(path, image)}
    for name in _likely((name for name in names if name.endswith(".md5sums")), path)[:_LISTS]:
        content = image.read(posixpath.join(_STATUS_PARTS, name))
        if isinstance(content, Unread):
            return content
        if isinstance(content, Content):
            for line in _lines(content):
                listed = line.partition("  ")[2]
                if listed in spellings:
                    if not _unchanged(listed, data, content):
                        return Absent(path)
                    return name.removesuffix(".md5sums"), content.location
    return Absent(path)


def _apk_claim(path: str, data: bytes | None, image: Filesystem) -> _Claim | Absent | Unread:
    """Return the package whose F: and R: lines name a path; Z: is the sum of the file before it."""
    spellings = set(_spellings(path, image))
    for database in _APK:
        content = image.read(database)
        if isinstance(content, Unread):
            return content
        if isinstance(content, Absent):
            continue
        package = folder = ""
        lines = content.data.decode("utf-8", "replace").splitlines()
        for number, line in enumerate(lines, start=1):
            match line[:2]:
                case "P:":
                    package = line[2:]
                case "F:":
                    folder = line[2:]
                case "R:" if posixpath.join("/", folder, line[2:]) in spellings:
                    if not _apk_unchanged(lines[number:], data):
                        return Absent(path)
                    return package, replace(content.location, line=number)
                case _:
                    pass
    return Absent(path)


def _apk_unchanged(following: Iterable[str], data: bytes | None) -> bool:
    """Compare a file with its sum, which stands among the lines after its name."""
    for line in following:
        if line[:2] in {"R:", "F:", ""}:
            break
        if line.startswith("Z:Q1") and data is not None:
            digest = hashlib.sha1(data, usedforsecurity=False).digest()
            return base64.b64encode(digest).decode() == line[len("Z:Q1") :]
    return True
