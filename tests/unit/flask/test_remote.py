"""A remote debugger that a command brings up: a fact and a listener beside those of the program."""

import pytest

from deployguard.flask import judge
from deployguard.model.evidence import Answer
from deployguard.model.facts import ProgramFacts
from tests.support.launches import FILES
from tests.support.memory import MemoryFiles, process

APP = "from flask import Flask\napp = Flask(__name__)\napp.run(debug=True)\n"


def judged(command: str) -> tuple[ProgramFacts, ...]:
    return judge(process(command), MemoryFiles({**FILES, "/srv/app/app.py": APP}))


@pytest.mark.parametrize(
    ("words", "remote", "debugger", "dev_server"),
    [
        ("--listen 5678", Answer.YES, Answer.YES, Answer.YES),
        ("--listen 0.0.0.0:5678 --wait-for-client", Answer.YES, Answer.NO, Answer.NO),
        ("--connect ide:5678", Answer.UNKNOWN, Answer.UNKNOWN, Answer.UNKNOWN),
    ],
)
def test_a_debugger_is_a_fact_of_its_own(
    words: str, remote: Answer, debugger: Answer, dev_server: Answer
) -> None:
    (program,) = judged(f"python -m debugpy {words} app.py")
    facts = program.facts
    answers = (facts.remote_debugger.answer, facts.debugger.answer, facts.dev_server.answer)
    assert answers == (remote, debugger, dev_server)


@pytest.mark.parametrize(
    ("words", "places"),
    [
        ("--listen 5678", [("127.0.0.1", 5000), ("127.0.0.1", 5678)]),
        ("--listen 0.0.0.0:5678", [("127.0.0.1", 5000), ("0.0.0.0", 5678)]),
        ("--wait-for-client --listen :5678", [("0.0.0.0", 5678)]),
        ("--connect ide:5678", [("127.0.0.1", 5000)]),
    ],
)  # fmt: skip
def test_a_debugger_listens_beside_the_program(words: str, places: list[tuple[str, int]]) -> None:
    (program,) = judged(f"python -m debugpy {words} app.py")
    assert [(one.address, one.port) for one in program.listeners] == places
    assert all(one.debugger is Answer.NO for one in program.listeners if one.port == 5678)


def test_the_listener_of_a_debugger_hides_no_other() -> None:
    (program,) = judged("python -m debugpy --listen 5678 -m other")
    assert [(one.address, one.port) for one in program.listeners] == [
        (None, None),
        ("127.0.0.1", 5678),
    ]


def test_what_listens_is_named_with_its_place() -> None:
    (program,) = judged("python -m debugpy --listen 0.0.0.0:5678 app.py")
    assert program.facts.remote_debugger.evidence[-1].note == "debugpy listens on 0.0.0.0:5678"


def test_a_program_without_a_debugger_has_none() -> None:
    (program,) = judged("python app.py")
    assert program.facts.remote_debugger.answer is Answer.NO
