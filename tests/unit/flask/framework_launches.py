"""Launches of frameworks for tests: an image of files and distributions, and what is claimed."""

from collections.abc import Mapping, Sequence

from deployguard import flask
from deployguard.model.evidence import Traced
from deployguard.model.facts import ProgramFacts
from deployguard.model.structs import replace
from tests.support.memory import FLASK_3, MemoryFiles, process, venv

SITE = "/srv/venv/lib/python3.13/site-packages"


def script(name: str, target: str) -> dict[str, str]:
    """Return a console script as pip writes it."""
    module, function = target.split(":")
    text = (
        "#!/srv/venv/bin/python\nimport sys\n"
        f"from {module} import {function.partition('.')[0]}\n"
        f"if __name__ == '__main__':\n    sys.exit({function}())\n"
    )
    return {f"/srv/venv/bin/{name}": text}


def launched(
    command: str | Sequence[str],
    files: Mapping[str, str],
    *,
    installed: Mapping[str, str] | None = None,
    variables: Mapping[str, str] | None = None,
    terminal: bool = False,
) -> ProgramFacts:
    """Judge a command over files by their names below /srv/app, beside the packages named."""
    texts = venv(**{**FLASK_3, **(installed or {})})
    texts |= {name if name[0] == "/" else f"/srv/app/{name}": text for name, text in files.items()}
    started = process(command, **(variables or {}))
    started = replace(started, terminal=Traced(terminal, started.location))
    (program,) = flask.judge(started, MemoryFiles(texts))
    return program


def addresses(program: ProgramFacts) -> list[tuple[str | None, int | None]]:
    """Return where a program listens."""
    return [(listener.address, listener.port) for listener in program.listeners]
