"""make: what the recipes of a target start (GNU make 4).

Recipe lines go to a shell, those of one target in order until one fails. What a makefile does that
cannot be told ($(shell ...), rules made by patterns) leaves what make starts open.
"""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from deployguard.effective import search
from deployguard.formats.makefile import Line, lines, without_comment
from deployguard.launch.globbing import glob
from deployguard.launch.make_words import Origin, StopsError, UnclearError, Variable, Words
from deployguard.launch.options import Read, hidden, read, syntax
from deployguard.launch.outcomes import Call, Next, at, in_folder, started
from deployguard.launch.shells import Started
from deployguard.model.environment import Environment, overlay
from deployguard.model.evidence import Evidence, Location, Missing, Reason, Traced
from deployguard.model.filesystem import Absent, Content, Stat, Unread
from deployguard.model.process import Process, Start, Word

_SYNTAX = syntax(
    flags="-b -m -B --always-make -d -e --environment-overrides -i --ignore-errors -k --keep-going "
    "-L --check-symlink-times -r --no-builtin-rules -R --no-builtin-variables -s --silent --quiet "
    "--no-silent -S --no-keep-going --stop -w --print-directory --no-print-directory "
    "--warn-undefined-variables --trace",
    values="-C --directory -E --eval -f --file --makefile -I --include-dir -o --old-file "
    "--assume-old -W --what-if --new-file --assume-new",
    optional="-j --jobs -l --load-average --max-load -O --output-sync --debug --shuffle",
    ends="-h --help -v --version -n --just-print --dry-run --recon -p --print-data-base -q "
    "--question -t --touch",
    interleaved=True,
)
_ASSIGNMENT = re.compile(
    r"(?P<name>[^\s:#=!?+$]+|[^\s:#=]*\$[({][^)}]*[)}][^\s:#=!?+]*)\s*"
    r"(?P<sign>:::=|::=|:=|\?=|\+=|!=|=)\s*(?P<text>.*)",
    re.DOTALL,
)
_NAMES = ("GNUmakefile", "makefile", "Makefile")
_SAYABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
# The idiom that exports what an included .env sets.
_LISTED = re.compile(r"\$\(shell\s+(?:sed|cut|awk|grep)\b.*?([^\s'\"|)]*\.?env[^\s'\"|)]*)\s*[|)]")
_LINES = 20_000
_FILES = 100
_HARMLESS_FLAGS = re.compile(r"[ksrRwBS]*( ?(-j\d*|--no-print-directory|--jobserver\S*|-l\S*))*\Z")


@dataclass(slots=True)
class _Rule:
    """What is known of a target."""

    prerequisites: list[str] = field(default_factory=list)
    recipe: list[tuple[str, Location]] = field(default_factory=list)
    variables: list[tuple[str, str, str, Location, bool]] = field(default_factory=list)
    made: bool = False
    unclear: bool = False


@dataclass(slots=True)
class _Make:
    """One run of make: what was read, and what is started."""

    call: Call
    process: Process
    words: Words
    rules: dict[str, _Rule] = field(default_factory=dict)
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


def make(call: Call) -> Next:
    """Follow make: the goals of its words, or the first target."""
    flags = call.process.env.get("MAKEFLAGS")
    if flags is not None and flags.value is None:
        return hidden(flags)
    if flags is not None and not _HARMLESS_FLAGS.match(flags.value or ""):
        return call.missing("what MAKEFLAGS tells make")
    words = tuple(_jobs(call.words))
    options = read(call.name, words, _SYNTAX)
    if not isinstance(options, Read):
        return options
    if options.has("-E", "--eval", "-o", "-W", "--what-if", "--old-file"):
        return call.missing("what the options of make change")
    process = call.process
    for folder in options.all("-C", "--directory"):
        process = in_folder(process, folder)
    unseen = next((word for word in options.rest if word.value is None), None)
    if unseen is not None:
        return hidden(unseen)
    run = _Make(call, process, Words(process.env, process.cwd, call.files))
    run.words.environment_first = options.has("-e", "--environment-overrides")
    try:
        return _made(run, options)
    except UnclearError as error:
        return error.missing
    except StopsError as error:
        return error.note


