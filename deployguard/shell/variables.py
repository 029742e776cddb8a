"""The builtins that set variables, parameters and options."""

import re

from deployguard.model.evidence import Missing, Reason, Traced
from deployguard.model.process import Word
from deployguard.model.structs import replace
from deployguard.shell.arithmetic import evaluate
from deployguard.shell.commands import hidden
from deployguard.shell.run import Run, UnclearError
from deployguard.shell.special import special
from deployguard.shell.state import (
    FAILURE,
    SUCCESS,
    Flow,
    Kind,
    State,
    Status,
    assign,
    export,
    forget,
    lookup,
    unexport,
    unset,
)

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_LONG = {"errexit": "e", "allexport": "a", "nounset": "u", "noglob": "f", "noexec": "n",
         "pipefail": "pipefail"}  # fmt: skip
# Options that change nothing of what is started.
_IDLE = frozenset({"xtrace", "verbose", "monitor", "notify", "noclobber", "hashall", "history",
                   "ignoreeof", "interactive-comments", "errtrace", "functrace", "nolog", "vi",
                   "emacs", "physical", "privileged"})  # fmt: skip
_IDLE_LETTERS = frozenset("xvmbChETPpI")
_HARMLESS_SHELL_OPTIONS = frozenset({"extglob", "inherit_errexit", "checkwinsize", "cmdhist",
                                     "histappend", "sourcepath", "expand_aliases", "nullglob",
                                     "dotglob", "globstar", "failglob", "nocasematch",
                                     "promptvars", "xpg_echo", "checkjobs",
                                     "huponexit"})  # fmt: skip


def calculated(run: Run, word: Word, line: int, state: State) -> tuple[Status, State]:
    """Calculate an expression of `let`."""
    unseen: list[Missing] = list(word.missing)

    def variable(name: str) -> str | None:
        value = lookup(state, name) or special(run, name, state, run.at(line))
        unseen.extend(() if value is None else value.missing)
        return "" if value is None else value.value

    result = None if word.value is None else evaluate(word.value, variable)
    if result is None:
        raise UnclearError(next(iter(unseen), run.missing("what let sets", line)))
    for name, number in result.assigned.items():
        state = assign(state, name, Traced(str(number), run.at(line)))
    return (SUCCESS if result.value else FAILURE), state


def _options(words: tuple[Word, ...]) -> tuple[str, tuple[Word, ...]]:
    """Split words into the letters of the options and what follows them."""
    letters = ""
    pending = list(words[1:])
    while pending and (value := pending[0].value) and value[0] in "-+" and len(value) > 1:
        pending.pop(0)
        if value == "--":
            break
        letters += value[1:] if value[0] == "-" else value
    return letters, tuple(pending)


def _unseen(run: Run, word: Word, line: int, state: State) -> State:
    missing = next(iter(word.missing), Missing(Reason.SCRIPT, "a variable"))
    return forget(state, missing, run.at(line))


def _given(word: Word, state: State) -> tuple[str, Traced[str | None] | None]:
    """Return the name and the value of `name=value` or `name+=value`.

    Of a word with something missing only the name is seen.
    """
    name, equals, value = (word.value or "").partition("=")
    if not equals:
        return name, None
    given: Traced[str | None] = Traced(value, word.location)
    if word.missing:
        return name.removesuffix("+"), Traced(None, word.location, missing=word.missing)
    if name.endswith("+"):
        name = name.removesuffix("+")
        old = lookup(state, name)
        if old is not None:
            whole = None if old.value is None else f"{old.value}{value}"
            given = Traced(whole, word.location, missing=old.missing)
    return name, given


