"""What the models of servers share: addresses, and how a server that serves is recorded."""

from collections.abc import Callable
from typing import Any

from deployguard.flask.libraries.effects import INNER, WSGI
from deployguard.model.evidence import Evidence, Missing, Reason
from deployguard.python import (
    Call,
    EffectKind,
    Instance,
    Interpreter,
    Items,
    Known,
    Mapped,
    Module,
    Native,
    Opaque,
    Value,
    known,
)
from deployguard.python.signals import ServeSignal

EVERYWHERE = "0.0.0.0"  # noqa: S104  (what an empty host binds)
LOOPBACK = "127.0.0.1"

Address = tuple[Value, Value]


def serves(
    call: Call, server: str, application: Value | None, *addresses: Address, stays: bool = True
) -> None:
    """Record that a server serves an application at each address.

    Without `stays` it does so only as long as something else keeps the program running.
    """
    missing = Missing(Reason.SOURCE, "the application that is served")
    for host, port in addresses:
        call.run.emit(
            EffectKind.LIBRARY,
            WSGI,
            call.location,
            values={
                "server": known(server),
                "application": application or Opaque((missing,), "the application"),
                "host": host,
                "port": port,
                **({} if stays else {"left": known(call.run.left)}),
            },
        )


def blocks(call: Call, server: str) -> Value:
    """Go no further: the call returns only when the server ends."""
    raise ServeSignal(Evidence(call.location, f"{server} serves"))


def waits(call: Call, what: str) -> Value:
    """Wait for what was started: without end where something of it serves."""
    if any(effect.kind is EffectKind.LIBRARY for effect in call.run.effects):
        raise ServeSignal(Evidence(call.location, f"{what} waits for what was started"))
    return known(None)


def given(value: Value | None, default: Value | str | int | None) -> Value:
    """Return an argument, or the default where it is not given or None."""
    if value is None or (isinstance(value, Known) and value.value is None):
        return default if isinstance(default, Known | Opaque | Items) else known(default)
    return value


def everywhere(host: Value) -> Value:
    """Return a host, an empty one as the address it binds."""
    if isinstance(host, Known) and host.value in {"", None}:
        return known(EVERYWHERE, *host.trail)
    return host


def unknown_address(what: str = "the address it listens on") -> Address:
    """Return an address that cannot be told."""
    missing = (Missing(Reason.SOURCE, what),)
    return Opaque(missing, "host", harmless=True), Opaque(missing, "port", harmless=True)


def address(value: Value | None, default_port: int | None = None) -> Address:
    """Return the host and port of a pair, a number, "HOST:PORT", or the path of a socket."""
    match value:
        case Items(items=(host, port, *_)):
            return everywhere(host), port
        case Known(value=bool() | None):
            return unknown_address()
        case Known(value=int(), trail=trail):
            return known(EVERYWHERE, *trail), value
        case Known(value=str() as text, trail=trail):
            return _text(text, default_port, trail)
        case Opaque():
            return value, value
        case _:
            return unknown_address()


def _text(text: str, default_port: int | None, trail: tuple[Evidence, ...]) -> Address:
    if text.startswith(("/", "@", "unix:")):
        return known("unix:" + text.removeprefix("unix:").removeprefix("//"), *trail), known(None)
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit():
        host, port = text, str(default_port or "")
    shown = host.strip("[]")
    number = int(port) if port.isdigit() else None
    return known(EVERYWHERE if shown in {"", "*"} else shown, *trail), known(number)


def kept(call: Call, instance: Instance, **values: Value) -> None:
    """Remember what an object was made with; `app` is what it passes requests to."""
    for name, value in values.items():
        call.run.store(instance.slots, INNER if name == "app" else f"<{name}>", value)


def quiet(name: str, *methods: str) -> Callable[[Interpreter, Instance, str], Value | None]:
    """Return attributes of which every method that is named does nothing that counts."""

    def attribute(_run: Interpreter, _instance: Instance, identifier: str) -> Value | None:
        if identifier in methods:
            return Native(f"{name}.{identifier}", lambda _call: known(None))
        return None

    return attribute


def awaitable(name: str, model: Callable[[Call], Value]) -> Native:
    """Return an async function: what it does is done when its value is awaited."""

    def made(call: Call) -> Value:
        def attribute(_run: Interpreter, _instance: Instance, identifier: str) -> Value | None:
            if identifier == "__await__":
                return Native(name, lambda _waiting: model(call))
            return None

        return Instance(None, Native(name, attribute=attribute, specials=frozenset({"__await__"})))

    return Native(name, made)


def below(
    run: Interpreter, names: Callable[[Interpreter, str], dict[Any, Any]], parent: str, *leaves: str
) -> dict[Any, Any]:
    """Return submodules of a package, which `from package import module` takes off it."""
    missing = (Missing(Reason.LIBRARY, f"what {parent} does"),)
    return {
        leaf: Module(f"{parent}.{leaf}", names(run, f"{parent}.{leaf}"), Opaque(missing, parent))
        for leaf in leaves
    }


def keywords(call: Call) -> Mapped:
    """Return the keywords of a call as a dictionary."""
    return Mapped(dict(call.keywords), call.open, "keywords")
