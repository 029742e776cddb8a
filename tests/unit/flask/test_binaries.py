"""Programs that are no Python: known binaries of a distribution, and images without any Python."""

import pytest

from deployguard import flask
from deployguard.flask import binaries
from deployguard.model.evidence import Answer, Missing, Reason
from deployguard.model.facts import ProgramFacts
from tests.support.memory import ELF, FLASK_3, MemoryFiles, process, venv

NO, UNKNOWN = Answer.NO, Answer.UNKNOWN
NAMES = ("nginx", "uwsgi", "perl", "collector", "plugged", "embedding", "valgrind", "lighttpd")


def package(name: str, depends: str = "libc6") -> str:
    return f"Package: {name}\nStatus: install ok installed\nVersion: 1\nDepends: {depends}\n\n"


DEBIAN = {
    "/var/lib/dpkg/status": "".join(map(package, NAMES[:-2]))
    + package("embedding", "libc6, libpython3.11 (>= 3.11)")
    + package("plugged-python3", "plugged (= 1), libpython3.11")
    + package("libpython3.11", "libc6"),
    **{f"/var/lib/dpkg/info/{name}.list": f"/usr/bin/{name}\n" for name in NAMES},
    **{f"/usr/bin/{name}": ELF for name in NAMES},
    "/usr/local/bin/own": ELF,
    "/etc/nginx.conf": "user nginx;\n",
}
WITH_PYTHON = DEBIAN | venv(**FLASK_3)


def judged(command: str | list[str], files: dict[str, str], **variables: str) -> ProgramFacts:
    (program,) = flask.judge(process(command, **variables), MemoryFiles(files))
    return program


def answers(program: ProgramFacts) -> set[Answer]:
    reported = set(program.facts.claims()) - {"configured"}
    return {program.facts.claims()[name].answer for name in reported}


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["nginx", "-g", "daemon off;"], {NO}),
        (["nginx", "-c", "/etc/nginx.conf"], {NO}),
        (["/usr/bin/nginx"], {NO}),
        # What another program is named to is not followed unless it is known itself.
        (["collector", "--then", "nginx"], {NO}),
        (["collector", "--then", "flask run"], {UNKNOWN}),
        (["collector", "EXEC:/srv/venv/bin/flask"], {UNKNOWN}),
        (["collector", "--command=python app.py"], {UNKNOWN}),
        (["collector", "serve.py"], {UNKNOWN}),
        # Nobody's: the distribution does not list it.
        (["own"], {UNKNOWN}),
        # These start what their configuration or their source names, or run Python inside.
        (["perl"], {UNKNOWN}),
        (["lighttpd", "-D"], {UNKNOWN}),
        (["embedding"], {UNKNOWN}),
        (["plugged"], {UNKNOWN}),
        (["valgrind", "-q"], {UNKNOWN}),
    ],
)
def test_a_known_binary_beside_a_python_runs_nothing_of_flask(
    command: list[str], expected: set[Answer]
) -> None:
    assert answers(judged(command, WITH_PYTHON)) == expected


def test_the_evidence_names_the_package_and_its_list() -> None:
    step = judged("nginx", WITH_PYTHON).facts.debugger.evidence[-1]
    assert step.location.file == "/var/lib/dpkg/info/nginx.list"
    assert "the distribution's package nginx 1" in step.note


def test_settings_that_a_known_binary_ignores_are_still_told() -> None:
    program = judged("nginx", WITH_PYTHON, FLASK_DEBUG="1")
    assert program.facts.configured.answer is Answer.YES
    assert program.facts.debugger.answer is NO


PLAIN = {"/usr/local/bin/own": ELF, "/etc/passwd": "root:x:0:0::/root:/bin/sh\n"}


@pytest.mark.parametrize(
    ("beside", "expected"),
    [
        ({}, {NO}),
        ({"/usr/share/vim/syntax/python": "", "/usr/share/gdb/python3.11/os.py": ""}, {NO}),
        ({"/opt/odd/bin/python3.12": ELF}, {UNKNOWN}),
        ({"/root/.pyenv/shims/pypy3": "#!/bin/sh\n"}, {UNKNOWN}),
        ({"/usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0": ELF}, {UNKNOWN}),
        ({"/srv/packages/site-packages/flask/__init__.py": ""}, {UNKNOWN}),
        ({"/app/lib/python3.12/os.py": ""}, {UNKNOWN}),
        ({"/app/python312.zip": ""}, {UNKNOWN}),
    ],
)
def test_an_image_holds_no_python_where_nothing_of_one_lies_anywhere(
    beside: dict[str, str], expected: set[Answer]
) -> None:
    assert answers(judged("own", PLAIN | beside)) == expected


@pytest.mark.parametrize(
    "mark",
    ["MEI\x0c\x0b\x0a\x0b\x0e", "_MEIPASS2", "NUITKA_ONEFILE_PARENT", "oxidized_importer",
     "Py_Initialize", "libpython3.12.so", "__main__.py", "UPX!"],
)  # fmt: skip
def test_a_program_that_carries_a_python_is_not_taken_for_none(mark: str) -> None:
    frozen = ELF + "x" * 1_100_000 + mark + "x" * 100
    program = judged("own", PLAIN | {"/usr/local/bin/own": frozen})
    assert answers(program) == {UNKNOWN}
    assert program.facts.debugger.missing[0].what.startswith("what /usr/local/bin/own does")
    # One beside it may be what it starts.
    assert answers(judged("own", PLAIN | {"/opt/shop": frozen})) == {UNKNOWN}


def test_a_script_that_is_not_followed_runs_no_flask_where_there_is_no_python() -> None:
    script = {"/usr/bin/sh": ELF, "/entry.sh": "#!/usr/bin/sh\ncoproc odd\nexec $(unknown)\n"}
    assert answers(judged("/entry.sh", PLAIN | script)) == {NO}
    assert answers(judged("/entry.sh", WITH_PYTHON | script)) == {UNKNOWN}


def test_files_that_were_not_read_may_hold_a_python() -> None:
    missing = Missing(Reason.FILE, "the files below /opt")
    files = MemoryFiles(PLAIN | {"/opt/a": ""}, unread={"/opt": missing})
    (program,) = flask.judge(process("own"), files)
    assert program.facts.debugger.missing == (missing,)


def test_an_image_of_more_files_than_are_looked_at_is_not_settled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(binaries, "_ENTRIES", 10)
    files = PLAIN | {f"/data/{number}": "" for number in range(20)}
    (missing,) = judged("own", files).facts.debugger.missing
    assert missing.reason is Reason.LIMIT


def test_what_is_mounted_over_an_image_is_not_the_image() -> None:
    missing = Missing(Reason.FILE, "a volume")
    image = MemoryFiles(PLAIN | {"/data/x": ""})
    mounted = MemoryFiles(PLAIN, unread={"/data": missing})
    (program,) = flask.judge(process("own"), mounted, image)
    assert answers(program) == {NO}
    # What lies in the volume may be anything.
    for command in ("/data/start", "own /data/config"):
        (program,) = flask.judge(process(command), mounted, image)
        assert missing in program.facts.debugger.missing


def test_a_program_that_is_mounted_over_an_image_is_not_judged_by_the_image() -> None:
    frozen = ELF + "x" * 1_100_000 + "_MEIPASS"
    image = MemoryFiles(PLAIN)
    mounted = MemoryFiles(PLAIN | {"/usr/local/bin/own": frozen})
    (program,) = flask.judge(process("own"), mounted, image)
    assert answers(program) == {UNKNOWN}
