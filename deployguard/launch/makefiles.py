"""make: what the recipes of a target start (GNU make 4).

Recipe lines go to a shell, those of one target in order until one fails. What a makefile does that
cannot be told ($(shell ...), rules made by patterns) leaves what make starts open.
"""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence

from deployguard.formats.makefile import assignment
from deployguard.launch.make_reading import (
    HARMLESS_FLAGS,
    Make,
    Rule,
    read_file,
    read_makefile,
)
from deployguard.launch.make_words import Origin, StopsError, UnclearError, Variable, Words
from deployguard.launch.options import Read, hidden, read, syntax
from deployguard.launch.outcomes import Call, Next, at, in_folder, started
from deployguard.launch.shells import Started
from deployguard.model.environment import Environment, overlay
from deployguard.model.evidence import Evidence, Location, Missing, Reason, Traced
from deployguard.model.filesystem import Absent, Content, Stat, Unread
from deployguard.model.process import Start, Word
from deployguard.model.structs import replace

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
_NAMES = ("GNUmakefile", "makefile", "Makefile")
_SAYABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def make(call: Call) -> Next:
    """Follow make: the goals of its words, or the first target."""
    flags = call.process.env.get("MAKEFLAGS")
    if flags is not None and flags.value is None:
        return hidden(flags)
    if flags is not None and not HARMLESS_FLAGS.match(flags.value or ""):
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
    run = Make(call, process, Words(process.env, process.cwd, call.files))
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


def _made(run: Make, options: Read) -> Next:
    goals: list[str] = []
    for word in options.rest:
        given = assignment(word.value or "")
        if given is None:
            goals.append(word.value or "")
        else:
            run.words.set(given.name, given.sign, given.text, Origin.COMMAND, word.location)
    _set(run, "CURDIR", run.process.cwd.value)
    # $(MAKE) is the name that make was called by.
    _set(run, "MAKE", run.call.process.args[0].value)
    _set(run, "MAKECMDGOALS", " ".join(goals))
    for content in _makefiles(run, options):
        read_makefile(run, content)
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


def _set(run: Make, name: str, text: str | None) -> None:
    missing = None if text is not None else Missing(Reason.COMMAND, "the folder make works in")
    run.words.variables[name] = Variable(
        text=text or "",
        origin=Origin.FILE,
        location=run.call.place,
        simple=True,
        missing=missing,
    )


def _makefiles(run: Make, options: Read) -> Iterator[Content]:
    given = options.all("-f", "--file", "--makefile")
    for word in given:
        if word.value is None:
            raise UnclearError(hidden(word))
        content = read_file(run, word.value)
        if content is None:
            raise StopsError(run.call.ends(f"ends: {word.value} is not there"))
        yield content
    if given:
        return
    for name in _NAMES:
        content = read_file(run, name)
        if content is not None:
            yield content
            return
    raise StopsError(run.call.ends("ends: there is no makefile"))


def _target(run: Make, name: str, chain: tuple[str, ...]) -> None:
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


def _without_rule(run: Make, name: str) -> None:
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


def _is_made(run: Make, name: str, rule: Rule) -> bool:
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


def _recipe(run: Make, name: str, rule: Rule, scope: Mapping[str, Variable]) -> None:
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


def _texts(run: Make, rule: Rule) -> list[_Text]:
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


def _environment(run: Make, scope: Mapping[str, Variable]) -> Environment:
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
        if variable is None or name in {"CURDIR", "MAKE", "MAKECMDGOALS", "SHELL"} - run.exported:
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


def _exported(run: Make, name: str, variable: Variable) -> Word:
    try:
        return Traced(run.words.value(name), variable.location)
    except UnclearError as error:
        return Traced(None, variable.location, missing=(error.missing,))
