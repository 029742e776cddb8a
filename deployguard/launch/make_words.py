"""What texts of a makefile expand to: variables, and the functions that can be told.

Source: GNU make manual, 6 and 8. `$(shell ...)`, `$(eval ...)` and `$(call ...)` are left open.
"""

import fnmatch
import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

from msgspec import Struct, field

from deployguard.effective import search
from deployguard.formats.makefile import arguments, references
from deployguard.launch.globbing import glob
from deployguard.model.environment import Environment
from deployguard.model.evidence import Evidence, Location, Missing, Reason, Traced
from deployguard.model.filesystem import Filesystem
from deployguard.model.structs import replace

_DEPTH = 60
_STEPS = 20_000
_LONGEST = 128 * 1024


class Origin(StrEnum):
    """Where a variable was set, the stronger the later (GNU make manual, 6.10)."""

    DEFAULT = "default"
    ENVIRONMENT = "environment"
    FILE = "file"
    COMMAND = "command"
    OVERRIDE = "override"


_RANK = list(Origin)


class Variable(Struct, frozen=True, kw_only=True):
    """A variable of make: a text that is expanded where it is used, unless `simple`.

    What could not be told when it was set is `missing` and counts where it is used.
    """

    text: str
    origin: Origin
    location: Location
    simple: bool = False
    missing: Missing | None = None


class UnclearError(Exception):
    """Something that make does cannot be told."""

    def __init__(self, missing: Missing) -> None:
        super().__init__()
        self.missing = missing


class StopsError(Exception):
    """Make ends with an error."""

    def __init__(self, note: Evidence) -> None:
        super().__init__()
        self.note = note


