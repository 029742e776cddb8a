"""Remote debuggers that a program lets in by itself: what listens, and where.

What only connects to somebody, or stops at a prompt of its own terminal, lets nobody in. Most of
them wait for somebody at once, so that the program goes no further.
"""

from collections.abc import Callable
from typing import Any

from deployguard.flask.libraries.effects import REMOTE, harmless
from deployguard.flask.libraries.servers.common import (
    EVERYWHERE,
    LOOPBACK,
    Address,
    address,
    below,
    everywhere,
    given,
)
from deployguard.model.evidence import Answer, Evidence
from deployguard.python import (
    Call,
    EffectKind,
    Instance,
    Interpreter,
    Items,
    Known,
    Native,
    Value,
    known,
)
from deployguard.python.signals import ServeSignal
from deployguard.python.values import truth


def _listens(call: Call, name: str, place: Address) -> None:
    call.run.emit(
        EffectKind.LIBRARY,
        REMOTE,
        call.location,
        values={"host": place[0], "port": place[1], "debugger": known(name)},
    )


def _waits(call: Call, name: str) -> Value:
    raise ServeSignal(Evidence(call.location, f"{name} waits for somebody before it goes on"))


def _endpoint(value: Value | None, host: str, port: int) -> Address:
    """Return a pair of host and port; a port alone is on a host of the debugger's own."""
    if value is None or (isinstance(value, Known) and value.value is None):
        return known(host), known(port)
    if isinstance(value, Known):
        return known(host, *value.trail), value
    return address(value)


def _quiet(_call: Call) -> Value:
    return known(None)


def _debugpy_listen(call: Call) -> Value:
    """debugpy.listen(5678), or listen((host, port)); a port alone is on loopback."""
    _listens(call, "debugpy", _endpoint(call.argument(0, "endpoint"), LOOPBACK, 5678))
    return known(None)


def _debugpy_wait(call: Call) -> Value:
    """debugpy.wait_for_client: with nothing that listens or is connected it is an error."""
    if any(effect.name == REMOTE for effect in call.run.effects):
        return _waits(call, "debugpy")
    return known(None)


def _connects(name: str) -> Native:
    """Return a function that seeks somebody who listens, and fails where there is nobody."""
    return Native(name, _quiet)


def _ptvsd_attach(call: Call) -> Value:
    """ptvsd.enable_attach(address=("0.0.0.0", 5678)); before version 4 a secret came first."""
    value = call.keywords.get("address")
    if value is None and call.arguments:
        value = call.arguments[-1] if isinstance(call.arguments[-1], Items) else None
    _listens(call, "ptvsd", _endpoint(value, EVERYWHERE, 5678))
    return known(None)


def _trace(
    name: str, place: Callable[[Call], Address], *, waits: bool = True
) -> Callable[[Call], Value]:
    """Return a call that lets a debugger in and, as most do, waits for one."""

    def model(call: Call) -> Value:
        _listens(call, name, place(call))
        return _waits(call, name) if waits else known(None)

    return model


def _variable(call: Call, name: str, default: str | int) -> Value:
    """Return a variable that a debugger reads, with its default."""
    environ = call.run.environ
    found = environ.slots.get(name, environ.rest)
    if found is None or (isinstance(found, Known) and not found.value):
        return known(default)
    return found


def _rpdb_place(call: Call) -> Address:
    host = _variable(call, "PYTHON_RPDB_ADDRESS", LOOPBACK)
    port = _variable(call, "PYTHON_RPDB_PORT", 4444)
    return given(call.argument(0, "addr"), host), given(call.argument(1, "port"), port)


def _remote_pdb_place(call: Call) -> Address:
    host = _variable(call, "REMOTE_PDB_HOST", LOOPBACK)
    port = _variable(call, "REMOTE_PDB_PORT", 0)
    return given(call.argument(0, "host"), host), given(call.argument(1, "port"), port)


def _web_pdb_place(call: Call) -> Address:
    host = everywhere(given(call.argument(0, "host"), EVERYWHERE))
    return host, given(call.argument(1, "port"), 5555)


def _pudb_place(call: Call) -> Address:
    host = _variable(call, "PUDB_RDB_HOST", LOOPBACK)
    port = _variable(call, "PUDB_RDB_PORT", 6899)
    return given(call.keywords.get("host"), host), given(call.keywords.get("port"), port)


def _pudb_trace(call: Call) -> Value:
    """pudb.remote.set_trace: with `reverse` it connects to somebody instead."""
    reverse = given(call.keywords.get("reverse"), _variable(call, "PUDB_RDB_REVERSE", ""))
    if truth(reverse) is Answer.YES:
        return known(None)
    return _trace("pudb", _pudb_place)(call)


