"""Where a condition cannot be told both ways are followed: what is certain, and what is not."""

import pytest

from deployguard.flask import judge
from deployguard.model.evidence import Answer
from deployguard.model.process import Start
from deployguard.shell.state import Kind
from tests.support.memory import ELF, FLASK_3, MemoryFiles, process, venv
from tests.support.shells import outcome


def starts(text: str, kind: Kind | None = Kind.BASH) -> list[tuple[str, bool]]:
    def shown(start: Start) -> str:
        words = " ".join(word.value or "?" for word in start.process.args)
        entry = start.process.env.get("FLASK_DEBUG")
        return words if entry is None else f"FLASK_DEBUG={entry.value} {words}"

    found = outcome(kind, text, {"settings": "FLASK_DEBUG=1\n"}, {})
    return [
        *((shown(start), start.certain) for start in found.starts),
        *((missing.what, False) for missing in found.unseen),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("if curl db; then echo there; fi; flask run", [("flask run", True)]),
        ("if curl db; then flask db upgrade; fi; flask run",
         [("flask db upgrade", False), ("flask run", True)]),
        ("curl db && flask one; flask run", [("flask one", False), ("flask run", True)]),
        ("curl db || flask one; flask run", [("flask one", False), ("flask run", True)]),
        ("if curl db; then exec flask one; fi; exec flask two",
         [("flask one", False), ("flask two", False)]),
        ("if curl db; then export FLASK_DEBUG=1; fi; flask run",
         [("FLASK_DEBUG=1 flask run", False), ("flask run", False)]),
        ("if curl db; then A=1; else A=2; fi; if [ $A = 1 ]; then flask run; else flask run; fi",
         [("flask run", True)]),
        ("if curl db; then A=1; else A=1; fi; flask $A", [("flask 1", True)]),
        ('case "$(date)" in Mon*) flask mon ;; Tue*) flask tue ;; esac; flask run',
         [("flask mon", False), ("flask tue", False), ("flask run", True)]),
        ("for f in $(curl list); do flask each; done; flask run",
         [("flask each", False), ("flask run", True)]),
        # What gives up before it starts anything is no launch that lasts.
        ("flask db upgrade || exit 1; flask run", [("flask db upgrade", True), ("flask run", True)]),
        ("if ! flask db upgrade; then exit 1; fi; flask run",
         [("flask db upgrade", True), ("flask run", True)]),
        ("curl db || exit 1; flask run", [("flask run", False)]),
        ("if nc -z db 1; then exit 1; fi; flask run", [("flask run", False)]),
        ("flask first || flask second", [("flask first", True), ("flask second", False)]),
        ("flask first && flask second", [("flask first", True), ("flask second", True)]),
        ("nothing-there && flask second", [("nothing-there", True)]),
        ("nothing-there || flask second", [("nothing-there", True), ("flask second", True)]),
    ],
)  # fmt: skip
def test_what_starts_on_one_way_only_is_marked(text: str, expected: list[tuple[str, bool]]) -> None:
    assert starts(text) == expected


@pytest.mark.parametrize(
    "wait",
    [
        "until nc -z db 5432; do sleep 1; done",
        "while ! nc -z db 5432; do sleep 1; done",
        "while ! pg_isready -h db; do echo waiting; sleep 1; done",
        "until curl -s http://db; do tries=$((tries + 1)); [ $tries -ge 30 ] && exit 1; done",
        "while true; do if nc -z db 1; then break; fi; sleep 1; done",
        "while :; do nc -z db 1 && break; sleep 1; done",
        "for i in 1 2 3 4 5; do nc -z db 1 && break; sleep 1; done",
        "for i in $(seq 1 30); do if nc -z db 1; then break; fi; done",
        "n=0; until nc -z db 1 || [ $n -eq 5 ]; do n=$((n + 1)); done",
        'until [ "$(curl -s db)" = ok ]; do sleep 1; done',
        "while [ ! -S /nowhere ] && ! nc -z db 1; do sleep 1; done",
        'wait_for() { until nc -z "$1" "$2"; do sleep 1; done; }; wait_for db 1',
    ],
)  # fmt: skip
def test_a_wait_ends_when_the_thing_is_there(wait: str) -> None:
    assert starts(f"{wait}\nexec flask run")[-1] == ("flask run", True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("while true; do flask run; sleep 1; done; flask never", ("flask run", True)),
        ("while :; do sleep 60; done & flask run", ("flask run", True)),
        ("while ! nc -z a 1; do flask run; done", ("flask run", False)),
        ("while ! nc -z a 1; do A=$A.; done; flask run $A", ("flask run", False)),
        ('while ! nc -z a 1; do A=b; done; flask run "$A"', ("flask run ?", False)),
    ],
)
def test_how_often_a_loop_runs_is_not_guessed(text: str, expected: tuple[str, bool]) -> None:
    found = starts(text)
    assert expected in found
    assert ("flask never", True) not in found


