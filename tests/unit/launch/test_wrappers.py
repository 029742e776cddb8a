"""Programs that change something and start another: their options, and what is left of a process."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployguard.launch.options import Read, read, syntax
from deployguard.model.evidence import Location, Missing, Traced
from deployguard.model.process import ProgramKind
from tests.support.launches import launches, programs
from tests.support.memory import ELF

PLACE = Location("command")
SYNTAX = syntax(flags="-a -b --all", values="-n --number", optional="--color", ends="--help")


def words(text: str) -> list[Traced[str | None]]:
    return [Traced(word, PLACE) for word in text.split()]


@pytest.mark.parametrize(
    ("text", "given_options", "rest"),
    [
        ("-n 5 x -a", [("-n", "5")], "x -a"),
        ("-n5 x", [("-n", "5")], "x"),
        ("-abn5 x", [("-a", None), ("-b", None), ("-n", "5")], "x"),
        ("--number=5 x", [("--number", "5")], "x"),
        ("--number 5 x", [("--number", "5")], "x"),
        ("--num 5 x", [("--number", "5")], "x"),
        ("--color=auto --color x", [("--color", "auto"), ("--color", None)], "x"),
        ("-a -- -b x", [("-a", None)], "-b x"),
        ("- x", [], "- x"),
    ],
)
def test_options_are_read_as_getopt_reads_them(
    text: str, given_options: list[tuple[str, str | None]], rest: str
) -> None:
    found = read("tool", words(text), SYNTAX)
    assert isinstance(found, Read)
    values = [(one.name, one.value.value if one.value else None) for one in found.given]
    assert (values, " ".join(word.value or "" for word in found.rest)) == (given_options, rest)


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("--help x", "tool --help prints and ends"),
        ("-n", "tool ends: its option -n lacks a value"),
        ("--all=1 x", "tool ends: its option --all takes no value"),
        ("-z x", "what the option -z of tool does"),
        ("--zero x", "what the option --zero of tool does"),
    ],
)
def test_a_program_ends_at_options_or_is_open(text: str, note: str) -> None:
    found = read("tool", words(text), SYNTAX)
    assert not isinstance(found, Read)
    assert (found.what if isinstance(found, Missing) else found.note) == note


@given(st.lists(st.sampled_from(["-a", "-n", "5", "--number=5", "--", "x", "-an5", "--all"])))
def test_every_word_is_an_option_its_value_or_among_the_rest(texts: list[str]) -> None:
    found = read("tool", words(" ".join(texts)), SYNTAX)
    if isinstance(found, Read):
        taken = [one.word.value for one in found.given]
        values = [one.value.value for one in found.given if one.value is not None]
        for text in texts:
            inside = [*taken, *values, *(word.value for word in found.rest)]
            assert text == "--" or text in inside


@pytest.mark.parametrize(
    "command",
    [
        "nice -n5 flask run",
        "nice -n 5 flask run",
        "nice --adjustment=5 flask run",
        "nice -5 flask run",
        "nice --5 flask run",
        "ionice -c3 -n 7 -t flask run",
        "chrt -b 0 flask run",
        "taskset -c 0,1 flask run",
        "taskset 0x3 flask run",
        "numactl --membind=0 -C 1 flask run",
        "timeout 60 flask run",
        "timeout -sKILL --kill-after=5 1h flask run",
        "timeout --foreground --preserve-status 5 flask run",
        "stdbuf -oL -e0 --input=0 flask run",
        "setsid --fork --ctty flask run",
        "flock -n /lock flask run",
        "flock -w 5 -E 1 /lock -c 'flask run'",
        "script -qec 'flask run' /dev/null",
        "script /dev/null -c 'flask run'",
        "script -q --command='flask run' --return log",
        "unshare -fpm --mount-proc flask run",
        "unshare --wd / --map-root-user flask run",
        "chroot / flask run",
        "capsh --drop=all --user=www -- -c 'flask run'",
        "dockerize -wait tcp://db:5432 -timeout 30s flask run",
        "dockerize --wait=http://x -wait-retry-interval=2s -- flask run",
        "gosu www:www flask run",
        "su-exec 33:33 flask run",
        "setuidgid www softlimit -m 9 flask run",
        "chpst -u www -o 200 flask run",
        "tini -vvsg -p SIGTERM -e 143 -- flask run",
        "dumb-init -cv -r 15:3 --rewrite=2:3 flask run",
        "catatonit -g -- flask run",
        "prlimit --nofile=9:9 -c0 flask run",
        "strace -f -e trace=network -o log flask run",
        "busybox nice -n 5 flask run",
        "busybox sh -c 'flask run'",
        "busybox env flask run",
        "env -- flask run",
        "env -S 'flask run'",
        "env -S'flask run'",
        "env -u X --chdir=/ flask run",
        "runuser -u www -- flask run",
        "runuser root -c 'flask run'",
        "su -c 'flask run'",
        "su root -s /bin/sh -c 'flask run'",
        "wait-for-it db:5432 -t 5 -- flask run",
        "xargs flask run",
    ],
)
def test_a_wrapper_starts_what_follows_its_options(command: str) -> None:
    files = {"/usr/bin/wait-for-it": ELF, "/bin/bash": ELF}
    assert launches(command, files) == ["flask run"]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("env flask run", "FLASK_DEBUG=1 flask run"),
        ("env FLASK_DEBUG=0 flask run", "FLASK_DEBUG=0 flask run"),
        ("env -u FLASK_DEBUG flask run", "flask run"),
        ("env -uFLASK_DEBUG flask run", "flask run"),
        ("env --unset=FLASK_DEBUG flask run", "flask run"),
        ("env -i PATH=/srv/venv/bin flask run", "flask run"),
        ("env - PATH=/srv/venv/bin flask run", "flask run"),
        ("env -iuX PATH=/srv/venv/bin flask run", "flask run"),
        ("env -S 'FLASK_DEBUG=${STAGE} flask run'", "FLASK_DEBUG=dev flask run"),
        ("env -vS '-i PATH=/srv/venv/bin flask run'", "flask run"),
        ("setpriv --reuid=33 --clear-groups flask run", "FLASK_DEBUG=1 flask run"),
        ("setpriv --reset-env /srv/venv/bin/flask run", "flask run"),
        ("gosu www flask run", "FLASK_DEBUG=1 flask run"),
        ("su www -s /bin/sh -c 'flask run'", "FLASK_DEBUG=1 flask run"),
        ("runuser -u www flask run", "FLASK_DEBUG=1 flask run"),
        ("chpst -e vars flask run", "FLASK_DEBUG=off flask run"),
        ("envdir vars flask run", "FLASK_DEBUG=off flask run"),
        ("envdir empty flask run", "flask run"),
        ("sudo -E flask run", "FLASK_DEBUG=1 flask run"),
        ("sudo -u www flask run", "flask run"),
        ("sudo FLASK_DEBUG=2 flask run", "FLASK_DEBUG=2 flask run"),
        ("sudo --preserve-env=FLASK_DEBUG flask run", "FLASK_DEBUG=1 flask run"),
        ("doas -u www flask run", "FLASK_DEBUG=1 flask run"),
    ],
)
def test_what_a_wrapper_does_to_the_environment(command: str, expected: str) -> None:
    files = {
        "vars/FLASK_DEBUG": "off  \nsecond line\n",
        "empty/FLASK_DEBUG": "",
        "/etc/sudoers": "Defaults env_reset\nroot ALL=(ALL) ALL\n",
        "/etc/doas.conf": "permit nopass keepenv :root\n",
    }
    assert launches(command, files, FLASK_DEBUG="1", STAGE="dev") == [expected]


@pytest.mark.parametrize(
    ("command", "what"),
    [
        ("parallel flask ::: run", "what parallel starts"),
        ("nsenter -t 1 flask run", "what nsenter starts"),
        ("chroot /other flask run", "the files below the new root of chroot"),
        ("unshare -R /other flask run", "the files below the new root of unshare"),
        ("nice --zap flask run", "what the option --zap of nice does"),
        ("dockerize -template a:b flask run", "what the option -template of dockerize does"),
        ("just -q serve", "what just serve runs of /srv/app/justfile"),
        ("task", "what task runs of Taskfile.yml"),
    ],
)
def test_what_a_wrapper_hides_is_named(command: str, what: str) -> None:
    files = {"justfile": "serve:\n", "/usr/bin/just": ELF, "/usr/bin/task": ELF}
    assert launches(command, files) == [f"unknown: {what}"]


@pytest.mark.parametrize(
    ("settings_of_sudo", "debug"),
    [
        ("Defaults env_keep += FLASK_DEBUG\n", "FLASK_DEBUG=? flask run"),
        ("Defaults !env_reset\n", "FLASK_DEBUG=? flask run"),
        ("# Defaults env_keep += FLASK_DEBUG\n", "flask run"),
        (None, "FLASK_DEBUG=? flask run"),
    ],
)
def test_what_sudo_keeps_is_known_where_its_settings_are(
    settings_of_sudo: str | None, debug: str
) -> None:
    files = {} if settings_of_sudo is None else {"/etc/sudoers": settings_of_sudo}
    assert launches("sudo flask run", files, FLASK_DEBUG="1") == [debug]


@pytest.mark.parametrize(
    "command",
    [
        "timeout 5",
        "nohup",
        "env A=1",
        "chroot /",
        "tini --version",
        "gosu www",
        "su root -c 'flask run' --zap",
        "runuser -u www flask run --debug",
        "dockerize -wait tcp://db:1",
        "envsubst",
        "busybox --list",
    ],
)
def test_a_wrapper_without_a_command_starts_nothing(command: str) -> None:
    assert launches(command) == []


def test_a_login_of_another_user_loses_the_environment() -> None:
    (program,) = programs("su - www -s /bin/nologin -c 'flask run'")
    assert program.kind is ProgramKind.NOTHING


def test_a_wrapper_may_give_a_terminal() -> None:
    (program,) = programs("script -qc 'flask run' /dev/null")
    assert program.process.terminal.value is True


def test_watch_needs_a_terminal_so_that_what_it_starts_is_in_doubt() -> None:
    assert launches("watch -n 5 flask run") == ["flask run ?"]


def test_the_home_of_a_user_comes_from_its_account() -> None:
    (program,) = programs("gosu www flask run")
    entry = program.process.env.get("HOME")
    assert entry is not None
    assert entry.value == "/var/www"


WAITING = """#!/bin/sh
wait_for() {
  nc -z "$HOST" "$PORT" && exec "$@"
}
while [ $# -gt 0 ]; do
  case "$1" in
    --) shift; break ;;
    *) shift ;;
  esac
