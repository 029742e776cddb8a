import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from inline_snapshot import snapshot

from deployguard import cli, pipeline
from deployguard.errors import LimitError, UnreadableError, UsageError
from deployguard.inputs.kubernetes import cluster as inputs_cluster
from deployguard.model.action import Action
from deployguard.model.codes import ExitCode
from deployguard.model.filesystem import Unread
from deployguard.model.report import Report, Status
from deployguard.model.structs import replace
from deployguard.pipeline import ScanOptions
from deployguard.policy import Policy
from deployguard.webhook import server
from tests.support import reports
from tests.support.reports import DEBUGGER, SAFE, UNREAD

Scan = Callable[[tuple[str, ...], list[Policy], ScanOptions], Report]

BLOCKED = reports.report(reports.container(reports.program(DEBUGGER)))
WARNED = reports.report(reports.container(reports.program(UNREAD)))
ALLOWED = reports.report(reports.container(reports.program(SAFE)))
FAILED = reports.report(targets=(reports.target(Status.FAILED),))


class Calls:
    """Stands in for the pipeline: returns one report and keeps what it was handed."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.targets: tuple[str, ...] = ()
        self.policies: list[Policy] = []
        self.options: Any = None

    def __call__(
        self, targets: tuple[str, ...], policies: list[Policy], options: ScanOptions
    ) -> Report:
        self.targets, self.policies, self.options = targets, policies, options
        options.progress("inspecting shop\x1b[31m")
        return self.report


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    stand_in = Calls(ALLOWED)
    monkeypatch.setattr(pipeline, "scan", stand_in)
    return stand_in


@pytest.mark.parametrize(("report", "code"), [(BLOCKED, 1), (WARNED, 0), (ALLOWED, 0), (FAILED, 3)])
def test_the_exit_code_is_the_decision(calls: Calls, report: Report, code: int) -> None:
    calls.report = report
    assert cli.run(["scan"]) == code


def test_every_option_reaches_the_pipeline(calls: Calls) -> None:
    arguments = (
        "scan a.yaml img:1 --policy strict --policy audit --on-unknown block --env-file .env "
        "--env A=1 --env B=x=y --profile p --images never --platform linux/arm64 --offline "
        "--exclude *.yml --explain --today 2031-01-31"
    )
    assert cli.run(arguments.split()) == ExitCode.ALLOWED
    assert calls.targets == ("a.yaml", "img:1")
    assert [one.name for one in calls.policies] == ["strict", "audit"]
    options = calls.options
    assert replace(options, stdin=bytes, progress=print, environ={}) == ScanOptions(
        today=date(2031, 1, 31),
        env_files=(".env",),
        env={"A": "1", "B": "x=y"},
        profiles=("p",),
        images="never",
        platform="linux/arm64",
        offline=True,
        exclude=("*.yml",),
        explain=True,
        on_unknown=Action.BLOCK,
        stdin=bytes,
        progress=print,
    )
    assert options.environ == os.environ


def test_without_a_policy_production_judges(calls: Calls) -> None:
    cli.run(["scan"])
    assert [one.name for one in calls.policies] == ["production"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("scan --format xml", "there is no format xml; there are text, json, sarif, github"),
        ("scan --format json --format text", "two formats for standard output"),
        ("scan --format json=", "names no file"),
        ("scan --format json=a.json --output b", "--output has nothing to write"),
        ("scan --output no/such/folder/x", "there is no folder for no/such/folder/x"),
        ("scan --env NAME", "one of them is not NAME=VALUE"),
        ("scan --platform amd64", "amd64 is not OS/ARCH"),
        ("scan --platform ///", "/// is not OS/ARCH"),
        ("scan --today tomorrow", "tomorrow is not a day"),
        ("scan --images some", "'some' is not one of"),
        ("scan --polcy x", "Did you mean"),
        ("scan --policy nope", "the policy cannot be read"),
        ("explain DG999", "there is no rule DG999"),
        ("policy show nope", "the policy cannot be read"),
        ("policy validate", "Missing argument"),
        ("webhook serve", "Missing option"),
        ("lint", "No such command"),
    ],
)
def test_wrong_usage_is_found_before_anything_is_inspected(
    calls: Calls, capsys: pytest.CaptureFixture[str], arguments: str, said: str
) -> None:
    assert cli.run(arguments.split()) == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert said in err
    assert not out
    assert calls.options is None


def test_every_mistake_of_a_policy_is_told(
    calls: Calls, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "apiVersion: deployguard/v1\nkind: Policy\nmetadata: {name: m}\nspec: {a: 1, b: 2}\n"
    )
    assert cli.run(["scan", "--policy", str(path)]) == ExitCode.USAGE
    assert cli.run(["policy", "validate", "strict", str(path)]) == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert err.count("unknown key 'a'") == err.count("unknown key 'b'") == 2
    assert out == "strict: the policy strict is valid\n"
    assert calls.options is None


def test_the_report_goes_to_standard_output_and_notes_to_standard_error(
    calls: Calls, capsys: pytest.CaptureFixture[str]
) -> None:
    calls.report = replace(ALLOWED, notes=("no policy speaks of x",))
    cli.run(["scan", "--verbose"])
    out, err = capsys.readouterr()
    assert out == snapshot(
        "decision: allow (blocked: 0 findings in 0 of 1 container, unknown: 0, safe: 1)\n"
    )
    assert err == snapshot("""\