def _jobs(words: Sequence[Word]) -> Iterator[Word]:
    """Yield words without the number that may follow -j: it is no goal."""
    before = ""
    for word in words:
        if not (before in {"-j", "-l"} and (word.value or "").replace(".", "").isdigit()):
            yield word
        before = word.value or ""


def _made(run: _Make, options: Read) -> Next:
    goals: list[str] = []
    for word in options.rest:
        match = _ASSIGNMENT.fullmatch(word.value or "")
        if match is None:
            goals.append(word.value or "")
        else:
            run.words.set(
                match["name"], match["sign"], match["text"], Origin.COMMAND, word.location
            )
    _set(run, "CURDIR", run.process.cwd.value)
    _set(run, "MAKECMDGOALS", " ".join(goals))
    for content in _makefiles(run, options):
        _read(run, content)
    goal = run.words.value(".DEFAULT_GOAL") or run.goal
    if not goals and not goal:
        return run.call.ends("ends: there is no target")
    if run.unclear_exports is not None:
        extra = Environment(unseen=(run.unclear_exports,), location=run.call.place)
        run.process = replace(run.process, env=overlay((run.process.env, extra)))
    try:
        for name in goals or [goal or ""]:
            _target(run, name, ())
    except StopsError as error:
        # What was made before it has run.
        if not run.starts:
            return error.note
    return (
        Started(processes=tuple(run.starts))
        if run.starts
        else run.call.ends("has nothing to do and ends")
    )


def _set(run: _Make, name: str, text: str | None) -> None:
    missing = None if text is not None else Missing(Reason.COMMAND, "the folder make works in")
    run.words.variables[name] = Variable(
        text=text or "",
        origin=Origin.FILE,
        location=run.call.place,
        simple=True,
        missing=missing,
    )


def _makefiles(run: _Make, options: Read) -> Iterator[Content]:
    given = options.all("-f", "--file", "--makefile")
    for word in given:
        if word.value is None:
            raise UnclearError(hidden(word))
        content = _file(run, word.value)
        if content is None:
            raise StopsError(run.call.ends(f"ends: {word.value} is not there"))
        yield content
    if given:
        return
    for name in _NAMES:
        content = _file(run, name)
        if content is not None:
            yield content
            return
    raise StopsError(run.call.ends("ends: there is no makefile"))


def _file(run: _Make, name: str) -> Content | None:
    path = search.absolute(name, run.process.cwd)
    content = path if isinstance(path, Unread) else run.call.files.read(path)
    if isinstance(content, Unread):
        raise UnclearError(content.missing)
    return content if isinstance(content, Content) else None


def _read(run: _Make, content: Content) -> None:
    """Read one makefile: conditionals, assignments, includes and rules, in order."""
    run.files += 1
    if run.files > _FILES:
        raise UnclearError(Missing(Reason.LIMIT, "what more than a hundred makefiles say"))
    active: list[bool | None] = []  # per conditional: taken now, or None once a branch was taken
    current: list[_Rule] | None = None
    pending = lines(content.data.decode("utf-8", "replace"))
    for line in pending:
        run.read += 1
        if run.read > _LINES:
            raise UnclearError(Missing(Reason.LIMIT, "what the rest of the makefiles says"))
        place = replace(content.location, line=line.number)
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


def _conditional(run: _Make, text: str, active: list[bool | None]) -> bool:
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
                kind, _, condition = inner.replace("(", " (", 1).partition(" ")
                active[-1] = _holds(run, kind, condition.strip())
            else:
                active[-1] = True
        case "endif" if active:
            active.pop()
        case _:
            return False
    return True


