"""Python tools that run another program in their own interpreter, and agents that start one."""

import pytest

from tests.support.launches import launches, programs


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("python -m cProfile -o out -s time app.py a", "/srv/app/app.py a"),
        ("python -m cProfile -m flask run", "-m flask run"),
        ("python -O -m profile --outfile=out app.py", "/srv/app/app.py"),
        ("python -um cProfile -m flask run", "-m flask run"),
        ("python -m trace -t --ignore-dir /usr app.py", "/srv/app/app.py"),
        ("python -m trace --count --module flask run", "-m flask run"),
        ("python -m pdb -c continue -m flask run", "-m flask run"),
        ("python -m pdb -c 'p 1' -c cont app.py", "/srv/app/app.py"),
        ("python -m runpy flask run", "-m flask run"),
        ("python -m timeit -n1 -s 'import app' 'app.run()'", "-c import app\napp.run()"),
        ("coverage run app.py", "/srv/app/app.py"),
        ("coverage run --source=. -p --branch -m flask run", "-m flask run"),
        ("python -m coverage run --rcfile x app.py", "/srv/app/app.py"),
        ("pyinstrument -o out -r html app.py", "/srv/app/app.py"),
        ("pyinstrument -m flask run", "-m flask run"),
        ("viztracer --output_file out -- app.py", "/srv/app/app.py"),
        ("viztracer -o out flask run", "flask run"),
        ("python -m viztracer -m flask run", "-m flask run"),
        ("kernprof -lv app.py", "/srv/app/app.py"),
        ("memray run -fo out app.py", "/srv/app/app.py"),
        ("python -m memray run --native -m flask run", "-m flask run"),
        ("memray run --live-remote app.py", "/srv/app/app.py ?"),
        ("scalene --cli --outfile x app.py", "/srv/app/app.py"),
        ("scalene run app.py --- run", "/srv/app/app.py run"),
        ("python -m gevent.monkey --no-ssl app.py", "/srv/app/app.py"),
        ("python -m gevent.monkey --module flask run", "-m flask run"),
        ("python -m coverage run -m cProfile -m flask run", "-m flask run"),
        ("newrelic-admin run-program flask run", "flask run"),
        ("newrelic-admin run-python -m flask run", "-m flask run"),
        ("ddtrace-run --profiling flask run", "flask run"),
        ("opentelemetry-instrument --traces_exporter none flask run", "flask run"),
        ("watchmedo auto-restart -d . --pattern=*.py -R -- flask run", "flask run"),
        ("watchmedo auto-restart flask run -- --debug", "flask run --debug"),
        ("watchmedo shell-command -c 'flask run' .", "flask run ?"),
        ("watchfiles 'flask run' src", "flask run"),
        ("python -m hupper -m flask run", "-m flask run"),
        ("nodemon --exec 'flask run'", "flask run"),
        ("nodemon -w src app.py", "/srv/app/app.py"),
        ("py-spy record -o out -- flask run", "flask run"),
    ],
)
def test_a_tool_runs_the_program_that_it_is_given(command: str, expected: str) -> None:
    assert launches(command) == [expected]


@pytest.mark.parametrize(
    "command",
    [
        "python -m cProfile",
        "python -m cProfile --help",
        "python -m pdb app.py",
        "python -m pdb -c 'p 1' -m flask run",
        "newrelic-admin run-program",
        "coverage report",
        "memray flamegraph out",
        "newrelic-admin license-key x",
        "watchmedo log .",
        "py-spy dump --pid 1",
        "python -m debugpy --listen 5678",
        "python -m debugpy -m flask run",
        "python -m debugpy --listen 5678 --connect 5679 app.py",
        "python -m debugpy --listen x app.py",
    ],
)
def test_a_tool_without_a_program_starts_nothing(command: str) -> None:
    found = launches(command)
    assert not found or command.endswith("log .")


@pytest.mark.parametrize(
    ("command", "files", "what"),
    [
        ("coverage run", {}, "the program that the settings of coverage name (command_line)"),
        ("coverage run --zap app.py", {}, "what the option --zap of coverage does"),
        ("python -m pdb -c 'until 9' app.py", {}, "how far the commands of pdb let the program go"),
        (
            "python -m pdb -c 'b 1' -c c app.py",
            {},
            "how far the commands of pdb let the program go",
        ),
        ("python -m pdb app.py", {".pdbrc": "continue"}, "what pdb is told by .pdbrc"),
        ("watchmedo tricks x.yaml", {}, "what the tricks of watchmedo start"),
    ],
)
def test_what_a_tool_hides_is_named(command: str, files: dict[str, str], what: str) -> None:
    assert launches(command, files) == [f"unknown: {what}"]


def test_a_local_module_hides_a_tool() -> None:
    assert launches("python -m cProfile app.py", {"cProfile.py": ""}) == ["-m cProfile app.py"]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("python -m debugpy --listen 5678 app.py", ("127.0.0.1", 5678, False, False)),
        ("python -m debugpy --listen 0.0.0.0:5678 app.py", ("0.0.0.0", 5678, False, False)),
        ("python -m debugpy --listen :5678 app.py", ("0.0.0.0", 5678, False, False)),
        ("python -m debugpy --listen [::]:5678 app.py", ("::", 5678, False, False)),
        ("debugpy --wait-for-client --listen 1 -m flask run", ("127.0.0.1", 1, True, False)),
        ("python -m debugpy --connect host:1 -m flask run", ("host", 1, False, True)),
        ("python -m pydevd --server --port 9 --file app.py", ("0.0.0.0", 9, True, False)),
        ("python -m pydevd --client ide --port 9 --file app.py", ("ide", 9, False, True)),
    ],
)  # fmt: skip
def test_the_debugger_of_a_command_is_kept_with_its_program(
    command: str, expected: tuple[str, int, bool, bool]
) -> None:
    (program,) = programs(command)
    remote = program.remote
    assert remote is not None
    assert (remote.address, remote.port, remote.waits, remote.connects) == expected
    assert program.certain is not remote.connects


@pytest.mark.parametrize(
    ("variables", "debugged"),
    [
        ({"DEBUGPY_EXTRA_ARGV": "--listen 5678"}, True),
        ({"DEBUGPY_EXTRA_ARGV": "--listen 5678", "DEBUGPY_RUNNING": "true"}, False),
    ],
)
def test_variables_speak_to_debugpy(variables: dict[str, str], debugged: bool) -> None:  # noqa: FBT001
    (program,) = programs("python -m debugpy -m flask run", None, **variables)
    assert (program.remote is not None) is debugged


def test_a_debugger_stays_where_the_program_under_it_starts_others() -> None:
    files = {"Procfile": "web: flask run\n"}
    (program,) = programs("python -m debugpy --listen 5678 -m honcho start", files)
    assert program.name == "flask.cli:main"
    assert program.remote is not None
