"""honcho and foreman: the processes of a Procfile, and the .env that they export."""

import pytest

from tests.support.launches import launches
from tests.support.memory import ELF

PROCFILE = "# what runs\nweb: flask run --port $PORT\nworker: flask jobs\n\nbad line\n"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("honcho start", ["flask run --port 5000", "flask jobs"]),
        ("honcho start web", ["flask run --port 5000"]),
        ("honcho start -p 80 web", ["flask run --port 80"]),
        ("honcho start worker web", ["flask jobs", "flask run --port 5100"]),
        ("honcho start -c web=2,worker=0", ["flask run --port 5000", "flask run --port 5001"]),
        ("honcho start none", []),
        ("honcho check", []),
        ("honcho --procfile other start", ["FLASK_DEBUG=1 flask run"]),
        ("honcho start -f other", ["FLASK_DEBUG=1 flask run"]),
        ("honcho -f none start", []),
        ("honcho run flask run", ["flask run"]),
        ("honcho run -- flask run", ["flask run"]),
        ("honcho -e a.env run flask run", ["FLASK_DEBUG=a flask run"]),
        ("honcho -e a.env,b.env run flask run", ["FLASK_DEBUG=b flask run"]),
        ("python -m honcho run flask run", ["flask run"]),
        ("foreman start web", ["flask run --port 5000"]),
        ("foreman start -m web=1", ["flask run --port 5000"]),
        ("foreman start -m all=1,web=0", ["flask jobs"]),
        ("foreman run flask run", ["flask run"]),
        ("forego start -e b.env web", ["FLASK_DEBUG=b flask run --port 5000"]),
    ],
)
def test_a_manager_starts_the_processes_that_it_is_asked_for(
    command: str, expected: list[str]
) -> None:
    files = {
        "Procfile": PROCFILE,
        "other": "web: FLASK_DEBUG=1 flask run\n",
        "a.env": "FLASK_DEBUG=a\n",
        "b.env": "FLASK_DEBUG='b'\n",
        "/usr/bin/foreman": "#!/usr/bin/ruby\n",
        "/usr/bin/forego": ELF,
    }
    assert launches(command, files) == expected


@pytest.mark.parametrize(
    ("tool", "line", "debug"),
    [
        ("honcho", "FLASK_DEBUG=1", "1"),
        ("honcho", "FLASK_DEBUG = '1' # on", "1"),
        ("honcho", 'FLASK_DEBUG="a b"', "a b"),
        ("honcho", "export FLASK_DEBUG=1", None),
        ("honcho", "# FLASK_DEBUG=1", None),
        ("honcho", "FLASK_DEBUG=", None),
        ("foreman", "FLASK_DEBUG=1", "1"),
        ("foreman", "FLASK_DEBUG='1'", "1"),
        ("foreman", 'FLASK_DEBUG="1"', "1"),
        ("foreman", "FLASK_DEBUG=1 # on", "1 # on"),
        ("foreman", "FLASK_DEBUG = 1", None),
        ("foreman", "FLASK_DEBUG=", ""),
    ],
)
def test_each_reads_its_own_form_of_env(tool: str, line: str, debug: str | None) -> None:
    files = {"Procfile": "web: flask run\n", ".env": f"{line}\n",
             "/usr/bin/foreman": "#!/usr/bin/ruby\n"}  # fmt: skip
    expected = "flask run" if debug is None else f"FLASK_DEBUG={debug} flask run"
    assert launches(f"{tool} start web", files) == [expected]


@pytest.mark.parametrize(("tool", "expected"), [("honcho", []), ("foreman", ["flask routes"])])
def test_a_name_that_stands_twice_ends_honcho(tool: str, expected: list[str]) -> None:
    files = {"Procfile": "web: flask run\nweb: flask routes\n",
             "/usr/bin/foreman": "#!/usr/bin/ruby\n"}  # fmt: skip
    assert launches(f"{tool} start", files) == expected


def test_env_beats_what_the_manager_was_started_with() -> None:
    files = {"Procfile": "web: flask run\n", ".env": "FLASK_DEBUG=0\n"}
    assert launches("honcho start", files, FLASK_DEBUG="1") == ["FLASK_DEBUG=0 flask run"]


def test_the_procfile_may_be_named_by_a_variable() -> None:
    files = {"Procfile": "web: flask run\n", "Other": "web: flask routes\n"}
    assert launches("honcho start", files, PROCFILE="Other") == ["flask routes"]