done
wait_for "$@"
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (WAITING, ["flask run"]),
        # One that does more is read as any other script.
        ('#!/bin/sh\n# wait_for() --)\nexport FLASK_DEBUG=1\nshift 2\nexec "$@"\n',
         ["FLASK_DEBUG=1 flask run"]),
    ],
)  # fmt: skip
def test_scripts_that_wait_for_others_are_known_where_they_do_nothing_else(
    text: str, expected: list[str]
) -> None:
    assert launches("./wait-for.sh db:5432 -- flask run", {"wait-for.sh": text}) == expected


TOOL_WORDS = st.lists(
    st.sampled_from(
        ["nice", "-n", "env", "-S", "su", "-c", "sudo", "setpriv", "flask", "run", "--", "-", "$X",
         "chpst", "-e", "vars", "uv", "poetry", "pipenv", "make", "-C", "npm", "honcho", "start",
         "supervisord", "python", "-m", "debugpy", "--listen", "5678", "cProfile", "pdb", "busybox",
         "inv", "pdm", "dotenv", "script", "", "timeout", "5", "conda", "hatch", "-p", "x=1"]
    ),
    max_size=7,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(TOOL_WORDS, st.text(max_size=80))
def test_following_tools_never_raises(chosen: list[str], text: str) -> None:
    names = ("Makefile", "Procfile", "supervisord.conf", "pyproject.toml", "Pipfile", ".env",
             "package.json", "tasks.py", "vars/X")  # fmt: skip
    assert programs(chosen, dict.fromkeys(names, text))
