"""Commands that frameworks install: what each serves, with which server, and where it listens.

Each is the model of a console script's function, or of a module run with -m: it reads sys.argv as
the command's own parser does.
"""

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct, field

from deployguard.flask.libraries import appbuilder, connexion, django, foreign, products
from deployguard.flask.libraries.words import flag, option, words
from deployguard.flask.versions import Stack
from deployguard.model.evidence import Evidence, Missing, Reason
from deployguard.python import Call, Known, Opaque, Value, known
from deployguard.python.signals import ExitSignal, RaiseSignal
from deployguard.python.values import derived

_EVERYWHERE = "0.0.0.0"  # noqa: S104  (what these servers bind where no host is given)
_LOOPBACK = "127.0.0.1"

Command = Callable[[Call, Stack], Value]


class _Server(Struct, frozen=True, kw_only=True):
    """A command with a server of its own: the options and variables for its address.

    `serving` are the first words with which it serves, () where it always does; with any other it
    does its work and ends. A host of None depends on a configuration that is not read. `bind` is an
    option that takes both, as HOST:PORT. `application` names the user's module.
    """

    server: str
    host: str | None
    port: int
    serving: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ("--host",)
    ports: tuple[str, ...] = ("--port",)
    variables: tuple[str, str] = ("", "")
    bind: tuple[str, ...] = ()
    application: tuple[str, ...] = ()
    flags: frozenset[str] = field(default_factory=frozenset)


def _own(server: _Server) -> Command:
    def model(call: Call, stack: Stack) -> Value:
        del stack
        return _serve(call, server)

    return model


def _serve(call: Call, server: _Server) -> Value:
    given = words(call)
    hidden = [word for word in given if not isinstance(word, Known)]
    if flag(given, "--help", "--version"):
        raise ExitSignal(Evidence(call.location, f"{server.server} prints and ends"))
    if server.serving and not flag(given, *server.serving):
        if hidden:
            return call.run.unseen(f"which command {server.server} is given", call.location)
        note = f"{server.server} does its work and serves nothing"
        raise ExitSignal(Evidence(call.location, note))
    _import_application(call, option(given, server.application))
    host, port = _address(call, server, given)
    if hidden:
        host = option(given, server.hosts) or derived("the address", *hidden)
    application = call.run.call(foreign.application_class(server.server), (), {}, call.location)
    return foreign.serve(call, server.server, application, host, port)


def _address(call: Call, server: _Server, given: Sequence[Value]) -> tuple[Value, Value]:
    bound = option(given, server.bind)
    if isinstance(bound, Known):
        text, _, number = str(bound.value).rpartition(":")
        port = known(int(number)) if number.isdigit() else known(server.port)
        return known(text or server.host or _EVERYWHERE, *bound.trail), port
    missing = Missing(Reason.FILE, f"the configuration of {server.server}")
    default = (
        Opaque((missing,), "the address", harmless=True)
        if server.host is None
        else known(server.host)
    )
    by_variable = [call.run.environ.slots.get(name) for name in server.variables]
    host = option(given, server.hosts) or by_variable[0]
    port_given = option(given, server.ports) or by_variable[1]
    return foreign.given(host, default), foreign.given(port_given, server.port)


def _import_application(call: Call, name: Value | None) -> None:
    """Import the user's module that the command loads: it may start what it likes."""
    if name is None:
        return
    if not isinstance(name, Known):
        call.run.unseen("which application is loaded", call.location)
        return
    run = call.run
    if run.cwd is not None:
        # These commands look in the working directory, whatever sys.path says.
        run.store(run.path.slots, "items", (known(run.cwd), *run.path.items))
    module = str(name.value).partition(":")[0]
    while module:
        try:
            run.import_module(module, call.location)
        except RaiseSignal as error:
            if error.name != "ModuleNotFoundError" or "." not in module:
                raise
            module = module.rpartition(".")[0]
        else:
            return


def _works(name: str, application: tuple[str, ...] = ()) -> Command:
    """Return a command that serves nothing: a worker, a scheduler, a tool."""

    def model(call: Call, stack: Stack) -> Value:
        del stack
        _import_application(call, option(words(call), application))
        raise ExitSignal(Evidence(call.location, f"{name} serves nothing over HTTP"))

    return model


def _celery(call: Call, stack: Stack) -> Value:
    """Celery -A APP worker|beat|...: no server; `celery flower` brings Flower's own."""
    given = words(call)
    if flag(given, "flower"):
        return _serve(call, _FLOWER)
    return _works("celery", ("-A", "--app"))(call, stack)


def _quart(call: Call, stack: Stack) -> Value:
    """Quart run: the application is imported, and hypercorn serves it."""
    del stack
    given = words(call)
    name = option(given, ("--app", "-A")) or call.run.environ.slots.get("QUART_APP")
    if not flag(given, "run"):
        raise ExitSignal(Evidence(call.location, "quart does its work and ends"))
    _import_application(call, _module(name or known("app")))
    return _serve(call, _QUART)


