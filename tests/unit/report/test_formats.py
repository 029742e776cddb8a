import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from inline_snapshot import snapshot

from deployguard.model.codes import ProblemCode
from deployguard.model.container import ContainerKind, Port, Workload
from deployguard.model.environment import Environment
from deployguard.model.evidence import Evidence, Location, Traced, yes
from deployguard.model.facts import Facts
from deployguard.model.filesystem import UnreadFilesystem
from deployguard.model.image import Image, ImageConfig, ImageOrigin
from deployguard.model.problem import Problem
from deployguard.model.report import Container, Report, Status
from deployguard.model.structs import replace
from deployguard.report import github, json_report, sarif, text
from tests.support import reports
from tests.support.reports import DEBUGGER, IMAGE, SAFE, SUSPECTED, UNREAD

EXEMPTING = b"""\
apiVersion: deployguard/v1
kind: Policy
metadata: {name: mine}
spec:
  rules: {DG101: block}
  exemptions:
    - {rule: DG101, subject: services.web, reason: demo host, expires: 2026-11-30}
    - {rule: DG102, subject: services.old, reason: demo host, expires: 2026-01-31}
"""
RENDERERS = pytest.mark.parametrize(
    "render",
    [text.render, json_report.render, sarif.render, github.render],
    ids=["text", "json", "sarif", "github"],
)


def of_image() -> Container:
    place = Location("image config", image="acme/shop:1")
    image = Image(
        reference="acme/shop:1",
        name="acme/shop",
        origin=ImageOrigin.DOCKER,
        config=ImageConfig(location=place, env=Environment()),
        files=UnreadFilesystem(IMAGE),
        config_digest="sha256:" + "0" * 64,
    )
    inside = Location("/app/a b.py", line=3, image="acme/shop:1", layer="sha256:" + "1" * 64)
    facts = Facts(debugger=yes(Evidence(inside, "app.run(debug=True)")))
    return reports.named(
        reports.container(reports.program(facts)),
        target="acme/shop:1",
        subject="acme/shop",
        kind=ContainerKind.IMAGE,
        location=place,
        image=image,
        image_reference=None,
    )


def of_cluster() -> Container:
    return reports.named(
        reports.container(reports.program(replace(UNREAD, debugger=SUSPECTED))),
        target="shop.yaml",
        subject="Deployment/-/shop/containers/web",
        kind=ContainerKind.KUBERNETES_CONTAINER,
        namespace="shop",
        workload=Workload("apps/v1", "Deployment", "shop"),
        labels={"app": "shop"},
        ports=(Port(5000, "tcp", None, Location("shop.yaml", line=9)),),
    )


def everything(by: str | bytes = "production") -> Report:
    problem = Problem(
        ProblemCode.SYNTAX, "not YAML", Location("bad.yaml", line=2, column=1), "check the quotes"
    )
    return reports.report(
        reports.container(reports.program(DEBUGGER)),
        reports.container(reports.program(SAFE), name="db"),
        of_image(),
        of_cluster(),
        targets=(
            reports.target(),
            reports.target(name="acme/shop:1"),
            reports.target(name="shop.yaml"),
            replace(reports.target(Status.FAILED, "bad.yaml"), problems=(problem,)),
            replace(
                reports.target(Status.INCOMPLETE, "big.tar"),
                problems=(Problem(ProblemCode.LIMIT, "too large"),),
            ),
        ),
        by=by,
    )


REPORTS = pytest.mark.parametrize(
    "report",
    [
        everything(),
        everything("strict"),
        everything(EXEMPTING),
        reports.report(),
        reports.report(targets=(reports.target(Status.FAILED),)),
    ],
    ids=["production", "strict", "exempting", "empty", "failed"],
)


@REPORTS
def test_the_json_report_follows_the_schema_that_is_shipped(report: Report) -> None:
    schema = json.loads((files("deployguard.report") / "schema.json").read_bytes())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(json.loads(json_report.render(report)))


@REPORTS
def test_the_sarif_log_follows_the_standard(report: Report) -> None:
    path = Path(__file__).parents[2] / "support/schemas/sarif-2.1.0.json"
    schema = json.loads(path.read_bytes())
    jsonschema.Draft202012Validator(schema).validate(json.loads(sarif.render(report)))


@RENDERERS
@REPORTS
def test_the_same_report_gives_the_same_bytes(
    render: Callable[[Report], str], report: Report
) -> None:
    assert render(report) == render(report)
    assert render(report).endswith("\n")


def parsed() -> dict[str, Any]:
    body = json.loads(json_report.render(everything()))
    assert isinstance(body, dict)
    return body


