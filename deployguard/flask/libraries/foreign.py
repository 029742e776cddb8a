"""What is common to frameworks beside Flask: applications, middleware, and servers of their own."""

from collections.abc import Callable, Mapping

from deployguard.flask.libraries.effects import FRAMEWORK, INNER, WSGI, register
from deployguard.model.evidence import Evidence, Missing, Reason
from deployguard.python import (
    Call,
    EffectKind,
    Instance,
    Items,
    Known,
    Mapped,
    Model,
    Native,
    Opaque,
    Value,
    known,
)
from deployguard.python.signals import ServeSignal

_NESTED = 6

Method = Callable[[Call, Instance], Value]


def application_class(
    name: str, methods: Mapping[str, Method] | None = None, framework: str = ""
) -> Native:
    """Return a class of applications: its methods register what they are given and run nothing.

    Applications that are handed to it are taken for mounted in it.
    """
    models = methods or {}

    def construct(call: Call, instance: Instance) -> None:
        store = call.run.store
        store(instance.slots, FRAMEWORK, known(framework or name.partition(".")[0]))
        mount(call, instance)

    def attribute(_run: object, instance: Instance, method: str) -> Value:
        model = models.get(method)
        if model is not None:
            return Native(f"{name}.{method}", lambda call: model(call, instance))
        return Native(f"{name}.{method}", lambda call: _registered(call, instance))

    return Native(name, construct=construct, attribute=attribute)


def _registered(call: Call, instance: Instance) -> Value:
    mount(call, instance)
    return register(call)


def mount(call: Call, instance: Instance) -> None:
    """Keep the applications among the arguments of a call as parts of another one."""
    for value in (*call.arguments, *call.keywords.values()):
        for part in _applications(value, _NESTED):
            if part is not instance:
                call.run.store(instance.slots, f"{INNER}{len(instance.slots)}", part)


def _applications(value: Value, depth: int) -> tuple[Value, ...]:
    if depth == 0:
        return ()
    match value:
        case Instance():
            return (value,)
        case Opaque(parts=parts) if parts:
            return (value,)
        case Items(items=items):
            return tuple(part for item in items for part in _applications(item, depth - 1))
        case Mapped(slots=slots):
            return tuple(part for item in slots.values() for part in _applications(item, depth - 1))
        case _:
            return ()


def middleware_class(name: str, position: int = 0, keyword: str = "app") -> Native:
    """Return a class whose objects pass requests on to the application they are made with."""

    def construct(call: Call, instance: Instance) -> None:
        missing = Missing(Reason.SOURCE, "the application that is wrapped")
        inner = call.argument(position, keyword) or Opaque((missing,), keyword)
        call.run.store(instance.slots, INNER, inner)
        if isinstance(inner, Instance) and FRAMEWORK in inner.slots:
            call.run.store(instance.slots, FRAMEWORK, inner.slots[FRAMEWORK])
        mount(call, instance)

    return Native(name, construct=construct)


def emit_wsgi(
    call: Call,
    server: str,
    application: Value | None,
    host: Value | str,
    port: Value | int,
) -> None:
    """Record that a server other than Werkzeug's serves an application."""
    missing = Missing(Reason.SOURCE, "the application that is served")
    call.run.emit(
        EffectKind.LIBRARY,
        WSGI,
        call.location,
        values={
            "server": known(server),
            "application": application or Opaque((missing,), "the application"),
            "host": known(host) if isinstance(host, str) else host,
            "port": known(port) if isinstance(port, int) else port,
        },
    )


def serve(
    call: Call,
    server: str,
    application: Value | None,
    host: Value | str,
    port: Value | int,
) -> Value:
    """Record a server as `emit_wsgi`, for a call that does not return."""
    emit_wsgi(call, server, application, host, port)
    raise ServeSignal(Evidence(call.location, f"{server} serves"))


def blocks(server: str) -> Model:
    """Return a function that runs until the process ends, as the loop of an event library."""

    def model(call: Call) -> Value:
        raise ServeSignal(Evidence(call.location, f"{server} runs until the process ends"))

    return model


def given(value: Value | None, default: Value | str | int) -> Value:
    """Return an argument, or the default where it is not given, None or empty."""
    made = default if not isinstance(default, str | int) else known(default)
    if value is None or (isinstance(value, Known) and not value.value):
        return made
    return value
