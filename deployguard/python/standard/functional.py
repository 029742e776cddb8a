"""functools, itertools and operator."""

import ast
import copy
import itertools
import operator
from types import GeneratorType
from typing import TYPE_CHECKING, Any

from deployguard.model.evidence import Answer, Evidence
from deployguard.model.structs import replace
from deployguard.python import iteration, objects
from deployguard.python.concrete import apply, cannot, none, number, text_of, unknown
from deployguard.python.signals import RaiseSignal
from deployguard.python.values import (
    FUNCTION,
    Call,
    Descriptor,
    DescriptorKind,
    Function,
    Instance,
    Items,
    Known,
    Model,
    Native,
    Value,
    derived,
    known,
)

if TYPE_CHECKING:
    from deployguard.python.interpreter import Interpreter


def partial(call: Call) -> Value:
    """functools.partial: a call with some of its arguments given beforehand."""
    function, *first = call.arguments or (known(None),)
    bound = dict(call.keywords)

    def model(later: Call) -> Value:
        return later.run.call(
            function,
            (*first, *later.arguments),
            {**bound, **later.keywords},
            later.location,
            later.open,
        )

    return Native("functools.partial", model)


def _wraps(call: Call) -> Value:
    return Native("wraps", lambda inner: _wrapped(inner.arguments[0], call.arguments))


def _wrapped(wrapper: Value, wrapped: tuple[Value, ...]) -> Value:
    """functools.update_wrapper: the wrapper has the name of what it wraps, and what it knows."""
    match wrapper, wrapped:
        case Function(), (Function(node=original), *_):
            name = getattr(original, "name", None)
            if name is None or isinstance(wrapper.node, ast.Lambda):
                return wrapper
            node = copy.copy(wrapper.node)
            node.name = name
            return replace(wrapper, node=node)
        case Function(), (Instance(slots=slots) as original, *_) if FUNCTION in slots:
            return Instance(original.type, original.native, {**slots, FUNCTION: wrapper})
        case _:
            return wrapper


def _cached(call: Call) -> Value:
    """functools.lru_cache and cache: what is called twice is computed once, which is all alike."""
    if call.arguments and not isinstance(call.arguments[0], Known):
        return _remembering(call.arguments[0])
    return Native("functools.lru_cache", lambda inner: _remembering(inner.arguments[0]))


def _remembering(function: Value) -> Value:
    """Return a function that is run once for each set of constants it is given."""
    held: dict[Any, Value] = {}

    def model(call: Call) -> Value:
        key = _key(call)
        if key is not None and key in held:
            return held[key]
        made = call.run.call(function, call.arguments, call.keywords, call.location, call.open)
        if key is not None and not call.run.conditions:
            held[key] = made
        return made

    members = {"cache_clear": Native("cache_clear", lambda _call: _forget(held))}
    return Native("a cached function", model, binds=True, members=members)


def _forget(held: dict[Any, Value]) -> Value:
    held.clear()
    return known(None)


def _key(call: Call) -> Any | None:  # noqa: ANN401  (a key of a dictionary)
    if call.open is not None:
        return None
    parts: list[Any] = []
    for name, value in (*enumerate(call.arguments), *call.keywords.items()):
        if not isinstance(value, Known):
            return None
        parts.append((name, type(value.value), value.value))
    return tuple(parts)


def _reduce(call: Call) -> Value:
    function, values = call.arguments[0], call.arguments[1]
    items = list(iteration.collected(call.run, values, call.location))
    if len(call.arguments) > 2:  # noqa: PLR2004  (an initial value)
        items.insert(0, call.arguments[2])
    if not items:
        raise RaiseSignal("TypeError", Evidence(call.location, "reduce() of nothing"))
    made = items[0]
    for item in items[1:]:
        made = call.run.call(function, (made, item), {}, call.location)
    return made


def _ordering(call: Call) -> Value:
    return call.arguments[0]


def _functools() -> dict[Any, Any]:
    return {
        "partial": Native("functools.partial", partial),
        "wraps": Native("functools.wraps", _wraps),
        "update_wrapper": Native(
            "functools.update_wrapper", lambda call: _wrapped(call.arguments[0], call.arguments[1:])
        ),
        "lru_cache": Native("functools.lru_cache", _cached),
        "cache": Native("functools.cache", _cached),
        "reduce": Native("functools.reduce", _counted(2, _reduce)),
        "total_ordering": Native("functools.total_ordering", _ordering),
        "cached_property": Native(
            "functools.cached_property",
            lambda call: Descriptor(DescriptorKind.CACHED, call.arguments[0]),
        ),
        "partialmethod": Native("functools.partialmethod"),
        "singledispatch": Native("functools.singledispatch"),
    }


def _counted(count: int, model: Any) -> Any:  # noqa: ANN401  (a model)
    def checked(call: Call) -> Value:
        if len(call.arguments) < count:
            return cannot(call, "a function")
        made: Value = model(call)
        return made

    return checked