def test_json_tells_the_decision_as_the_exit_code_does() -> None:
    body = parsed()
    assert (body["decision"], body["exit_code"]) == ("block", 1)
    assert body["tool"] == {"name": "deployguard", "version": "0.1.0"}


def test_json_has_one_finding_with_its_verdict() -> None:
    assert parsed()["findings"][0] == snapshot(
        {
            "rule": "DG101",
            "name": "werkzeug-debugger",
            "severity": "critical",
            "answer": "yes",
            "container": "compose.yaml#services.web",
            "program": 0,
            "message": "The Werkzeug debugger comes up on 0.0.0.0:5000: it runs any code a visitor types; a PIN is asked, which is no protection; reachable from beyond the machine that runs the container.",
            "location": {
                "file": "compose.yaml",
                "line": 6,
                "column": 20,
                "pointer": None,
                "image": None,
                "layer": None,
            },
            "evidence": [
                {
                    "location": {
                        "file": "compose.yaml",
                        "line": 4,
                        "column": 14,
                        "pointer": None,
                        "image": None,
                        "layer": None,
                    },
                    "note": "the command is flask run",
                },
                {
                    "location": {
                        "file": "compose.yaml",
                        "line": 6,
                        "column": 20,
                        "pointer": None,
                        "image": None,
                        "layer": None,
                    },
                    "note": "FLASK_DEBUG is '1'",
                },
            ],
            "missing": [],
            "remedy": "Turn the debugger off (unset FLASK_DEBUG, remove --debug, debug=True and DebuggedApplication) and start a production WSGI server, for example: gunicorn --bind 0.0.0.0:8000 hello:app",
            "patch": None,
            "fingerprint": "da8502c34e723190f291a892d310fd26c33d07a3742760fe4db2e6759a624a13",
            "verdict": {
                "action": "block",
                "policy": "production",
                "reason": "rules.DG101",
                "exemption": None,
            },
        }
    )


def test_json_describes_a_container_of_an_image() -> None:
    container = parsed()["containers"][2]
    assert container["image"] == snapshot(
        {
            "reference": "acme/shop:1",
            "digest": None,
            "config_digest": "sha256:0000000000000000000000000000000000000000000000000000000000000000",
            "platform": "linux/amd64",
            "source": "docker",
        }
    )
    assert container["listeners"] == snapshot([{"address": "0.0.0.0", "port": 5000, "program": 0}])
    assert container["facts"]["debugger"] == snapshot(
        {
            "answer": "yes",
            "evidence": [
                {
                    "location": {
                        "file": "/app/a b.py",
                        "line": 3,
                        "column": None,
                        "pointer": None,
                        "image": "acme/shop:1",
                        "layer": "sha256:1111111111111111111111111111111111111111111111111111111111111111",
                    },
                    "note": "app.run(debug=True)",
                }
            ],
            "missing": [],
        }
    )


def test_json_says_of_an_image_that_was_not_read_that_it_was_not() -> None:
    assert parsed()["containers"][0]["image"] == {
        "reference": "acme/shop:1",
        "digest": None,
        "config_digest": None,
        "platform": None,
        "source": "none",
    }


def results() -> list[dict[str, Any]]:
    (run,) = json.loads(sarif.render(everything(EXEMPTING)))["runs"]
    found = run["results"]
    assert isinstance(found, list)
    return found


def test_sarif_points_into_the_repository_and_at_the_whole_chain() -> None:
    assert results()[0] == snapshot(
        {
            "ruleId": "DG101",
            "ruleIndex": 0,
            "level": "note",
            "message": {
                "text": """\
compose.yaml#services.web: The Werkzeug debugger comes up on 0.0.0.0:5000: it runs any code a visitor types; a PIN is asked, which is no protection; reachable from beyond the machine that runs the container.
Fix: Turn the debugger off (unset FLASK_DEBUG, remove --debug, debug=True and DebuggedApplication) and start a production WSGI server, for example: gunicorn --bind 0.0.0.0:8000 hello:app\
"""
            },
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": "compose.yaml"},
                        "region": {"startLine": 6, "startColumn": 20},
                    },
                    "logicalLocations": [
                        {"fullyQualifiedName": "compose.yaml#services.web", "kind": "resource"}
                    ],
                }
            ],
            "relatedLocations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": "compose.yaml"},
                        "region": {"startLine": 4, "startColumn": 14},
                    },
                    "id": 0,
                    "message": {"text": "the command is flask run"},
                },
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": "compose.yaml"},
                        "region": {"startLine": 6, "startColumn": 20},
                    },
                    "id": 1,
                    "message": {"text": "FLASK_DEBUG is '1'"},
                },
            ],
            "partialFingerprints": {
                "deployguard/v1": "da8502c34e723190f291a892d310fd26c33d07a3742760fe4db2e6759a624a13"
            },
            "properties": {"answer": "yes", "reachable": "public"},
            "suppressions": [{"kind": "external", "justification": "demo host"}],
        }
    )


