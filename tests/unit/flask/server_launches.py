"""Launches of servers for the tables: an application, a command, and what is claimed of it."""

import shlex
from collections.abc import Mapping

from deployguard import flask
from deployguard.model.evidence import Answer, Missing, Reason
from deployguard.model.facts import ProgramFacts
from tests.support.memory import ELF, FLASK_3, MemoryFiles, process, venv

YES, NO, UNKNOWN = Answer.YES, Answer.NO, Answer.UNKNOWN
APP = (
    "import os\nfrom flask import Flask\n"
    "from werkzeug.debug import DebuggedApplication\napp = Flask(__name__)\n"
)
WRAPPED = APP + "app.wsgi_app = DebuggedApplication(app.wsgi_app, True)\n"
ON_DEBUG = APP + "if app.debug:\n    app.wsgi_app = DebuggedApplication(app.wsgi_app, True)\n"
FACTORY = (
    "from flask import Flask\nfrom werkzeug.debug import DebuggedApplication\n"
    "def create_app(mode='prod'):\n    app = Flask(__name__)\n    if mode == 'dev':\n"
    "        app.wsgi_app = DebuggedApplication(app.wsgi_app, True)\n    return app\n"
)
SITE = "/srv/venv/lib/python3.13/site-packages"
DEBUG = {"FLASK_DEBUG": "1"}
COMMANDS = {
    "uvicorn": "uvicorn.main:main",
    "hypercorn": "hypercorn.__main__:main",
    "daphne": "daphne.cli:CommandLineInterface.entrypoint",
    "granian": "granian:cli.entrypoint",
    "cheroot": "cheroot.cli:main",
    "mod_wsgi-express": "mod_wsgi.express.cli:main",
    "pserve": "pyramid.scripts.pserve:main",
    "aiohttp-wsgi-serve": "aiohttp_wsgi.__main__:main",
}
LIBRARIES = (
    "gevent", "eventlet", "cheroot", "uvicorn", "hypercorn", "gunicorn", "waitress", "bjoern",
    "meinheld", "flup", "livereload", "aiohttp_wsgi", "a2wsgi", "asgiref", "debugpy", "ptvsd",
    "rpdb", "remote_pdb", "web_pdb", "pudb", "manhole", "pydevd_pycharm", "rpyc", "wdb", "celery",
    "daphne", "granian", "mod_wsgi", "pyramid", "paste", "geventwebsocket", "uwsgidecorators",
    "cherrypy", "tornado",
)  # fmt: skip


def base() -> dict[str, str]:
    """Return a virtual environment with every server in it, their files empty."""
    files = venv(**FLASK_3)
    files |= {f"{SITE}/{name}/__init__.py": "" for name in LIBRARIES}
    for command, target in COMMANDS.items():
        module, function = target.split(":")
        files[f"/srv/venv/bin/{command}"] = (
            f"#!/srv/venv/bin/python\nimport sys\nfrom {module} import {function.split('.')[0]}\n"
            f"if __name__ == '__main__':\n    sys.exit({function}())\n"
        )
    return files | {"/srv/venv/bin/uwsgi": ELF, "/bin/sh": ELF}


def launched(
    command: str,
    files: Mapping[str, str],
    variables: Mapping[str, str | None] | None = None,
    unread: Mapping[str, Missing] | None = None,
    beside: Mapping[str, str] | None = None,
) -> tuple[ProgramFacts, ...]:
    """Judge a command over files by their names below /srv/app, and others by their paths."""
    texts = base() | {f"/srv/app/{name}": text for name, text in files.items()}
    texts |= beside or {}
    hidden = {f"/srv/app/{name}": missing for name, missing in (unread or {}).items()}
    return flask.judge(
        process(shlex.split(command), **(variables or {})), MemoryFiles(texts, unread=hidden)
    )


def debugger(
    command: str,
    files: Mapping[str, str],
    variables: Mapping[str, str | None] | None = None,
    unread: Mapping[str, Missing] | None = None,
) -> Answer:
    """Return whether the debugger comes up in the only program of a command."""
    (program,) = launched(command, files, variables, unread)
    return program.facts.debugger.answer


def places(command: str, files: Mapping[str, str], **variables: str) -> list[str]:
    """Return where the only program of a command listens, "?" where that cannot be told."""
    (program,) = launched(command, files, variables)
    return [
        f"{item.address or '?'}" + ("" if item.port is None else f":{item.port}")
        for item in program.listeners
    ]


MOUNTED = Missing(Reason.FILE, "what is mounted there")
