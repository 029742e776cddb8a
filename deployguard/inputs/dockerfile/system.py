"""Packages of the system: where a RUN installs them, and what they leave as it was."""

import posixpath
from collections.abc import Mapping

from msgspec import Struct

from deployguard.inputs.dockerfile.trees import (
    Folder,
    Found,
    Link,
    Tree,
    clean,
)
from deployguard.model.evidence import Missing
from deployguard.model.filesystem import Absent, Unread

# Where packages of the system are installed; never where an application lies.
FOLDERS = ("/usr", "/etc", "/var", "/lib", "/lib64", "/bin", "/sbin", "/run", "/tmp")  # noqa: S108
PACKAGES: Mapping[str, frozenset[str]] = {
    "apt-get": frozenset({"update", "install", "clean", "upgrade", "dist-upgrade", "autoremove",
                          "autoclean", "remove", "purge"}),
    "apt": frozenset({"update", "install", "clean", "upgrade", "autoremove", "remove", "purge"}),
    "apt-mark": frozenset({"auto", "manual", "hold", "showmanual"}),
    "apk": frozenset({"add", "update", "upgrade", "del", "fix"}),
    "dnf": frozenset({"install", "update", "upgrade", "clean", "remove"}),
    "microdnf": frozenset({"install", "update", "clean", "remove"}),
    "yum": frozenset({"install", "update", "clean", "remove"}),
}  # fmt: skip
TOOLS = frozenset(
    {"ldconfig", "locale-gen", "update-ca-certificates", "update-locale", "dpkg-reconfigure",
     "fc-cache"}
)  # fmt: skip


class SystemPackages(Struct, frozen=True):
    """A directory of the system after its packages were installed.

    What an application or pip put below /usr/local stays, and so do start-up modules and other
    files that packages never touch; all else may have come or changed.
    """

    before: Tree
    place: str
    missing: Missing

    def _kept(self, path: str) -> bool:
        whole = clean(self.place + path)
        name = posixpath.basename(whole)
        return (
            whole.startswith("/usr/local/")
            or whole in {"/usr", "/usr/local", "/etc/passwd"}
            or name in {".env", ".flaskenv", "pyvenv.cfg"}
        )

    def entry(self, path: str) -> Found:
        """Return what lies at a path."""
        found = self.before.entry(path)
        if self._kept(path) or isinstance(found, Folder | Link):
            return found
        return Unread(self.missing)

    def names(self, path: str) -> tuple[str, ...] | Absent | Unread:
        """Return the names in a directory."""
        whole = clean(self.place + path)
        names = self.before.names(path)
        if whole.startswith("/usr/local/") or whole == "/usr/local":
            return names
        seen = names if isinstance(names, tuple) else ()
        return Unread(self.missing, seen)
