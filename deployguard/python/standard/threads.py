"""Threads, processes of multiprocessing, executors, asyncio, signals and what runs at the end.

A function that is started beside the program is run when it is started: what it serves keeps
running beside the rest. Whatever ends it, its starter goes on.
"""

from typing import TYPE_CHECKING, Any

from deployguard.model.evidence import Missing, Reason
from deployguard.python import iteration, objects
from deployguard.python.concrete import cannot, running, unknown
from deployguard.python.signals import (
    ExitSignal,
    RaiseSignal,
    ServeSignal,
)
from deployguard.python.values import (
    Call,
    Class,
    Coroutine,
    Instance,
    Items,
    Known,
    Mapped,
    Model,
    Module,
    Native,
    Opaque,
    Value,
    known,
)

if TYPE_CHECKING:
    from deployguard.python.interpreter import Interpreter


def beside(
    call: Call, function: Value, arguments: tuple[Value, ...], keywords: dict[Any, Value]
) -> Value:
    """Run a function beside the program."""
    try:
        if isinstance(function, Coroutine) or objects.special(call.run, function, "__await__"):
            return call.run.await_value(function, call.location)
        made = call.run.call(function, arguments, keywords, call.location)
        if isinstance(made, Coroutine) and not made.generates:
            return call.run.await_value(made, call.location)
    except ExitSignal as signal:
        if signal.hard:
            raise
        return known(None)
    except (RaiseSignal, ServeSignal):
        return known(None)
    return made


def _thread(call: Call, instance: Instance) -> None:
    for position, name in ((1, "target"), (3, "args"), (4, "kwargs")):
        value = call.argument(position, name)
        if value is not None:
            call.run.store(instance.slots, f"<{name}>", value)


def _timer(call: Call, instance: Instance) -> None:
    for position, name, slot in ((1, "function", "target"), (2, "args", "args"),
                                 (3, "kwargs", "kwargs")):  # fmt: skip
        value = call.argument(position, name)
        if value is not None:
            call.run.store(instance.slots, f"<{slot}>", value)


def _thread_attribute(run: "Interpreter", instance: Instance, name: str) -> Value | None:
    if name in {"start", "run"}:
        own = None
        if name == "start" and isinstance(instance.type, Class):
            own = run.attribute_or_none(instance, "run")
        return Native(name, lambda call: _run_thread(call, instance, own))
    if name in {"join", "setDaemon", "cancel", "terminate", "kill", "close"}:
        return Native(name, lambda _call: known(None))
    if name == "is_alive":
        return Native(name, lambda call: cannot(call, "is_alive"))
    return None


def _run_thread(call: Call, instance: Instance, own: Value | None) -> Value:
    slots = instance.slots
    function = own or slots.get("<target>")
    if function is None or (isinstance(function, Known) and function.value is None):
        return known(None)
    if own is not None:
        beside(call, own, (), {})
        return known(None)
    arguments, keywords = slots.get("<args>"), slots.get("<kwargs>")
    values = (
        iteration.collected(call.run, arguments, call.location)
        if arguments is not None and not isinstance(arguments, Known)
        else ()
    )
    beside(call, function, values, keywords.slots if isinstance(keywords, Mapped) else {})
    return known(None)


_THREAD = Native("threading.Thread", construct=_thread, attribute=_thread_attribute)
_TIMER = Native("threading.Timer", construct=_timer, attribute=_thread_attribute)


def _quiet_attribute(run: "Interpreter", instance: Instance, name: str) -> Value | None:
    """Locks, events and queues: nothing but waiting."""
    del run
    if name == "__enter__":
        return Native(name, lambda _call: instance)
    if name in {"is_set", "get", "wait", "empty", "qsize"}:
        return Native(name, lambda call: cannot(call, name))
    return Native(name, lambda _call: known(None))


_QUIET = Native(
    "a lock or an event",
    construct=lambda _call, _instance: None,
    attribute=_quiet_attribute,
    specials=frozenset({"__enter__", "__exit__"}),
)


def _pool_attribute(run: "Interpreter", instance: Instance, name: str) -> Value | None:
    del run
    if name in {"submit", "apply", "apply_async"}:
        return Native(f"pool.{name}", lambda call: _submitted(call, name))
    if name in {"map", "starmap", "imap", "imap_unordered", "map_async"}:
        return Native(f"pool.{name}", lambda call: _mapped(call, name))
    if name == "__enter__":
        return Native(name, lambda _call: instance)
    if name in {"shutdown", "close", "join", "terminate", "__exit__"}:
        return Native(name, lambda _call: known(None))
    return None