def _iterated(values: list[Value]) -> Items:
    return Items({"items": tuple(values)}, GeneratorType)


def _chain(call: Call) -> Value:
    found: list[Value] = []
    for value in call.arguments:
        found.extend(iteration.collected(call.run, value, call.location))
    return _iterated(found)


def _chain_of(call: Call) -> Value:
    outer = iteration.collected(call.run, call.arguments[0], call.location)
    return _chain(Call(call.run, call.location, outer, {}))


def _islice(call: Call) -> Value:
    bounds = [number(value, 0) if not none(value) else None for value in call.arguments[1:]]
    found = iteration.collected(call.run, call.arguments[0], call.location)
    unclear = any(
        one is None and not none(value)
        for one, value in zip(bounds, call.arguments[1:], strict=True)
    )
    hidden = found and derived("items", found[-1]).missing
    if unclear or hidden:
        return _iterated([derived("items", *call.arguments[:1], *found)])
    try:
        return _iterated(list(itertools.islice(found, *bounds)))
    except ValueError:
        return cannot(call, "islice")


def _product(call: Call) -> Value:
    lists = [iteration.collected(call.run, value, call.location) for value in call.arguments]
    size = 1
    for values in lists:
        size *= max(len(values), 1)
    if size > _SIZE or call.keywords:
        return _iterated([cannot(call, "items")])
    return _iterated([Items({"items": row}, tuple) for row in itertools.product(*lists)])


_SIZE = 1000


def _itertools() -> dict[Any, Any]:
    chain = Native("itertools.chain", _chain)
    of = Native("itertools.chain.from_iterable", _counted(1, _chain_of))
    return {
        "chain": Native("itertools.chain", chain.call, members={"from_iterable": of}),
        "islice": Native("itertools.islice", _counted(2, _islice)),
        "product": Native("itertools.product", _product),
        "count": Native("itertools.count", lambda _call: unknown("items")),
        "repeat": Native("itertools.repeat", lambda _call: unknown("items")),
        "cycle": Native("itertools.cycle", lambda _call: unknown("items")),
    }


def _item_getter(call: Call) -> Value:
    from deployguard.python.subscripts import item  # noqa: PLC0415  (mutual recursion

    keys = call.arguments

    def model(inner: Call) -> Value:
        found = [item(inner.run, inner.arguments[0], key, inner.location) for key in keys]
        return found[0] if len(found) == 1 else Items({"items": tuple(found)}, tuple)

    return Native("operator.itemgetter", model)


def _attribute_getter(call: Call) -> Value:
    paths = [text_of(value) for value in call.arguments]

    def model(inner: Call) -> Value:
        found: list[Value] = []
        for path in paths:
            value = inner.arguments[0]
            if path is None:
                return cannot(inner, "attrgetter")
            for step in path.split("."):
                value = inner.run.attribute(value, step, inner.location)
            found.append(value)
        return found[0] if len(found) == 1 else Items({"items": tuple(found)}, tuple)

    return Native("operator.attrgetter", model)


def _method_caller(call: Call) -> Value:
    name, *given = call.arguments or (known(None),)
    text = text_of(name)

    def model(inner: Call) -> Value:
        if text is None:
            return inner.run.unseen("which method is called", inner.location)
        method = inner.run.attribute(inner.arguments[0], text, inner.location)
        return inner.run.call(method, given, call.keywords, inner.location)

    return Native("operator.methodcaller", model)


def _truth(call: Call, *, wanted: Answer) -> Value:
    answer = objects.answer_of(call.run, call.arguments[0])
    if answer is Answer.UNKNOWN:
        return cannot(call, "truth")
    return known(answer is wanted)


def _applied(name: str) -> Model:
    return lambda call: apply(call, f"operator.{name}", getattr(operator, name))


def _operator() -> dict[Any, Any]:
    computed = ("eq", "ne", "lt", "le", "gt", "ge", "add", "sub", "mod", "and_", "or_", "xor",
                "contains", "concat", "is_", "is_not")  # fmt: skip
    slots: dict[Any, Any] = {
        name: Native(
            f"operator.{name}",
            _applied(name),
        )
        for name in computed
    }
    slots |= {
        "itemgetter": Native("operator.itemgetter", _item_getter),
        "attrgetter": Native("operator.attrgetter", _attribute_getter),
        "methodcaller": Native("operator.methodcaller", _method_caller),
        "not_": Native("operator.not_", lambda call: _truth(call, wanted=Answer.NO)),
        "truth": Native("operator.truth", lambda call: _truth(call, wanted=Answer.YES)),
    }
    return slots


def names(run: "Interpreter", name: str) -> dict[Any, Any]:
    """Return the names of a module of this subject."""
    del run
    match name:
        case "functools":
            return _functools()
        case "itertools":
            return _itertools()
        case "operator":
            return _operator()
        case _:
            return {}