def _holds(run: _Make, kind: str, text: str) -> bool:
    if kind in {"ifdef", "ifndef"}:
        found = run.words.find(run.words.expand(text))
        if found is not None and found.missing is not None and not found.text:
            raise UnclearError(found.missing)
        return (found is not None and found.text != "") is (kind == "ifdef")
    if text.startswith("("):
        inner = text[1 : text.rfind(")")]
        comma = _outside(inner, ",")
        parts = [inner[:comma].strip(), inner[comma + 1 :].strip()] if comma is not None else []
    else:
        try:
            parts = shlex.split(text)
        except ValueError:
            parts = []
    if len(parts) != 2:  # noqa: PLR2004  (the two sides)
        raise UnclearError(Missing(Reason.COMMAND, f"what {kind} {text} compares"))
    return (run.words.expand(parts[0]) == run.words.expand(parts[1])) is (kind == "ifeq")


def _define(run: _Make, text: str, pending: Iterator[Line], place: Location) -> None:
    match = re.match(r"(?:override\s+)?define\s+([^\s=:?+]+)\s*(=|:=|\?=|\+=)?", text)
    body: list[str] = []
    for line in pending:
        if line.text.strip() == "endef":
            break
        body.append(line.recipe if line.recipe is not None else line.text)
    if match is not None:
        run.words.set(match[1], match[2] or "=", "\n".join(body), Origin.FILE, place)


def _statement(
    run: _Make, text: str, line: Line, place: Location, current: list[_Rule] | None
) -> list[_Rule] | None:
    """Carry out a line outside of recipes; return the rules that recipe lines then belong to."""
    include = re.match(r"(-include|sinclude|include)\s+(.*)", text)
    if include is not None:
        _include(run, include[2], silent=include[1] != "include")
        return None
    if re.match(r"(?:un)?export\b(?!\s*[:?+]?=)", text):
        _export(run, text, place)
        return None
    if re.match(r"v?path\b|load\b|private\b", text) and _ASSIGNMENT.fullmatch(text) is None:
        return current
    override = text.startswith("override ")
    plain = text.removeprefix("override ").strip()
    assignment = _ASSIGNMENT.fullmatch(plain)
    if assignment is not None:
        origin = Origin.OVERRIDE if override else Origin.FILE
        name = run.words.expand(assignment["name"])
        run.words.set(name, assignment["sign"], assignment["text"], origin, place)
        return None
    colon = _outside(text, ":")
    if colon is not None:
        return _rule(run, text[:colon], text[colon:], place)
    if run.words.expand(text).strip():
        raise UnclearError(
            Missing(Reason.COMMAND, f"what a line says ({place.file}:{line.number})")
        )
    return None


def _include(run: _Make, text: str, *, silent: bool) -> None:
    for pattern in run.words.expand(text).split():
        paths = glob(run.words.path(pattern), run.call.files)
        if isinstance(paths, Missing):
            raise UnclearError(paths)
        for path in paths:
            content = _file(run, path)
            if content is not None:
                _read(run, content)
        if not paths and pattern in run.rules:
            raise UnclearError(Missing(Reason.COMMAND, f"what make writes to {pattern}"))
        if not paths and not silent:
            raise StopsError(run.call.ends(f"ends: {pattern}, which it includes, is not there"))


def _export(run: _Make, text: str, place: Location) -> None:
    """Carry out export and unexport: of all, of names, or with an assignment."""
    word, _, rest = text.partition(" ")
    rest = rest.strip()
    names = run.exported if word == "export" else run.kept_back
    assignment = _ASSIGNMENT.fullmatch(rest.removeprefix("override ").strip())
    if assignment is not None and word == "export":
        name = run.words.expand(assignment["name"])
        run.words.set(name, assignment["sign"], assignment["text"], Origin.FILE, place)
        run.exported.add(name)
        run.kept_back.discard(name)
        return
    if not rest:
        run.export_all = word == "export"
        return
    listed = _LISTED.search(rest)
    if listed is not None:
        # export $(shell sed 's/=.*//' .env)
        content = _file(run, run.words.expand(listed[1]))
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


def _outside(text: str, sign: str) -> int | None:
    """Return where a sign stands outside of every reference, None where it does not."""
    depth = 0
    for position, one in enumerate(text):
        depth += (one in "({") - (one in ")}")
        if one == sign and depth == 0:
            return position
    return None


