"""What a makefile says: its variables, conditionals, includes and rules, in order (GNU make 4)."""

import re
import shlex
from collections.abc import Iterator, Sequence

from msgspec import Struct, field

from deployguard.effective import search
from deployguard.formats.makefile import Line, assignment, lines, outside, without_comment
from deployguard.launch.globbing import glob
from deployguard.launch.make_words import Origin, StopsError, UnclearError, Words
from deployguard.launch.outcomes import Call
from deployguard.model.evidence import Location, Missing, Reason
from deployguard.model.filesystem import Content, Unread
from deployguard.model.process import Process, Start
from deployguard.model.structs import replace

# The idiom that exports what an included .env sets.
_LISTED = re.compile(r"\$\(shell\s+(?:sed|cut|awk|grep)\b.*?([^\s'\"|)]*\.?env[^\s'\"|)]*)\s*[|)]")
# Options that change nothing of what is started, as MAKEFLAGS has them.
HARMLESS_FLAGS = re.compile(
    r"[ksrRwBS]*(?: ?(?:-[ksrRwBS]+|-j\d*|--no-print-directory|--silent|--quiet|--jobs=?\d*|"
    r"--jobserver\S*|--warn-undefined-variables|--no-builtin-rules|--no-builtin-variables|-l\S*))*\Z"
)
_LINES = 20_000
_LONGEST = 64 * 1024
_FILES = 100


class Rule(Struct):
    """What is known of a target."""

    prerequisites: list[str] = field(default_factory=list)
    recipe: list[tuple[str, Location]] = field(default_factory=list)
    variables: list[tuple[str, str, str, Location, bool]] = field(default_factory=list)
    made: bool = False
    unclear: bool = False


class Make(Struct):
    """One run of make: what was read, and what is started."""

    call: Call
    process: Process
    words: Words
    rules: dict[str, Rule] = field(default_factory=dict)
    phony: set[str] = field(default_factory=set)
    exported: set[str] = field(default_factory=set)
    kept_back: set[str] = field(default_factory=set)
    listed: list[str] = field(default_factory=list)
    goal: str | None = None
    export_all: bool = False
    one_shell: bool = False
    unclear_exports: Missing | None = None
    files: int = 0
    read: int = 0
    starts: list[Start] = field(default_factory=list)


def read_file(run: Make, name: str) -> Content | None:
    """Return a file that make reads, None where it is not there; raises where it was not read."""
    path = search.absolute(name, run.process.cwd)
    content = path if isinstance(path, Unread) else run.call.files.read(path)
    if isinstance(content, Unread):
        raise UnclearError(content.missing)
    return content if isinstance(content, Content) else None


def read_makefile(run: Make, content: Content) -> None:
    """Read one makefile: conditionals, assignments, includes and rules, in order."""
    run.files += 1
    if run.files > _FILES:
        raise UnclearError(Missing(Reason.LIMIT, "what more than a hundred makefiles say"))
    active: list[bool | None] = []  # per conditional: taken now, or None once a branch was taken
    current: list[Rule] | None = None
    pending = lines(content.data.decode("utf-8", "replace"))
    for line in pending:
        run.read += 1
        if run.read > _LINES:
            raise UnclearError(Missing(Reason.LIMIT, "what the rest of the makefiles says"))
        place = replace(content.location, line=line.number)
        if len(line.text) > _LONGEST:
            raise UnclearError(
                Missing(Reason.LIMIT, f"what a line says that is longer than {_LONGEST}")
            )
        if line.recipe is not None and current is not None:
            if all(active):
                for rule in current:
                    rule.recipe.append((line.recipe, place))
            continue
        text = without_comment(line.text).strip()
        if _conditional(run, text, active):
            continue
        if not text or not all(active):
            continue
        if re.match(r"(?:override\s+)?define\b", text):
            _define(run, text, pending, place)
            current = None
            continue
        current = _statement(run, text, line, place, current)


