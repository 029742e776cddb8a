"""Statements of the Python language reference, sections 7 and 8, partly evaluated."""

import ast
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from deployguard.model.evidence import Answer, Evidence, Missing, Reason
from deployguard.python import (
    classes,
    exceptions,
    expressions,
    iteration,
    matching,
    objects,
)
from deployguard.python.concrete import unknown
from deployguard.python.importing import import_modules, import_names
from deployguard.python.operations import augmented
from deployguard.python.outcome import Condition, EffectKind
from deployguard.python.signals import (
    BreakSignal,
    ContinueSignal,
    ExitSignal,
    LimitSignal,
    RaiseSignal,
    ReturnSignal,
    Signal,
)
from deployguard.python.subscripts import assign_item
from deployguard.python.targets import bind_target, scope_of
from deployguard.python.values import (
    UNSET,
    Class,
    Instance,
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


def yields(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Say whether a function is a generator: it has a yield outside of inner functions."""
    found = getattr(node, "yields", None)
    if found is None:
        found = _yields(node)
        # Asked at every call: the tree keeps the answer.
        node.yields = found  # type: ignore[union-attr]
    return bool(found)


def _yields(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
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
    owner = frame.owner
    if owner is not None and frame.scopes[0] is owner.slots and isinstance(node.target, ast.Name):
        # What data classes and named tuples are made of (a class's __annotations__).
        owner.annotations[node.target.id] = node.annotation
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
    value = augmented(
        run,
        node.op,
        expressions.evaluate(run, operand, frame),
        expressions.evaluate(run, node.value, frame),
    )
    bind_target(run, node.target, value, frame)


def _delete(run: "Interpreter", node: ast.Delete, frame: "Frame") -> None:
    for target in node.targets:
        match target:
            case ast.Name(id=name):
                run.store(scope_of(frame, name), name, UNSET)
            case ast.Subscript(value=owner, slice=index):
                assign_item(
                    run,
                    expressions.evaluate(run, owner, frame),
                    expressions.evaluate(run, index, frame),
                    None,
                    run.at(target),
                )
            case ast.Attribute(value=owner, attr=name):
                value = expressions.evaluate(run, owner, frame)
                if isinstance(value, Instance | Class | Module) and name in value.slots:
                    run.store(value.slots, name, UNSET)
                else:
                    run.unseen("what this deletion does", run.at(target))
            case _:
                run.unseen("what this deletion does", run.at(target))


def _return(run: "Interpreter", node: ast.Return, frame: "Frame") -> None:
    value = known(None) if node.value is None else expressions.evaluate(run, node.value, frame)
    raise ReturnSignal(value)


def _raise(run: "Interpreter", node: ast.Raise, frame: "Frame") -> None:
    place = run.at(node)
    if node.exc is None:
        if run.handling:
            raise run.handling[-1]
        raise RaiseSignal("RuntimeError", Evidence(place, "nothing to raise again"))
    value = expressions.evaluate(run, node.exc, frame)
    if isinstance(value, Class):
        made = run.call(value, (), {}, place)
        value = made if isinstance(made, Instance) else value
    signal = exceptions.signal_of(value, place)
    caught = next((one for one in reversed(run.handling) if one.value is value), None)
    raise caught or signal


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
    dropped = truth(run.optimize)
    if dropped is Answer.YES:
        return
    if dropped is Answer.UNKNOWN:
        run.branch(frame, missing_of(run.optimize), (lambda: _assured(run, node, frame), _nothing))
        return
    _assured(run, node, frame)


def _assured(run: "Interpreter", node: ast.Assert, frame: "Frame") -> None:
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
    answer = objects.answer_of(run, test)
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
    early = frame.early

    def round_of(value: Value) -> None:
        run.step()
        bind_target(run, node.target, value, frame)
        try:
            execute(run, node.body, frame)
        except ContinueSignal:
            return

    listed = iteration.elements(iterable)
    hidden: Opaque | None
    try:
        if listed is not None and len(listed) > _ROUNDS:
            hidden = derived("items", *listed[:1])
        else:
            hidden = iteration.each(run, iterable, run.at(node.iter), round_of)
    except BreakSignal:
        return
    if hidden is not None:
        item = derived("an item", iterable, hidden)
        missing = missing_of(iterable) or hidden.missing
        _loop_unknown(run, node, frame, missing, item)
        return
    if frame.early > early:
        return
    execute(run, node.orelse, frame)


def _while(run: "Interpreter", node: ast.While, frame: "Frame") -> None:
    for _ in range(_ROUNDS):
        test = expressions.evaluate(run, node.test, frame)
        match objects.answer_of(run, test):
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
    run.lasting.append(Condition(endless, None))


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
    _with_items(run, node, list(node.items), frame)


def _with_items(
    run: "Interpreter",
    node: ast.With | ast.AsyncWith,
    items: list[ast.withitem],
    frame: "Frame",
) -> None:
    if not items:
        execute(run, node.body, frame)
        return
    first, *others = items
    manager = expressions.evaluate(run, first.context_expr, frame)

    def body(value: Value) -> None:
        if first.optional_vars is not None:
            bind_target(run, first.optional_vars, value, frame)
        _with_items(run, node, others, frame)

    waits = isinstance(node, ast.AsyncWith)
    if iteration.entered(run, manager, run.at(first.context_expr), body, waits=waits):
        return
    if isinstance(manager, Opaque):
        run.doubts += 1
        manager = derived("a context", manager)
    body(manager)


def _try(run: "Interpreter", node: ast.Try, frame: "Frame") -> None:
    effects, doubts = len(run.effects), run.doubts
    seen = effects + doubts
    signal: Signal | None = None
    try:
        execute(run, node.body, frame)
        if node.handlers and len(run.effects) + run.doubts > seen:
            _perhaps_handle(run, node, frame)
        execute(run, node.orelse, frame)
    except RaiseSignal as error:
        run.doubt_old(error, run.at(node))
        signal = _handle(run, node, frame, error)
    except LimitSignal:
        raise
    except ExitSignal as left:
        signal = _exit_caught(run, node, frame, left)
    except Signal as left:
        signal = left
        # What came before a server or an exit may have raised instead, where it was not seen.
        if node.handlers and _unseen_since(run, effects, doubts):
            _perhaps_handle(run, node, frame)
    execute(run, node.finalbody, frame)
    if signal is not None:
        raise signal


def _exit_caught(
    run: "Interpreter", node: ast.Try, frame: "Frame", signal: ExitSignal
) -> Signal | None:
    """Run the handler of SystemExit, which sys.exit() and argparse raise."""
    if signal.hard:
        return signal
    for handler in node.handlers:
        pattern = None if handler.type is None else expressions.evaluate(run, handler.type, frame)
        if pattern is None or exceptions.stops(pattern):
            try:
                _run_handler(run, handler, frame, RaiseSignal("SystemExit", signal.note))
            except LimitSignal:
                raise
            except Signal as left:
                return left
            return None
    return signal


def _unseen_since(run: "Interpreter", effects: int, doubts: int) -> bool:
    return run.doubts > doubts or any(
        effect.kind is EffectKind.UNSEEN for effect in run.effects[effects:]
    )


def _perhaps_handle(run: "Interpreter", node: ast.Try, frame: "Frame") -> None:
    condition = Missing(Reason.SOURCE, f"whether this raises ({run.at(node).file}:{node.lineno})")
    unknown = RaiseSignal("", Evidence(run.at(node), "an exception"))

    def handler(body: ast.ExceptHandler) -> Callable[[], None]:
        return lambda: _run_handler(run, body, frame, unknown)

    run.branch(frame, (condition,), (_nothing, *(handler(body) for body in node.handlers)))


def _run_handler(
    run: "Interpreter", handler: ast.ExceptHandler, frame: "Frame", error: RaiseSignal
) -> None:
    if handler.name:
        missing = Missing(Reason.SOURCE, f"the exception: {error.note.note}")
        value = error.value or Opaque((missing,), "error", harmless=True)
        run.store(scope_of(frame, handler.name), handler.name, value)
    run.handling.append(error)
    try:
        execute(run, handler.body, frame)
    finally:
        run.handling.pop()


def _handle(run: "Interpreter", node: ast.Try, frame: "Frame", error: RaiseSignal) -> Signal | None:
    for handler in node.handlers:
        caught = Answer.YES
        if handler.type is not None:
            pattern = expressions.evaluate(run, handler.type, frame)
            caught = exceptions.catches(pattern, error)
        if caught is Answer.NO:
            continue
        try:
            if caught is Answer.YES:
                _run_handler(run, handler, frame, error)
                return None
            condition = Missing(Reason.SOURCE, f"which exception is raised: {error.note.note}")

            def again() -> None:
                raise error

            action = partial(_run_handler, run, handler, frame, error)
            run.branch(frame, (condition,), (action, again))
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
    bases = expressions.spread(run, node.bases, frame)
    slots: dict[Any, Any] = {}
    cls = Class(
        node.name,
        bases,
        slots,
        run.at(node),
        scopes=(slots, *frame.scopes),
        module=frame.module,
    )
    inner = type(frame)((slots, *frame.scopes), frame.module, owner=cls)
    keywords = {
        keyword.arg or "**": expressions.evaluate(run, keyword.value, frame)
        for keyword in node.keywords
    }
    cls.keywords = keywords
    slots["__module__"] = frame.module.slots.get("__name__", known("__main__"))
    execute(run, node.body, inner)
    # Functions defined in a class body do not see its scope (Python reference, 4.2.2).
    for value in slots.values():
        classes.own(value, cls, slots)
    made = classes.made(run, cls, keywords, run.at(node))
    for decorator in reversed(node.decorator_list):
        model = expressions.evaluate(run, decorator, frame)
        made = expressions.decorate(run, model, made, run.at(decorator))
    run.store(scope_of(frame, node.name), node.name, made)


def _match(run: "Interpreter", node: ast.Match, frame: "Frame") -> None:
    _cases(run, expressions.evaluate(run, node.subject, frame), list(node.cases), frame)


def _cases(
    run: "Interpreter", subject: Value, cases: Sequence[ast.match_case], frame: "Frame"
) -> None:
    """Take the first case that fits; where that cannot be told it may be it or a later one."""
    for position, case in enumerate(cases):
        answer = matching.matches(run, case.pattern, subject, frame)
        test: Value = subject
        if case.guard is not None and answer is not Answer.NO:
            test = expressions.evaluate(run, case.guard, frame)
            guard = objects.answer_of(run, test)
            answer = guard if answer is Answer.YES or guard is Answer.NO else answer
        if answer is Answer.YES:
            execute(run, case.body, frame)
            return
        if answer is Answer.UNKNOWN:
            later = cases[position + 1 :]
            run.branch(
                frame,
                missing_of(test) or missing_of(subject),
                (
                    partial(execute, run, case.body, frame),
                    partial(_cases, run, subject, later, frame),
                ),
            )
            return


def _type_alias(run: "Interpreter", node: Any, frame: "Frame") -> None:  # noqa: ANN401  (of 3.12)
    run.store(scope_of(frame, node.name.id), node.name.id, unknown("a type"))


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
    ast.Import: import_modules,
    ast.ImportFrom: import_names,
    ast.Match: _match,
}
if hasattr(ast, "TypeAlias"):  # Python 3.12
    _HANDLERS[ast.TypeAlias] = _type_alias
