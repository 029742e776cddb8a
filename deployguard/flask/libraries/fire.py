"""fire: functions, objects and dictionaries as command lines (fire.core)."""

import ast
import shlex
from collections.abc import Sequence

from deployguard.flask.options import place_of
from deployguard.model.evidence import Evidence, Missing, Reason
from deployguard.python import (
    Call,
    Class,
    EffectKind,
    Function,
    Instance,
    Items,
    Known,
    Mapped,
    Module,
    Native,
    Opaque,
    Value,
    known,
)
from deployguard.python.signals import ExitSignal
from deployguard.python.values import Bound, after_first

_STEPS = 20


def _fire(call: Call) -> Value:
    """fire.Fire: walk from the component by the words, and call what can be called."""
    component = call.argument(0, "component")
    if component is None or (isinstance(component, Known) and component.value is None):
        module = call.run.current or Module("?", {})
        component = Mapped({k: v for k, v in module.slots.items() if not str(k).startswith("_")})
    words = _words(call)
    if words is None:
        missing = (Missing(Reason.COMMAND, "the words of a command line"),)
        return _unseen(call, component, missing)
    hidden = next((word for word in words if isinstance(word, Opaque)), None)
    if hidden is not None:
        return _unseen(call, component, hidden.missing)
    return _walk(call, component, [word for word in words if isinstance(word, Known)])


def _unseen(call: Call, component: Value, missing: tuple[Missing, ...]) -> Value:
    """Record that the words cannot be told; what is callable may be called."""
    call.run.emit(EffectKind.UNSEEN, "what a command line asks for", call.location, missing=missing)
    values = list(component.slots.values()) if isinstance(component, Mapped) else [component]
    for value in values:
        if isinstance(value, Function | Bound):
            call.run.perhaps(value, call.location, missing[0])
    return Opaque(missing, "fire.Fire()", harmless=True)


def _words(call: Call) -> tuple[Value, ...] | None:
    command = call.argument(1, "command")
    if isinstance(command, Known) and isinstance(command.value, str):
        try:
            return tuple(known(word, *command.trail) for word in shlex.split(command.value))
        except ValueError:
            return None
    if isinstance(command, Items):
        return command.items
    if command is not None and not isinstance(command, Known):
        return None
    return after_first(call.run.argv.items)


def _walk(call: Call, component: Value, words: list[Known]) -> Value:
    texts = [str(word.value) for word in words]
    if "--" in texts:
        # What follows is for fire itself.
        place = texts.index("--")
        if {"--help", "-h", "--completion", "--trace"} & set(texts[place:]):
            raise ExitSignal(Evidence(call.location, "fire prints and ends"))
        words = words[:place]
    called = False
    for _ in range(_STEPS):
        helped = next((word for word in words if word.value in {"--help", "-h"}), None)
        if helped is not None and not isinstance(component, Known):
            place_ = place_of(helped, call.location)
            raise ExitSignal(Evidence(place_, f"{helped.value} prints and ends"))
        if isinstance(component, Function | Bound | Class) or _is_function(component):
            component, words = _called(call, component, words)
            called = True
        elif not words:
            return component
        else:
            component, words = _member(call, component, words, called=called)
    return component


def _is_function(component: Value) -> bool:
    return isinstance(component, Native) and component.call is not None


def _member(
    call: Call, component: Value, words: list[Known], *, called: bool
) -> tuple[Value, list[Known]]:
    """Take the member that a word names, with dashes for underscores."""
    first = words[0]
    text = str(first.value)
    del called
    found: Value | None = None
    for name in (text, text.replace("-", "_")):
        match component:
            case Mapped(slots=slots, rest=rest):
                found = slots.get(name)
                if found is None and rest is not None:
                    return call.run.unseen(f"what {text} names", call.location), []
            case Instance() | Module():
                found = call.run.attribute_or_none(component, name)
            case Items() if name.isdigit() and int(name) < len(component.items):
                found = component.items[int(name)]
            case Opaque():
                return call.run.unseen(f"what {text} names", call.location), []
            case _:
                found = None
        if found is not None:
            return found, words[1:]
    place = place_of(first, call.location)
    raise ExitSignal(Evidence(place, f"fire cannot make use of {text}, so the program ends"))


