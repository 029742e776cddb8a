"""argparse: the parser is built as the program says, and Python's own argparse reads the words.

What a parser is told is kept as a list of steps in its slots; a call of `parse_args` makes a real
parser of them. The words of `type=` are functions of the program and are called back for each word.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from deployguard.model.evidence import Evidence, Missing, Reason
from deployguard.python import exceptions
from deployguard.python.concrete import Unplain, lift, none, plain, text_of, unknown
from deployguard.python.iteration import elements
from deployguard.python.signals import ExitSignal, RaiseSignal
from deployguard.python.values import (
    UNSET,
    Bound,
    Call,
    Class,
    Function,
    Instance,
    Items,
    Known,
    Model,
    Native,
    Opaque,
    Value,
    derived,
    known,
    missing_of,
    trail_of,
)

if TYPE_CHECKING:
    from deployguard.python.interpreter import Interpreter

_STEPS = "<steps>"
# More words, options or repetitions than this are not followed.
_LIMIT = 500


class _Ended(Exception):  # noqa: N818  (control flow, not an error)
    """The parser ends the process: a usage error, --help or --version."""


class _Unfollowed(Exception):  # noqa: N818  (control flow, not an error)
    """Something is not known that decides how the words are read."""

    def __init__(self, value: Value | None = None) -> None:
        super().__init__()
        self.value = value


class _Word(str):  # noqa: SLOT000  (a text with its origin)
    """A word or default that remembers the value it came from."""

    value: Known


class _Parser(argparse.ArgumentParser):
    """Python's own parser, which ends by an exception instead of ending this process."""

    exits = True

    def exit(self, status: int = 0, message: str | None = None) -> Any:  # noqa: ANN401
        raise _Ended(message or f"it ends with {status}")

    def error(self, message: str) -> Any:  # noqa: ANN401
        if not self.exits:
            raise argparse.ArgumentError(None, message)
        raise _Ended(message)

    def _print_message(self, message: str, file: Any = None) -> None:  # noqa: ANN401
        """Print nothing."""


def _step(parser: Instance, method: str) -> Model:
    """Return the model of a method that adds to a parser or a group of it."""

    def model(call: Call) -> Value:
        made = Instance(None, _PART, {_STEPS: ()})
        step = (method, call.arguments, dict(call.keywords), call.open, made)
        call.run.store(parser.slots, _STEPS, (*parser.slots[_STEPS], step))
        if method == "add_parser":
            made.native = _PARSER
        return made

    return model


def _construct(call: Call, instance: Instance) -> None:
    call.run.store(instance.slots, _STEPS, ())
    call.run.store(instance.slots, "<options>", (call.arguments, dict(call.keywords), call.open))


def _attribute(run: "Interpreter", instance: Instance, name: str) -> Value | None:
    del run
    if name in {"add_argument", "add_argument_group", "add_mutually_exclusive_group",
                "add_subparsers", "add_parser", "set_defaults", "register"}:  # fmt: skip
        return Native(f"argparse.{name}", _step(instance, name))
    if name in {"parse_args", "parse_known_args", "parse_intermixed_args"}:
        return Native(f"argparse.{name}", lambda call: _parse(call, instance, name))
    if name in {"error", "exit"}:
        return Native(f"argparse.{name}", _end)
    if name in {"print_help", "print_usage", "format_help", "format_usage"}:
        return Native(f"argparse.{name}", lambda _call: known(None))
    if name == "get_default":
        return Native("argparse.get_default", lambda _call: unknown("a default"))
    return None


_PARSER = Native("argparse.ArgumentParser", construct=_construct, attribute=_attribute)
_PART = Native("a group of arguments", attribute=_attribute)


def _end(call: Call) -> Value:
    raise ExitSignal(Evidence(call.location, "the parser of arguments ends the program"))


