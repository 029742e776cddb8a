"""The .env files that Flask lays below the environment of a program (flask.cli.load_dotenv)."""

import posixpath

from deployguard.flask import dotenv
from deployguard.flask.libraries.dotenv import disabled, take_file
from deployguard.flask.libraries.reading import read
from deployguard.flask.versions import Stack
from deployguard.model.evidence import Answer, Missing, Reason
from deployguard.model.filesystem import Absent, Content, Unread
from deployguard.python import Call, Interpreter, Known, Module, Opaque, Value, known
from deployguard.python.interpreter import Frame
from deployguard.python.values import missing_of, truth

_NAMES = (".env", ".flaskenv")


def variable(run: Interpreter, name: str) -> Value:
    """Return os.environ.get(name)."""
    value = run.environ.slots.get(name)
    if value is not None:
        return value
    if run.environ.rest is None:
        return known(None)
    return Opaque(run.environ.rest.missing, name, harmless=True)


def read_files(
    call: Call, stack: Stack, path: Value | None = None, *, defaults: bool = True
) -> None:
    """flask.cli.load_dotenv: until 3.0 a path alone, or .env over .flaskenv; since 3.1 all."""
    run, merges = call.run, stack.flask >= (3, 1)
    off = Answer.NO if merges else disabled(run)
    if not stack.dotenv or off is Answer.YES:
        return
    found: list[Content | Absent | Unread] = [] if path is None else [read(run, path)]
    if (path is None or merges) and defaults:
        hidden = Unread(Missing(Reason.IMAGE, "the working directory and its .env files"))
        found += [
            hidden if run.cwd is None else dotenv.find(name, run.cwd, run.files) for name in _NAMES
        ]
    if off is Answer.UNKNOWN:
        found = [Unread(Missing(Reason.VARIABLE, "the value of PYTHON_DOTENV_DISABLED"))]
    for content in found:
        take_file(call, content, override=False, own_first=merges)


def load_files(call: Call, stack: Stack, defaults: Value, path: Value | None) -> None:
    """Read what the flask command reads: the usual files unless they are skipped, and a path.

    `defaults` is what the group or the caller asks for (flask.helpers.get_load_dotenv).
    """
    if stack.flask < (1,) or not stack.dotenv:
        return
    wanted = _wanted(call.run, defaults)
    if wanted is not Answer.UNKNOWN:
        _load(call, stack, path, defaults=wanted is Answer.YES)
        return
    missing = missing_of(variable(call.run, "FLASK_SKIP_DOTENV")) or missing_of(defaults)
    frame = Frame((), call.run.current or Module("?", {}))
    call.run.branch(
        frame,
        missing,
        (
            lambda: _load(call, stack, path, defaults=True),
            lambda: _load(call, stack, path, defaults=False),
        ),
    )


def _wanted(run: Interpreter, defaults: Value) -> Answer:
    """flask.helpers.get_load_dotenv: FLASK_SKIP_DOTENV decides where it is set to anything."""
    skip = variable(run, "FLASK_SKIP_DOTENV")
    if isinstance(skip, Known) and not skip.value:
        return truth(defaults)
    if isinstance(skip, Known):
        return Answer.YES if str(skip.value).lower() in {"0", "false", "no"} else Answer.NO
    return Answer.UNKNOWN


def _load(call: Call, stack: Stack, path: Value | None, *, defaults: bool) -> None:
    if path is None and not defaults:
        return
    run = call.run
    read_files(call, stack, path, defaults=defaults)
    if stack.flask < (2,) and path is None and run.cwd is not None:
        # Flask 1.x goes to the folder of the first of the files that it finds.
        for name in _NAMES:
            found = dotenv.find(name, run.cwd, run.files)
            if isinstance(found, Content):
                run.cwd = posixpath.dirname(found.location.file)
                return
