"""Well-known base images by their names: what their published Dockerfiles say of them.

What is listed of a directory are the names that matter here: a base holds more than that, but no
other Python, and no application. A path of the system that is not listed may be there.
"""

import posixpath
import re
from collections.abc import Iterator

from msgspec import Struct

from deployguard.inputs.dockerfile.sites import START_UP
from deployguard.inputs.dockerfile.trees import File, Found, Link, Texts, text_file
from deployguard.model.environment import Environment
from deployguard.model.evidence import Location, Missing, Reason, Traced
from deployguard.model.filesystem import Absent, Unread
from deployguard.model.image import ImageConfig

PYTHON_PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
# BuildKit's system.DefaultPathEnvUnix, which it sets where a base has no PATH.
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ELF = b"\x7fELF"
_NAME = re.compile(
    r"(?:(?:docker\.io/|index\.docker\.io/)(?:library/)?|library/|public\.ecr\.aws/docker/library/)?"
    r"(?P<name>python|debian|ubuntu|alpine|busybox)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@sha256:[0-9a-f]{64})?\Z"
)
_RELEASE = re.compile(r"(?P<minor>\d\.\d{1,2})(?P<patch>\.\d{1,2})?(?![0-9.])")
_TOOLS = (
    "cat", "chgrp", "chmod", "chown", "cp", "date", "dd", "df", "echo", "false", "grep", "kill",
    "ln", "ls", "mkdir", "mktemp", "mv", "pwd", "rm", "rmdir", "sed", "sh", "sleep", "stty", "sync",
    "tar", "touch", "true", "uname",
)  # fmt: skip
_USER_TOOLS = (
    "basename", "cut", "dirname", "env", "expr", "find", "head", "id", "nice", "nohup", "printf",
    "sort", "tail", "tee", "test", "timeout", "tr", "wc", "whoami", "xargs", "yes",
)  # fmt: skip
_ACCOUNTS = (
    b"root:x:0:0:root:/root:/bin/sh\n"
    b"daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
    b"www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n"
    b"nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
)
# Directories of the system, where a base holds more than is listed here.
_SYSTEM = re.compile(
    r"/(?:bin|boot|dev|etc|lib|lib32|lib64|libx32|proc|run|sbin|sys|usr|var)/"
    r"|/root/\.(?:bashrc|profile)\Z"
)
_FOLDERS = frozenset(
    f"/{name}"
    for name in ("home", "media", "mnt", "opt", "root", "srv", "tmp", "sbin", "usr/sbin",
                 "usr/local/sbin")
)  # fmt: skip


class Base(Struct, frozen=True):
    """A base image: its config and files."""

    config: ImageConfig
    files: "BaseTree"


class BaseTree(Struct, frozen=True):
    """The files of a well-known base; `release` is its Python's, "3" where the tag does not say."""

    texts: Texts
    missing: Missing
    release: str | None

    def entry(self, path: str) -> Found:
        """Return what lies at a path."""
        found = self.texts.entry(path)
        if not isinstance(found, Absent) or not _SYSTEM.match(path):
            return found
        name = posixpath.basename(path)
        if name in START_UP or name in {".env", ".flaskenv", "pyvenv.cfg"}:
            return found
        if name.startswith("[") and name != "[":  # what a shell makes of an exec form that is none
            return found
        library = f"/usr/local/lib/python{self.release}/"
        if path.startswith(library):
            inner = path.removeprefix(library)
            # pip, and before 3.12 setuptools and wheel, are all that lies in site-packages.
            if inner.startswith(("site-packages/", "dist-packages")) and not _TOOLING.match(inner):
                return found
        elif re.match(r"/usr/local/lib/python\d", path) and self.release != "3":
            return found
        return Unread(self.missing)

    def names(self, path: str) -> tuple[str, ...] | Absent | Unread:
        """Return the names in a directory that matter."""
        return self.texts.names(path)


_TOOLING = re.compile(
    r"site-packages/(?:pip|setuptools|wheel|pkg_resources|_distutils_hack|distutils-precedence)"
)


def well_known(name: str, location: Location) -> Base | None:
    """Return a base by its name, None for one that is not well known, or of Windows."""
    match = _NAME.match(name)
    if match is None:
        return None
    tag = match["tag"] or "latest"
    if "windows" in tag or "nanoserver" in tag:
        return None
    place = Location(name, image=name)
    missing = Missing(Reason.IMAGE, f"the image {name}")
    entries = {
        path: text_file(_ELF, Location(path, image=name), 0o755)
        for path in _programs(match["name"], tag)
    }
    entries["/etc/passwd"] = text_file(_ACCOUNTS, Location("/etc/passwd", image=name))
    files: dict[str, File | Link] = dict(entries)
    values: dict[str, str | None] = {"PATH": SYSTEM_PATH}
    release = None
    if match["name"] == "python":
        found = _RELEASE.match(tag)
        release = found["minor"] if found else "3"
        full = found[0] if found and found["patch"] else None
        values = {"PATH": PYTHON_PATH, "LANG": "C.UTF-8", "GPG_KEY": None,
                  "PYTHON_VERSION": full, "PYTHON_SHA256": None}  # fmt: skip
        files |= _python(release, name)
    config = ImageConfig(
        location=location,
        cmd=_command(match["name"], release, location),
        env=Environment(
            {
                key: Traced(value, location, missing=() if value is not None else (missing,))
                for key, value in values.items()
            },
            location=location,
        ),
    )
    tree = BaseTree(Texts(files, place, _FOLDERS), missing, release)
    return Base(config, tree)


def _command(name: str, release: str | None, location: Location) -> Traced[tuple[str, ...]] | None:
    if release is not None:
        return Traced(("python2" if release.startswith("2") else "python3",), location)
    commands = {"alpine": "/bin/sh", "busybox": "sh", "ubuntu": "/bin/bash"}
    return Traced((commands.get(name, "bash"),), location)


def _programs(name: str, tag: str) -> Iterator[str]:
    yield from (f"/bin/{tool}" for tool in _TOOLS)
    yield from (f"/usr/bin/{tool}" for tool in (*_USER_TOOLS, *_TOOLS))
    if name == "busybox":
        yield from (f"/bin/{tool}" for tool in _USER_TOOLS)
    if name != "busybox" and "alpine" not in (name, *tag.split("-")) and "alpine" not in tag:
        yield from ("/bin/bash", "/usr/bin/bash")


def _python(release: str, name: str) -> dict[str, File | Link]:
    place = Location(f"/usr/local/bin/python{release}", image=name)
    interpreter = text_file(_ELF, place, 0o755)
    script = f"#!/usr/local/bin/python{release}\n".encode()
    major = release[:1]
    found: dict[str, File | Link] = {
        f"/usr/local/bin/{python}": interpreter
        for python in ("python", f"python{major}", f"python{release}")
    }
    for pip in ("pip", f"pip{major}", f"pip{release}"):
        path = f"/usr/local/bin/{pip}"
        found[path] = text_file(script, Location(path, image=name), 0o755)
    library = f"/usr/local/lib/python{release}"
    for path in (f"{library}/os.py", f"{library}/site-packages/README.txt"):
        found[path] = text_file(b"", Location(path, image=name))
    return found