def test_sarif_names_a_file_of_an_image_below_the_image() -> None:
    related = results()[2]["relatedLocations"][0]["physicalLocation"]
    assert related == {
        "artifactLocation": {"uri": "acme/shop%3A1/app/a%20b.py"},
        "region": {"startLine": 3},
    }


def test_sarif_suppresses_what_is_exempt() -> None:
    suppressed = [one["ruleId"] for one in results() if one.get("suppressions")]
    assert suppressed == ["DG101"]


def test_sarif_is_not_successful_where_a_target_failed() -> None:
    (run,) = json.loads(sarif.render(everything()))["runs"]
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    assert [one["level"] for one in invocation["toolExecutionNotifications"]] == ["error", "error"]


def test_github_shows_findings_beside_their_lines() -> None:
    assert github.render(everything()) == snapshot("""\
::error file=compose.yaml,line=6,col=20,title=DG101 werkzeug-debugger::compose.yaml#services.web: The Werkzeug debugger comes up on 0.0.0.0:5000: it runs any code a visitor types; a PIN is asked, which is no protection; reachable from beyond the machine that runs the container.%0Acompose.yaml:4:14: the command is flask run%0Acompose.yaml:6:20: FLASK_DEBUG is '1'%0Afix: Turn the debugger off (unset FLASK_DEBUG, remove --debug, debug=True and DebuggedApplication) and start a production WSGI server, for example: gunicorn --bind 0.0.0.0:8000 hello:app
::error file=compose.yaml,line=4,col=14,title=DG102 development-server::compose.yaml#services.web: Werkzeug's development server serves on 0.0.0.0:5000: reachable from beyond the machine that runs the container.%0Acompose.yaml:4:14: the command is flask run%0Afix: Start a production WSGI server instead of flask run or app.run(), for example: gunicorn --bind 0.0.0.0:8000 hello:app
::error title=DG101 werkzeug-debugger::acme/shop:1#acme/shop: The Werkzeug debugger comes up on 0.0.0.0:5000: it shows source and variables, but runs no code; a PIN is asked, which is no protection; nobody reaches it over a network.%0A/app/a b.py:3 in acme/shop:1 (layer 111111111111): app.run(debug=True)%0Afix: Turn the debugger off (unset FLASK_DEBUG, remove --debug, debug=True and DebuggedApplication) and start a production WSGI server, for example: gunicorn --bind 0.0.0.0:8000 hello:app
::warning file=compose.yaml,line=6,col=20,title=DG101 werkzeug-debugger::shop.yaml#Deployment/-/shop/containers/web: The Werkzeug debugger may come up on 0.0.0.0:5000; who reaches it cannot be told.%0Acompose.yaml:6:20: FLASK_DEBUG is '1'%0Amissing: the image acme/shop:1 (let the image be read: pull or build it first, or scan an archive of it)%0Afix: Turn the debugger off (unset FLASK_DEBUG, remove --debug, debug=True and DebuggedApplication) and start a production WSGI server, for example: gunicorn --bind 0.0.0.0:8000 hello:app
::error file=bad.yaml,line=2,col=1,title=failed bad.yaml::not YAML%0Acheck the quotes
::warning title=incomplete big.tar::too large
decision: block (blocked: 3 findings in 2 of 4 containers, unknown: 1, safe: 1, targets not inspected: 1)
""")


def test_explain_names_the_image_and_what_is_not_known_of_the_process() -> None:
    container = of_image()
    container = replace(container, process=replace(container.process, missing=(IMAGE,)))
    rendered = text.render(reports.report(container, explain=True))
    assert "  image: acme/shop:1 (docker, linux/amd64, 000000000000)\n" in rendered
    assert "    missing: the image acme/shop:1\n" in rendered


def test_explain_shows_what_a_variable_replaces() -> None:
    place = Location("compose.yaml", line=6)
    image_config = Location("image config", image="acme/shop:1")
    entry: Traced[str | None] = Traced("1", place, replaced=Traced("0", image_config))
    started = replace(reports.process(), env=Environment({"FLASK_DEBUG": entry}))
    rendered = text.render(
        reports.report(reports.container(reports.program(SAFE, started)), explain=True)
    )
    assert "    FLASK_DEBUG=1 (compose.yaml:6)\n" in rendered
    assert "      replaces FLASK_DEBUG=0 (image config in acme/shop:1)\n" in rendered
