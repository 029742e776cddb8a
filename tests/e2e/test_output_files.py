"""Reports in files: whole or not there, whatever the disk, the reader or a signal does."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.components import missing

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: shop}
spec:
  containers:
  - {name: web, image: "shop:1", command: [flask, run, --debug, --host=0.0.0.0]}
"""
# A kilobyte of report for each.
MANY = "---\n".join(POD.replace("shop}", f"shop-{number}}}") for number in range(40))
SAFE = POD.replace("flask, run, --debug, --host=0.0.0.0", "/pause")
# Stops where Python is about to do a thing, and says so on its standard error.
PAUSED = """
import sys, time
event, start = {event!r}, {start!r}
def watch(name, arguments):
    if name == event and str(arguments[0]).startswith(start):
        sys.stderr.write("here\\n"); sys.stderr.flush()
        time.sleep(60)
from deployguard.cli import main
sys.addaudithook(watch)
main()
"""


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "pod.yaml"
    path.write_text(MANY)
    return path


@pytest.fixture
def full_disk() -> Iterator[Path]:
    """Yield a folder on a disk of 64 KiB, which holds less than the reports here."""
    if os.geteuid() != 0:
        missing("mounting a small disk needs root")
    folder = Path(tempfile.mkdtemp(prefix="dg"))
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder], check=False, capture_output=True
    )
    if made.returncode:
        folder.rmdir()
        missing("no small disk can be mounted")
    yield folder
    subprocess.run(["umount", folder], check=True)
    folder.rmdir()


def scan(*arguments: str, policy: str = "production") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-X", "dev", "-m", "deployguard", "scan", "--images", "never",
         "--policy", policy, *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )  # fmt: skip


def held(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(("policy", "code"), [("production", 1), ("audit", 3)])
@pytest.mark.parametrize("option", ["--output", "--format"])
def test_a_full_disk_is_one_line_and_leaves_no_half_of_a_report(
    option: str, policy: str, code: int, manifest: Path, full_disk: Path
) -> None:
    file = full_disk / "report.json"
    named = ["--format", "json", "--output", str(file)]
    done = scan(
        str(manifest), *(named if option == "--output" else ["--format", f"json={file}"]),
        policy=policy,
    )  # fmt: skip
    assert done.returncode == code
    assert done.stderr == f"deployguard: cannot write {file}: No space left on device\n"
    assert held(full_disk) == []


def test_a_full_disk_leaves_an_older_report_as_it_was_and_the_others_are_written(
    manifest: Path, full_disk: Path, tmp_path: Path
) -> None:
    file = full_disk / "report.json"
    file.write_text("older")
    other = tmp_path / "report.sarif"
    done = scan(
        str(manifest), "--format", f"json={file}", "--format", f"sarif={other}", "--format", "text"
    )
    assert done.returncode == 1
    assert str(file) in done.stderr
    assert file.read_text() == "older"
    assert held(full_disk) == ["report.json"]
    assert other.read_text().endswith("}\n")
    assert done.stdout.endswith("safe: 0)\n")


@pytest.mark.parametrize("target", ["--output", "standard output"])
@pytest.mark.parametrize(("policy", "code"), [("production", 1), ("audit", 3)])
def test_a_device_that_takes_nothing_is_one_line(
    target: str, policy: str, code: int, manifest: Path
) -> None:
    if target == "--output":
        done = scan(str(manifest), "--output", "/dev/full", policy=policy)
        said = "/dev/full"
    else:
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                [sys.executable, "-m", "deployguard", "scan", "--images", "never", "--policy",
                 policy, str(manifest)],
                check=False, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60,
            )  # fmt: skip
        said = "the report"
    assert done.returncode == code
    assert done.stderr == f"deployguard: cannot write {said}: No space left on device\n"
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)