def exported(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Follow `export`: with a value, of a variable there is, or with -n away from programs."""
    letters, names = _options(words)
    if "n" in letters and run.shell.kind is not Kind.BASH:
        if run.shell.kind is None:
            raise run.unclear("what export -n does in this shell", line)
        if run.shell.kind is Kind.DASH:
            return replace(state, status=Status(2), flow=Flow.EXIT)
    status = SUCCESS
    for word in names:
        if word.value is None:
            state = _value_unseen(run, word, line, state)
            continue
        name, given = _given(word, state)
        if not _NAME.match(name):
            # A word that is no name is an error, at which other shells than bash end.
            if run.shell.kind is not Kind.BASH:
                if run.shell.kind is None:
                    raise run.unclear("what a shell does where export is given no name", line)
                return replace(state, status=Status(2), flow=Flow.EXIT)
            status = FAILURE
            continue
        if given is not None and name in state.fixed:
            raise run.unclear(f"what follows an assignment to {name}, which is readonly", line)
        if "n" in letters:
            if any(name == entry.name for entry in state.hidden or ()):
                # Programs get the variable that is hidden then.
                raise run.unclear(f"what programs get of {name}, which is local", line)
            if given is not None:
                if run.shell.kind is not Kind.BASH:
                    raise run.unclear("what export -n does with a value here", line)
                state = assign(state, name, given)
            state = unexport(state, name, word.location)
        else:
            state = export(state, name, given)
    return replace(state, status=status)


def _value_unseen(run: Run, word: Word, line: int, state: State) -> State:
    return _unseen(run, word, line, state)


def fixed(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Follow `readonly`: nothing may be assigned afterwards."""
    _, names = _options(words)
    for word in names:
        if word.value is None:
            state = _unseen(run, word, line, state)
            continue
        name, given = _given(word, state)
        if given is not None:
            if name in state.fixed:
                raise run.unclear(f"what follows an assignment to {name}", line)
            state = assign(state, name, given)
        state = replace(state, fixed=state.fixed | {name})
    return replace(state, status=SUCCESS)


def local(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Follow `local`: until the function returns the variable is its own."""
    if state.hidden is None:
        # Outside of a function it is an error, at which dash ends.
        if run.shell.kind is Kind.BASH:
            return replace(state, status=FAILURE)
        raise run.unclear("what local does outside of a function", line)
    return _declare(run, words, line, state, own=True)


def declared(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Follow `declare` and `typeset`; in a function the variable is its own unless -g is given."""
    letters, _ = _options(words)
    return _declare(run, words, line, state, own="g" not in letters)


def _declare(run: Run, words: tuple[Word, ...], line: int, state: State, *, own: bool) -> State:
    letters, names = _options(words)
    if set(letters) & set("nfFiulp"):
        if not names or set(letters) <= set("fFp"):
            return replace(state, status=SUCCESS)
        raise run.unclear(f"what {words[0].value} -{letters} makes of a variable", line)
    for word in names:
        if word.value is None:
            state = _unseen(run, word, line, state)
            continue
        name, given = _given(word, state)
        if name in state.fixed and given is not None:
            raise run.unclear(f"what follows an assignment to {name}", line)
        if own and state.hidden is not None:
            already = any(entry.name == name for entry in state.hidden)
            state = hidden(state, name)
            if given is None and not already and run.shell.kind is not Kind.DASH:
                state = _blank(run, state, name, word)
        if "A" in letters:
            state = replace(state, maps=state.maps | {name})
        if "x" in letters:
            state = export(state, name, given)
        elif given is not None:
            state = assign(state, name, given)
        if "r" in letters:
            state = replace(state, fixed=state.fixed | {name})
    return replace(state, status=SUCCESS)


def _blank(run: Run, state: State, name: str, word: Word) -> State:
    """Return the state in which a local variable has no value yet; that of dash keeps the old.

    bash still hands the old value of an exported one to programs.
    """
    if run.shell.kind is None or (run.shell.kind is Kind.BASH and name in state.env.entries):
        missing = (Missing(Reason.VARIABLE, f"the value of {name}, local to a function"),)
        return assign(state, name, Traced(None, word.location, missing=missing))
    was_exported = name in state.env.entries
    state = unset(state, name, word.location)
    return replace(state, marked=state.marked | {name}) if was_exported else state


def unset_names(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Follow `unset`, of variables and with -f of functions."""
    letters, names = _options(words)
    for word in names:
        if word.value is None:
            state = _unseen(run, word, line, state)
            continue
        name, bracket, _ = word.value.partition("[")
        if bracket:
            state = replace(state, maps=state.maps | {name})
            continue
        if name in state.fixed:
            raise run.unclear(f"what follows unset of {name}, which is readonly", line)
        known = lookup(state, name) is not None
        if "f" not in letters and (known or "v" in letters or name not in state.functions):
            if any(name == entry.name and entry.exported for entry in state.hidden or ()):
                # bash hands the variable that is hidden to programs then, dash marks its next one.
                missing = (Missing(Reason.VARIABLE, f"the value of {name}, local to a function"),)
                state = assign(state, name, Traced(None, word.location, missing=missing))
            else:
                state = unset(state, name, word.location)
        elif "v" not in letters:
            functions = {key: one for key, one in state.functions.items() if key != name}
            state = replace(state, functions=functions)
    return replace(state, status=SUCCESS)


def set_options(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Follow `set`: options, and the positional parameters."""
    options = set(state.options)
    pending = list(words[1:])
    while pending:
        value = pending[0].value
        if value is None:
            raise run.unclear("what set changes", line)
        if value in {"--", "-"} or not value.startswith(("-", "+")):
            rest = pending[1:] if value in {"--", "-"} else pending
            if value == "-" and not rest:
                break
            state = replace(state, positional=tuple(rest), more=())
            break
        pending.pop(0)
        change = options.add if value.startswith("-") else options.discard
        for letter in value[1:]:
            name = letter
            if letter == "o":
                if not pending:
                    break
                name = _named_option(run, pending.pop(0).value, line)
            elif letter not in "eaufn" and letter not in _IDLE_LETTERS:
                raise run.unclear(f"what set {value} does", line)
            change(name)
    if "n" in options:
        return replace(state, options=frozenset(options), status=SUCCESS, flow=Flow.EXIT)
    return replace(state, options=frozenset(options), status=SUCCESS)


def _named_option(run: Run, name: str | None, line: int) -> str:
    if name in _IDLE:
        return name or ""
    if name not in _LONG:
        raise run.unclear(f"what set -o {name} does", line)
    if name == "pipefail" and run.shell.has_more() is not True:
        # Some versions of dash know it, others end.
        raise run.unclear("what set -o pipefail does in this shell", line)
    return _LONG[name]


def shell_options(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Follow `shopt` of bash."""
    letters, names = _options(words)
    options = set(state.options)
    for word in names:
        name = word.value or ""
        if "o" in letters:
            name = _named_option(run, name, line)
        elif name not in _HARMLESS_SHELL_OPTIONS:
            raise run.unclear(f"what shopt {name} changes", line)
        if "s" in letters:
            options.add(name)
        elif "u" in letters:
            options.discard(name)
        elif "q" in letters:
            status = SUCCESS if name in options else FAILURE
            return replace(state, status=status)
    return replace(state, options=frozenset(options), status=SUCCESS)


def next_option(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Follow `getopts` (POSIX.1-2017 XCU getopts); OPTIND counts the words that are done."""
    location = run.at(line)
    values = [word.value for word in words[1:3]]
    given = words[3:] or state.positional
    index = lookup(state, "OPTIND")
    if len(values) < 2 or None in values or state.more:  # noqa: PLR2004  (the letters and a name)
        raise run.unclear("what getopts finds", line)
    known, name = values[0] or "", values[1] or ""
    at, inside = _place(index)
    if at is None:
        raise run.unclear("where getopts goes on", line)

    def answer(letter: str, argument: str | None, then: str, status: Status) -> State:
        after = assign(state, name, Traced(letter, location))
        after = assign(after, "OPTIND", Traced(then, location))
        if argument is None:
            return replace(unset(after, "OPTARG", location), status=status)
        return replace(assign(after, "OPTARG", Traced(argument, location)), status=status)

    word = given[at - 1].value if at <= len(given) else ""
    if word is None:
        raise UnclearError(next(iter(given[at - 1].missing), run.missing("a word", line)))
    if not inside and (at > len(given) or not word.startswith("-") or word in {"-", "--"}):
        return answer("?", None, str(at + (word == "--")), FAILURE)
    inside = inside or 1
    letter = word[inside]
    found = known.lstrip(":").find(letter) if letter != ":" else -1
    following = f"{at}.{inside + 1}" if inside + 1 < len(word) else str(at + 1)
    if found < 0:
        return answer("?", letter if known.startswith(":") else None, following, SUCCESS)
    if known.lstrip(":")[found + 1 : found + 2] != ":":
        return answer(letter, None, following, SUCCESS)
    if inside + 1 < len(word):
        return answer(letter, word[inside + 1 :], str(at + 1), SUCCESS)
    if at < len(given):
        argument = given[at].value
        if argument is None:
            raise UnclearError(next(iter(given[at].missing), run.missing("a word", line)))
        return answer(letter, argument, str(at + 2), SUCCESS)
    silent = known.startswith(":")
    return answer(":" if silent else "?", letter if silent else None, str(at + 1), SUCCESS)


def _place(index: Traced[str | None] | None) -> tuple[int | None, int]:
    """Return the word and the letter in it at which getopts goes on.

    The shell keeps the letter to itself; here it stands after a dot.
    """
    if index is None:
        return 1, 0
    match = re.fullmatch(r"([1-9][0-9]{0,4})(?:\.([0-9]{1,5}))?", index.value or "")
    return (None, 0) if match is None else (int(match[1]), int(match[2] or 0))


def read_line(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Take a line of what the command before wrote; the shell's own input is not seen."""
    names, raw, followed = _read_options(words)
    names = names or ["REPLY"]
    location = run.at(line)
    if state.stdin is None and run.process.stdin is None and not run.process.terminal.value:
        for name in names:
            state = assign(state, name, Traced("", location))
        return replace(state, status=FAILURE)
    given = state.stdin.value if state.stdin is not None else None
    rest, end = "", ""
    values: list[str] | None = None
    if given is not None and followed:
        text, end, rest = given.partition("\n")
        splitting = lookup(state, "IFS")
        letters = " \t\n" if splitting is None else splitting.value
        if raw or "\\" not in text:
            values = _shared_out(text, letters, len(names), named=bool(_read_options(words)[0]))
    if values is None:
        source = state.stdin.missing if state.stdin is not None else ()
        missing = source or (Missing(Reason.INPUT, "what read takes from its standard input"),)
        for name in names:
            state = assign(state, name, Traced[str | None](None, location, missing=missing))
        unseen: Traced[str | None] = Traced(None, location, missing=missing)
        return replace(state, stdin=unseen, status=Status(None, missing[0]))
    for name, value in zip(names, values, strict=True):
        state = assign(state, name, Traced(value, location))
    return replace(state, stdin=Traced(rest, location), status=SUCCESS if end else FAILURE)


def _read_options(words: tuple[Word, ...]) -> tuple[list[str], bool, bool]:
    """Return the names of `read`, whether it is raw, and whether its options are followed."""
    names: list[str] = []
    raw, followed = False, True
    pending = list(words[1:])
    while pending:
        word = pending.pop(0)
        value = word.value
        if value is None:
            followed = False
        elif not names and value.startswith("-"):
            raw = raw or "r" in value
            if value[-1:] in {"p", "t"}:
                pending[:1] = []
                followed = followed and value[-1] == "p"
            elif set(value[1:]) - set("rs"):
                followed = False
        else:
            names.append(value)
    return names, raw, followed


def _shared_out(text: str, letters: str | None, count: int, *, named: bool) -> list[str] | None:
    """Share the words of a line among variables: the last takes the rest."""
    if not named:
        return [text] if letters is not None else None
    if letters == "":
        return [text, *[""] * (count - 1)]
    if letters is None or set(letters) - set(" \t\n"):
        return _shared_out_by(text, letters, count)
    stripped = text.strip(letters)
    if count == 1:
        return [stripped]
    values = re.split(f"[{letters}]+", stripped, maxsplit=count - 1) if stripped else [""]
    return values + [""] * (count - len(values))


def _shared_out_by(text: str, letters: str | None, count: int) -> list[str] | None:
    """Share at a sign that is no blank, such as "="."""
    if letters is None or len(letters) != 1:
        return None
    values = text.split(letters, count - 1)
    if len(values) == count and values[-1].endswith(letters) and values[-1].count(letters) == 1:
        values[-1] = values[-1].removesuffix(letters)
    return values + [""] * (count - len(values))


def read_lines(run: Run, words: tuple[Word, ...], line: int, state: State) -> State:
    """Follow `mapfile` and `readarray`: each line becomes an element."""
    letters, names = _options(words)
    given = state.stdin.value if state.stdin is not None else None
    name = names[0].value if names else "MAPFILE"
    if given is None or letters not in {"", "t"} or name is None or len(names) > 1:
        raise run.unclear("what mapfile reads", line)
    lines = given.splitlines(keepends=letters == "")
    run.spend(line, len(given))
    items = tuple(Traced[str | None](one, run.at(line)) for one in lines)
    if items:
        state = assign(state, name, items[0])
    return replace(
        state, arrays={**state.arrays, name: items}, stdin=Traced("", run.at(line)), status=SUCCESS
    )