deployguard: inspecting shop\\x1b[31m
deployguard: no policy speaks of x
""")
    cli.run(["scan", "--quiet", "--verbose"])
    assert not capsys.readouterr().err


def test_each_format_goes_to_its_file(
    calls: Calls, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    calls.report = BLOCKED
    sarif = tmp_path / "report.sarif"
    code = cli.run(["scan", "--format", f"sarif={sarif}", "--format", "json"])
    assert code == ExitCode.BLOCKED
    assert json.loads(sarif.read_text())["version"] == "2.1.0"
    assert json.loads(capsys.readouterr().out)["decision"] == "block"
    output = tmp_path / "report.txt"
    cli.run(["scan", "--output", str(output)])
    assert output.read_text().endswith("safe: 0)\n")
    assert not capsys.readouterr().out


@pytest.mark.parametrize(("report", "code"), [(BLOCKED, 1), (ALLOWED, 3)])
def test_a_report_that_cannot_be_written_is_not_an_answer(
    calls: Calls, capsys: pytest.CaptureFixture[str], tmp_path: Path, report: Report, code: int
) -> None:
    calls.report = report
    assert cli.run(["scan", "--output", str(tmp_path)]) == code
    assert "cannot write" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (UsageError("two things", hint="write one"), 2, "deployguard: two things (write one)\n"),
        (KeyboardInterrupt(), 130, "deployguard: interrupted\n"),
        (ValueError("SECRET"), 3, "deployguard: internal error: ValueError in cli/scan.py:"),
    ],
)
def test_an_error_is_one_line_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    said: str,
) -> None:
    def fail(*_: object) -> Report:
        raise error

    monkeypatch.setattr(pipeline, "scan", fail)
    assert cli.run(["scan"]) == code
    out, err = capsys.readouterr()
    assert err.lstrip().startswith(said)
    assert err.strip().count("\n") == 0
    assert "SECRET" not in err
    assert not out


@pytest.mark.parametrize("size", [10, 64 * 1024 * 1024 + 1])
def test_standard_input_is_read_when_it_is_asked_for_and_never_cut(
    calls: Calls, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=BytesIO(bytes(size))))
    cli.run(["scan", "-"])
    if size == 10:
        assert calls.options.stdin() == bytes(size)
    else:
        with pytest.raises(LimitError):
            calls.options.stdin()


@pytest.mark.parametrize("cluster", [True, False])
def test_the_webhook_judges_by_the_policies_it_is_given(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    cluster: bool,  # noqa: FBT001  (the table's)
) -> None:
    served: dict[str, Any] = {}
    objects = object()

    def connect() -> object:
        if not cluster:
            raise UnreadableError("no cluster to ask")
        return objects

    monkeypatch.setattr(inputs_cluster, "connect", connect)
    monkeypatch.setattr(server, "serve", lambda judge, **rest: served.update(judge=judge, **rest))
    arguments = "webhook serve --tls-cert c.pem --tls-key k.pem --port 9443 --policy strict"
    assert cli.run(arguments.split()) == ExitCode.ALLOWED
    judge = served.pop("judge")
    assert served == {
        "host": "0.0.0.0",
        "port": 9443,
        "certificate": "c.pem",
        "key": "k.pem",
    }
    assert [one.name for one in judge.policies] == ["strict"]
    if cluster:
        assert judge.objects is objects
    else:
        assert isinstance(judge.objects.config_map("shop", "settings"), Unread)
    said = capsys.readouterr().err
    assert said == (
        "" if cluster else "deployguard: ConfigMaps are not looked up: no cluster to ask\n"
    )


def test_explain_prints_the_page_of_a_rule(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["explain", "dg103"]) == ExitCode.ALLOWED
    assert capsys.readouterr().out == snapshot("""\
DG103 debug-mode (medium)

Flask debug mode is on, though no debugger comes up.

What: app.debug is true, but nothing puts the debugger in front of the application: a production
server runs with FLASK_DEBUG=1, or the debugger was taken out with --no-debugger.

Why it is dangerous: errors behave as in development, templates are read again at every request,
and extensions that look at app.debug open up. One change of the command brings the debugger back.

How to fix: remove --debug, unset FLASK_DEBUG, and do not set app.debug in code.

Fails:

    services: {web: {build: ., command: flask run --debug --no-debugger}}

Passes:

    services: {web: {build: ., command: "gunicorn hello:app"}}
""")


def test_explain_lists_the_rules(capsys: pytest.CaptureFixture[str]) -> None:
    cli.run(["explain"])
    assert capsys.readouterr().out == snapshot("""\
DG101  werkzeug-debugger    critical  The Werkzeug debugger comes up
DG102  development-server   high      Werkzeug's development server serves
DG103  debug-mode           medium    Flask debug mode is on
DG104  debug-configured     low       Debug settings are there, although nothing heeds them
DG105  remote-debugger      critical  A remote debugger listens
DG106  passthrough-errors   info      Errors pass through the server, as for an external debugger
DG107  undetermined         medium    What starts, or what it does, could not be told
""")


def test_the_shipped_policies_are_listed_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["policy", "list"]) == ExitCode.ALLOWED
    assert capsys.readouterr().out == snapshot("""\
production   What a production deployment must not run.
audit        Reports everything and never blocks.
development  Debuggers are fine as long as nobody outside the container's own networks reaches them.
strict       Nothing of development is deployed, and nothing that could not be judged.
""")
    assert cli.run(["policy", "show", "strict"]) == ExitCode.ALLOWED
    assert capsys.readouterr().out.startswith("apiVersion: deployguard/v1\n")


@pytest.mark.parametrize(
    "arguments",
    [
        "--help",
        "--version",
        "scan --help",
        "explain --help",
        "policy --help",
        "webhook serve --help",
    ],
)
def test_help_and_version_load_nothing_heavier_than_click(arguments: str) -> None:
    code = (
        "import sys; from deployguard import cli; "
        f"code = cli.run({arguments.split()!r}); "
        "print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr); "
        "sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    loaded = set(done.stderr.split()) - sys.stdlib_module_names
    # What site loads before us is not ours: editable installs, coverage in subprocesses.
    assert loaded - {"__main__", "_distutils_hack", "sitecustomize", "coverage"} <= {
        "click",
        "deployguard",
    } | {name for name in loaded if name.startswith(("__editable__", "_editable", "a1_coverage"))}


def test_help_loads_no_stage() -> None:
    code = (
        "import sys; from deployguard import cli; cli.run(['scan', '--help']); "
        "print([n for n in sys.modules if n.startswith('deployguard.') "
        "and n.split('.')[1] not in ('cli', 'model', 'errors')], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stderr == "[]\n"


def test_a_compose_project_loads_nothing_of_manifests_and_folders() -> None:
    code = (
        "import sys; from deployguard import cli; "
        "cli.run(['scan', 'compose:-', '--images', 'never']); "
        "print([n for n in sys.modules if n.startswith(('deployguard.model.traffic', "
        "'deployguard.exposure.cluster', 'deployguard.inputs.kubernetes', "
        "'deployguard.inputs.rendering.helm', 'deployguard.inputs.discovery.finding'))], "
        "file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
        input="services: {web: {image: shop, command: flask run, ports: ['80:5000']}}",
    )
    assert "services.web" in done.stdout
    assert done.stderr.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [("explain DG101", 0), ("policy show strict", 0), ("scan no-such-file.yaml", 3)],
)
@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_a_closed_pipe_changes_no_exit_code(arguments: str, code: int, closed: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as pipe:
        streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        streams[closed] = pipe
        done = subprocess.run(
            [sys.executable, "-m", "deployguard", *arguments.split()],
            check=False,
            timeout=60,
            **streams,
        )
    assert done.returncode == code
    assert not done.stderr


def test_a_closed_standard_output_is_no_defect() -> None:
    line = f"exec '{sys.executable}' -m deployguard scan no-such-file.yaml >&-"
    done = subprocess.run(["bash", "-c", line], check=False, capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (3, b"")


def test_color_is_for_terminals_alone(
    calls: Calls, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls.report = BLOCKED
    monkeypatch.delenv("NO_COLOR", raising=False)
    cli.run(["scan"])
    assert "\x1b" not in capsys.readouterr().out
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    cli.run(["scan"])
    colored = capsys.readouterr().out
    assert colored.startswith("\x1b[31m\x1b[1mblock\x1b[0m DG101")
    cli.run(["scan", "--no-color"])
    assert "\x1b" not in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    cli.run(["scan"])
    assert "\x1b" not in capsys.readouterr().out