def _called(call: Call, component: Value, words: list[Known]) -> tuple[Value, list[Known]]:
    function = component
    skip = 0
    if isinstance(component, Class):
        function = call.run.attribute_or_none(component, "__init__") or component
        skip = 1
    elif isinstance(component, Bound):
        function, skip = component.function, 1
    if not isinstance(function, Function):
        return call.run.call(component, (), {}, call.location), words
    keywords, rest = _keywords(function, words, skip)
    arguments: list[Value] = []
    names, plain = _parameters(function, skip)
    for position, name in enumerate(names):
        if name in keywords:
            arguments.append(keywords.pop(name))
        elif rest and not _is_flag(rest[0]) and not isinstance(component, Class):
            arguments.append(_literal(rest.pop(0)))
        elif position < plain:
            note = f"fire wants a value for {name}, so the program ends"
            raise ExitSignal(Evidence(call.location, note))
        else:
            break
    given = dict(zip(names, arguments, strict=False))
    others = {name: value for name, value in keywords.items() if name not in given}
    if function.node.args.vararg is not None:
        while rest and not _is_flag(rest[0]):
            arguments.append(_literal(rest.pop(0)))
    return call.run.call(component, arguments, others, call.location), rest


def _parameters(function: Function, skip: int) -> tuple[list[str], int]:
    """Return the names of the positional parameters, and how many have no default."""
    arguments = function.node.args
    names = [one.arg for one in (*arguments.posonlyargs, *arguments.args)][skip:]
    return names, len(names) - len(function.defaults)


def _keywords(
    function: Function, words: Sequence[Known], skip: int
) -> tuple[dict[str, Value], list[Known]]:
    """fire.core._ParseKeywordArgs: flags of the function, the others are left."""
    names, _ = _parameters(function, skip)
    names += [one.arg for one in function.node.args.kwonlyargs]
    anything = function.node.args.kwarg is not None
    found: dict[str, Value] = {}
    rest: list[Known] = []
    pending = list(words)
    while pending:
        word = pending.pop(0)
        if not _is_flag(word):
            rest.append(word)
            continue
        text, equals, value = str(word.value).lstrip("-").partition("=")
        key = text.replace("-", "_")
        alone = not equals and (not pending or _is_flag(pending[0]))
        name, off = _flag_name(key, names, alone=alone)
        if name is None and not anything:
            rest.append(word)
            if not equals and pending and not _is_flag(pending[0]):
                rest.append(pending.pop(0))
            continue
        if alone:
            made: Value = known(not off, *word.trail)
        elif equals:
            made = _literal(known(value, *word.trail))
        else:
            made = _literal(pending.pop(0))
        found[name or key] = made
    return found, rest


def _flag_name(key: str, names: Sequence[str], *, alone: bool) -> tuple[str | None, bool]:
    if key in names:
        return key, False
    if alone and key.startswith("no") and key[2:] in names:
        return key[2:], True
    if len(key) == 1:
        fitting = [name for name in names if name.startswith(key)]
        if len(fitting) == 1:
            return fitting[0], False
    return None, False


def _is_flag(word: Known) -> bool:
    text = str(word.value)
    return text.startswith("--") or (text[:1] == "-" and text[1:2].isalpha())


def _literal(word: Known) -> Value:
    """fire.parser.DefaultParseValue: a literal of Python, else the text itself."""
    text = str(word.value)
    try:
        value = ast.literal_eval(text)
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        return word
    if isinstance(value, str | bytes | bool | int | float | None):
        return known(value, *word.trail)
    missing = (Missing(Reason.COMMAND, f"what fire makes of {text}"),)
    return Opaque(missing, "a value", harmless=True)


FIRE = {"Fire": Native("fire.Fire", _fire)}