class Words(Struct):
    """The variables of make, and what texts expand to under them."""

    environment: Environment
    cwd: Traced[str | None]
    files: Filesystem
    variables: dict[str, Variable] = field(default_factory=dict)
    scopes: list[dict[str, Variable]] = field(default_factory=list)
    environment_first: bool = False
    steps: int = _STEPS
    depth: int = 0

    def find(self, name: str) -> Variable | None:
        """Return a variable: of the target that is made, of the makefile, or the environment."""
        for scope in (*reversed(self.scopes), self.variables):
            if name in scope:
                return scope[name]
        entry = self.environment.get(name)
        if entry is None or name == "SHELL":
            # Make never takes SHELL from the environment.
            return None
        missing = None
        if entry.value is None:
            missing = (*entry.missing, Missing(Reason.VARIABLE, f"the value of {name}"))[0]
        return Variable(
            text=entry.value or "",
            origin=Origin.ENVIRONMENT,
            location=entry.location,
            missing=missing,
        )

    def set(self, name: str, sign: str, text: str, origin: Origin, place: Location) -> None:
        """Carry out one assignment, unless a stronger one stands."""
        found = self.find(name)
        if found is not None and not self._replaces(found, origin, sign):
            return
        self.variables[name] = self.assigned(name, sign, text, origin, place)

    def assigned(
        self, name: str, sign: str, text: str, origin: Origin, place: Location
    ) -> Variable:
        """Return the variable that an assignment makes."""
        made = Variable(text=text, origin=origin, location=place)
        found = self.find(name)
        match sign:
            case "!=":
                return replace(made, missing=_shell(text))
            case ":=" | "::=" | ":::=":
                return self._simple(made)
            case "+=" if found is not None:
                before = f"{found.text} " if found.text else ""
                added = self._simple(made) if found.simple else made
                return replace(
                    found,
                    text=before + added.text,
                    origin=origin,
                    location=place,
                    missing=found.missing or added.missing,
                )
            case _:
                return made

    def _simple(self, made: Variable) -> Variable:
        try:
            return replace(made, text=self.expand(made.text), simple=True)
        except UnclearError as error:
            return replace(made, simple=True, missing=error.missing)

    def _replaces(self, found: Variable, origin: Origin, sign: str) -> bool:
        if sign == "?=":
            return False
        if found.origin is Origin.ENVIRONMENT:
            return not self.environment_first or origin is Origin.OVERRIDE
        return _RANK.index(origin) >= _RANK.index(found.origin)

    def value(self, name: str) -> str:
        """Return what a variable expands to; one that is not set is empty."""
        found = self.find(name)
        if found is None:
            return _DEFAULTS.get(name, "")
        if found.missing is not None:
            raise UnclearError(found.missing)
        # What the environment holds is expanded like any other value.
        return found.text if found.simple else self.expand(found.text)

    def expand(self, text: str) -> str:
        """Return a text with its references replaced."""
        self.steps -= 1
        if self.steps < 0 or self.depth > _DEPTH or len(text) > _LONGEST:
            raise UnclearError(Missing(Reason.LIMIT, "what the makefile expands to"))
        self.depth += 1
        try:
            made = [
                piece if isinstance(piece, str) else self._reference(piece[0])
                for piece in references(text)
            ]
        finally:
            self.depth -= 1
        joined = "".join(made)
        if len(joined) > _LONGEST:
            raise UnclearError(Missing(Reason.LIMIT, "a text of the makefile that grows too long"))
        return joined

    def _reference(self, inner: str) -> str:
        match = re.match(r"([a-z-]+)[ \t]+(.*)\Z", inner, re.DOTALL)
        if match is not None and match[1] in _NAMES:
            return self._function(match[1], match[2])
        changed = re.match(r"([^:=$]+):([^=]*)=(.*)\Z", inner)
        if changed is not None:
            pattern, by = self.expand(changed[2]), self.expand(changed[3])
            if "%" not in pattern:
                pattern, by = f"%{pattern}", f"%{by}"
            return _patsubst([pattern, by, self.value(changed[1].strip())])
        name = self.expand(inner)
        if re.search(r"\s", name):
            # A function that is not known here, or the slip of a pen.
            raise UnclearError(Missing(Reason.COMMAND, f"what $({inner}) gives"))
        return self.value(name)

    def _function(self, name: str, text: str) -> str:
        match name:
            case "shell":
                raise UnclearError(_shell(text))
            case "if":
                parts = arguments(text, 3)
                chosen = 1 if self.expand(parts[0].strip()) else 2
                return self.expand(parts[chosen]) if chosen < len(parts) else ""
            case "or" | "and":
                value = ""
                for part in arguments(text):
                    value = self.expand(part.strip())
                    if bool(value) is (name == "or"):
                        break
                return value
            case "foreach":
                return self._foreach(arguments(text, 3))
            case "wildcard":
                return " ".join(self._wildcard(self.expand(text)))
            case "error":
                place = Location("makefile")
                raise StopsError(Evidence(place, f"make ends: {self.expand(text)}"))
            case "info" | "warning":
                return ""
            case "abspath" | "realpath":
                return " ".join(self.path(word) for word in self.expand(text).split())
            case "value":
                found = self.find(text.strip())
                return found.text if found is not None and found.missing is None else ""
            case "origin" | "flavor" | "call" | "eval" | "file" | "guile":
                raise UnclearError(Missing(Reason.COMMAND, f"what $({name} {text}) gives"))
            case _:
                function, number = _FUNCTIONS[name]
                parts = [self.expand(part) for part in arguments(text, number)]
                if len(parts) < number:
                    raise UnclearError(Missing(Reason.COMMAND, f"what $({name} {text}) gives"))
                return function(parts)

    def _foreach(self, parts: list[str]) -> str:
        if len(parts) < 3:  # noqa: PLR2004  (name, list, text)
            return ""
        name = self.expand(parts[0]).strip()
        made: list[str] = []
        for word in self.expand(parts[1]).split():
            loop = Variable(
                text=word, origin=Origin.OVERRIDE, location=Location("makefile"), simple=True
            )
            self.scopes.append({name: loop})
            try:
                made.append(self.expand(parts[2]))
            finally:
                self.scopes.pop()
        return " ".join(made)

    def _wildcard(self, text: str) -> list[str]:
        found: list[str] = []
        for pattern in text.split():
            whole = self.path(pattern)
            paths = glob(whole, self.files)
            if isinstance(paths, Missing):
                raise UnclearError(paths)
            # What is found keeps the beginning that the pattern had.
            cut = len(whole) - len(posixpath.normpath(pattern))
            found.extend(path if pattern.startswith("/") else path[cut:] for path in paths)
        return found

    def path(self, name: str) -> str:
        """Return a path as seen from the folder make works in."""
        place = search.absolute(name, self.cwd)
        if not isinstance(place, str):
            raise UnclearError(place.missing)
        return place


