"""What the API server refuses, beside what is refused here.

`refusals.json` holds manifests and the reason for which the code of the API server of Kubernetes
1.35 refuses each, or null; `make long` asks it anew.
"""

import json
import re
from pathlib import Path

import pytest

from deployguard.errors import InputError
from tests.support.kubernetes_oracle import oracle
from tests.support.manifests import declared

RECORDED: list[tuple[str, str | None]] = [
    (text, reason)
    for text, reason in json.loads(Path(__file__).with_name("refusals.json").read_text())
]
# Reasons for which nothing is deployed, and which change nothing of what is read: it is judged as
# if it were taken.
OF_NO_MATTER = re.compile(
    r"must specify (one of|a handler)|handler type|prefix: |fieldPath|protocol: |runAsUser: Invalid"
    r"|imagePullPolicy|Duplicate value: \"a\"|RFC 1123|image: Required|phemeral|[mM]ode|config key"
    r"|conflicting duplicate|stdin|optional of type|serviceAccountName of type|subPathExpr: Invalid"
    r"|must not be '..'|volumes\[0\]|one of fieldRef"
)


def refusal(text: str) -> InputError | None:
    try:
        declared(text)
    except InputError as error:
        return error
    return None


@pytest.mark.parametrize("text", [text for text, reason in RECORDED if reason is None])
def test_what_the_api_server_takes_is_not_refused(text: str) -> None:
    assert refusal(text) is None


@pytest.mark.parametrize(
    "text", [text for text, reason in RECORDED if reason and not OF_NO_MATTER.search(reason)]
)
def test_what_the_api_server_refuses_is_refused_with_place_and_way_out(text: str) -> None:
    found = refusal(text)
    assert found is not None
    assert found.location is not None
    assert found.location.line is not None
    assert found.hint


def test_the_table_says_something() -> None:
    reasons = [reason for _, reason in RECORDED]
    assert len(RECORDED) > 180
    assert reasons.count(None) > 40
    assert sum(1 for reason in reasons if reason and not OF_NO_MATTER.search(reason)) > 70


@pytest.mark.long
def test_the_recorded_refusals_are_those_of_the_api_servers_code() -> None:
    for text, reason in RECORDED:
        answer = oracle().ask(text.encode(), run=True)
        said = [one for one in answer.get("refused", []) if not one.startswith("strict: ")]
        if answer.get("error"):
            said = [answer["error"]]
        assert (said[0].split("is invalid: ", 1)[-1][:200] if said else None) == reason
