"""Errors pass through to an external debugger.

What: the development server runs with use_debugger=False and passthrough_errors=True, the
settings that Flask's documentation gives for an external debugger.

Why it is dangerous: before Flask 1.0 the first error ends the server. In any version the settings
tell that what is deployed was made for a debugging session.

How to fix: remove both arguments and start a production WSGI server.

Fails:

    services:
      web:
        build: .
        command: >-
          python -c "from hello import app;
          app.run(use_debugger=False, passthrough_errors=True)"

Passes:

    services: {web: {build: ., command: "gunicorn hello:app"}}
"""

from deployguard.model.evidence import Claim
from deployguard.model.facts import Facts, Listener
from deployguard.model.finding import Rule, Severity
from deployguard.rules import words


def check(facts: Facts) -> Claim:
    """Look for the two arguments together."""
    return facts.passthrough


def describe(facts: Facts, _: tuple[Listener, ...]) -> str:
    """Tell what is so from what may be."""
    passes = words.verb(facts.passthrough.answer, "pass", "may pass")
    return f"Errors {passes} through the server, as for an external debugger."


RULE = Rule(
    id="DG106",
    name="passthrough-errors",
    severity=Severity.INFO,
    summary="Errors pass through the server, as for an external debugger",
    remedy="Remove use_debugger=False and passthrough_errors=True.",
    check=check,
    describe=describe,
    page=__doc__,
)
