"""From a process to its programs: what execve, shells, wrappers and Python make of the words."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployguard.launch import follow
from deployguard.model.evidence import Missing, Reason
from deployguard.model.process import Program, ProgramKind
from tests.support.memory import ELF, FLASK_3, MemoryFiles, process, venv

TOOLS = ("bash", "nice", "nohup", "timeout", "tini", "dumb-init", "gosu", "su", "setpriv", "xargs",
         "stdbuf", "setsid", "flock", "script", "sleep", "nginx", "dash")  # fmt: skip
FILES = venv(**FLASK_3) | {f"/usr/bin/{name}": ELF for name in TOOLS} | {"/bin/sh": ELF}


def programs(
    command: str | list[str], files: dict[str, str] | None = None, **variables: str
) -> tuple[Program, ...]:
    return follow(process(command, **variables), MemoryFiles(FILES | (files or {})))


def run(
    command: str | list[str], files: dict[str, str] | None = None, **variables: str
) -> list[tuple[str, str, list[str | None], str | None]]:
    return [
        (
            program.kind.value,
            program.name,
            [word.value for word in program.args],
            entry.value if (entry := program.process.env.get("FLASK_DEBUG")) else None,
        )
        for program in programs(command, files, **variables)
    ]


FLASK = ("entry-point", "flask.cli:main", ["run"], None)
DEBUG = ("entry-point", "flask.cli:main", ["run"], "1")


@pytest.mark.parametrize(
    "command",
    [
        "flask run",
        "/srv/venv/bin/flask run",
        "python /srv/venv/bin/flask run",
        "tini -- flask run",
        "tini -g -- flask run",
        "dumb-init flask run",
        "nohup nice -n 5 flask run",
        "timeout -k 5 60 flask run",
        "stdbuf -oL flask run",
        "setsid -w flask run",
        "flock /lock flask run",
        "gosu root flask run",
        "setpriv --reuid=0 flask run",
        ["sh", "-c", "flask run"],
        ["sh", "-c", "exec flask run"],
        ["bash", "-c", "set -e; cd /srv && flask run"],
        ["sh", "-c", 'flask r"un"'],
        ["sh", "-c", 'flask "$@"', "sh", "run"],
        ["sh", "-c", "eval 'flask run'"],
        ["sh", "-c", "{ flask run; }"],
        ["sh", "-c", "sh -c 'sh -c \"flask run\"'"],
        ["su", "root", "-s", "/bin/sh", "-c", "flask run"],
        ["sh", "-c", "flask ${WORD:-run}"],
        ["sh", "-c", 'f() { flask "$1"; }; f run'],
        ["sh", "-c", "for w in run; do flask $w; done"],
        ["sh", "-c", "case \"$STAGE\" in '') flask run;; *) false;; esac"],
        ["sh", "-c", 'if [ -n "$STAGE" ]; then false; else flask run; fi'],
        ["sh", "-c", '[ "$STAGE" = dev ] || exec flask run'],
        ["script", "-qec", "flask run", "/dev/null"],
    ],
    ids=str,
)  # fmt: skip
def test_wrappers_and_shells_start_what_they_are_given(command: str | list[str]) -> None:
    assert run(command) == [FLASK]


@pytest.mark.parametrize(
    ("text", "debug"),
    [
        ("export FLASK_DEBUG=1; flask run", "1"),
        ("FLASK_DEBUG=1; flask run", None),
        ("FLASK_DEBUG=1 flask run", "1"),
        ("FLASK_DEBUG=1 FLASK_DEBUG=0 flask run", "0"),
        ("FLASK_DEBUG=1; export FLASK_DEBUG; flask run", "1"),
        ("set -a; FLASK_DEBUG=1; flask run", "1"),
        ("set -a; . ./vars; set +a; flask run", "1"),
        (". ./vars; flask run", None),
        ("(export FLASK_DEBUG=1); flask run", None),
        ("export FLASK_DEBUG=1; unset FLASK_DEBUG; flask run", None),
        ("env FLASK_DEBUG=1 flask run", "1"),
        ("export FLASK_DEBUG=1; env -u FLASK_DEBUG flask run", None),
        ("export FLASK_DEBUG=1; env -i PATH=$PATH flask run", None),
        ("export FLASK_DEBUG=${D:-1}; flask run", "1"),
        ("export FLASK_DEBUG=$(echo 1); flask run", "1"),
        ("export FLASK_DEBUG=$((2 - 1)); flask run", "1"),
    ],
)
def test_only_what_is_exported_reaches_the_program(text: str, debug: str | None) -> None:
    files = {"/srv/app/vars": "FLASK_DEBUG=1\n"}
    assert [entry[3] for entry in run(["sh", "-c", text], files)] == [debug]


def test_an_assignment_updates_what_the_image_exports() -> None:
    assert run(["sh", "-c", "FLASK_DEBUG=1; flask run"], FLASK_DEBUG="0") == [DEBUG]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("python app.py", ("script", "/srv/app/app.py", [])),
        ("python -u -B app.py a b", ("script", "/srv/app/app.py", ["a", "b"])),
        ("python -m flask run", ("module", "flask", ["run"])),
        ("python -um flask run", ("module", "flask", ["run"])),
        ("python -Wd -X dev -m shop", ("module", "shop", [])),
        (["python", "-c", "print(1)"], ("code", "print(1)", [])),
        ("python -V", ("nothing", "", [])),
        ("nginx -g daemon", ("binary", "/usr/bin/nginx", ["-g", "daemon"])),
        ("sleep 30", ("nothing", "", [])),
        ("missing-command", ("nothing", "", [])),
        (["flask run"], ("nothing", "", [])),
        ([""], ("nothing", "", [])),
        ("./app.sh", ("entry-point", "flask.cli:main", ["run"])),
        ("./crlf.sh", ("nothing", "", [])),
        ("./bare.sh", ("nothing", "", [])),
        (["sh", "-c", "./bare.sh"], ("entry-point", "flask.cli:main", ["run"])),
        ("./serve", ("script", "/srv/app/serve", [])),
        (["sh", "-c", "exit 3; flask run"], ("nothing", "", [])),
        ("xargs flask run", ("entry-point", "flask.cli:main", ["run"])),
        ("xargs -I{} flask {}", ("unknown", "xargs", ["xargs", "-I{}", "flask", "{}"])),
    ],
    ids=str,
)
def test_what_starts_is_what_execve_and_python_start(
    command: str | list[str], expected: tuple[str, str, list[str]]
) -> None:
    files = {
        "/srv/app/app.sh": "#!/bin/sh\nset -e\nexec flask run\n",
        "/srv/app/crlf.sh": "#!/bin/sh\r\nflask run\r\n",
        "/srv/app/bare.sh": "flask run\n",
        "/srv/app/serve": "#!/usr/bin/env python3\nprint(1)\n",
        "/bin/sh": ELF,
    }
    assert [entry[:3] for entry in run(command, files)] == [expected]


@pytest.mark.parametrize(
    "text",
    [
        "flask $(cat /dev/secret | head)",
        "if nc -z db 1; then flask run; else flask run --debug; fi",
        "date | while read line; do flask run; done",
        "curl http://db | python",
        'eval "$(curl http://db)"',
        "for f in /srv/*; do . $f; done; flask run; )",
    ],
)  # fmt: skip
def test_what_is_not_understood_is_an_unknown_program(text: str) -> None:
    found = programs(["bash", "-c", text])
    assert any(
        program.kind is ProgramKind.UNKNOWN
        or not program.certain
        or any(word.value is None for word in program.args)
        for program in found
    )


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["sh", "-c", '[ "$(id -u)" = 0 ] && exec flask run'], [FLASK]),
        (["gosu", "www", "sh", "-c", '[ "$(id -u)" = 0 ] || exec flask run'], [FLASK]),
        (["gosu", "33:33", "sh", "-c", 'flask run "$(id -u)"'],
         [("entry-point", "flask.cli:main", ["run", "33"], None)]),
        # Nobody: the name is not in /etc/passwd.
        (["gosu", "nobody", "sh", "-c", 'flask run "$(id -u)"'],
         [("entry-point", "flask.cli:main", ["run", None], None)]),
        (["setpriv", "--reuid=33", "sh", "-c", 'flask run "$(id -u)"'],
         [("entry-point", "flask.cli:main", ["run", None], None)]),
    ],
)  # fmt: skip
def test_the_user_of_a_script_is_known_where_a_wrapper_names_it(
    command: list[str], expected: list[object]
) -> None:
    assert run(command, {"/etc/passwd": "www:x:33:33::/:/bin/sh\n"}) == expected


def test_an_entry_script_that_starts_itself_as_another_user_is_followed_once() -> None:
    text = '#!/bin/sh\nif [ "$(id -u)" = "0" ]; then exec gosu 33 "$0" "$@"; fi\nexec "$@"\n'
    assert run(["/entry.sh", "flask", "run"], {"/entry.sh": text}) == [FLASK]


def test_migrations_come_before_the_server_and_both_are_followed() -> None:
    text = "flask db upgrade && exec gunicorn app:app"
    assert [entry[:3] for entry in run(["sh", "-c", text])] == [
        ("entry-point", "flask.cli:main", ["db", "upgrade"]),
        ("entry-point", "gunicorn.app.wsgiapp:run", ["app:app"]),
    ]


def test_a_command_whose_file_was_not_read_is_taken_by_its_name() -> None:
    unread = Missing(Reason.RUN, "what RUN leaves behind")
    files = MemoryFiles(FILES, {"/srv/venv/bin": unread})
    (program,) = follow(process("flask run"), files)
    assert (program.kind, program.name) == (ProgramKind.ENTRY_POINT, "flask.cli:main")
    assert "taken for what its name says" in program.trail[-2].note


@pytest.mark.parametrize("head", ["MZqFpD='\n\0", "\x02\x1a\x8c random"])
def test_a_binary_of_another_format_than_elf_is_taken_by_its_name(head: str) -> None:
    # Whether it runs is up to the machine: Linux has binfmt_misc, and Cosmopolitan's Python is no ELF.
    files = {"/bin/sh": head, "/srv/app/app.sh": "#!/bin/sh\nexec flask run\n"}
    assert run("./app.sh", files) == [FLASK]


def test_the_chain_names_the_line_of_the_script() -> None:
    (program,) = programs("./e.sh", {"/srv/app/e.sh": "#!/bin/sh\n\nexec flask run\n",
                                     "/bin/sh": ELF})  # fmt: skip
    places = [(step.location.file, step.location.line) for step in program.trail]
    assert ("/srv/app/e.sh", 3) in places


WORDS = st.lists(
    st.sampled_from(
        ["sh", "-c", "flask", "run", "env", "-i", "A=1", "su", "-", "python", "-m", "--", "exec",
         "$X", "timeout", "5", "xargs", "bash", "-l", "", "/bin/sh", ".", "./a", "tini"]
    ),
    max_size=6,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(WORDS, st.text(max_size=60))
def test_following_never_raises(words: list[str], text: str) -> None:
    files = {"/srv/app/a": "#!/bin/sh\n" + text}
    assert programs(words, files)
    assert programs(["sh", "-c", text])
