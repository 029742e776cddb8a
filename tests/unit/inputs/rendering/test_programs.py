"""A program renders and can do nothing else: what it sees, what it may print, what it leaves."""

import os
import signal
import sys
from pathlib import Path
from time import monotonic, sleep

import pytest

from deployguard.errors import LimitError, UnreadableError, UnsupportedError
from deployguard.inputs.rendering.programs import Limits, environment, find, run


def program(folder: Path, text: str, name: str = "helm") -> str:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text if text.startswith("#!") else f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_the_first_folder_of_path_that_has_a_program_counts(tmp_path: Path) -> None:
    later = program(tmp_path / "b", "", "kubectl")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "kubectl").write_text("not executable")
    (tmp_path / "folder" / "kubectl").mkdir(parents=True)
    path = os.pathsep.join(str(tmp_path / name) for name in ("missing", "a", "folder", "b"))
    assert find(("kustomize", "kubectl"), {"PATH": path}, "install it") == later


@pytest.mark.parametrize("path", ["", ".", "bin", "::", "./bin"])
def test_what_lies_in_the_input_is_not_started(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, "")
    program(tmp_path / "bin", "")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnsupportedError, match="helm is needed for this") as caught:
        find(("helm",), {"PATH": path}, "install it")
    assert caught.value.hint == "install it"


def test_nothing_of_the_user_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/home/me/.kube/config")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    dumping = "print(open('/proc/self/environ').read(), end='')"
    output = run([program(tmp_path, f"#!{sys.executable}\n{dumping}\n")], environment(MORE="1"))
    entries = output.text.decode().split("\0")
    seen = dict(entry.split("=", 1) for entry in entries if entry)
    nowhere = "/proc/deployguard/none"
    assert seen == {
        "PATH": "", "HOME": nowhere, "TMPDIR": nowhere, "KUBECONFIG": nowhere, "LANG": "C.UTF-8",
        "HTTP_PROXY": "http://127.0.0.1:0", "HTTPS_PROXY": "http://127.0.0.1:0", "NO_PROXY": "",
        "MORE": "1",
    }  # fmt: skip
    assert not Path(nowhere).exists()


def test_no_input_no_folder_and_a_session_of_its_own(tmp_path: Path) -> None:
    script = (
        'read line && echo "read $line"; echo "$PWD"; read -r stat < /proc/self/stat; echo "$stat"'
    )
    folder, stat = run([program(tmp_path, script)], environment()).text.decode().splitlines()
    assert folder == "/"
    group, session = stat.split()[4:6]
    assert group == session
    assert int(session) != os.getsid(0)


def test_it_cannot_write(tmp_path: Path) -> None:
    script = f'until [ "$(ulimit -f)" = 0 ]; do :; done; trap "" XFSZ; echo x > {tmp_path}/trace; echo done'
    output = run([program(tmp_path, script)], environment())
    assert output.text == b"done\n"
    assert (tmp_path / "trace").read_bytes() == b""


def test_it_finds_no_other_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "path", f"echo x > {tmp_path}/trace", "git")
    monkeypatch.setenv("PATH", f"{tmp_path}/path:{os.environ['PATH']}")
    output = run([program(tmp_path, "git clone x; sh -c true; exit 3")], environment())
    assert not output.succeeded
    assert [line.rpartition(": ")[2] for line in output.messages] == [
        "No such file or directory"
    ] * 2
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("stream", [1, 2])
def test_what_is_printed_is_counted(stream: int, tmp_path: Path) -> None:
    script = program(tmp_path, f"while :; do echo 0123456789 >&{stream}; done")
    with pytest.raises(LimitError, match="printed more than 1000 bytes"):
        run([script], environment(), Limits(output=1_000, messages=1_000))


def test_as_much_as_allowed_may_be_printed(tmp_path: Path) -> None:
    output = run([program(tmp_path, "printf 0123456789")], environment(), Limits(output=10))
    assert (output.text, output.succeeded) == (b"0123456789", True)


def test_all_that_it_started_is_ended_with_it(tmp_path: Path) -> None:
    # The loop of a second process keeps the pipe open and would go on for ever.
    (tmp_path / "pids").mkdir()
    script = program(
        tmp_path,
        f"( while :; do read -t 1 < /dev/zero; done ) & : > {tmp_path}/pids/$!; exit 0",
    )
    with pytest.raises(LimitError, match=r"took longer than 0\.5 s") as caught:
        run([script], environment(), Limits(seconds=0.5))
    assert caught.value.hint is not None
    assert started(tmp_path) == 1
    assert not left(tmp_path)


def started(folder: Path) -> int:
    """Return how many processes have left their number in a folder."""
    return len(list((folder / "pids").iterdir()))


def left(folder: Path) -> list[str]:
    """Return the processes among them that are left, waiting for those that are ending."""
    found: list[str] = []
    until = monotonic() + 10
    while monotonic() < until:
        found = [pid.name for pid in (folder / "pids").iterdir() if is_running(pid.name)]
        if not found:
            break
        sleep(0.05)
    return found


def is_running(pid: str) -> bool:
    try:
        state = Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_one_that_closes_its_output_and_stays_is_ended(tmp_path: Path) -> None:
    (tmp_path / "pids").mkdir()
    script = program(
        tmp_path,
        f": > {tmp_path}/pids/$$; exec >&- 2>&-; while :; do read -t 1 < /dev/zero; done",
    )
    output = run([script], environment(), Limits(seconds=0.5))
    assert not output.succeeded
    assert started(tmp_path) == 1
    assert not left(tmp_path)


def test_one_that_is_killed_has_not_succeeded(tmp_path: Path) -> None:
    output = run([program(tmp_path, f"echo half; kill -{signal.SIGKILL.value} $$")], environment())
    assert (output.text, output.succeeded) == (b"half\n", False)


def test_one_that_cannot_be_started_is_said_to_be(tmp_path: Path) -> None:
    path = tmp_path / "helm"
    path.write_bytes(b"\x7fELF")
    path.chmod(0o755)
    with pytest.raises(UnreadableError, match=r"cannot start .*/helm: Exec format error"):
        run([str(path)], environment())
