"""`python -m http.server`: a server of Python's own, and where it listens."""

import argparse
from typing import Any

from deployguard.flask.judged import Judged, ended, nothing
from deployguard.model.evidence import Answer, Evidence, yes
from deployguard.model.facts import Listener, ProgramClass
from deployguard.model.process import Program

_PORT = 8000


class _Ended(Exception):  # noqa: N818  (control flow, not an error)
    """The command ends over its words, or shows its help."""


class _Parser(argparse.ArgumentParser):
    def exit(self, status: int = 0, message: str | None = None) -> Any:  # noqa: ANN401
        raise _Ended(message or f"it ends with {status}")

    def error(self, message: str) -> Any:  # noqa: ANN401
        raise _Ended(message)

    def _print_message(self, message: str, file: Any = None) -> None:  # noqa: ANN401
        """Print nothing."""


def _parser() -> _Parser:
    """Lib/http/server.py at its end: --bind (-b), a port; all addresses where none is given."""
    parser = _Parser(prog="http.server")
    parser.add_argument("--cgi", action="store_true")
    parser.add_argument("-b", "--bind")
    parser.add_argument("-d", "--directory")
    parser.add_argument("-p", "--protocol")
    parser.add_argument("port", default=_PORT, type=int, nargs="?")
    return parser


def http_server(program: Program) -> Judged:
    """Judge the command: it runs nothing of Flask, and listens on all addresses or on --bind."""
    note = Evidence(program.location, "http.server runs nothing of Flask")
    evidence = (*program.trail, note)
    hidden = tuple(entry for word in program.args for entry in word.missing)
    address: str | None = None
    port: int | None = None
    if not hidden:
        try:
            options = _parser().parse_args([word.value or "" for word in program.args])
        except _Ended as end:
            why = Evidence(program.location, f"http.server ends over its words: {end}")
            return ended(ProgramClass.PYTHON, *program.trail, why)
        address = options.bind or "0.0.0.0"  # noqa: S104  (what it binds)
        port = options.port
    listener = Listener(
        address=address,
        port=port,
        debugger=Answer.NO,
        location=program.location,
        missing=hidden,
        evidence=(Evidence(program.location, f"it listens on {address}"),) if address else (),
    )
    return Judged(
        kind=ProgramClass.PYTHON,
        server="http.server",
        starts=yes(*evidence),
        facts=nothing(*evidence),
        listeners=(listener,),
    )
