"""`flask run`: the command of flask.cli that starts Werkzeug's development server."""

from typing import TYPE_CHECKING

from deployguard.flask.libraries import flask_cli
from deployguard.flask.libraries.application import debug_flag
from deployguard.flask.libraries.click.contexts import context_of, current, ensured
from deployguard.flask.libraries.click.conversion import PLAIN
from deployguard.flask.libraries.click.declarations import Spec
from deployguard.flask.libraries.effects import emit_serve
from deployguard.flask.versions import Stack
from deployguard.model.evidence import Answer, Evidence, Missing, Reason
from deployguard.model.filesystem import Absent
from deployguard.python import Call, Instance, Known, Module, Native, Value, known
from deployguard.python.interpreter import Frame
from deployguard.python.signals import ExitSignal, RaiseSignal, ServeSignal
from deployguard.python.values import truth

if TYPE_CHECKING:
    from deployguard.flask.libraries.flask_cli import FlaskCommands


def run_command(model: "FlaskCommands") -> Instance:
    """Return the command `run` of one stack of versions."""
    callback = Native("flask run", lambda call: _run(call, model))
    return model.made("run", callback, _options(model.stack))


def _flag(name: str, on: str, off: str, default: bool | None) -> Spec:  # noqa: FBT001  (click's)
    return Spec(
        name=name, names=(on,), others=(off,), flag=True, boolean=True, kind=PLAIN["BOOL"],
        default=known(default), flag_value=known(value=True),
    )  # fmt: skip


def _options(stack: Stack) -> list[Spec]:
    text = PLAIN["STRING"]
    options = [flask_cli.debug_option()] if stack.flask >= (2, 2, 3) else []
    options += [
        Spec(name="host", names=("--host", "-h"), kind=text, default=known("127.0.0.1")),
        Spec(name="port", names=("--port", "-p"), kind=PLAIN["INT"], default=known(5000)),
    ]
    if stack.flask >= (1,):
        certificate = Native("flask.cli.CertParamType", _certificate)
        options += [
            Spec(name="cert", names=("--cert",), kind=certificate, eager=stack.flask >= (2, 1)),
            Spec(name="key", names=("--key",), kind=text, exposed=False,
                 callback=Native("flask.cli._validate_key", _key)),
        ]  # fmt: skip
    options += [
        _flag("reload", "--reload", "--no-reload", None),
        _flag("debugger", "--debugger", "--no-debugger", None),
    ]
    if stack.flask < (2, 2):
        lazy = "--lazy-loading" if stack.flask >= (2,) else "--lazy-loader"
        options.append(_flag("eager_loading", "--eager-loading", lazy, None))
    options.append(
        _flag("with_threads", "--with-threads", "--without-threads", stack.flask >= (1,))
    )
    if stack.flask >= (1, 1):
        options.append(Spec(name="extra_files", names=("--extra-files",), kind=text))
    if stack.flask >= (2, 2):
        options.append(Spec(name="exclude_patterns", names=("--exclude-patterns",), kind=text))
    return options


def _certificate(call: Call) -> Value:
    """flask.cli.CertParamType: a file, "adhoc", or the name of an object to import."""
    value = call.arguments[0]
    if not isinstance(value, Known) or not isinstance(value.value, str) or call.run.cwd is None:
        return value
    place = value.value if value.value.startswith("/") else f"{call.run.cwd}/{value.value}"
    named = value.value.lower() == "adhoc" or "." in value.value or ":" in value.value
    if isinstance(call.run.files.stat(place), Absent) and not named:
        note = Evidence(call.location, f"the certificate {value.value} is not there")
        raise RaiseSignal("ValueError", note)
    return value


def _key(call: Call) -> Value:
    """flask.cli._validate_key: a certificate and its key come together."""
    context, value = context_of(call.arguments[0]), call.arguments[2]
    certificate = context.slots["params"].slots.get("cert") if context is not None else None
    plain = certificate.value if isinstance(certificate, Known) else None
    given = not (isinstance(value, Known) and value.value is None)
    wrong = (given and (certificate is None or plain in {None, "adhoc"})) or (
        not given and isinstance(plain, str) and plain.endswith((".pem", ".crt", ".cert"))
    )
    if wrong and isinstance(value, Known):
        raise RaiseSignal(
            "BadParameter", Evidence(call.location, "--cert and --key come together: flask ends")
        )
    return value


def _run(call: Call, model: "FlaskCommands") -> Value:
    run, stack = call.run, model.stack
    context = current(run)
    info = None if context is None else ensured(run, context, model.info, call.location)
    if not isinstance(info, Instance):
        return run.unseen("which application flask run serves", call.location)
    if stack.flask >= (2, 2):
        application = _loaded(call, model, info)
        debug = _debug(call, stack)
    else:
        debug = _debug(call, stack)
        application = _loads(call, model, info, _chosen(call, "reload", debug))
    emit_serve(
        call,
        host=call.keywords.get("host", known("127.0.0.1")),
        port=call.keywords.get("port", known(5000)),
        application=application,
        debug=debug,
        reloader=_chosen(call, "reload", debug),
        debugger=_chosen(call, "debugger", debug),
        evalex=known(value=True),
        passthrough=known(value=False),
        command=known("flask run"),
    )
    raise ServeSignal(Evidence(call.location, "flask run serves"))


def _chosen(call: Call, name: str, debug: Value) -> Value:
    """Return a flag, which follows the debug flag where it is not given."""
    value = call.keywords.get(name)
    if value is None:
        return debug if call.open is None else call.open
    return debug if isinstance(value, Known) and value.value is None else value


def _debug(call: Call, stack: Stack) -> Value:
    flag = debug_flag(call.run, stack)
    if isinstance(flag, Known) and not flag.value and not flag.trail:
        return known(False, Evidence(call.location, "nothing turns debug mode on"))  # noqa: FBT003
    return flag


def _loaded(call: Call, model: "FlaskCommands", info: Instance) -> Value:
    try:
        return model.load_app(call, info)
    except RaiseSignal as error:
        note = f"the application cannot be imported ({error.note.note}), so flask ends"
        raise RaiseSignal(error.name, Evidence(error.note.location, note)) from None


def _perhaps_ends(call: Call, left: ExitSignal) -> None:
    """Leave open whether a server answers whose application exits when it is loaded.

    It listens, but each request ends the thread that should answer it.
    """

    def end() -> None:
        raise left

    missing = (Missing(Reason.SOURCE, "whether the server answers whose application exits"),)
    frame = Frame((), call.run.current or Module("?", {}))
    call.run.branch(frame, missing, (end, lambda: None))


def _loads(call: Call, model: "FlaskCommands", info: Instance, reload: Value) -> Value:
    """Load the application before the server starts, or beside it in a thread (DispatchingApp).

    In 2.0 and 2.1 it comes before unless told otherwise, and until 1.1 unless the reloader is on.
    """
    eager = call.keywords.get("eager_loading")
    if eager is None or (isinstance(eager, Known) and eager.value is None):
        eager = (
            known(value=True) if model.stack.flask >= (2,) else known(truth(reload) is Answer.NO)
        )
    if truth(eager) is Answer.YES:
        return _loaded(call, model, info)
    try:
        return model.load_app(call, info)
    except (RaiseSignal, ServeSignal):
        # Whatever ends the thread, the server goes on.
        return known(None)
    except ExitSignal as left:
        _perhaps_ends(call, left)
        return known(None)
