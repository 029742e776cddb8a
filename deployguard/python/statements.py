"""Statements of the Python language reference, sections 7 and 8, partly evaluated."""

import ast
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from deployguard.model.evidence import Answer, Evidence, Missing, Reason
from deployguard.python import expressions, modules
from deployguard.python.outcome import EffectKind
from deployguard.python.signals import (
    BreakSignal,
    ContinueSignal,
    LimitSignal,
    RaiseSignal,
    ReturnSignal,
    Signal,
)
from deployguard.python.values import (
    UNSET,
    Class,
    Function,
    Items,
    Known,
    Module,
    Opaque,
    Value,
    derived,
    known,
    missing_of,
    truth,
)

if TYPE_CHECKING:
    from deployguard.python.interpreter import Frame, Interpreter

# A loop over more than this is run once, for what it may do.
_ROUNDS = 500


def execute(run: "Interpreter", body: Sequence[ast.stmt], frame: "Frame") -> None:
    """Execute statements in order."""
    for statement in body:
        run.step()
        _HANDLERS[type(statement)](run, statement, frame)


def yields(node: ast.FunctionDef) -> bool:
    """Say whether a function is a generator: it has a yield outside of inner functions."""
    pending: list[ast.AST] = list(node.body)
    while pending:
        current = pending.pop()
        if isinstance(current, ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(current, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            pending.extend(ast.iter_child_nodes(current))
    return False


def _expression(run: "Interpreter", node: ast.Expr, frame: "Frame") -> None:
    expressions.evaluate(run, node.value, frame)


def _assign(run: "Interpreter", node: ast.Assign, frame: "Frame") -> None:
    value = expressions.evaluate(run, node.value, frame)
    for target in node.targets:
        bind_target(run, target, value, frame)


def _annotated(run: "Interpreter", node: ast.AnnAssign, frame: "Frame") -> None:
    if node.value is not None:
        bind_target(run, node.target, expressions.evaluate(run, node.value, frame), frame)


def _augmented(run: "Interpreter", node: ast.AugAssign, frame: "Frame") -> None:
    operand: ast.expr
    match node.target:
        case ast.Name(id=name):
            operand = ast.Name(name, ast.Load())
        case ast.Attribute(value=owner, attr=name):
            operand = ast.Attribute(owner, name, ast.Load())
        case ast.Subscript(value=owner, slice=index):
            operand = ast.Subscript(owner, index, ast.Load())
    ast.copy_location(operand, node)
    value = expressions.binary(
        run,
        node.op,
        expressions.evaluate(run, operand, frame),
        expressions.evaluate(run, node.value, frame),
    )
    bind_target(run, node.target, value, frame)


def bind_target(run: "Interpreter", target: ast.expr, value: Value, frame: "Frame") -> None:
    """Assign a value to a target: a name, an attribute, an item, or several of them."""
    match target:
        case ast.Name(id=name):
            run.store(scope_of(frame, name), name, value)
        case ast.Attribute(value=owner, attr=name):
            run.assign_attribute(
                expressions.evaluate(run, owner, frame), name, value, run.at(target)
            )
        case ast.Subscript(value=owner, slice=index):
            expressions.assign_item(
                run,
                expressions.evaluate(run, owner, frame),
                expressions.evaluate(run, index, frame),
                value,
                run.at(target),
            )
        case ast.Starred(value=inner):
            bind_target(run, inner, derived("several values", value), frame)
        case ast.Tuple(elts=targets) | ast.List(elts=targets):
            values = expressions.elements(value)
            if values is None or len(values) != len(targets) or _starred(targets):
                values = tuple(derived("one of several values", value) for _ in targets)
            for inner, item in zip(targets, values, strict=True):
                bind_target(run, inner, item, frame)
        case _:
            run.unseen("what this assignment does", run.at(target))


def _starred(targets: Sequence[ast.expr]) -> bool:
    return any(isinstance(target, ast.Starred) for target in targets)


def scope_of(frame: "Frame", name: str) -> dict[Any, Any]:
    """Return the scope that an assignment to a name writes."""
    if name in frame.global_names:
        return frame.module.slots
    if name in frame.nonlocal_names:
        return next(scope for scope in (*frame.scopes[1:], frame.scopes[0]) if name in scope)
    return frame.scopes[0]


def _delete(run: "Interpreter", node: ast.Delete, frame: "Frame") -> None:
    for target in node.targets:
        match target:
            case ast.Name(id=name):
                run.store(scope_of(frame, name), name, UNSET)
            case ast.Subscript(value=owner, slice=index):
                expressions.assign_item(
                    run,
                    expressions.evaluate(run, owner, frame),
                    expressions.evaluate(run, index, frame),
                    None,
                    run.at(target),
                )
            case _:
                run.unseen("what this deletion does", run.at(target))


def _return(run: "Interpreter", node: ast.Return, frame: "Frame") -> None:
    value = known(None) if node.value is None else expressions.evaluate(run, node.value, frame)
    raise ReturnSignal(value)


def _raise(run: "Interpreter", node: ast.Raise, frame: "Frame") -> None:
    name = ""
    if node.exc is not None:
        called = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        name = called.id if isinstance(called, ast.Name) else ""
        expressions.evaluate(run, node.exc, frame)
    raise expressions.raised(name, Evidence(run.at(node), f"raises {name or 'an exception'}"))


def _global(_run: "Interpreter", node: ast.Global, frame: "Frame") -> None:
    frame.global_names.update(node.names)


def _nonlocal(_run: "Interpreter", node: ast.Nonlocal, frame: "Frame") -> None:
    frame.nonlocal_names.update(
        name for name in node.names if any(name in scope for scope in frame.scopes[1:])
    )


def _pass(_run: "Interpreter", _node: ast.stmt, _frame: "Frame") -> None:
    return


def _break(_run: "Interpreter", _node: ast.Break, _frame: "Frame") -> None:
    raise BreakSignal


def _continue(_run: "Interpreter", _node: ast.Continue, _frame: "Frame") -> None:
    raise ContinueSignal


def _assert(run: "Interpreter", node: ast.Assert, frame: "Frame") -> None:
    if run.optimize:
        return
    test = expressions.evaluate(run, node.test, frame)
    failed = RaiseSignal("AssertionError", Evidence(run.at(node), "the assertion fails"))

    def fail() -> None:
        raise failed

    choose(run, frame, test, fail if truth(test) is not Answer.YES else _nothing, otherwise=True)


def _nothing() -> None:
    return


def choose(
    run: "Interpreter",
    frame: "Frame",
    test: Value,
    alternative: Callable[[], None],
    *,
    otherwise: bool,
) -> None:
    """Run an alternative if a test is false (`otherwise`) or true; both ways where unknown."""
    answer = truth(test)
    if answer is Answer.UNKNOWN:
        run.branch(frame, missing_of(test), (alternative, _nothing))
    elif (answer is Answer.NO) is otherwise:
        alternative()


def _if(run: "Interpreter", node: ast.If, frame: "Frame") -> None:
    test = expressions.evaluate(run, node.test, frame)
    answer = truth(test)
    if answer is Answer.UNKNOWN:
        run.branch(
            frame,
            missing_of(test),
            (lambda: execute(run, node.body, frame), lambda: execute(run, node.orelse, frame)),
        )
    else:
        execute(run, node.body if answer is Answer.YES else node.orelse, frame)


def _for(run: "Interpreter", node: ast.For | ast.AsyncFor, frame: "Frame") -> None:
    iterable = expressions.evaluate(run, node.iter, frame)
    values = expressions.elements(iterable)
    if values is None or len(values) > _ROUNDS:
        item = derived("an item", iterable)
        _loop_unknown(run, node, frame, missing_of(iterable), item)
        return
    early = frame.early
    for value in values:
        bind_target(run, node.target, value, frame)
        try:
            execute(run, node.body, frame)
        except BreakSignal:
            return
        except ContinueSignal:
            continue
    if frame.early > early:
        return
    execute(run, node.orelse, frame)


def _while(run: "Interpreter", node: ast.While, frame: "Frame") -> None:
    for _ in range(_ROUNDS):
        test = expressions.evaluate(run, node.test, frame)
        match truth(test):
            case Answer.NO:
                execute(run, node.orelse, frame)
                return
            case Answer.UNKNOWN:
                _loop_unknown(run, node, frame, missing_of(test), None)
                return
            case Answer.YES:
                try:
                    execute(run, node.body, frame)
                except BreakSignal:
                    return
                except ContinueSignal:
                    continue
    endless = Missing(Reason.LIMIT, f"how long the loop runs at {run.at(node).file}:{node.lineno}")
    _loop_unknown(run, node, frame, (endless,), None)
    run.lasting.append(endless)


def _loop_unknown(
    run: "Interpreter",
    node: ast.For | ast.AsyncFor | ast.While,
    frame: "Frame",
    missing: Sequence[Missing],
    item: Value | None,
) -> None:
    """Run a loop whose rounds are not known once, with what it assigns not known beforehand."""

    def body() -> None:
        condition = tuple(missing) or (Missing(Reason.SOURCE, "how often a loop runs"),)
        for name in _assigned(node.body):
            run.store(scope_of(frame, name), name, Opaque(condition, name, harmless=True))
        if item is not None and isinstance(node, ast.For | ast.AsyncFor):
            bind_target(run, node.target, item, frame)
        try:
            execute(run, node.body, frame)
        except (BreakSignal, ContinueSignal):
            return

    run.branch(frame, missing, (body, _nothing))
    execute(run, node.orelse, frame)


def _assigned(body: Sequence[ast.stmt]) -> tuple[str, ...]:
    names = (
        node.id
        for statement in body
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    )
    return tuple(dict.fromkeys(names))


def _with(run: "Interpreter", node: ast.With | ast.AsyncWith, frame: "Frame") -> None:
    for item in node.items:
        manager = expressions.evaluate(run, item.context_expr, frame)
        if item.optional_vars is not None:
            bind_target(run, item.optional_vars, derived("a context", manager), frame)
    execute(run, node.body, frame)


def _try(run: "Interpreter", node: ast.Try, frame: "Frame") -> None:
    effects, doubts = len(run.effects), run.doubtful_raises
    seen = effects + doubts
    signal: Signal | None = None
    try:
        execute(run, node.body, frame)
        if node.handlers and not isinstance(node.body[0], ast.Pass) and _may_raise(run, node, seen):
            _perhaps_handle(run, node, frame)
        execute(run, node.orelse, frame)
    except RaiseSignal as error:
        signal = _handle(run, node, frame, error)
    except LimitSignal:
        raise
    except Signal as left:
        signal = left
        # What came before a server or an exit may have raised instead, where it was not seen.
        if node.handlers and _unseen_since(run, effects, doubts):
            _perhaps_handle(run, node, frame)
    execute(run, node.finalbody, frame)
    if signal is not None:
        raise signal


def _unseen_since(run: "Interpreter", effects: int, doubts: int) -> bool:
    return run.doubtful_raises > doubts or any(
        effect.kind is EffectKind.UNSEEN for effect in run.effects[effects:]
    )


def _may_raise(run: "Interpreter", node: ast.Try, seen: int) -> bool:
    """Say whether the body of a try could raise: it does more than name and import known things."""
    if len(run.effects) + run.doubtful_raises > seen:
        return True
    simple = ast.Import | ast.ImportFrom | ast.Pass | ast.FunctionDef | ast.ClassDef
    return not all(isinstance(statement, simple) for statement in node.body) and any(
        isinstance(inner, ast.Call | ast.Subscript) for s in node.body for inner in ast.walk(s)
    )


def _perhaps_handle(run: "Interpreter", node: ast.Try, frame: "Frame") -> None:
    condition = Missing(Reason.SOURCE, f"whether this raises ({run.at(node).file}:{node.lineno})")

    def handler(body: ast.ExceptHandler) -> Callable[[], None]:
        return lambda: _run_handler(run, body, frame)

    run.branch(frame, (condition,), (_nothing, *(handler(body) for body in node.handlers)))


def _run_handler(run: "Interpreter", handler: ast.ExceptHandler, frame: "Frame") -> None:
    if handler.name:
        missing = Missing(Reason.SOURCE, "which exception is raised")
        run.store(
            scope_of(frame, handler.name), handler.name, Opaque((missing,), "error", harmless=True)
        )
    execute(run, handler.body, frame)


def _handle(run: "Interpreter", node: ast.Try, frame: "Frame", error: RaiseSignal) -> Signal | None:
    for handler in node.handlers:
        caught = expressions.catches(handler.type, error.name)
        if caught is Answer.NO:
            continue
        try:
            if caught is Answer.YES:
                _run_handler(run, handler, frame)
                return None
            condition = Missing(Reason.SOURCE, f"which exception is raised: {error.note.note}")

            def again() -> None:
                raise error

            run.branch(frame, (condition,), (partial(_run_handler, run, handler, frame), again))
        except LimitSignal:
            raise
        except Signal as signal:
            return signal
        return None
    return error


def _define(
    run: "Interpreter", node: ast.FunctionDef | ast.AsyncFunctionDef, frame: "Frame"
) -> None:
    function: Value = expressions.function(run, node, frame)
    for decorator in reversed(node.decorator_list):
        model = expressions.evaluate(run, decorator, frame)
        function = expressions.decorate(run, model, function, run.at(decorator))
    run.store(scope_of(frame, node.name), node.name, function)


def _class(run: "Interpreter", node: ast.ClassDef, frame: "Frame") -> None:
    bases = tuple(expressions.evaluate(run, base, frame) for base in node.bases)
    slots: dict[Any, Any] = {}
    cls = Class(node.name, bases, slots, run.at(node))
    inner = type(frame)((slots, *frame.scopes), frame.module, owner=cls)
    for keyword in node.keywords:
        run.unseen(f"what the metaclass of {node.name} does", run.at(keyword.value))
    execute(run, node.body, inner)
    # Functions defined in a class body do not see its scope (Python reference, 4.2.2).
    for value in slots.values():
        if isinstance(value, Function) and value.scopes and value.scopes[0] is slots:
            value.scopes = value.scopes[1:]
            value.owner = cls
    made: Value = cls
    for decorator in reversed(node.decorator_list):
        model = expressions.evaluate(run, decorator, frame)
        made = expressions.decorate(run, model, made, run.at(decorator))
    run.store(scope_of(frame, node.name), node.name, made)


def _import(run: "Interpreter", node: ast.Import, frame: "Frame") -> None:
    for alias in node.names:
        module = run.import_module(alias.name, run.at(node))
        if alias.asname is None:
            top = alias.name.partition(".")[0]
            module = run.import_module(top, run.at(node)) if top != alias.name else module
            run.store(scope_of(frame, top), top, module)
        else:
            run.store(scope_of(frame, alias.asname), alias.asname, module)


def _import_from(run: "Interpreter", node: ast.ImportFrom, frame: "Frame") -> None:
    name = modules.absolute(frame.module, node.module or "", node.level)
    if name == "__future__":
        return
    module = run.import_module(name, run.at(node))
    for alias in node.names:
        if alias.name == "*":
            _import_star(run, module, frame, node)
            continue
        value = modules.member(run, module, name, alias.name, run.at(node))
        run.store(scope_of(frame, alias.asname or alias.name), alias.asname or alias.name, value)


def _import_star(run: "Interpreter", module: Value, frame: "Frame", node: ast.ImportFrom) -> None:
    if not isinstance(module, Module) or module.rest is not None:
        run.unseen("which names are imported with *", run.at(node))
    if not isinstance(module, Module):
        return
    listed = module.slots.get("__all__")
    chosen = expressions.elements(listed) if isinstance(listed, Items) else None
    names = (
        [item.value for item in chosen if isinstance(item, Known)]
        if chosen is not None
        else [key for key in module.slots if isinstance(key, str) and not key.startswith("_")]
    )
    for name in names:
        if name in module.slots:
            run.store(scope_of(frame, name), name, module.slots[name])


def _match(run: "Interpreter", node: ast.Match, frame: "Frame") -> None:
    subject = expressions.evaluate(run, node.subject, frame)
    unknown = False
    for case in node.cases:
        answer = expressions.matches(run, case.pattern, subject, frame)
        if case.guard is not None and answer is not Answer.NO:
            answer = Answer.UNKNOWN
        if answer is Answer.YES and not unknown:
            execute(run, case.body, frame)
            return
        unknown = unknown or answer is Answer.UNKNOWN
    if unknown:
        bodies = [partial(execute, run, case.body, frame) for case in node.cases]
        for case in node.cases:
            for inner in ast.walk(case.pattern):
                name = getattr(inner, "name", None)
                if isinstance(name, str):
                    run.store(scope_of(frame, name), name, derived(name, subject))
        run.branch(frame, missing_of(subject), (*bodies, _nothing))


_HANDLERS: dict[type[ast.stmt], Any] = {
    ast.Expr: _expression,
    ast.Assign: _assign,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
    ast.Delete: _delete,
    ast.Return: _return,
    ast.Raise: _raise,
    ast.Global: _global,
    ast.Nonlocal: _nonlocal,
    ast.Pass: _pass,
    ast.Break: _break,
    ast.Continue: _continue,
    ast.Assert: _assert,
    ast.If: _if,
    ast.For: _for,
    ast.AsyncFor: _for,
    ast.While: _while,
    ast.With: _with,
    ast.AsyncWith: _with,
    ast.Try: _try,
    ast.TryStar: _try,
    ast.FunctionDef: _define,
    ast.AsyncFunctionDef: _define,
    ast.ClassDef: _class,
    ast.Import: _import,
    ast.ImportFrom: _import_from,
    ast.Match: _match,
}