def test_the_condition_is_named() -> None:
    (start,) = outcome(Kind.BASH, "if nc -z db 1; then flask run; fi", {}, {}).starts
    assert [missing.what for missing in start.missing] == ["whether nc succeeds"]


@pytest.mark.parametrize(
    ("text", "kind", "certain"),
    [
        ('[ "$HOME" == /srv/app ] && flask run', Kind.BASH, [("flask run", True)]),
        ('[ "$HOME" == /srv/app ] && flask run', Kind.DASH, []),
        ('[ "$HOME" == /srv/app ] && flask run', None, [("flask run", False)]),
        ("[[ a == a ]] && flask run", Kind.DASH, []),
        ("[[ a == a ]] && flask run", None, [("flask run", False)]),
        (". ./nowhere; flask run", Kind.BASH, [("flask run", True)]),
        (". ./nowhere; flask run", Kind.DASH, []),
        (". ./nowhere; flask run", None, [("flask run", False)]),
        ("source ./settings; flask run", Kind.BASH, [("flask run", True)]),
        ("source ./settings; flask run", Kind.DASH, [("source ./settings", True),
                                                     ("flask run", True)]),
        ("echo -e --debug | xargs flask", Kind.BASH, [("flask --debug", True)]),
        ("echo -e --debug | xargs flask", Kind.DASH, [("flask -e --debug", True)]),
    ],
)  # fmt: skip
def test_shells_differ_and_where_it_may_be_any_both_ways_are_told(
    text: str, kind: Kind | None, certain: list[tuple[str, bool]]
) -> None:
    assert starts(text, kind) == certain


FILES = MemoryFiles(
    venv(**FLASK_3)
    | {"/usr/bin/bash": ELF, "/usr/bin/curl": ELF, "/usr/bin/nohup": ELF}
    | {"/srv/app/unread.py": "from urllib.request import urlopen\nexec(urlopen('http://x').read())\n"}
    | {"/srv/app/app.py": "from flask import Flask\napp = Flask(__name__)\n",
       "/srv/app/inner.sh": "#!/usr/bin/bash\nif curl b; then flask run; else flask run -p 1; fi\n"}
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "debugger", "dev_server"),
    [
        ("if curl a; then flask run --debug; else flask run --debug -p 1; fi", "yes", "yes"),
        ("if curl a; then flask run --debug; else flask run; fi", "unknown", "yes"),
        ("if curl a; then flask run --debug; fi", "unknown", "unknown"),
        ("if curl a; then flask run; elif curl b; then flask run -p 1; else flask run -p 2; fi",
         "no", "yes"),
        ("if curl a; then flask run; elif curl b; then flask run -p 1; fi", "no", "unknown"),
        ("if curl a; then ./inner.sh; else bash ./inner.sh; fi", "no", "yes"),
        ("curl a && bash ./inner.sh", "no", "unknown"),
        ("if curl a; then export B=1; fi; flask run --debug", "yes", "yes"),
        ("x=$(flask run --debug)", "yes", "yes"),
        ("x=$(flask routes); exit 0", "no", "no"),
        ("x=$(nohup flask run --debug >/dev/null & echo $!); wait", "yes", "yes"),
        ("x=$(python unread.py)", "unknown", "unknown"),
        ("x=$(python unread.py); exec flask run", "no", "yes"),
        ("x=$(flask run $(date))", "unknown", "unknown"),
        ("x=$(flask run --debug; flask run $(date)); exec flask run", "yes", "yes"),
        ("(flask routes || exit 1) || flask run", "no", "unknown"),
        ("trap 'flask run' EXIT; flask routes || exit 1", "no", "yes"),
        ("awk 'BEGIN { system(\"flask run\") }'", "unknown", "unknown"),
    ],
)  # fmt: skip
def test_what_every_way_ends_in_is_settled(text: str, debugger: str, dev_server: str) -> None:
    found = judge(process(["bash", "-c", text]), FILES)

    def worst(name: str) -> Answer:
        answers = {entry.facts.claims()[name].answer for entry in found}
        order = (Answer.YES, Answer.UNKNOWN, Answer.NO)
        return next((answer for answer in order if answer in answers), Answer.NO)

    assert (worst("debugger"), worst("dev_server")) == (debugger, dev_server)