def _twist(call: Call, stack: Stack) -> Value:
    """Twist web --wsgi=MODULE.ATTRIBUTE (twisted.web.tap): an endpoint in Twisted's own words."""
    del stack
    run, given = call.run, words(call)
    name = option(given, ("--wsgi",))
    if not flag(given, "web") or not isinstance(name, Known):
        return run.unseen("what twist serves", call.location)
    endpoint = option(given, ("--listen", "--http", "--port", "-p")) or known("tcp:8080")
    host: Value = known(_EVERYWHERE)
    port: Value = known(8080)
    if isinstance(endpoint, Known):
        parts = str(endpoint.value).split(":")
        numbers = [part.removeprefix("port=") for part in parts]
        port = known(next((int(part) for part in numbers if part.isdigit()), 8080))
        named = [part.removeprefix("interface=") for part in parts if part.startswith("interface=")]
        host = known(named[0] if named else _EVERYWHERE, *endpoint.trail)
    else:
        host = derived("the address", endpoint)
    module, _, attribute = str(name.value).rpartition(".")
    _import_application(call, known(module))
    application = run.attribute(run.import_module(module, call.location), attribute, call.location)
    return foreign.serve(call, "twisted", application, host, port)


def _module(name: Value) -> Value:
    """Return the module of FLASK_APP's kind of name: a path, or a dotted name."""
    if isinstance(name, Known) and isinstance(name.value, str):
        path = name.value.partition(":")[0].removesuffix(".py")
        return known(path.strip("./").replace("/", "."), *name.trail)
    return name


_QUART = _Server(
    server="hypercorn", host=_LOOPBACK, port=5000, serving=("run",), hosts=("--host", "-h"),
    ports=("--port", "-p"),
)  # fmt: skip
_FLOWER = _Server(
    server="flower", host=_EVERYWHERE, port=5555, hosts=("--address",), application=("-A", "--app"),
    variables=("FLOWER_ADDRESS", "FLOWER_PORT"),
)  # fmt: skip
_JUPYTER = _Server(server="jupyter", host=None, port=8888, hosts=("--ip", "--ServerApp.ip"))
_LOCUST = _Server(
    server="locust", host=_EVERYWHERE, port=8089, hosts=("--web-host",), ports=("--web-port", "-P"),
    variables=("LOCUST_WEB_HOST", "LOCUST_WEB_PORT"),
)  # fmt: skip
_MKDOCS = _Server(
    server="mkdocs", host=_LOOPBACK, port=8000, serving=("serve",), bind=("-a", "--dev-addr"),
    hosts=(),
)  # fmt: skip
_MLFLOW = _Server(
    server="mlflow", host=_LOOPBACK, port=5000, serving=("server", "ui"), hosts=("--host", "-h"),
    ports=("--port", "-p"), variables=("MLFLOW_HOST", "MLFLOW_PORT"),
)  # fmt: skip
_SPHINX = _Server(server="sphinx-autobuild", host=_LOOPBACK, port=8000)
_STREAMLIT = _Server(
    server="streamlit", host=_EVERYWHERE, port=8501, serving=("run", "hello"),
    hosts=("--server.address",), ports=("--server.port",),
    variables=("STREAMLIT_SERVER_ADDRESS", "STREAMLIT_SERVER_PORT"),
)  # fmt: skip


def _django(call: Call, stack: Stack) -> Value:
    management = django.Djangos(stack).management()["execute_from_command_line"]
    return call.run.call(management, (), {}, call.location)


COMMANDS: Mapping[str, Command] = {
    "airflow": products.airflow,
    "airflow.__main__:main": products.airflow,
    "alembic.config:main": _works("alembic"),
    "celery": _celery,
    "celery.__main__:main": _celery,
    "connexion": connexion.command,
    "connexion.cli:main": connexion.command,
    "django": _django,
    "django.core.management:execute_from_command_line": _django,
    "flask_appbuilder.console:cli": appbuilder.manager,
    "flask_appbuilder.console:cli_app": appbuilder.manager,
    "flower.__main__:main": _own(_FLOWER),
    "huey.bin.huey_consumer:consumer_main": _works("huey"),
    "jupyter": _own(_JUPYTER),
    "jupyter_core.command:main": _own(_JUPYTER),
    "jupyter_server.serverapp:main": _own(_JUPYTER),
    "jupyterlab.labapp:main": _own(_JUPYTER),
    "locust": _own(_LOCUST),
    "locust.main:main": _own(_LOCUST),
    "mkdocs": _own(_MKDOCS),
    "mkdocs.__main__:cli": _own(_MKDOCS),
    "mlflow": _own(_MLFLOW),
    "mlflow.cli:cli": _own(_MLFLOW),
    "moto.server": products.moto,
    "moto.server:main": products.moto,
    "notebook": _own(_JUPYTER),
    "notebook.app:main": _own(_JUPYTER),
    "odoo.cli:main": products.odoo,
    "pytest": _works("pytest"),
    "pytest:console_main": _works("pytest"),
    "quart": _quart,
    "quart.cli:main": _quart,
    "rq.cli:main": _works("rq"),
    "sphinx_autobuild": _own(_SPHINX),
    "sphinx_autobuild.__main__:main": _own(_SPHINX),
    "streamlit": _own(_STREAMLIT),
    "streamlit.web.cli:main": _own(_STREAMLIT),
    "superset.cli.main:superset": products.superset,
    "superset.cli:superset": products.superset,
    "twisted.application.twist._twist:Twist.main": _twist,
    "twisted.scripts.twistd:run": _twist,
}