_POOL = Native(
    "a pool of threads or processes",
    construct=lambda _call, _instance: None,
    attribute=_pool_attribute,
    specials=frozenset({"__enter__", "__exit__"}),
)


def _submitted(call: Call, name: str) -> Value:
    function, *arguments = call.arguments or (known(None),)
    keywords = dict(call.keywords)
    if name != "submit":
        given = arguments[0] if arguments else call.keywords.get("args", Items({"items": ()}))
        arguments = list(iteration.collected(call.run, given, call.location))
        held = call.keywords.get("kwds")
        keywords = dict(held.slots) if isinstance(held, Mapped) else {}
    result = beside(call, function, tuple(arguments), keywords)
    return result if name == "apply" else _future(result)


def _future(result: Value) -> Instance:
    return Instance(None, _FUTURE, {"<result>": result})


def _future_attribute(run: "Interpreter", instance: Instance, name: str) -> Value | None:
    del run
    if name in {"result", "get"}:
        return Native(name, lambda _call: instance.slots["<result>"])
    if name in {"done", "ready", "cancelled", "exception"}:
        return Native(name, lambda call: cannot(call, name))
    return Native(name, lambda _call: known(None))


_FUTURE = Native("a future", attribute=_future_attribute)


def _mapped(call: Call, name: str) -> Value:
    function, *given = call.arguments or (known(None),)
    made: list[Value] = []
    lists = [iteration.collected(call.run, value, call.location) for value in given[:1]]
    for value in lists[0] if lists else ():
        arguments: tuple[Value, ...] = (value,)
        if name == "starmap":
            arguments = iteration.collected(call.run, value, call.location)
        made.append(beside(call, function, arguments, {}))
    return Items({"items": tuple(made)})


def _register(call: Call) -> Value:
    if not call.arguments:
        return Native("atexit.register", _register)
    function, *arguments = call.arguments

    def at_exit() -> None:
        call.run.call(function, arguments, call.keywords, call.location)

    call.run.at_exit.insert(0, at_exit)
    return function


def _awaited(call: Call) -> Value:
    if not call.arguments:
        return known(None)
    return call.run.await_value(call.arguments[0], call.location)


def _gathered(call: Call) -> Value:
    """asyncio.gather, wait: all of them run; one that serves lets none of what follows run."""
    given = call.arguments
    if len(given) == 1 and isinstance(given[0], Items):
        given = given[0].items
    served: ServeSignal | None = None
    made: list[Value] = []
    for value in given:
        try:
            made.append(call.run.await_value(value, call.location))
        except ServeSignal as signal:
            served = signal
    if served is not None:
        raise served
    return Items({"items": tuple(made)})


def _task(call: Call) -> Value:
    """asyncio.create_task: it runs beside who made it, as soon as that waits."""
    if not call.arguments:
        return known(None)
    return _future(beside(call, call.arguments[0], (), {}))


def _to_thread(call: Call) -> Value:
    function, *arguments = call.arguments or (known(None),)
    return call.run.call(function, arguments, call.keywords, call.location)


def _in_executor(call: Call) -> Value:
    function, *arguments = call.arguments[1:] or (known(None),)
    return call.run.call(function, arguments, {}, call.location)


def _loop_attribute(run: "Interpreter", instance: Instance, name: str) -> Value | None:
    del run, instance
    match name:
        case "run_until_complete":
            return Native(f"loop.{name}", _awaited)
        case "create_task":
            return Native(f"loop.{name}", _task)
        case "run_in_executor":
            return Native(f"loop.{name}", _in_executor)
        case "call_soon" | "call_later" | "call_at" | "call_soon_threadsafe":
            skipped = 0 if name.startswith("call_soon") else 1
            return Native(f"loop.{name}", lambda call: _later(call, skipped))
        case "create_server" | "create_unix_server" | "create_connection":
            return None
        case _:
            return Native(f"loop.{name}", lambda _call: known(None))


def _later(call: Call, skipped: int) -> Value:
    if len(call.arguments) > skipped:
        function, *arguments = call.arguments[skipped:]
        beside(call, function, tuple(arguments), {})
    return known(None)


_LOOP = Native("asyncio.loop", attribute=_loop_attribute)


def _loop(_call: Call) -> Value:
    return Instance(None, _LOOP)


