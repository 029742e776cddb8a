"""The state of an evaluation: scopes, branches whose condition is not known, calls and effects.

A condition that cannot be told runs both branches from the same state and joins what they leave
behind; while one runs, every effect is marked with the condition. All state lives in slots
(dictionaries), and every write goes through `store`, so that a branch can be taken back.
"""

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import reduce
from typing import Any

from msgspec import Struct, field

from deployguard.model.environment import Environment
from deployguard.model.evidence import Evidence, Location, Missing, Reason, distinct
from deployguard.model.filesystem import Filesystem
from deployguard.model.process import Choice
from deployguard.model.structs import replace
from deployguard.python import (
    builtins,
    exceptions,
    expressions,
    modules,
    objects,
    source,
    statements,
)
from deployguard.python.files import Layered
from deployguard.python.outcome import (
    Command,
    Condition,
    Effect,
    EffectKind,
    Ending,
    Outcome,
    led_by,
)
from deployguard.python.parameters import bind
from deployguard.python.signals import (
    BreakSignal,
    ContinueSignal,
    ExitSignal,
    LimitSignal,
    RaiseSignal,
    ReturnSignal,
    ServeSignal,
    Signal,
)
from deployguard.python.values import (
    UNSET,
    Bound,
    Call,
    Class,
    Coroutine,
    Descriptor,
    Function,
    Instance,
    Items,
    Known,
    Library,
    Mapped,
    Module,
    Native,
    Opaque,
    Value,
    derived,
    join,
    known,
    linearize,
)

STEPS = 200_000
DEPTH = 40


class Frame(Struct, eq=False):
    """One activation: its scopes from the inside out, and where it may have been left early."""

    scopes: tuple[dict[Any, Any], ...]
    module: Module
    global_names: set[str] = field(default_factory=set)
    nonlocal_names: set[str] = field(default_factory=set)
    returned: list[Value] = field(default_factory=list)
    early: int = 0
    owner: Class | None = None
    on_yield: Callable[[Value], Value] | None = None
    # Where `:=` writes to from within a comprehension, which has a scope of its own.
    outer: dict[Any, Any] | None = None