def _rule(run: _Make, before: str, after: str, place: Location) -> list[_Rule]:
    """Read TARGETS: PREREQUISITES ; RECIPE, or a variable of targets."""
    targets = run.words.expand(before).split()
    double = after.startswith("::")
    rest = after.removeprefix(":").removeprefix(":")
    rules = [run.rules.setdefault(target, _Rule()) for target in targets]
    exported = re.match(r"\s*export\s+", rest)
    plain = rest[exported.end() :] if exported is not None else rest
    assignment = _ASSIGNMENT.fullmatch(plain.strip().removeprefix("override ").strip())
    if assignment is not None and ";" not in assignment["name"]:
        for rule in rules:
            rule.variables.append(
                (
                    assignment["name"],
                    assignment["sign"],
                    assignment["text"],
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


def _replacing(run: _Make, target: str) -> _Rule:
    """Return a rule whose recipe is dropped as soon as another follows."""
    rule = run.rules[target]
    if rule.recipe:
        again = _Rule(rule.prerequisites, [], rule.variables)
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


def _special(run: _Make, targets: Sequence[str], names: Sequence[str]) -> None:
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


def _target(run: _Make, name: str, chain: tuple[str, ...]) -> None:
    """Make a target: first what it needs, then its own recipe."""
    rule = run.rules.get(name)
    if rule is None:
        _without_rule(run, name)
        return
    if rule.made or name in chain:
        return
    rule.made = True
    if rule.unclear or len(chain) > 100:  # noqa: PLR2004  (deeper than anybody writes)
        raise UnclearError(Missing(Reason.COMMAND, f"how make makes {name}"))
    scope: dict[str, Variable] = {}
    run.words.scopes.append(scope)
    exported = set(run.exported)
    try:
        for key, sign, text, place, exports in rule.variables:
            found = run.words.find(key)
            command = found is not None and found.origin is Origin.COMMAND
            if not command and not (sign == "?=" and found is not None):
                scope[key] = run.words.assigned(key, sign, text, Origin.FILE, place)
            if exports:
                run.exported.add(key)
        for need in rule.prerequisites:
            _target(run, need, (*chain, name))
        if _is_made(run, name, rule):
            return
        _recipe(run, name, rule, scope)
    finally:
        run.exported = exported
        run.words.scopes.pop()


def _without_rule(run: _Make, name: str) -> None:
    found = run.call.files.stat(run.words.path(name))
    if isinstance(found, Unread):
        raise UnclearError(found.missing)
    if isinstance(found, Stat):
        return
    if any("%" in target and _fits(name, target) for target in run.rules):
        raise UnclearError(Missing(Reason.COMMAND, f"how make makes {name}"))
    default = run.rules.get(".DEFAULT")
    if default is not None and default.recipe:
        raise UnclearError(Missing(Reason.COMMAND, f"how make makes {name}"))
    raise StopsError(run.call.ends(f"ends: no rule makes {name}"))


def _fits(name: str, pattern: str) -> bool:
    head, _, tail = pattern.partition("%")
    return name.startswith(head) and name.endswith(tail)


def _is_made(run: _Make, name: str, rule: _Rule) -> bool:
    """Say whether a file of the target's name is there, so that there is nothing to do."""
    if name in run.phony:
        return False
    found = run.call.files.stat(run.words.path(name))
    if isinstance(found, Unread):
        raise UnclearError(found.missing)
    if isinstance(found, Absent):
        return False
    if rule.prerequisites and rule.recipe:
        raise UnclearError(Missing(Reason.FILE, f"whether {name} is older than what it needs"))
    return True


def _recipe(run: _Make, name: str, rule: _Rule, scope: Mapping[str, Variable]) -> None:
    """Start the shells of a recipe: one for each line, or one for all under .ONESHELL."""
    needs = list(dict.fromkeys(rule.prerequisites))
    automatic = {"@": name, "<": "".join(needs[:1]), "^": " ".join(needs), "+": " ".join(needs),
                 "?": " ".join(needs), "*": name.rpartition(".")[0] or name}  # fmt: skip
    place = rule.recipe[0][1] if rule.recipe else run.call.place
    run.words.scopes.append(
        {
            key: Variable(text=text, origin=Origin.OVERRIDE, location=place, simple=True)
            for key, text in automatic.items()
        }
    )
    try:
        texts = _texts(run, rule)
        if not texts:
            return
        env = _environment(run, scope)
        shell = run.words.value("SHELL")
        flags = shlex.split(run.words.value(".SHELLFLAGS"))
    finally:
        run.words.scopes.pop()
    text = texts[0][0] if len(texts) == 1 else _together(texts)
    first = texts[0][1]
    step = Evidence(first, f"make runs the recipe of {name} in {shell}")
    args = tuple(at(word, first) for word in (shell, *flags, text))
    process = started(replace(run.process, env=env), args, step)
    run.starts.append(Start(process=process))


_Text = tuple[str, Location, bool]


def _texts(run: _Make, rule: _Rule) -> list[_Text]:
    """Return the lines of a recipe as the shell gets them, and whether each may fail."""
    expanded = [(run.words.expand(text), place) for text, place in rule.recipe]
    if run.one_shell:
        whole = "\n".join(text.lstrip("@-+ \t") if not number else text
                          for number, (text, _) in enumerate(expanded))  # fmt: skip
        return [(whole, expanded[0][1], False)] if whole.strip() else []
    found: list[_Text] = []
    for text, place in expanded:
        # A variable of several lines makes as many lines of the recipe.
        for line in re.split(r"(?<!\\)\n", text):
            marks = re.match(r"[@+\-\s]*", line)
            plain = line[marks.end() :] if marks is not None else line
            if plain.strip() and not plain.lstrip().startswith("#"):
                found.append((plain, place, "-" in (marks[0] if marks is not None else "")))
    return found


def _together(texts: Sequence[_Text]) -> str:
    """Return one text for lines that each have a shell of their own and must not fail.

    Each stays on the line of the makefile that it stands on, counted from the first.
    """
    made = "set -e"
    line = first = texts[0][1].line or 1
    for text, place, may_fail in texts:
        gap = max((place.line or first) - line, 0)
        made += "; " if gap == 0 else "\n" * gap
        made += f"( set +e; {text}\n)" + (" || :" if may_fail else "")
        line += gap + text.count("\n") + 1
    return made


def _environment(run: _Make, scope: Mapping[str, Variable]) -> Environment:
    """Return the environment of a recipe (GNU make manual, 5.7.2).

    A variable reaches it that came from the environment or the command line, or is exported.
    """
    env = run.process.env
    names = {**run.words.variables, **scope}
    level = env.get("MAKELEVEL")
    text = (level.value if level is not None else None) or "0"
    number = int(text) if text.isdigit() else 0
    found: dict[str, Traced[str | None]] = {"MAKELEVEL": Traced(str(number + 1), run.call.place)}
    removed: dict[str, Location] = {}
    for name in (*names, *(run.exported - names.keys())):
        variable = run.words.find(name)
        if variable is None or name in {"CURDIR", "MAKECMDGOALS", "SHELL"} - run.exported:
            continue
        inherited = name in env.entries
        wanted = (
            name in run.exported
            or inherited
            or variable.origin is Origin.COMMAND
            or (run.export_all and _SAYABLE.match(name) is not None)
        )
        if name in run.kept_back and name not in run.exported:
            removed[name] = variable.location
        elif wanted and variable.origin is not Origin.ENVIRONMENT:
            found[name] = _exported(run, name, variable)
    for name in run.kept_back - names.keys():
        removed[name] = run.call.place
    return overlay((env, Environment(found, removed, location=run.call.place)))


def _exported(run: _Make, name: str, variable: Variable) -> Word:
    try:
        return Traced(run.words.value(name), variable.location)
    except UnclearError as error:
        return Traced(None, variable.location, missing=(error.missing,))