def _signal(call: Call) -> Value:
    """signal.signal: a handler runs when somebody sends the signal, which nobody knows."""
    handler = call.argument(1, "handler")
    for callback in (handler,) if handler is not None else ():
        if not isinstance(callback, Known | Opaque | Native):
            condition = Missing(Reason.PROGRAM, "whether the signal is sent")
            # That a signal may end the program does not keep it from starting.
            lasting = tuple(call.run.lasting)
            call.run.perhaps(callback, call.location, condition)
            call.run.lasting[:] = lasting
    return known(None)


def _waits(call: Call) -> Value:
    """signal.pause and the like: nothing follows before a signal comes."""
    del call
    return known(None)


def names(run: "Interpreter", name: str) -> dict[Any, Any]:
    """Return the names of a module of this subject."""
    match name:
        case "threading":
            quiet = ("Lock", "RLock", "Event", "Condition", "Semaphore", "BoundedSemaphore",
                     "Barrier", "local")  # fmt: skip
            return {"Thread": _THREAD, "Timer": _TIMER, **dict.fromkeys(quiet, _QUIET)}
        case "_thread":
            return {"start_new_thread": Native("_thread.start_new_thread", _new_thread)}
        case "multiprocessing" | "multiprocessing.dummy":
            return {
                "Process": _THREAD,
                "Pool": _POOL,
                "get_context": Native(
                    "multiprocessing.get_context",
                    lambda _call: Module(name, names(run, name), unknown(f"what {name} does")),
                ),
                "set_start_method": Native("set_start_method", lambda _call: known(None)),
                "freeze_support": Native("freeze_support", lambda _call: known(None)),
                "cpu_count": Native("cpu_count", lambda _call: running("the number of processors")),
                **dict.fromkeys(("Queue", "Event", "Lock", "Value", "Array"), _QUIET),
            }
        case "multiprocessing.pool":
            return {"ThreadPool": _POOL, "Pool": _POOL}
        case "concurrent":
            inner = names(run, "concurrent.futures")
            rest = unknown("what concurrent.futures does")
            return {"futures": Module("concurrent.futures", inner, rest)}
        case "concurrent.futures":
            return {
                "ThreadPoolExecutor": _POOL,
                "ProcessPoolExecutor": _POOL,
                "wait": Native("concurrent.futures.wait", lambda _call: known(None)),
                "as_completed": Native(
                    "concurrent.futures.as_completed", lambda call: call.arguments[0]
                ),
            }
        case "atexit":
            return {
                "register": Native("atexit.register", _register),
                "unregister": Native(
                    "atexit.unregister",
                    lambda call: call.run.unseen("what runs at the end", call.location),
                ),
            }
        case "signal":
            return {
                "signal": Native("signal.signal", _signal),
                "pause": Native("signal.pause", _waits),
                "alarm": Native("signal.alarm", _waits),
            }
        case "asyncio":
            return _asyncio()
        case _:
            return {}


def _new_thread(call: Call) -> Value:
    function = call.argument(0, "function")
    arguments = call.argument(1, "args")
    if function is not None:
        values = arguments.items if isinstance(arguments, Items) else ()
        beside(call, function, values, {})
    return unknown("a thread")


def _asyncio() -> dict[Any, Any]:
    slots: dict[Any, Any] = {
        "run": Native("asyncio.run", _awaited),
        "wait_for": Native("asyncio.wait_for", _awaited),
        "shield": Native("asyncio.shield", _awaited),
        "gather": Native("asyncio.gather", _gathered),
        "wait": Native("asyncio.wait", _gathered),
        "create_task": Native("asyncio.create_task", _task),
        "ensure_future": Native("asyncio.ensure_future", _task),
        "to_thread": Native("asyncio.to_thread", _to_thread),
        "sleep": Native("asyncio.sleep", lambda _call: known(None)),
        "iscoroutinefunction": Native(
            "asyncio.iscoroutinefunction", lambda call: cannot(call, "iscoroutinefunction")
        ),
        "Runner": Native("asyncio.Runner"),
    }
    for loop in ("get_event_loop", "new_event_loop", "get_running_loop"):
        slots[loop] = Native(f"asyncio.{loop}", _loop)
    for quiet in ("set_event_loop", "set_event_loop_policy"):
        slots[quiet] = Native(f"asyncio.{quiet}", lambda _call: known(None))
    for lock in ("Lock", "Event", "Semaphore", "Queue", "Condition"):
        slots[lock] = _QUIET
    for server in ("start_server", "start_unix_server", "open_connection",
                   "create_subprocess_exec", "create_subprocess_shell"):  # fmt: skip
        slots[server] = Native(f"asyncio.{server}", _unseen(server))
    return slots


def _unseen(name: str) -> Model:
    return lambda call: call.run.unseen(f"what asyncio.{name}() does", call.location)