def _celery_place(call: Call) -> Address:
    host = _variable(call, "CELERY_RDB_HOST", LOOPBACK)
    return host, _variable(call, "CELERY_RDB_PORT", 6899)


def _object(name: str, place: Callable[[Call], Address], *methods: str) -> Native:
    """Return a class whose objects listen from when they are made, and wait in their methods."""

    def construct(call: Call, _instance: Instance) -> None:
        _listens(call, name, place(call))

    def attribute(_run: Interpreter, _instance: Instance, identifier: str) -> Value | None:
        if identifier in methods:
            return Native(f"{name}.{identifier}", lambda call: _waits(call, name))
        return None

    return Native(name, construct=construct, attribute=attribute)


def _rpyc_server(name: str) -> Native:
    """rpyc.utils.server.ThreadedServer(service, hostname=None, port=0): any host by default.

    Its classic service runs whatever a client asks for; another one offers what it exposes.
    """

    def construct(call: Call, instance: Instance) -> None:
        store = call.run.store
        store(instance.slots, "<service>", call.argument(0, "service") or known(None))
        host = everywhere(given(call.argument(1, "hostname"), EVERYWHERE))
        store(instance.slots, "<host>", host)
        store(instance.slots, "<port>", given(call.argument(3, "port"), 0))

    def attribute(_run: Interpreter, instance: Instance, identifier: str) -> Value | None:
        def start(call: Call) -> Value:
            service: Value = instance.slots["<service>"]
            if isinstance(service, Native) and service.name == _CLASSIC.name:
                place = instance.slots["<host>"], instance.slots["<port>"]
                _listens(call, "rpyc", place)
            raise ServeSignal(Evidence(call.location, "rpyc serves"))

        return Native(f"{name}.start", start) if identifier == "start" else None

    return Native(name, construct=construct, attribute=attribute)


_CLASSIC = Native("rpyc.core.service.ClassicService", construct=lambda _call, _instance: None)
_SERVICE = Native("rpyc.core.service.Service", construct=lambda _call, _instance: None)


def _manhole(call: Call) -> Value:
    """manhole.install: a shell at a socket of a path, for whoever has the same user."""
    path = call.keywords.get("socket_path")
    text = path.value if isinstance(path, Known) else None
    shown = text if isinstance(text, str) else "/tmp/manhole"  # noqa: S108  (its own default)
    _listens(call, "manhole", (known(f"unix:{shown}"), known(None)))
    return known(None)


def _monitor(call: Call) -> Value:
    """aiomonitor.start_monitor(loop, host="127.0.0.1", port=20101): a console over telnet."""
    host = given(call.keywords.get("host"), LOOPBACK)
    _listens(call, "aiomonitor", (host, given(call.keywords.get("port"), 20101)))
    return harmless("aiomonitor")


_TOPS = frozenset({"debugpy", "ptvsd", "pydevd", "pydevd_pycharm", "rpdb", "remote_pdb", "web_pdb",
                   "pudb", "manhole", "pyrasite", "rpyc", "wdb", "aiomonitor", "rconsole",
                   "madbg"})  # fmt: skip
_INNER = frozenset({"celery.contrib.rdb"})


def slots(run: Interpreter, name: str) -> dict[Any, Any] | None:
    """Return what a module of a debugger holds, None where it is none."""
    if name not in _INNER and name.partition(".")[0] not in _TOPS:
        return None
    return _names(run, name)


def starts(name: str) -> bool:
    """Say whether what has no model in a module of a debugger may let somebody in."""
    return name in _INNER or name.partition(".")[0] in _TOPS


def _names(run: Interpreter, name: str) -> dict[Any, Any]:
    maker = _MODULES.get(name)
    found = {} if maker is None else maker()
    if name == "pudb":
        return {**found, **below(run, _names, name, "remote")}
    if name == "rpyc":
        return {**found, **below(run, _names, name, "utils", "core")}
    if name in {"rpyc.utils", "rpyc.core"}:
        return below(run, _names, name, "server" if name == "rpyc.utils" else "service")
    return found


def _functions(name: str, **models: Callable[[Call], Value]) -> dict[Any, Any]:
    return {function: Native(f"{name}.{function}", model) for function, model in models.items()}


def _debugpy() -> dict[Any, Any]:
    quiet = ("configure", "log_to", "trace_this_thread", "debug_this_thread", "is_client_connected")
    return {
        **_functions("debugpy", listen=_debugpy_listen, wait_for_client=_debugpy_wait),
        "connect": _connects("debugpy.connect"),
        # Without a client it goes on (debugpy.public_api).
        "breakpoint": Native("debugpy.breakpoint", _quiet),
        **{one: Native(f"debugpy.{one}", _quiet) for one in quiet},
    }


