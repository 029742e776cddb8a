"""What the requests to an application pass through before it answers them."""

import ast
from collections.abc import Iterator

from msgspec import Struct, field

from deployguard.flask.libraries.effects import DEBUGGED, INNER
from deployguard.python import Class, Function, Instance, Known, Native, Opaque, Value
from deployguard.python.interpreter import linearize
from deployguard.python.values import CONDITIONAL, Bound


class Passage(Struct, frozen=True):
    """What the requests to an application pass through.

    `debuggers` are the debugger middlewares on the way, each with whether it certainly is.
    `settled`: everything on the way is known, so that what is not among it is not passed. `makers`
    are functions of the program on the way that speak of the debugger themselves.
    """

    debuggers: tuple[tuple[Instance, bool], ...]
    settled: bool
    makers: tuple[Function, ...] = ()


# Slots that hold what a request is passed on to, beside those whose names begin with INNER.
_SLOTS = frozenset({"wsgi_app"})
_DEBUGGER = DEBUGGED.rpartition(".")[2]


class _Walk(Struct):
    """The state of following an application: what is still to be looked at, and what was found."""

    pending: list[tuple[Value, bool]]
    debuggers: dict[int, tuple[Instance, bool]] = field(default_factory=dict)
    makers: list[Function] = field(default_factory=list)
    settled: bool = True

    def add(self, values: Iterator[Value] | tuple[Value, ...], *, certain: bool) -> None:
        self.pending.extend((value, certain) for value in values)


def passage(application: Value) -> Passage:
    """Follow what an application passes its requests through."""
    walk = _Walk([(application, True)])
    seen: set[tuple[int, bool]] = set()
    while walk.pending:
        value, certain = walk.pending.pop()
        if (id(value), certain) not in seen:
            seen.add((id(value), certain))
            _step(walk, value, certain=certain)
    return Passage(tuple(walk.debuggers.values()), walk.settled, tuple(walk.makers))


def _step(walk: _Walk, value: Value, *, certain: bool) -> None:
    match value:
        case Instance(type=None, native=Native(name=name)) if name == DEBUGGED:
            walk.debuggers.setdefault(id(value), (value, certain))
            walk.add(_inner(value), certain=certain)
        case Instance(type=None, native=Native()):
            walk.add(_inner(value), certain=certain)
        case Instance(type=Class()):
            _object(walk, value, certain=certain)
        case Bound(function=function, instance=instance):
            own = instance if isinstance(instance, Instance) else None
            _function(walk, function, own, certain=certain)
        case Function():
            _function(walk, value, None, certain=certain)
        case Opaque(name=name, parts=parts):
            walk.settled = walk.settled and name == "app.wsgi_app"
            walk.add(parts, certain=certain and name != CONDITIONAL)
        case Known():
            return
        case _:
            walk.settled = False


def _object(walk: _Walk, value: Instance, *, certain: bool) -> None:
    """Follow an object of a class of the program: by its own __call__, else by its library's."""
    line = linearize(value.type) if value.type is not None else ()
    answers = next(
        (
            base.slots[name]
            for name in ("__call__", "wsgi_app")
            for base in line
            if isinstance(base, Class) and name in base.slots
        ),
        None,
    )
    if isinstance(answers, Function):
        _function(walk, answers, value, certain=certain)
        walk.add(_inner(value), certain=False)
        return
    if answers is not None or value.native is None:
        walk.settled = False
    held = tuple(entry for entry in value.slots.values() if isinstance(entry, Instance))
    walk.add(held, certain=False)
    walk.add(_inner(value), certain=certain)


def _inner(value: Instance) -> tuple[Value, ...]:
    return tuple(
        inner
        for key, inner in value.slots.items()
        if key in _SLOTS or (isinstance(key, str) and key.startswith(INNER))
    )


def _function(walk: _Walk, function: Function, own: Instance | None, *, certain: bool) -> None:
    """Follow a function that answers: what all its returns call, else whatever it speaks of."""
    if _speaks_of_the_debugger(function):
        walk.makers.append(function)
        walk.settled = False
    targets = [_target(function, own, node) for node in _returned(function)]
    first = targets[0] if targets else None
    if first is not None and all(target is first for target in targets):
        walk.add((first,), certain=certain)
        return
    walk.settled = False
    spoken = [_referred(function, name) for name in _names(function.node)]
    if own is not None:
        spoken.extend(own.slots.values())
    walk.add(
        tuple(
            value
            for value in spoken
            if isinstance(value, Instance | Function | Opaque) and value is not function
        ),
        certain=False,
    )


def _returned(function: Function) -> tuple[ast.expr | None, ...]:
    """Return what a function returns, wherever it does; functions inside of it are their own."""
    if isinstance(function.node, ast.Lambda):
        return (function.node.body,)
    found: list[ast.expr | None] = []
    pending: list[ast.AST] = list(function.node.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Return):
            found.append(node.value)
        elif isinstance(node, ast.Yield | ast.YieldFrom):
            found.append(None)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Await):
            # An asynchronous application answers by what it awaits.
            found.append(node.value)
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            pending.extend(ast.iter_child_nodes(node))
    return tuple(found)


def _target(function: Function, own: Instance | None, node: ast.expr | None) -> Value | None:
    """Return what a call refers to: a name of an outer scope, or an attribute of the object."""
    if isinstance(node, ast.Await):
        node = node.value
    if not isinstance(node, ast.Call):
        return None
    arguments = function.node.args
    first = (*arguments.posonlyargs, *arguments.args)[:1]
    found: object = None
    match node.func:
        case ast.Name(id=name) if name not in _own_names(function):
            found = _referred(function, name)
        case ast.Attribute(value=ast.Name(id=name), attr=attribute) if (
            own is not None and first and first[0].arg == name
        ):
            found = own.slots.get(attribute)
    return found if isinstance(found, Instance | Function | Bound | Opaque) else None


def _own_names(function: Function) -> frozenset[str]:
    """Return the names that a function binds itself."""
    bound = {
        node.id
        for node in ast.walk(function.node)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    return frozenset(bound | {argument.arg for argument in function.node.args.args})


def _referred(function: Function, name: str) -> object:
    scopes = (*function.scopes, function.module.slots)
    return next((scope[name] for scope in scopes if name in scope), None)


def _names(node: ast.AST) -> tuple[str, ...]:
    """Return the names that a function looks up, each once."""
    found = (entry.id for entry in ast.walk(node) if isinstance(entry, ast.Name))
    return tuple(dict.fromkeys(found))


def _speaks_of_the_debugger(function: Function) -> bool:
    """Say whether a function names the debugger, so that it may make one for a request."""
    for entry in ast.walk(function.node):
        match entry:
            case ast.Attribute(attr=name) | ast.alias(name=name) if name == _DEBUGGER:
                return True
            case ast.Name(id=name):
                referred = _referred(function, name)
                if isinstance(referred, Native) and referred.name == DEBUGGED:
                    return True
            case _:
                continue
    return False
