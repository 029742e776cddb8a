"""docopt: a command line that its own usage message describes (docopt 0.6)."""

import re
from collections.abc import Iterator, Sequence

from msgspec import Struct, field

from deployguard.model.evidence import Answer, Evidence, Missing, Reason
from deployguard.python import Call, Interpreter, Items, Known, Mapped, Native, Opaque, Value, known
from deployguard.python.signals import ExitSignal
from deployguard.python.values import after_first, missing_of, truth

_USAGE = re.compile(r"^([^\n]*usage:[^\n]*\n?(?:[ \t].*?(?:\n|$))*)", re.IGNORECASE | re.MULTILINE)
_TOKENS = re.compile(r"<[^<>]*>|\.\.\.|[\[\]()|]|[^\s\[\]()|]+")


class _Option(Struct, frozen=True):
    short: str | None
    long: str | None
    takes: bool = False
    default: str | None = None

    @property
    def name(self) -> str:
        return self.long or self.short or ""


class _Node(Struct, frozen=True):
    """A part of the usage: seq, optional, either, many, option, argument, command or options."""

    kind: str
    parts: tuple["_Node", ...] = ()
    name: str = ""


class _Word(Struct, frozen=True):
    """A word of the command line: of an option (with its value), or a plain one."""

    option: str | None
    value: object


class _Refused(Exception):  # noqa: N818  (control flow: the words do not fit)
    pass


class _Usage(Struct):
    options: list[_Option] = field(default_factory=list)

    def find(self, text: str) -> _Option | None:
        """Return an option by its name, or by a unique abbreviation of a long one."""
        exact = [one for one in self.options if text in {one.short, one.long}]
        if exact or not text.startswith("--"):
            return exact[0] if exact else None
        near = [one for one in self.options if one.long and one.long.startswith(text)]
        if len(near) > 1:
            raise _Refused
        return near[0] if near else None


def _docopt(call: Call) -> Value:
    doc = call.argument(0, "doc")
    given = call.argument(1, "argv")
    none = given is None or (isinstance(given, Known) and given.value is None)
    words = (
        after_first(call.run.argv.items)
        if none
        else given.items
        if isinstance(given, Items)
        else None
    )
    texts = [w.value for w in words or () if isinstance(w, Known) and isinstance(w.value, str)]
    known_doc = isinstance(doc, Known) and isinstance(doc.value, str)
    if words is None or len(texts) != len(words) or not known_doc or not isinstance(doc, Known):
        missing = tuple(entry for word in words or () for entry in missing_of(word))
        return _open(missing or (Missing(Reason.COMMAND, "what docopt makes of the words"),))
    helps = truth(call.argument(2, "help") or known(value=True)) is not Answer.NO
    try:
        return _matched(call, str(doc.value), texts, helps=helps)
    except _Refused:
        note = "the words do not fit the usage, so the program ends"
        raise ExitSignal(Evidence(call.location, note)) from None
    except RecursionError:
        return _open((Missing(Reason.LIMIT, "what a usage message describes"),))


def _open(missing: tuple[Missing, ...]) -> Mapped:
    return Mapped({}, Opaque(missing, "the arguments", harmless=True), "the arguments")


def _matched(call: Call, doc: str, texts: list[str], *, helps: bool) -> Value:
    usage = _Usage(_described(doc))
    tree = _pattern(_section(doc), usage)
    words = _parsed(texts, usage)
    if helps and any(word.option in {"-h", "--help"} and word.value for word in words):
        raise ExitSignal(Evidence(call.location, "the help is printed"))
    version = "version" in call.keywords
    if version and any(word.option == "--version" for word in words):
        raise ExitSignal(Evidence(call.location, "the version is printed"))
    for left, taken in _match(call.run, tree, tuple(words), ()):
        if not left:
            return _values(tree, usage, taken)
    raise _Refused


def _section(doc: str) -> str:
    match = _USAGE.search(doc)
    if match is None:
        raise _Refused
    return match[1].partition(":")[2]


