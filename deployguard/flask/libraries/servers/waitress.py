"""waitress.serve and waitress.create_server (waitress.adjustments.Adjustments)."""

from typing import Any

from deployguard.flask.libraries.effects import INNER
from deployguard.flask.libraries.servers.common import (
    EVERYWHERE,
    Address,
    address,
    blocks,
    given,
    kept,
    serves,
    unknown_address,
)
from deployguard.flask.servers.worlds import text_of
from deployguard.model.evidence import Answer
from deployguard.python import Call, Instance, Interpreter, Items, Known, Native, Value, known
from deployguard.python.values import truth

_PORT = 8080


def _addresses(call: Call) -> tuple[Address, ...]:
    """Return where it listens: sockets, the path of one, each of `listen`, else host and port."""
    options = call.keywords
    sockets = options.get("sockets")
    if call.open is not None or (sockets is not None and truth(sockets) is not Answer.NO):
        return (unknown_address(),)
    path = options.get("unix_socket")
    if path is not None and not (isinstance(path, Known) and path.value is None):
        text = text_of(path)
        return (unknown_address() if text is None else address(known(f"unix:{text}")),)
    listen = options.get("listen")
    if listen is None:
        host = given(options.get("host"), EVERYWHERE)
        return ((host, given(options.get("port"), _PORT)),)
    if isinstance(listen, Known) and isinstance(listen.value, str):
        return tuple(address(known(part, *listen.trail), _PORT) for part in listen.value.split())
    if isinstance(listen, Items):
        return tuple(address(item, _PORT) for item in listen.items)
    return (address(listen, _PORT),)


def _serve(call: Call) -> Value:
    serves(call, "waitress", call.argument(0, "app"), *_addresses(call))
    return blocks(call, "waitress")


def _create(call: Call, instance: Instance) -> None:
    application = call.argument(0, "application")
    if application is not None:
        kept(call, instance, app=application)
    places = Items({"items": tuple(Items({"items": pair}) for pair in _addresses(call))})
    kept(call, instance, places=places)


def _attribute(_run_of: Interpreter, instance: Instance, name: str) -> Value | None:
    if name == "run":
        return Native("waitress.server.run", lambda call: _run(call, instance))
    if name in {"close", "print_listen", "accept_connections"}:
        return Native(f"waitress.server.{name}", lambda _call: known(None))
    return None


def _run(call: Call, instance: Instance) -> Value:
    places: Items = instance.slots["<places>"]
    pairs = tuple(
        (item.items[0], item.items[1]) for item in places.items if isinstance(item, Items)
    )
    serves(call, "waitress", instance.slots.get(INNER), *pairs)
    return blocks(call, "waitress")


_SERVER = Native("waitress.create_server", construct=_create, attribute=_attribute)
_SERVE = Native("waitress.serve", _serve)


def names(_run_of: Interpreter, name: str) -> dict[Any, Any]:
    """Return the names of a module of waitress."""
    match name:
        case "waitress":
            return {"serve": _SERVE, "create_server": _SERVER}
        case "waitress.server":
            return {"create_server": _SERVER}
        case _:
            return {}
