"""What a script starts, compared with a run of it by the real bash."""

import shutil
import subprocess
from pathlib import Path

import pytest

from deployguard.launch import follow
from deployguard.model.process import ProgramKind
from tests.support.components import missing
from tests.support.memory import ELF, FLASK_3, MemoryFiles, process, venv

# Prints what it is given and what reaches it, instead of serving.
STUB = """\
#!/bin/sh
{ printf '%s' "FLASK_DEBUG=${FLASK_DEBUG-unset}"; printf ' [%s]' "$@"; echo; } >> "$STARTED"
"""
FILES = {
    "parts/10-first.sh": "flask run --first\n",
    "parts/9-second.sh": "flask run --second\n",
    "parts/notes.txt": "no script\n",
    "parts/below/3-deep.sh": "flask run --deep\n",
    "settings": "MODE=file\n",
}


def started_by_bash(text: str, folder: Path) -> list[str]:
    program = shutil.which("bash")
    if program is None:
        missing("there is no bash to compare with")
    for name, content in FILES.items():
        path = folder / "app" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(0o755)
    stub = folder / "bin" / "flask"
    stub.parent.mkdir()
    stub.write_text(STUB)
    stub.chmod(0o755)
    script = folder / "app" / "entry.sh"
    script.write_text(text)
    log = folder / "started"
    log.touch()
    subprocess.run(
        [program, str(script), "one", "two words"],
        cwd=folder / "app",
        check=False,
        capture_output=True,
        timeout=20,
        env={"PATH": f"{stub.parent}:/usr/bin:/bin", "STARTED": str(log), "HOME": "/root",
             "NAME": "MODE", "MODE": "image"},
    )  # fmt: skip
    return log.read_text().replace(str(folder / "app"), "/srv/app").splitlines()


def started_here(text: str) -> list[str]:
    files = venv(**FLASK_3) | {f"/srv/app/{name}": content for name, content in FILES.items()}
    files |= {"/srv/app/entry.sh": text, "/usr/bin/bash": ELF}
    command = ["bash", "/srv/app/entry.sh", "one", "two words"]
    programs = follow(process(command, NAME="MODE", MODE="image"), MemoryFiles(files))
    found: list[str] = []
    for program in programs:
        if program.kind is ProgramKind.NOTHING:
            continue
        assert program.kind is ProgramKind.ENTRY_POINT, program.missing
        entry = program.process.env.get("FLASK_DEBUG")
        debug = "unset" if entry is None else entry.value
        words = "".join(f" [{word.value}]" for word in program.args)
        found.append(f"FLASK_DEBUG={debug}{words}")
    return found


@pytest.mark.parametrize(
    "text",
    [
        'flask run "${!NAME}"',
        'flask run "${!NAME:-otherwise}"',
        'file="${NAME}_FILE"; flask run "${!file:-none}"',
        'options=( run --debug ); flask "${options[@]}"',
        'options=( run ); options+=( --host "a b" ); flask "${options[@]}" "${#options[@]}"',
        'f() { local options=( run "$1" ); flask "${options[@]}" "${options[1]}"; }; f "x y"',
        'options=(); flask run "${options[@]}" end',
        'flask run "${absent[@]}" end',
        'options=( a b ); flask run "$options" "${options[*]}"',
        'options=( run "$@" ); flask "${options[@]}"',
        'unset options; options=( a ); unset options; flask run "${options[@]}" end',
        'declare -a options=( run -p 1 ); flask "${options[@]}"',
        'outer() { inner; }; inner() { flask run "${FUNCNAME[0]}" "${FUNCNAME[1]}" '
        '"${#FUNCNAME[@]}"; }; outer',
        'f() { [ "${#FUNCNAME[@]}" -ge 2 ] && [ "${FUNCNAME[1]}" = source ]; }; '
        "if ! f; then flask run; fi",
        'flask run "$BASH_SOURCE"',
        'find parts -type f -name "*.sh" | sort -V | while read -r f; do . "$f"; done',
        'find parts/ -maxdepth 1 -type f | sort | while read -r f; do case "$f" in *.sh) '
        'flask run "$f";; esac; done',
        "if find parts -mindepth 1 -maxdepth 1 -type f -print -quit | read found; then flask run; "
        "fi",
        "if find nowhere -type f | read found; then flask run; else flask routes; fi",
        "printf '%s\\n' one two | while read -r word; do flask run \"$word\"; done",
        'echo a b | { read word; flask run "$word"; }',
        'flask run "$(printf \'%q \' run --debug)"',
        "flask run \"$(printf '%s-%s' a)\" \"$(printf 'x%%')\"",
        "cat <(flask routes) > /dev/null; flask run",
        "tries=0; while ! nc -z 127.0.0.1 1; do tries=$((tries + 1)); if [ $tries -ge 2 ]; then "
        "break; fi; done; flask run",
        'for word; do flask run "$word"; done',
        "FLASK_DEBUG= flask run; EMPTY=; flask routes $EMPTY end",
        "export FLASK_DEBUG=1; FLASK_DEBUG=0 flask run; f() { LATER=set; }; FLASK_DEBUG=0 f; "
        "flask run $LATER",
        'while read -r line; do flask run "$line"; done < settings',
        'while IFS= read -r line; do export "$line"; done < settings; flask run "$MODE"',
        'while read -r line; do flask run "$line"; done <<< "  a  b "; flask run end',
        'while IFS= read -r line; do flask run "$line"; done <<< "  a  b "',
        'while read -r line; do flask run "$line"; done <<END\none $MODE\ntwo\nEND\nflask run end',
        'read -r first < settings; flask run "$first"',
        'while read -r line; do flask run "$line"; done < nowhere; flask run end',
        "echo a | while read -r one; do read -r two <<< b; flask run $one $two; done",
        'echo "a b" | cat | { read -r word; flask run "$word"; }',
        '{ read -r one; read -r two; flask run "$one" "$two"; } < parts/10-first.sh',
        "find . -name settings -exec chmod 600 {} +; flask run",
        'export "$NAME"=set; flask run "$MODE"',
        "declare -g LATER; : ${LATER:=x}; flask run $LATER",
    ],
)  # fmt: skip
def test_a_script_starts_what_bash_starts(text: str, tmp_path: Path) -> None:
    assert started_here(text) == started_by_bash(text, tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "find . -exec flask run ';'",
        "find parts -type f | head -1 | while read -r f; do flask run $f; done",
        'flask run "$(find parts -type f)"',
        'flask run "${options[$i]}"',
        'options=( [3]=a ); flask "${options[@]}"',
        "while ! nc -z a 1; do flask run; done",
        "for f in a b; do if curl a; then break; fi; MODE=$f; done; flask run $MODE",
    ],
)  # fmt: skip
def test_what_is_not_followed_is_not_taken_for_known(text: str) -> None:
    files = MemoryFiles(venv(**FLASK_3) | {"/usr/bin/bash": ELF, "/srv/app/parts/a": "",
                                           "/srv/app/parts/b": ""})  # fmt: skip
    found = follow(process(["bash", "-c", text]), files)
    assert any(
        program.kind is ProgramKind.UNKNOWN
        or not program.certain
        or any(word.value is None for word in program.args)
        for program in found
    )