def _ptvsd() -> dict[Any, Any]:
    return {
        **_functions("ptvsd", enable_attach=_ptvsd_attach),
        "wait_for_attach": Native("ptvsd.wait_for_attach", lambda call: _waits(call, "ptvsd")),
        "break_into_debugger": Native("ptvsd.break_into_debugger", _quiet),
        "is_attached": Native("ptvsd.is_attached", lambda _call: known(value=False)),
        "attach": _connects("ptvsd.attach"),
    }


def _pydevd() -> dict[Any, Any]:
    return {"settrace": _connects("pydevd.settrace"), "stoptrace": Native("stoptrace", _quiet)}


def _rpdb() -> dict[Any, Any]:
    return {
        "set_trace": Native("rpdb.set_trace", _trace("rpdb", _rpdb_place)),
        "Rpdb": _object("rpdb", _rpdb_place, "set_trace"),
        # These listen only once a signal or an error comes.
        "handle_trap": Native("rpdb.handle_trap", _quiet),
        "post_mortem": Native("rpdb.post_mortem", _trace("rpdb", _rpdb_place)),
    }


def _remote_pdb() -> dict[Any, Any]:
    return {
        "set_trace": Native("remote_pdb.set_trace", _trace("remote_pdb", _remote_pdb_place)),
        "RemotePdb": _object("remote_pdb", _remote_pdb_place, "set_trace"),
    }


def _web_pdb() -> dict[Any, Any]:
    return {
        "set_trace": Native("web_pdb.set_trace", _trace("web_pdb", _web_pdb_place)),
        "post_mortem": Native("web_pdb.post_mortem", _trace("web_pdb", _web_pdb_place)),
        "WebPdb": _object("web_pdb", _web_pdb_place, "set_trace"),
        "catch_post_mortem": harmless("web_pdb.catch_post_mortem"),
    }


def _pudb() -> dict[Any, Any]:
    """Pudb itself draws on the program's terminal."""
    return {one: Native(f"pudb.{one}", _quiet) for one in ("set_interrupt_handler", "b")}


def _pudb_remote() -> dict[Any, Any]:
    return {
        "set_trace": Native("pudb.remote.set_trace", _pudb_trace),
        "debugger": Native("pudb.remote.debugger", _pudb_trace),
        "RemoteDebugger": _object("pudb", _pudb_place, "set_trace"),
    }


def _rdb() -> dict[Any, Any]:
    return {
        "set_trace": Native("celery.contrib.rdb.set_trace", _trace("rdb", _celery_place)),
        "debugger": Native("celery.contrib.rdb.debugger", _trace("rdb", _celery_place)),
        "Rdb": _object("rdb", _celery_place, "set_trace"),
    }


def _rpyc_servers() -> dict[Any, Any]:
    kinds = ("ThreadedServer", "ThreadPoolServer", "OneShotServer", "ForkingServer", "GeventServer")
    return {one: _rpyc_server(f"rpyc.utils.server.{one}") for one in kinds}


def _rpyc_services() -> dict[Any, Any]:
    return {
        "ClassicService": _CLASSIC,
        "SlaveService": _CLASSIC,
        "MasterService": _CLASSIC,
        "Service": _SERVICE,
    }


def _rpyc() -> dict[Any, Any]:
    """Rpyc's own functions connect to others."""
    return {
        **_rpyc_services(),
        **{one: harmless(f"rpyc.{one}") for one in ("connect", "classic", "async_", "timed")},
    }


def _wdb() -> dict[Any, Any]:
    """Wdb connects to a server of its own, which is a program for itself."""
    connecting = ("set_trace", "trace", "start_trace", "stop_trace", "tracing", "post_mortem")
    return {one: Native(f"wdb.{one}", _quiet) for one in connecting}


_MODULES: dict[str, Callable[[], dict[Any, Any]]] = {
    "debugpy": _debugpy,
    "ptvsd": _ptvsd,
    "pydevd": _pydevd,
    "pydevd_pycharm": _pydevd,
    "rpdb": _rpdb,
    "remote_pdb": _remote_pdb,
    "web_pdb": _web_pdb,
    "pudb": _pudb,
    "pudb.remote": _pudb_remote,
    "celery.contrib.rdb": _rdb,
    "manhole": lambda: _functions("manhole", install=_manhole),
    "pyrasite": dict,
    "rpyc": _rpyc,
    "rpyc.core.service": _rpyc_services,
    "rpyc.utils.server": _rpyc_servers,
    "wdb": _wdb,
    "aiomonitor": lambda: _functions("aiomonitor", start_monitor=_monitor),
}