def _conditional(run: Make, text: str, active: list[bool | None]) -> bool:
    """Carry out ifeq and its kin; say whether the line was one of them."""
    head = re.match(r"[a-z]*", text)
    word = head[0] if head is not None else ""
    rest = text[len(word) :]
    match word:
        case "ifeq" | "ifneq" | "ifdef" | "ifndef":
            outer = all(active)
            active.append(_holds(run, word, rest.strip()) if outer else None)
        case "else" if active:
            inner = rest.strip()
            before = active[-1]
            outer = all(active[:-1])
            if before is not False or not outer:
                active[-1] = None
            elif inner:
                kind = re.match(r"[a-z]*", inner)
                word = kind[0] if kind is not None else ""
                active[-1] = _holds(run, word, inner[len(word) :].strip())
            else:
                active[-1] = True
        case "endif" if active:
            active.pop()
        case _:
            return False
    return True


def _holds(run: Make, kind: str, text: str) -> bool:
    if kind in {"ifdef", "ifndef"}:
        found = run.words.find(run.words.expand(text))
        if found is not None and found.missing is not None and not found.text:
            raise UnclearError(found.missing)
        return (found is not None and found.text != "") is (kind == "ifdef")
    if text.startswith("("):
        inner = text[1 : text.rfind(")")]
        comma = outside(inner, ",")
        parts = [inner[:comma].strip(), inner[comma + 1 :].strip()] if comma is not None else []
    else:
        try:
            parts = shlex.split(text)
        except ValueError:
            parts = []
    if len(parts) != 2:  # noqa: PLR2004  (the two sides)
        raise UnclearError(Missing(Reason.COMMAND, f"what {kind} {text} compares"))
    return (run.words.expand(parts[0]) == run.words.expand(parts[1])) is (kind == "ifeq")


def _define(run: Make, text: str, pending: Iterator[Line], place: Location) -> None:
    match = re.match(r"(?:override\s+)?define\s+([^\s=:?+]+)\s*(=|:=|\?=|\+=)?", text)
    body: list[str] = []
    for line in pending:
        if line.text.strip() == "endef":
            break
        body.append(line.recipe if line.recipe is not None else line.text)
    if match is not None:
        run.words.set(match[1], match[2] or "=", "\n".join(body), Origin.FILE, place)


def _statement(
    run: Make, text: str, line: Line, place: Location, current: list[Rule] | None
) -> list[Rule] | None:
    """Carry out a line outside of recipes; return the rules that recipe lines then belong to."""
    include = re.match(r"(-include|sinclude|include)\s+(.*)", text)
    if include is not None:
        _include(run, include[2], silent=include[1] != "include")
        return None
    if re.match(r"(?:un)?export\b(?!\s*[:?+]?=)", text):
        _export(run, text, place)
        return None
    if re.match(r"v?path\b|load\b|private\b", text) and assignment(text) is None:
        return current
    override = text.startswith("override ")
    plain = text.removeprefix("override ").strip()
    given = assignment(plain)
    if given is not None:
        origin = Origin.OVERRIDE if override else Origin.FILE
        name = run.words.expand(given.name)
        _check(name, given.text)
        run.words.set(name, given.sign, given.text, origin, place)
        return None
    colon = outside(text, ":")
    if colon is not None:
        return _rule(run, text[:colon], text[colon:], place)
    if run.words.expand(text).strip():
        raise UnclearError(
            Missing(Reason.COMMAND, f"what a line says ({place.file}:{line.number})")
        )
    return None


def _check(name: str, text: str) -> None:
    """Refuse what changes how the rest is read: another sign of recipes, options of make."""
    if name == ".RECIPEPREFIX" or (name == "MAKEFLAGS" and not HARMLESS_FLAGS.match(text.strip())):
        raise UnclearError(Missing(Reason.COMMAND, f"what {name} = {text} makes of the makefile"))


def _include(run: Make, text: str, *, silent: bool) -> None:
    for pattern in run.words.expand(text).split():
        paths = glob(run.words.path(pattern), run.call.files)
        if isinstance(paths, Missing):
            raise UnclearError(paths)
        for path in paths:
            content = read_file(run, path)
            if content is not None:
                read_makefile(run, content)
        if not paths and pattern in run.rules:
            raise UnclearError(Missing(Reason.COMMAND, f"what make writes to {pattern}"))
        if not paths and not silent:
            raise StopsError(run.call.ends(f"ends: {pattern}, which it includes, is not there"))