@pytest.mark.parametrize(
    ("line", "text", "code"),
    [("| head -1", MANY, 1), ("2>&1 | true", MANY, 1), (">&-", MANY, 1), (">&- 2>&-", SAFE, 0),
     ("| true", SAFE, 0)],
)  # fmt: skip
def test_a_reader_that_has_enough_changes_no_exit_code(
    line: str, text: str, code: int, tmp_path: Path
) -> None:
    (tmp_path / "pod.yaml").write_text(text)
    shell = shutil.which("bash")
    if shell is None:
        missing("there is no bash to make pipes with")
    done = subprocess.run(
        [shell, "-c", f'"$0" -m deployguard scan --images never pod.yaml {line};'
                      " exit ${PIPESTATUS[0]}", sys.executable],
        check=False, capture_output=True, text=True, timeout=60, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(Path.cwd()), os.environ.get("PYTHONPATH")]))},
    )  # fmt: skip
    assert done.returncode == code
    assert "Traceback" not in done.stdout + done.stderr
    assert "Error" not in done.stdout + done.stderr


def test_a_folder_that_takes_no_file_is_one_line(manifest: Path, tmp_path: Path) -> None:
    if shutil.which("setpriv") is None:
        missing("there is no setpriv to drop a capability with")
    if os.geteuid() != 0:
        missing("giving a folder away needs root")
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o755)
    mounted = folder / "mounted.txt"
    mounted.write_text("older and longer than nothing" * 10_000)
    os.chown(folder, 65534, 65534)
    command = ["setpriv", "--bounding-set=-dac_override", "--", sys.executable, "-m", "deployguard",
               "scan", "--images", "never", str(manifest), "--output"]  # fmt: skip
    done = subprocess.run(
        [*command, folder / "report"], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert done.stderr == f"deployguard: cannot write {folder / 'report'}: Permission denied\n"
    # A file that is there and may be written is, as one that is mounted by itself.
    done = subprocess.run(
        [*command, mounted], check=False, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert mounted.read_text().endswith("safe: 0)\n")
    assert held(folder) == ["mounted.txt"]


def test_what_stands_at_the_place_of_a_report_is_respected(manifest: Path, tmp_path: Path) -> None:
    (tmp_path / "real.txt").write_text("older")
    (tmp_path / "real.txt").chmod(0o640)
    (tmp_path / "link.txt").symlink_to("real.txt")
    assert scan(str(manifest), "--output", str(tmp_path / "link.txt")).returncode == 1
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real.txt").read_text().endswith("safe: 0)\n")
    assert stat.S_IMODE((tmp_path / "real.txt").stat().st_mode) == 0o640
    done = scan(str(manifest), "--output", str(tmp_path))
    assert (done.returncode, done.stderr) == (
        1,
        f"deployguard: cannot write {tmp_path}: Is a directory\n",
    )
    assert scan(str(manifest), "--output", str(tmp_path / "no" / "report")).returncode == 2
    assert held(tmp_path) == ["link.txt", "pod.yaml", "real.txt"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("event", "start"),
    [("socket.connect", ""), ("open", "FOLDER/app.tar"), ("os.rename", "FOLDER/")],
    ids=["before connecting", "while an archive is read", "while the report is written"],
)
def test_an_interruption_ends_with_one_line_and_the_older_report(
    event: str, start: str, number: signal.Signals, tmp_path: Path, manifest: Path
) -> None:
    start = start.replace("FOLDER", str(tmp_path))
    (tmp_path / "app.tar").write_bytes(bytes(10_240))
    report = tmp_path / "report.txt"
    report.write_text("older")
    targets = {"socket.connect": "docker:shop:1", "open": f"archive:{tmp_path}/app.tar"}
    with subprocess.Popen(
        [sys.executable, "-c", PAUSED.format(event=event, start=start), "scan",
         targets.get(event, str(manifest)), "--output", str(report)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "DOCKER_HOST": "unix:///no/such.sock"},
    ) as run:  # fmt: skip
        assert run.stderr is not None
        assert run.stderr.readline() == "here\n"
        run.send_signal(number)
        out, told = run.communicate(timeout=60)
    assert (run.returncode, out, told) == (130, "", "\ndeployguard: interrupted\n")
    assert report.read_text() == "older"
    assert held(tmp_path) == ["app.tar", "pod.yaml", "report.txt"]
