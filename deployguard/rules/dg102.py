"""Werkzeug's development server serves.

What: `flask run`, `app.run()` or `run_simple()` answers the requests.

Why it is dangerous: the development server is not made to be secure, stable or fast, and its own
documentation says not to use it when deploying. It is also one variable away from the debugger:
FLASK_DEBUG=1 is enough.

How to fix: start a production WSGI server such as gunicorn, waitress or uWSGI.

Fails:

    services: {web: {build: ., command: flask run --host 0.0.0.0}}

Passes:

    services: {web: {build: ., command: "gunicorn --bind 0.0.0.0:8000 hello:app"}}
"""

from deployguard.model.evidence import Claim
from deployguard.model.facts import Facts, Listener
from deployguard.model.finding import Rule, Severity
from deployguard.rules import words


def check(facts: Facts) -> Claim:
    """With or without a debugger: DG101 speaks of that."""
    return facts.dev_server


def describe(facts: Facts, listeners: tuple[Listener, ...]) -> str:
    """Name the address and who reaches it."""
    return words.serving(facts, listeners, "Werkzeug's development server")


RULE = Rule(
    id="DG102",
    name="development-server",
    severity=Severity.HIGH,
    summary="Werkzeug's development server serves",
    remedy=(
        "Start a production WSGI server instead of flask run or app.run(), "
        "for example: gunicorn --bind 0.0.0.0:8000 hello:app"
    ),
    check=check,
    describe=describe,
    page=__doc__,
)