def _export(run: Make, text: str, place: Location) -> None:
    """Carry out export and unexport: of all, of names, or with an assignment."""
    word, _, rest = text.partition(" ")
    rest = rest.strip()
    names = run.exported if word == "export" else run.kept_back
    given = assignment(rest.removeprefix("override ").strip())
    if given is not None and word == "export":
        name = run.words.expand(given.name)
        run.words.set(name, given.sign, given.text, Origin.FILE, place)
        run.exported.add(name)
        run.kept_back.discard(name)
        return
    if not rest:
        run.export_all = word == "export"
        return
    listed = _LISTED.search(rest)
    if listed is not None:
        # export $(shell sed 's/=.*//' .env)
        content = read_file(run, run.words.expand(listed[1]))
        data = content.data if content is not None else b""
        found = re.findall(rb"^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=", data, re.MULTILINE)
        names.update(name.decode() for name in found)
        return
    try:
        found_names = run.words.expand(rest).split()
    except UnclearError as error:
        run.unclear_exports = error.missing
        return
    names.update(found_names)
    (run.kept_back if word == "export" else run.exported).difference_update(found_names)


def _rule(run: Make, before: str, after: str, place: Location) -> list[Rule]:
    """Read TARGETS: PREREQUISITES ; RECIPE, or a variable of targets."""
    targets = run.words.expand(before).split()
    double = after.startswith("::")
    rest = after.removeprefix(":").removeprefix(":")
    rules = [run.rules.setdefault(target, Rule()) for target in targets]
    exported = re.match(r"\s*export\s+", rest)
    plain = rest[exported.end() :] if exported is not None else rest
    given = assignment(plain.strip().removeprefix("override ").strip())
    if given is not None and ";" not in given.name:
        for rule in rules:
            rule.variables.append(
                (
                    given.name,
                    given.sign,
                    given.text,
                    place,
                    exported is not None,
                )
            )
        return rules
    needs, semicolon, first = rest.partition(";")
    wanted = run.words.expand(needs)
    if ":" in wanted:
        for rule in rules:
            rule.unclear = True
    names = [name for name in wanted.replace("|", " ").split() if name != ".WAIT"]
    names = [found for name in names for found in _matching(run, name)]
    _special(run, targets, names)
    for target, rule in zip(targets, rules, strict=True):
        rule.prerequisites.extend(names)
        if rule.recipe and semicolon:
            rule.recipe.clear()
        if semicolon:
            rule.recipe.append((first.strip(), place))
        if run.goal is None and not target.startswith(".") and "%" not in target:
            run.goal = target
    if not double:
        # A later recipe replaces an earlier one; a rule without one adds prerequisites only.
        return [_replacing(run, target) for target in targets] if not semicolon else rules
    return rules


def _matching(run: Make, name: str) -> list[str]:
    """Return the files that a prerequisite with a pattern stands for, else its name."""
    if not re.search(r"[*?\[]", name):
        return [name]
    found = run.words.expand(f"$(wildcard {name})").split()
    return found or [name]


def _replacing(run: Make, target: str) -> Rule:
    """Return a rule whose recipe is dropped as soon as another follows."""
    rule = run.rules[target]
    if rule.recipe:
        again = Rule(rule.prerequisites, [], rule.variables)
        again.recipe = _Replacement(rule.recipe)
        run.rules[target] = again
        return again
    return rule


class _Replacement(list[tuple[str, Location]]):
    """A recipe that stands until a line of another is added to it."""

    def __init__(self, before: Sequence[tuple[str, Location]]) -> None:
        super().__init__(before)
        self.fresh = False

    def append(self, line: tuple[str, Location]) -> None:
        """Add a line; the first drops the recipe that stood before."""
        if not self.fresh:
            self.clear()
            self.fresh = True
        super().append(line)


def _special(run: Make, targets: Sequence[str], names: Sequence[str]) -> None:
    for target in targets:
        match target:
            case ".PHONY":
                run.phony.update(names)
            case ".ONESHELL":
                run.one_shell = True
            case ".EXPORT_ALL_VARIABLES":
                run.export_all = True
            case _:
                pass
