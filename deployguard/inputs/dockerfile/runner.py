"""What follows the commands of a RUN: the files they see, and where they stand."""

import fnmatch
import posixpath
import re
from collections.abc import Mapping

from msgspec import Struct

from deployguard.effective import search
from deployguard.effective.contents import below
from deployguard.effective.search import Executable
from deployguard.formats.build_words import Value
from deployguard.inputs.dockerfile.trees import (
    Found,
    Layers,
    Tree,
    Unknown,
    View,
    clean,
)
from deployguard.model.environment import Environment
from deployguard.model.evidence import Location, Missing, Traced
from deployguard.model.filesystem import Absent, Content, Unread

EXPANSION = re.compile(r"[*?\[]")


class NotPlainError(Exception):
    """A command whose effects are not known."""


class UndecidedError(NotPlainError):
    """A condition of which it is not known whether it holds."""


class ExitedError(Exception):
    """The script ends here, successfully."""


class Setting(Struct, frozen=True, kw_only=True):
    """Under what a RUN runs: its shell, directory, user, variables, and what is mounted."""

    shell: tuple[str, ...]
    cwd: str | None
    user: str | None
    variables: Mapping[str, Value]
    unseen: bool = False  # variables of a base that is not known
    mounts: tuple[tuple[str, Tree], ...] = ()


class Runner:
    """Follows the commands of one RUN over the files of its stage.

    `view` are the files that the commands see: those of the stage, and what is mounted.
    """

    def __init__(
        self, files: Layers, setting: Setting, location: Location, missing: Missing
    ) -> None:
        self.files = files
        self.setting = setting
        self.location = location
        self.missing = missing
        self.view = files.copy()
        self.variables: dict[str, Value] = dict(setting.variables)
        self.cwd = setting.cwd or "/"
        self.kept: dict[str, Value] = {}
        for target, tree in self.setting.mounts:
            self.view.put(self.view.place(target), tree)

    def path(self, text: str) -> str:
        """Return a path as seen from where the commands stand."""
        return clean(posixpath.join(self.cwd, text))

    def write(self, place: str, tree: Tree, *, instead: type | None = None) -> None:
        """Lay files over what is at a place; what is mounted does not stay."""
        self.view.put(place, tree, instead=instead)
        if not any(below(place, target) for target, _ in self.setting.mounts):
            self.files.put(place, tree, instead=instead)

    def entry(self, path: str) -> tuple[str, Found]:
        """Return where a path leads to, and what lies there."""
        return View(self.view).entry(path)

    def value(self, name: str) -> str | None:
        """Return a variable's value; raises NotPlainError where it is set but not known."""
        value = self.variables.get(name)
        if value is not None and value.text is None:
            raise NotPlainError
        return value.text if value is not None else None

    def read(self, path: str) -> Content | Absent | Unread:
        """Return a file's content as the commands see it."""
        return View(self.view).read(path)

    def listing(self, path: str) -> tuple[str, ...] | Absent | Unread:
        """Return the names in a directory as the commands see it."""
        return View(self.view).list(path)

    def keep(self, name: str, value: str) -> None:
        """Set what counts for the later RUNs of the stage as well, such as a tool's settings."""
        self.variables[name] = Value(value)
        self.kept[name] = Value(value)

    def program(self, name: str) -> str | None:
        """Return the path of a command, None where it is not there or not known."""
        entries = {
            key: Traced[str | None](value.text, self.location)
            for key, value in self.variables.items()
        }
        cwd = Traced[str | None](self.cwd, self.location)
        found = search.find(name, Environment(entries), cwd, View(self.view))
        return found.path if isinstance(found, Executable) else None

    def listed(self, path: str) -> list[str]:
        """Return the paths that a last component with wildcards stands for."""
        folder, pattern = posixpath.split(self.path(path))
        if not EXPANSION.search(path):
            return [self.path(path)]
        if EXPANSION.search(folder):
            raise NotPlainError
        names = View(self.view).list(folder)
        if isinstance(names, Unread):
            self.write(self.view.place(folder), Unknown(self.missing))
            return []
        found = names if isinstance(names, tuple) else ()
        hidden = pattern.startswith(".")
        return [
            posixpath.join(folder, name)
            for name in found
            if fnmatch.fnmatchcase(name, pattern) and (hidden or not name.startswith("."))
        ]