class _Build:
    """One real parser, made of the steps of a program's own."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.run = call.run
        self.opaque: list[Value] = []
        self.dests: set[str] = set()

    def parser(self, instance: Instance) -> _Parser:
        _, keywords, hidden = instance.slots.get("<options>", ((), {}, None))
        self._refuse(hidden)
        options: dict[str, Any] = {"prog": "program"}
        for name in ("add_help", "allow_abbrev", "prefix_chars", "fromfile_prefix_chars",
                     "exit_on_error", "argument_default", "conflict_handler"):  # fmt: skip
            if name in keywords:
                options[name] = self._given(keywords[name])
        if options.get("fromfile_prefix_chars"):
            # Words of files: ours would be read.
            raise _Unfollowed
        options.pop("fromfile_prefix_chars", None)
        exits = options.pop("exit_on_error", True)
        parents = keywords.get("parents")
        made = _Parser(**options, parents=[self._parent(one) for one in elements(parents) or ()])
        made.exits = bool(exits)
        self.fill(made, instance)
        return made

    def _parent(self, value: Value) -> _Parser:
        if not isinstance(value, Instance) or _STEPS not in value.slots:
            raise _Unfollowed(value)
        return self.parser(value)

    def fill(self, target: Any, instance: Instance) -> None:  # noqa: ANN401  (parser or group)
        steps = instance.slots[_STEPS]
        if not isinstance(steps, tuple) or any(not isinstance(step, tuple) for step in steps):
            raise _Unfollowed(*(step for step in steps if isinstance(step, Opaque)))
        if len(steps) > _LIMIT:
            raise _Unfollowed
        for method, arguments, keywords, hidden, made in steps:
            self._refuse(hidden)
            self._take(target, method, arguments, keywords, made)

    def _refuse(self, hidden: Opaque | None) -> None:
        if hidden is not None:
            raise _Unfollowed(hidden)

    def _take(
        self,
        target: Any,  # noqa: ANN401  (parser or group)
        method: str,
        arguments: Sequence[Value],
        keywords: Mapping[str, Value],
        made: Instance,
    ) -> None:
        match method:
            case "set_defaults":
                for name, value in keywords.items():
                    self.dests.add(name)
                    target.set_defaults(**{name: self._default(value)})
            case "add_argument":
                names = [self._given(value) for value in arguments]
                action = target.add_argument(*names, **self._options(keywords))
                self.dests.add(action.dest)
                made.slots["dest"] = known(action.dest)
            case "add_subparsers":
                options = {
                    name: self._given(keywords[name])
                    for name in ("dest", "required", "title", "metavar")
                    if name in keywords
                }
                self.dests.add(str(options.get("dest")))
                self.fill(target.add_subparsers(**options, parser_class=_Parser), made)
            case "add_parser":
                self._subparser(target, arguments, keywords, made)
            case "add_argument_group":
                self.fill(target.add_argument_group(), made)
            case "add_mutually_exclusive_group":
                required = self._given(keywords.get("required", known(value=False)))
                self.fill(target.add_mutually_exclusive_group(required=bool(required)), made)
            case _:
                raise _Unfollowed

    def _subparser(
        self,
        target: Any,  # noqa: ANN401  (the action that holds them)
        arguments: Sequence[Value],
        keywords: Mapping[str, Value],
        made: Instance,
    ) -> None:
        name = self._given(arguments[0] if arguments else keywords["name"])
        options: dict[str, Any] = {}
        if "aliases" in keywords:
            options["aliases"] = self._given(keywords["aliases"])
        if "add_help" in keywords:
            options["add_help"] = self._given(keywords["add_help"])
        parents = [self._parent(one) for one in elements(keywords.get("parents")) or ()]
        self.fill(target.add_parser(name, parents=parents, **options), made)

    def _options(self, keywords: Mapping[str, Value]) -> dict[str, Any]:
        options: dict[str, Any] = {}
        for name, value in keywords.items():
            match name:
                case "help" | "metavar":
                    continue
                case "default" | "const":
                    options[name] = self._default(value)
                case "type":
                    if not none(value):
                        options[name] = self._type(value)
                case "choices":
                    options[name] = self._choices(value)
                case "action":
                    options[name] = self._action(value)
                case _:
                    options[name] = self._given(value)
        count = options.get("nargs")
        if isinstance(count, int) and count > _LIMIT:
            raise _Unfollowed
        return options

    def _given(self, value: Value) -> Any:  # noqa: ANN401  (any object)
        try:
            return plain(value)
        except Unplain:
            raise _Unfollowed(value) from None

    def _default(self, value: Value) -> Any:  # noqa: ANN401  (any object)
        """Return a default: argparse reads one that is a text as it reads a word."""
        if isinstance(value, Known) and isinstance(value.value, str):
            word = _Word(value.value)
            word.value = value
            return word
        if isinstance(value, Items):
            return [_Held(entry) for entry in value.items]
        if none(value) or (isinstance(value, Known) and isinstance(value.value, bool | int)):
            return value.value if isinstance(value, Known) else None
        return _Held(value)

    def _action(self, value: Value) -> Any:  # noqa: ANN401  (a name or a class)
        text = text_of(value)
        if text is not None:
            return text
        if isinstance(value, Native) and value.name == "argparse.BooleanOptionalAction":
            return argparse.BooleanOptionalAction
        raise _Unfollowed(value)

    def _choices(self, value: Value) -> Any:  # noqa: ANN401  (a container)
        found = elements(value)
        if found is None:
            raise _Unfollowed(value)
        return _Choices([_comparable(entry) for entry in found])

    def _type(self, value: Value) -> Callable[[str], Any]:
        run, place = self.run, self.call.location

        def convert(text: str) -> Any:  # noqa: ANN401  (any object)
            word = text.value if isinstance(text, _Word) else known(str(text), *self._origin())
            if isinstance(word, Known) and isinstance(word.value, str) is False:
                word = known(str(text))
            if isinstance(word, Known) and word.value != str(text):
                word = known(str(text), *word.trail)
            if not isinstance(value, Function | Bound | Native | Class):
                raise _Unfollowed(value)
            try:
                return _Held(run.call(value, (word,), {}, place))
            except RaiseSignal as signal:
                kind = exceptions.native(signal.name)
                refused = (ValueError, TypeError)
                if signal.name == "argparse.ArgumentTypeError" or (
                    kind is not None and kind.plain is not None and issubclass(kind.plain, refused)
                ):
                    raise ValueError(text) from None
                raise

        return convert

    def _origin(self) -> tuple[Evidence, ...]:
        return trail_of(*self.run.argv.items[:1])


class _Held:
    """A value on its way through argparse, which compares it with the choices."""

    def __init__(self, value: Value) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        mine, theirs = _comparable(self.value), other
        if isinstance(other, _Held):
            theirs = _comparable(other.value)
        return bool(mine == theirs)

    def __hash__(self) -> int:
        return hash(str(_comparable(self.value)))

    def __bool__(self) -> bool:
        return True


class _Choices(list[Any]):
    """The choices of an argument; what is not known is none of ours to refuse."""

    def __contains__(self, item: object) -> bool:
        held = item.value if isinstance(item, _Held) else None
        if isinstance(held, Opaque) or any(isinstance(one, Opaque) for one in self):
            raise _Unfollowed(held if isinstance(held, Opaque) else None)
        mine = _comparable(held) if held is not None else item
        return any(mine == one for one in self)


def _comparable(value: Value) -> Any:  # noqa: ANN401  (any object)
    """Return what argparse may compare: the constant, or the very object of the program."""
    if isinstance(value, Known):
        return value.value
    return value.slots.get("<held>", value) if isinstance(value, Instance) else value


def _words(call: Call) -> list[str] | Value:
    """Return the words to read, or the value that hides them."""
    given = call.argument(0, "args")
    source: Value = call.run.argv if none(given) or given is None else given
    values = elements(source)
    if values is None:
        return source
    if none(given):
        values = values[1:]
    words: list[str] = []
    for value in values:
        if not isinstance(value, Known):
            return value
        if not isinstance(value.value, str) or len(words) > _LIMIT:
            return unknown("a word", Reason.LIMIT)
        word = _Word(value.value)
        word.value = value
        words.append(word)
    return words


def _parse(call: Call, instance: Instance, method: str) -> Value:
    words = _words(call)
    build = _Build(call)
    try:
        parser = build.parser(instance)
        found, left = parser.parse_known_args(_all_known(words))
        if left and method != "parse_known_args":
            parser.error("unrecognized arguments: " + " ".join(left))
    except _Unfollowed as reason:
        return _open(call, reason.value or _nobody(words), method)
    except _Ended as end:
        note = f"the program ends over its arguments: {str(end)[:80]}"
        raise ExitSignal(Evidence(call.location, note)) from None
    except argparse.ArgumentError:
        misfit = Evidence(call.location, "the arguments do not fit")
        raise RaiseSignal("argparse.ArgumentError", misfit) from None
    except (TypeError, ValueError, LookupError, AttributeError, AssertionError):
        return _open(call, _nobody(words), method)
    used = [word.value for word in _all_known(words) if isinstance(word, _Word)]
    origin = trail_of(*used)
    namespace = _namespace(call, vars(found), origin)
    if method == "parse_known_args":
        rest = Items({"items": tuple(_restored(word, origin) for word in left)})
        return Items({"items": (namespace, rest)}, tuple)
    return namespace


def _all_known(words: list[str] | Value) -> list[str]:
    if not isinstance(words, list):
        raise _Unfollowed(words)
    return words


def _nobody(words: list[str] | Value) -> Value:
    return unknown("what argparse reads") if isinstance(words, list) else words


def _open(call: Call, reason: Value, method: str) -> Value:
    """Return a namespace of which every entry is as little known as what decides them."""
    call.run.doubts += 1
    missing = missing_of(reason) or (Missing(Reason.SOURCE, "what the arguments say"),)
    hidden = Opaque(missing, "an argument", harmless=True, parts=_functions(reason))
    namespace = Instance(None, _OPEN_NAMESPACE, {"<hidden>": hidden})
    if method == "parse_known_args":
        rest = Items({"items": (derived("items", hidden),)})
        return Items({"items": (namespace, rest)}, tuple)
    return namespace


def _functions(reason: Value) -> tuple[Value, ...]:
    return reason.parts if isinstance(reason, Opaque) else ()


def _hidden_attribute(_run: "Interpreter", namespace: Instance, name: str) -> Value | None:
    hidden: Value = namespace.slots["<hidden>"]
    return derived(f"the argument {name}", hidden)


_OPEN_NAMESPACE = Native("argparse.Namespace", attribute=_hidden_attribute)


def _namespace(call: Call, found: Mapping[str, Any], origin: tuple[Evidence, ...]) -> Instance:
    step = Evidence(call.location, "argparse reads the arguments")
    slots = {name: _restored(value, (*origin, step)) for name, value in found.items()}
    return Instance(None, _NAMESPACE, dict(slots))


def _restored(made: Any, origin: tuple[Evidence, ...]) -> Value:  # noqa: ANN401  (any object)
    match made:
        case _Held(value=value):
            return value
        case _Word():
            return made.value if str(made) == made.value.value else Known(str(made), origin)
        case list():
            return Items({"items": tuple(_restored(entry, origin) for entry in made)})
        case _:
            return lift(made, origin)


def _namespace_constructor(call: Call, instance: Instance) -> None:
    for name, value in call.keywords.items():
        call.run.store(instance.slots, name, value)


def _namespace_attribute(run: "Interpreter", namespace: Instance, name: str) -> Value | None:
    del run
    if name == "__contains__":
        slots = namespace.slots
        return Native("in", lambda call: known(text_of(call.arguments[0]) in slots))
    return None


_NAMESPACE = Native(
    "argparse.Namespace",
    construct=_namespace_constructor,
    attribute=_namespace_attribute,
    specials=frozenset({"__contains__"}),
    plain=argparse.Namespace,
)


def names(run: "Interpreter", name: str) -> dict[Any, Any]:
    """Return the names of a module of this subject."""
    del name
    slots: dict[Any, Any] = {
        "ArgumentParser": _PARSER,
        "Namespace": _NAMESPACE,
        "ArgumentTypeError": exceptions.native("argparse.ArgumentTypeError"),
        "ArgumentError": exceptions.native("argparse.ArgumentError"),
        "SUPPRESS": known(argparse.SUPPRESS),
        "REMAINDER": known(argparse.REMAINDER),
        "OPTIONAL": known("?"),
        "ZERO_OR_MORE": known("*"),
        "ONE_OR_MORE": known("+"),
        "FileType": Native("argparse.FileType", lambda _call: unknown("a file")),
    }
    old = run.version is not None and run.version < (3, 9)
    action = Native("argparse.BooleanOptionalAction")
    slots["BooleanOptionalAction"] = UNSET if old else action
    for formatter in ("HelpFormatter", "RawTextHelpFormatter", "RawDescriptionHelpFormatter",
                      "ArgumentDefaultsHelpFormatter"):  # fmt: skip
        slots[formatter] = Native(f"argparse.{formatter}")
    return slots