def _shell(text: str) -> Missing:
    return Missing(Reason.COMMAND, f"what $(shell {text.strip()}) prints")


_DEFAULTS: Mapping[str, str] = {
    "MAKE": "make",
    "SHELL": "/bin/sh",
    ".SHELLFLAGS": "-c",
    "RM": "rm -f",
    "CC": "cc",
    "MAKE_VERSION": "4.3",
}


def _patsubst(parts: Sequence[str]) -> str:
    pattern, by, words = parts
    return " ".join(_replaced(word, pattern.strip(), by.strip()) for word in words.split())


def _replaced(word: str, pattern: str, by: str) -> str:
    if "%" not in pattern:
        return by if word == pattern else word
    head, _, tail = pattern.partition("%")
    fits = word.startswith(head) and word.endswith(tail) and len(word) >= len(head) + len(tail)
    if not fits:
        return word
    return by.replace("%", word[len(head) : len(word) - len(tail)], 1)


def _filtered(parts: Sequence[str], *, keep: bool) -> str:
    patterns = [pattern.replace("%", "*", 1) for pattern in parts[0].split()]
    return " ".join(
        word
        for word in parts[1].split()
        if any(fnmatch.fnmatchcase(word, pattern) for pattern in patterns) is keep
    )


def _word(parts: Sequence[str]) -> str:
    number, words = parts[0].strip(), parts[1].split()
    return words[int(number) - 1] if number.isdigit() and 0 < int(number) <= len(words) else ""


def _each(change: Callable[[str], str]) -> Callable[[Sequence[str]], str]:
    return lambda parts: " ".join(change(word) for word in parts[0].split())


def _directory(word: str) -> str:
    folder = posixpath.dirname(word)
    return f"{folder}/" if folder and folder != "/" else folder or "./"


_FUNCTIONS: Mapping[str, tuple[Callable[[Sequence[str]], str], int]] = {
    "strip": (lambda parts: " ".join(parts[0].split()), 1),
    "subst": (lambda parts: parts[2].replace(parts[0], parts[1]) if parts[0] else parts[2], 3),
    "patsubst": (_patsubst, 3),
    "findstring": (lambda parts: parts[0] if parts[0] in parts[1] else "", 2),
    "filter": (lambda parts: _filtered(parts, keep=True), 2),
    "filter-out": (lambda parts: _filtered(parts, keep=False), 2),
    "sort": (lambda parts: " ".join(sorted(set(parts[0].split()))), 1),
    "word": (_word, 2),
    "words": (lambda parts: str(len(parts[0].split())), 1),
    "firstword": (lambda parts: "".join(parts[0].split()[:1]), 1),
    "lastword": (lambda parts: "".join(parts[0].split()[-1:]), 1),
    "dir": (_each(_directory), 1),
    "notdir": (_each(posixpath.basename), 1),
    "basename": (_each(lambda word: posixpath.splitext(word)[0]), 1),
    "suffix": (_each(lambda word: posixpath.splitext(word)[1]), 1),
    "addprefix": (
        lambda parts: " ".join(parts[0].strip() + word for word in parts[1].split()), 2
    ),
    "addsuffix": (
        lambda parts: " ".join(word + parts[0].strip() for word in parts[1].split()), 2
    ),
}  # fmt: skip
_NAMES = frozenset(
    {"shell", "if", "or", "and", "foreach", "wildcard", "error", "info", "warning", "abspath",
     "realpath", "value", "origin", "flavor", "call", "eval", "file", "guile", *_FUNCTIONS}
)  # fmt: skip
