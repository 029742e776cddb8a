"""How shells are started: profiles, options, standard input, and which shell sh is."""

import pytest

from deployguard.launch import follow
from deployguard.model.evidence import Missing, Reason
from deployguard.model.process import Program, ProgramKind
from tests.support.memory import ELF, FLASK_3, MemoryFiles, process, venv

BASE = venv(**FLASK_3) | {f"/usr/bin/{name}": ELF for name in ("bash", "su", "xargs")}
USERS = "root:x:0:0:root:/root:/bin/bash\napp:x:5:5::/home/app:/bin/bash\n"


def programs(
    command: list[str],
    files: dict[str, str] | None = None,
    links: dict[str, str] | None = None,
    **variables: str | None,
) -> tuple[Program, ...]:
    there = BASE | {"/etc/passwd": USERS} | (files or {})
    return follow(process(command, **variables), MemoryFiles(there, {}, links or {}))


def debug(found: tuple[Program, ...]) -> list[str | None]:
    entries = [program.process.env.get("FLASK_DEBUG") for program in found
               if program.kind is not ProgramKind.NOTHING]  # fmt: skip
    return [None if entry is None else entry.value for entry in entries]


PROFILES = {
    "/etc/profile": "export FLASK_DEBUG=profile\n",
    "/root/.profile": "export FLASK_DEBUG=$FLASK_DEBUG-home\n",
}


@pytest.mark.parametrize(
    ("command", "own", "expected"),
    [
        (["bash", "-lc", "flask run"], {}, "profile-home"),
        (["bash", "--login", "-c", "flask run"], {}, "profile-home"),
        (["sh", "-lc", "flask run"], {}, "profile-home"),
        (["bash", "-c", "flask run"], {}, None),
        (["bash", "-l", "--noprofile", "-c", "flask run"], {}, None),
        (["bash", "-lc", "flask run"], {"/root/.bash_profile": "FLASK_DEBUG=mine\n"}, "mine"),
        (["bash", "-lc", "flask run"], {"/root/.bash_login": "FLASK_DEBUG=login\n"}, "login"),
        (["sh", "-lc", "flask run"], {"/root/.bash_profile": "FLASK_DEBUG=mine\n"},
         "profile-home"),
        (["bash", "-lc", "flask run"], {"/root/.bash_profile": "[ -t 0 ] || return\nFLASK_DEBUG=x\n"},
         "profile"),
        (["bash", "-lc", "flask run"],
         {"/etc/profile": "for f in /etc/profile.d/*.sh; do . $f; done\n",
          "/etc/profile.d/a.sh": "export FLASK_DEBUG=part\n", "/root/.profile": ""}, "part"),
    ],
)  # fmt: skip
def test_a_login_shell_reads_its_profiles(
    command: list[str], own: dict[str, str], expected: str | None
) -> None:
    assert debug(programs(command, PROFILES | own)) == [expected]


def test_the_profile_of_debian_resets_the_path() -> None:
    text = 'if [ "$(id -u)" -eq 0 ]; then PATH="/usr/sbin:/usr/bin"; else PATH="/bin"; fi\nexport PATH\n'
    (found,) = programs(["bash", "-lc", "flask run"], {"/etc/profile": text})
    assert found.kind is ProgramKind.NOTHING
    (found,) = programs(["bash", "-lc", "/srv/venv/bin/flask run"], {"/etc/profile": text})
    assert found.kind is ProgramKind.ENTRY_POINT


def test_the_home_is_that_of_the_user_where_none_is_set() -> None:
    files = {"/home/app/.bash_profile": "export FLASK_DEBUG=app\n"}
    inner = ["gosu", "app", "bash", "-lc", "flask run"]
    assert debug(programs(inner, files | {"/usr/bin/gosu": ELF}, HOME="/home/app")) == ["app"]


def test_a_profile_that_was_not_read_leaves_all_open() -> None:
    missing = Missing(Reason.FILE, "the mounted file /etc/profile")
    files = MemoryFiles(BASE, {"/etc/profile": missing})
    (found,) = follow(process(["bash", "-lc", "flask run"]), files)
    assert (found.kind, found.missing) == (ProgramKind.UNKNOWN, (missing,))


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["sh", "-ec", "false; flask run"], []),
        (["sh", "-c", "false; flask run"], [None]),
        (["bash", "-a", "-c", "FLASK_DEBUG=1; flask run"], ["1"]),
        (["bash", "-o", "allexport", "-c", "FLASK_DEBUG=1; flask run"], ["1"]),
        (["bash", "-n", "-c", "flask run"], []),
        (["bash", "-euxo", "pipefail", "-c", "false | true; flask run"], []),
        (["bash", "-uc", "flask run $MISSING"], []),
    ],
)
def test_options_of_the_command_line_are_the_scripts_own(
    command: list[str], expected: list[str | None]
) -> None:
    assert debug(programs(command)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "echo 'flask run' | sh",
        "sh <<'E'\nflask run\nE",
        "bash -s -- run <<'E'\nflask \"$@\"\nE",
        "echo flask run | bash /dev/stdin",
        "printf 'run\\n' | xargs flask",
        "sh -c 'xargs flask' <<< run",
        "cat ./inner.sh | sh",
    ],
)
def test_what_is_read_is_run(text: str) -> None:
    (found,) = programs(["bash", "-c", text], {"/srv/app/inner.sh": "flask run\n"})
    assert (found.kind, [word.value for word in found.args]) == (ProgramKind.ENTRY_POINT, ["run"])


@pytest.mark.parametrize("text", ["python - a <<'E'\nprint(1)\nE", "echo 'print(1)' | python - a"])
def test_python_runs_what_it_reads(text: str) -> None:
    (found,) = programs(["bash", "-c", text])
    assert (found.kind, found.name.strip()) == (ProgramKind.CODE, "print(1)")
    assert [word.value for word in found.args] == ["a"]


def test_python_that_reads_what_nobody_knows_is_unknown() -> None:
    (found,) = programs(["bash", "-c", "curl http://x | python"])
    assert found.kind is ProgramKind.UNKNOWN
    assert found.missing[0].what.startswith("what curl prints")


@pytest.mark.parametrize(
    ("files", "links", "runs"),
    [
        ({"/bin/dash": ELF}, {"/usr/bin/sh": "/bin/dash"}, False),
        ({}, {"/usr/bin/sh": "bash"}, True),
        ({"/bin/dash": ELF + "dash", "/usr/bin/sh": ELF + "dash"}, {}, False),
        ({"/bin/bash": ELF + "bash", "/usr/bin/sh": ELF + "bash"}, {}, True),
        ({"/usr/bin/sh": ELF + "another"}, {}, None),
    ],
)
def test_which_shell_sh_is_the_image_tells(
    files: dict[str, str],
    links: dict[str, str],
    runs: bool | None,  # noqa: FBT001
) -> None:
    found = programs(["sh", "-c", "[[ a == a ]] && flask run"], files, links)
    kinds = [(one.kind is ProgramKind.ENTRY_POINT, one.certain) for one in found]
    assert kinds == {True: [(True, True)], False: [(False, True)], None: [(True, False)]}[runs]