def _described(doc: str) -> list[_Option]:
    """Read the lines that describe options: names, the value, and its default."""
    found = []
    for line in re.split(r"\n[ \t]*(?=-\S)", f"\n{doc}")[1:]:
        names, _, rest = line.strip().partition("  ")
        short = long = None
        takes = False
        for part in names.replace(",", " ").replace("=", " ").split():
            if part.startswith("--"):
                long = part
            elif part.startswith("-"):
                short = part
            else:
                takes = True
        default = re.search(r"\[default: (.*?)\]", rest, re.IGNORECASE) if takes else None
        found.append(_Option(short, long, takes, default[1] if default else None))
    return found


def _pattern(section: str, usage: _Usage) -> _Node:
    """Parse the usage: each line after the program's name is one alternative."""
    words = section.split()
    if not words:
        raise _Refused
    program = words[0]
    lines: list[list[str]] = []
    for token in _TOKENS.findall(section):
        if token == program:
            lines.append([])
        else:
            lines[-1].append(token)
    parts = tuple(_either(tokens, usage) for tokens in lines)
    return _Node("either", parts) if len(parts) > 1 else parts[0]


def _either(tokens: list[str], usage: _Usage) -> _Node:
    parts = [_sequence(tokens, usage)]
    while tokens and tokens[0] == "|":
        tokens.pop(0)
        parts.append(_sequence(tokens, usage))
    return parts[0] if len(parts) == 1 else _Node("either", tuple(parts))


def _sequence(tokens: list[str], usage: _Usage) -> _Node:
    parts: list[_Node] = []
    while tokens and tokens[0] not in {"]", ")", "|"}:
        atom = _atom(tokens, usage)
        if tokens and tokens[0] == "...":
            tokens.pop(0)
            atom = _Node("many", (atom,))
        parts.append(atom)
    return _Node("seq", tuple(parts))


def _atom(tokens: list[str], usage: _Usage) -> _Node:
    text = tokens.pop(0)
    if text in {"[", "("}:
        inner = _either(tokens, usage)
        if not tokens or tokens.pop(0) != {"[": "]", "(": ")"}[text]:
            raise _Refused
        return _Node("optional", (inner,)) if text == "[" else inner
    if text == "options":
        return _Node("options")
    if text.startswith("--") and len(text) > 2:  # noqa: PLR2004  (more than the dashes)
        return _long(text, tokens, usage)
    if text.startswith("-") and text not in {"-", "--"}:
        return _short(text, tokens, usage)
    if (text.startswith("<") and text.endswith(">")) or text.isupper():
        return _Node("argument", name=text)
    return _Node("command", name=text)


def _long(token: str, tokens: list[str], usage: _Usage) -> _Node:
    name, equals, _ = token.partition("=")
    option = usage.find(name)
    if option is None:
        option = _Option(None, name, bool(equals))
        usage.options.append(option)
    if option.takes and not equals and tokens:
        tokens.pop(0)
    return _Node("option", name=option.name)


def _short(token: str, tokens: list[str], usage: _Usage) -> _Node:
    parts: list[_Node] = []
    left = token[1:]
    while left:
        name, left = f"-{left[0]}", left[1:]
        option = usage.find(name)
        if option is None:
            option = _Option(name, None)
            usage.options.append(option)
        if option.takes:
            if not left and tokens:
                tokens.pop(0)
            left = ""
        parts.append(_Node("option", name=option.name))
    return parts[0] if len(parts) == 1 else _Node("seq", tuple(parts))


def _parsed(texts: Sequence[str], usage: _Usage) -> list[_Word]:
    words: list[_Word] = []
    pending = list(texts)
    while pending:
        text = pending.pop(0)
        if text == "--":
            return [*words, *(_Word(None, one) for one in (text, *pending))]
        if text.startswith("--"):
            words.append(_long_word(text, pending, usage))
        elif text.startswith("-") and text != "-":
            words.extend(_short_words(text, pending, usage))
        else:
            words.append(_Word(None, text))
    return words


def _long_word(text: str, pending: list[str], usage: _Usage) -> _Word:
    name, equals, value = text.partition("=")
    option = usage.find(name)
    if option is None:
        option = _Option(None, name, bool(equals))
        usage.options.append(option)
    if option.takes:
        if not equals and not pending:
            raise _Refused
        return _Word(option.name, value if equals else pending.pop(0))
    if equals:
        raise _Refused
    return _Word(option.name, value=True)