class Interpreter:
    """One evaluation of one program. Never raises out of `run`; ends within its step budget."""

    def __init__(  # noqa: PLR0913  (what a process is started with)
        self,
        *,
        environment: Environment,
        files: Filesystem,
        library: Library,
        cwd: str | None,
        arguments: Sequence[Value],
        search_path: Sequence[str],
        terminal: bool = False,
        optimize: int | Opaque = 0,
        version: tuple[int, int] | None = None,
        executable: str | None = None,
        variables: Mapping[Any, Value] | None = None,
    ) -> None:
        """Take `variables` of the environment where they were made before, for another run."""
        self.files = Layered(files)
        self.version = version
        self.executable = executable
        self.library = library
        self.cwd = cwd
        self.terminal = terminal
        self.optimize = known(optimize) if isinstance(optimize, int) else optimize
        # Why there may be folders or files on sys.path that were not seen.
        self.unread: Missing | None = None
        self.environ = builtins.environ(
            environment, builtins.variables(environment) if variables is None else variables
        )
        self.argv = Items({"items": tuple(arguments)})
        self.path = Items({"items": tuple(known(entry) for entry in search_path)})
        self.modules: dict[str, Value] = {}
        # The libraries whose program this is, such as a server that imports an application.
        self.hosts: frozenset[str] = frozenset()
        # Attributes of modelled classes that the program has replaced, by the names of the classes.
        self.patched: dict[str, dict[Any, Any]] = {}
        # What models of libraries remember of a program, each under names of its own.
        self.memory: dict[Any, Any] = {}
        self.effects: list[Effect] = []
        self.conditions: list[Condition] = []
        self.lasting: list[Condition] = []
        self._branches = 0
        self.at_exit: list[Callable[[], None]] = []
        self.current: Module | None = None
        self._journals: list[dict[tuple[int, Any], tuple[dict[Any, Any], Any]]] = []
        # How often something happened that may or may not have raised an exception.
        self.doubts = 0
        self.handling: list[RaiseSignal] = []
        self.place = Location("source")
        self.scopes: list[Frame] = []
        self._steps = STEPS
        self._depth = 0

    # State

    def store(self, slots: dict[Any, Any], key: Any, value: Any) -> None:  # noqa: ANN401
        """Write a slot, remembering what it held for every branch that may be taken back."""
        for journal in self._journals:
            journal.setdefault((id(slots), key), (slots, slots.get(key, UNSET)))
        if value is UNSET:
            slots.pop(key, None)
        else:
            slots[key] = value

    def step(self) -> None:
        """Count one step of the budget."""
        self._steps -= 1
        if self._steps < 0:
            raise LimitSignal

    @property
    def left(self) -> int:
        """Return what is left of the budget: the same again where nothing ran in between."""
        return self._steps

    def branch(
        self,
        frame: Frame,
        missing: Sequence[Missing],
        alternatives: Sequence[Callable[[], None]],
    ) -> None:
        """Run alternatives of which one happens, and join what they leave behind.

        Where one of them leaves the block early, what follows happens only if it was not that one.
        """
        condition = tuple(missing) or (Missing(Reason.SOURCE, "a condition in the source"),)
        base, early = len(self.conditions), frame.early
        ways = self._ways(len(alternatives))
        whole: list[bool] = []
        ends: list[dict[tuple[int, Any], tuple[dict[Any, Any], Any]]] = []
        signals: list[Signal | None] = []
        for alternative, way in zip(alternatives, ways, strict=True):
            journal: dict[tuple[int, Any], tuple[dict[Any, Any], Any]] = {}
            self._journals.append(journal)
            self.conditions.extend(Condition(one, way) for one in condition)
            before = frame.early
            try:
                alternative()
            except LimitSignal:
                raise
            except Signal as signal:
                signals.append(signal)
            else:
                signals.append(None)
            finally:
                self._journals.pop()
                del self.conditions[base:]
            whole.append(frame.early == before)
            ends.append({k: (slots, slots.get(k[1], UNSET)) for k, (slots, _) in journal.items()})
            for (_, key), (slots, old) in journal.items():
                self._restore(slots, key, old)
        for slot in dict.fromkeys(slot for end in ends for slot in end):
            slots = next(end[slot][0] for end in ends if slot in end)
            values = [end[slot][1] if slot in end else slots.get(slot[1], UNSET) for end in ends]
            merged = values[0]
            for value in values[1:]:
                merged = join(merged, value, condition)
            self.store(slots, slot[1], merged)
        # What follows is known to happen on one way alone, if that is left nowhere on the way.
        stays = [way for way, signal in zip(ways, signals, strict=True) if signal is None]
        only = stays[0] if len(stays) == 1 and whole[ways.index(stays[0])] else None
        left = tuple(Condition(one, only) for one in condition)
        self._leave(frame, left, signals)
        if frame.early > early:
            self.conditions.extend(left)

    def _ways(self, number: int) -> tuple[tuple[Choice, ...], ...]:
        """Return the choices that lead to each of some alternatives of which one happens."""
        first = self._branches
        self._branches += number
        passed = tuple(Choice((first + index,), way=False) for index in range(number - 1))
        taken = tuple((Choice((first + index,), way=True),) for index in range(number - 1))
        return tuple((*passed[:index], *way) for index, way in enumerate((*taken, ())))

    @staticmethod
    def _restore(slots: dict[Any, Any], key: Any, before: Any) -> None:  # noqa: ANN401
        if before is UNSET:
            slots.pop(key, None)
        else:
            slots[key] = before

    def _leave(
        self, frame: Frame, condition: tuple[Condition, ...], signals: Sequence[Signal | None]
    ) -> None:
        left = [signal for signal in signals if signal is not None]
        if not left:
            return
        partly = len(left) < len(signals)
        for signal in left:
            match signal:
                case ReturnSignal(value=value) if partly:
                    frame.returned.append(value)
                case RaiseSignal():
                    self.doubts += 1
                    self.lasting.extend(condition)
                case ExitSignal() | ServeSignal():
                    self.lasting.extend(condition)
                case _:
                    pass
        frame.early += 1
        if not partly:
            values = [signal.value for signal in left if isinstance(signal, ReturnSignal)]
            if len(values) == len(left):
                missing = tuple(one.missing for one in condition)
                raise ReturnSignal(reduce(lambda one, two: join(one, two, missing), values))
            order = (
                ReturnSignal, ContinueSignal, BreakSignal, RaiseSignal, ExitSignal, ServeSignal,
            )  # fmt: skip
            raise min(left, key=lambda signal: order.index(type(signal)))

    # Effects

    def at(self, node: ast.AST) -> Location:
        """Return the place of a node of the module that is being evaluated."""
        place = self.current.slots.get(modules.LOCATION) if self.current else None
        base = place if isinstance(place, Location) else Location("source")
        return replace(
            base,
            line=getattr(node, "lineno", None),
            column=getattr(node, "col_offset", -1) + 1 or None,
        )

    def emit(
        self,
        kind: EffectKind,
        name: str,
        location: Location,
        *,
        values: Mapping[str, Value] | None = None,
        missing: Sequence[Missing] = (),
        command: Command | None = None,
    ) -> None:
        """Record an effect under the conditions of this moment."""
        conditions = (*self.lasting, *self.conditions)
        self.effects.append(
            Effect(
                kind,
                name,
                location,
                values or {},
                distinct(one.missing for one in conditions),
                distinct(missing),
                command=command,
                choices=led_by(conditions),
            )
        )

    def unseen(self, what: str, location: Location, reason: Reason = Reason.SOURCE) -> Opaque:
        """Record that something runs which cannot be seen into; return its value."""
        place = f"{location.file}:{location.line}" if location.line else location.file
        missing = (Missing(reason, f"{what} ({place})"),)
        self.emit(EffectKind.UNSEEN, what, location, missing=missing)
        return Opaque(missing, what)

    def unseen_module(self, name: str, missing: Missing, location: Location) -> None:
        """Record that a module runs whose source was not read."""
        self.emit(EffectKind.UNSEEN, f"what {name} does", location, missing=(missing,))

    def unseen_import(self, name: str, missing: Sequence[Missing], location: Location) -> Opaque:
        """Record that a module runs that was not even found; return it as an opaque value."""
        self.emit(EffectKind.UNSEEN, f"what {name} does", location, missing=missing)
        return Opaque(tuple(missing), name)

    # Calls

    def call(
        self,
        function: Value,
        arguments: Sequence[Value],
        keywords: Mapping[str, Value],
        location: Location,
        rest: Opaque | None = None,
    ) -> Value:
        """Call a value; what cannot be seen into is recorded as such."""
        self.step()
        match function:
            case Native(call=model) if model is not None:
                return model(Call(self, location, tuple(arguments), keywords, rest))
            case Native() if function.construct is not None:
                instance = Instance(None, function)
                function.construct(Call(self, location, tuple(arguments), keywords, rest), instance)
                return instance
            case Bound(function=inner, instance=owner):
                return self.invoke(inner, (owner, *arguments), keywords, location, rest)
            case Function():
                return self.invoke(function, tuple(arguments), keywords, location, rest)
            case Class():
                return objects.instantiate(self, function, arguments, keywords, location, rest)
            case Opaque():
                return self._call_opaque(function, arguments, keywords, location)
            case Descriptor(function=inner):
                return self.call(inner, arguments, keywords, location, rest)
            case Instance():
                method = objects.special(self, function, "__call__")
                if method is None and function.native and function.native.attribute:
                    method = function.native.attribute(self, function, "__call__")
                if method is not None:
                    return self.call(method, arguments, keywords, location, rest)
            case Known() | Items() | Mapped():
                raise RaiseSignal("TypeError", Evidence(location, "this cannot be called"))
            case Coroutine() | Module() | Native():
                pass
        return self.unseen("what is called here", location)

    def _call_opaque(
        self,
        function: Opaque,
        arguments: Sequence[Value],
        keywords: Mapping[str, Value],
        location: Location,
    ) -> Value:
        handed = (*arguments, *keywords.values())
        self.doubts += 1
        if not function.harmless:
            self.unseen(f"what {function.name}() does", location)
        for value in handed:
            if isinstance(value, Instance) and value.native and value.native.handed:
                value.native.handed(value)
        for callback in callables((function, *handed)):
            self.perhaps(
                callback, location, Missing(Reason.PROGRAM, f"whether {function.name}() calls it")
            )
        return replace(derived(f"{function.name}()", function, *handed), harmless=function.harmless)

    def perhaps(self, callback: Value, location: Location, condition: Missing) -> None:
        """Run a function that somebody may call, with arguments that cannot be told."""
        frame = Frame((), self.current or Module("?", {}))
        rest = Opaque((condition,), "an argument", harmless=True)
        self.branch(
            frame,
            (condition,),
            (lambda: self._discard(callback, location, rest), lambda: None),
        )
        del self.conditions[len(self.conditions) - frame.early :]

    def _discard(self, callback: Value, location: Location, rest: Opaque) -> None:
        try:
            if isinstance(callback, Coroutine):
                self.await_value(callback, location)
            else:
                self.call(callback, (), {}, location, rest)
        except (ReturnSignal, RaiseSignal):
            return

    def await_value(self, value: Value, location: Location) -> Value:
        """Run a coroutine to its end; anything else is awaited elsewhere."""
        if isinstance(value, Coroutine):
            return self.activate(value, location)
        if isinstance(value, Instance):
            # A task or future has its result; another object is asked for a coroutine.
            if "<result>" in value.slots:
                result: Value = value.slots["<result>"]
                return result
            method = objects.special(self, value, "__await__")
            if isinstance(method, Native):
                return self.call(method, (), {}, location)
            if method is not None:
                return Opaque(
                    (Missing(Reason.SOURCE, "what an object gives when it is awaited"),), "awaited"
                )
        return derived("an awaited value", value) if isinstance(value, Opaque) else value

    def invoke(
        self,
        function: Function,
        arguments: tuple[Value, ...],
        keywords: Mapping[str, Value],
        location: Location,
        rest: Opaque | None,
    ) -> Value:
        """Call a function of the program; async functions and generators wait to be run."""
        node = function.node
        generates = not isinstance(node, ast.Lambda) and statements.yields(node)
        waiting = Coroutine(function, arguments, keywords, rest, generates)
        if generates or isinstance(node, ast.AsyncFunctionDef):
            return waiting
        return self.activate(waiting, location)

    def activate(
        self,
        waiting: Coroutine,
        location: Location,
        on_yield: Callable[[Value], Value] | None = None,
    ) -> Value:
        """Run a function that was called; `on_yield` is handed what a generator yields."""
        function = waiting.function
        if self._depth >= DEPTH:
            return self.unseen("what a call this deep does", location, Reason.LIMIT)
        slots: dict[Any, Any] = {}
        scopes = (slots, *function.scopes)
        frame = Frame(scopes, function.module, owner=function.owner, on_yield=on_yield)
        given = waiting.arguments
        bind(self, function, given, waiting.keywords, waiting.rest, slots, location=location)
        base, caller = len(self.conditions), self.current
        self._depth += 1
        self.current = function.module
        try:
            if isinstance(function.node, ast.Lambda):
                return expressions.evaluate(self, function.node.body, frame)
            statements.execute(self, function.node.body, frame)
        except ReturnSignal as signal:
            value = signal.value
        except (RaiseSignal, ExitSignal, ServeSignal) as signal:
            if not frame.returned:
                raise
            # It may have returned before it came to this, and then its caller goes on.
            self.doubts += isinstance(signal, RaiseSignal)
            self.lasting.extend(Condition(one.missing, None) for one in self.conditions[base:])
            value = frame.returned.pop()
        else:
            value = known(None)
        finally:
            self.current = caller
            self._depth -= 1
            doubts = tuple(one.missing for one in self.conditions[base:])
            del self.conditions[base:]
        for other in frame.returned:
            value = join(value, other, doubts or (Missing(Reason.SOURCE, "which return is taken"),))
        return value

    def exception_class(self, signal: RaiseSignal) -> Value:
        """Return the class of an exception, as `__exit__` is told it."""
        match signal.value:
            case Instance(type=Class() as cls):
                return cls
            case _:
                return exceptions.native(signal.name) or Opaque((), "an exception", harmless=True)

    # Attributes

    def attribute(self, value: Value, name: str, location: Location) -> Value:
        """Return an attribute; an object that certainly lacks it raises AttributeError."""
        self.place = location
        found = builtins.attribute(self, value, name)
        if found is None:
            raise RaiseSignal("AttributeError", Evidence(location, f"no attribute {name}"))
        return found

    def attribute_or_none(self, value: Value, name: str) -> Value | None:
        """Return an attribute, None where the object certainly lacks it."""
        return builtins.attribute(self, value, name)

    def assign_attribute(self, value: Value, name: str, new: Value, location: Location) -> None:
        """Set an attribute of an object, class or module."""
        objects.assign(self, value, name, new, location)

    # Programs

    @contextmanager
    def _module(self, module: Module) -> Iterator[Frame]:
        before, self.current = self.current, module
        try:
            yield Frame((module.slots,), module)
        finally:
            self.current = before

    def execute_text(self, text: bytes | str, module: Module) -> None:
        """Execute source text in a module.

        Text that this program's Python certainly refuses raises SyntaxError; text that only ours
        does not understand is recorded as unseen.
        """
        place = module.slots.get(modules.LOCATION)
        location = place if isinstance(place, Location) else Location(module.name)
        tree = source.parse(text, self.version)
        if isinstance(tree, source.Refused):
            at = replace(location, line=tree.line)
            raise RaiseSignal("SyntaxError", Evidence(at, f"SyntaxError: {tree.message}"))
        if isinstance(tree, Missing):
            self.emit(
                EffectKind.UNSEEN,
                "source that does not parse",
                location,
                missing=(Missing(tree.reason, f"{tree.what} ({location.file})"),),
            )
            return
        doc = ast.get_docstring(tree, clean=False)
        if doc is not None:
            self.store(module.slots, "__doc__", known(doc))
        base = len(self.conditions)
        with self._module(module) as frame:
            try:
                statements.execute(self, tree.body, frame)
            finally:
                del self.conditions[base:]

    def import_module(self, name: str, location: Location) -> Value:
        """Import a module by its dotted name, as `import name` does; returns the module named."""
        return modules.load(self, name, location)

    def doubt_old(self, signal: RaiseSignal, location: Location) -> None:
        """Doubt what is raised in a program of Python 2, whose names and modules are others.

        Its sources are followed as far as Python 3 would run them alike. A version that is not
        known may be that of Python 2.
        """
        if self.version is None or self.version < (3,):
            self.unseen(f"what Python 2 does where Python 3 says {signal.note.note}", location)

    def run(self, start: Callable[[], Module | None], location: Location) -> Outcome:
        """Run a program and what it left for its end; the outcome says how it ended."""
        module: Module | None = None
        ending, note = Ending.DONE, Evidence(location, "runs to its last line")
        try:
            try:
                module = start()
            except (LimitSignal, RecursionError, MemoryError):
                raise
            except ExitSignal as signal:
                if not signal.hard:
                    self._end()
                raise
            except Signal:
                self._end()
                raise
            self._end()
        except ServeSignal as signal:
            ending, note = Ending.SERVES, signal.note
        except ExitSignal as signal:
            ending, note = Ending.EXIT, signal.note
        except RaiseSignal as signal:
            ending, note = Ending.RAISED, signal.note
            self.doubt_old(signal, location)
        except (LimitSignal, RecursionError, MemoryError):
            ending = Ending.LIMIT
            note = Evidence(location, "too long or too deep to follow")
            self._rest_unseen(location)
        except Signal:
            note = Evidence(location, "leaves its module")
        except Exception as error:  # noqa: BLE001  (no source may end us: what is left is unseen)
            ending = Ending.FAILED
            note = Evidence(location, f"the evaluator failed over it: {type(error).__name__}")
            self._rest_unseen(location)
        return Outcome(effects=tuple(self.effects), ending=ending, note=note, module=module)

    def _rest_unseen(self, location: Location) -> None:
        self.conditions.clear()
        self.emit(
            EffectKind.UNSEEN,
            "the rest of the program",
            location,
            missing=(Missing(Reason.LIMIT, f"what {location.file} does beyond our limits"),),
        )

    def _end(self) -> None:
        """Run what the program left for its end, the last first (atexit)."""
        while self.at_exit:
            function = self.at_exit.pop(0)
            try:
                function()
            except RaiseSignal:
                continue


def callables(values: Sequence[Value]) -> tuple[Value, ...]:
    """Return the functions of the program among values, also inside of opaque ones and lists."""
    found: list[Value] = []
    for value in values:
        match value:
            case Function() | Bound() | Coroutine():
                found.append(value)
            case Opaque(parts=parts):
                found.extend(
                    part for part in parts if isinstance(part, Function | Bound | Coroutine)
                )
            case Items():
                found.extend(i for i in value.items if isinstance(i, Function | Bound | Coroutine))
            case Mapped(slots=slots):
                found.extend(i for i in slots.values() if isinstance(i, Function | Bound))
            case Known() | Class() | Instance() | Module() | Native() | Descriptor():
                pass
    return tuple(dict.fromkeys(found))


__all__ = ["DEPTH", "STEPS", "Frame", "Interpreter", "callables", "linearize"]