def _short_words(text: str, pending: list[str], usage: _Usage) -> Iterator[_Word]:
    left = text[1:]
    while left:
        name, left = f"-{left[0]}", left[1:]
        option = usage.find(name)
        if option is None:
            option = _Option(name, None)
            usage.options.append(option)
        if not option.takes:
            yield _Word(option.name, value=True)
            continue
        if not left and not pending:
            raise _Refused
        yield _Word(option.name, left or pending.pop(0))
        return


_Words = tuple[_Word, ...]
_Taken = tuple[tuple[str, object], ...]


def _match(
    run: Interpreter, node: _Node, left: _Words, taken: _Taken
) -> Iterator[tuple[_Words, _Taken]]:
    """Yield what is left and what was taken, the greediest way first."""
    run.step()
    match node.kind:
        case "seq":
            yield from _match_all(run, node.parts, left, taken)
        case "either":
            outcomes = [found for part in node.parts for found in _match(run, part, left, taken)]
            yield from sorted(outcomes, key=lambda found: len(found[0]))
        case "optional":
            inner = node.parts[0]
            parts = inner.parts if inner.kind == "seq" else (inner,)
            yield from _match_all(run, parts, left, taken, optional=True)
        case "many":
            for rest, more in _match(run, node.parts[0], left, taken):
                if rest != left:
                    yield from _match(run, node, rest, more)
                yield rest, more
        case "options":
            options = tuple(word for word in left if word.option is not None)
            rest = tuple(word for word in left if word.option is None)
            yield rest, (*taken, *((str(word.option), word.value) for word in options))
        case _:
            yield from _match_leaf(node, left, taken)


def _match_all(
    run: Interpreter,
    parts: tuple[_Node, ...],
    left: _Words,
    taken: _Taken,
    *,
    optional: bool = False,
) -> Iterator[tuple[_Words, _Taken]]:
    """Match parts one after the other; each of an optional one only where it fits."""
    if not parts:
        yield left, taken
        return
    for rest, more in _match(run, parts[0], left, taken):
        yield from _match_all(run, parts[1:], rest, more, optional=optional)
    if optional:
        yield from _match_all(run, parts[1:], left, taken, optional=True)


def _match_leaf(node: _Node, left: _Words, taken: _Taken) -> Iterator[tuple[_Words, _Taken]]:
    for position, word in enumerate(left):
        rest = (*left[:position], *left[position + 1 :])
        if node.kind == "option":
            if word.option == node.name:
                yield rest, (*taken, (node.name, word.value))
                return
        elif word.option is None:
            # Only the first plain word can be an argument or the command that is due.
            if node.kind == "argument":
                yield rest, (*taken, (node.name, word.value))
            elif word.value == node.name:
                yield rest, (*taken, (node.name, True))
            return


def _values(tree: _Node, usage: _Usage, taken: _Taken) -> Mapped:
    slots: dict[str, Value] = {}
    repeated = set(_repeated(tree))
    for option in usage.options:
        slots[option.name] = known(option.default if option.takes else False)
    for leaf in _leaves(tree):
        if leaf.kind == "argument":
            empty = Items({"items": ()}) if leaf.name in repeated else known(None)
            slots[leaf.name] = empty
        elif leaf.kind == "command":
            slots[leaf.name] = known(0 if leaf.name in repeated else False)
    for name, value in taken:
        held = slots.get(name)
        if name in repeated and isinstance(held, Items):
            slots[name] = Items({"items": (*held.items, known(value))})
        elif name in repeated and value is True:
            before = held.value if isinstance(held, Known) else 0
            slots[name] = known(int(before) + 1)
        else:
            slots[name] = known(value)
    return Mapped(dict(slots), name="the arguments")


def _leaves(node: _Node) -> Iterator[_Node]:
    if not node.parts:
        yield node
    for part in node.parts:
        yield from _leaves(part)


def _repeated(node: _Node) -> Iterator[str]:
    """Yield the names that may be met more than once."""
    if node.kind == "many":
        yield from (leaf.name for leaf in _leaves(node))
    elif node.kind == "either":
        for part in node.parts:
            yield from _repeated(part)
    else:
        names = [leaf.name for part in node.parts for leaf in _leaves(part)]
        if node.kind == "seq":
            yield from (name for name in names if names.count(name) > 1)
        for part in node.parts:
            yield from _repeated(part)


DOCOPT = {"docopt": Native("docopt.docopt", _docopt)}
