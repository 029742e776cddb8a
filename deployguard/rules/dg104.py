"""Debug settings are there, although what starts ignores them.

What: FLASK_DEBUG, FLASK_ENV=development, FLASK_RUN_DEBUGGER, WERKZEUG_DEBUG_PIN=off or the like
is set for a container whose program does not look at it, or ends at once because of it.

Why it is dangerous: the setting waits. Somebody changes the command to `flask run` to look into a
problem, or a new version starts to read the variable, and the debugger is up.

How to fix: remove the setting from the image and from the declaration of the container.

Fails:

    services:
      web: {build: ., command: "gunicorn hello:app", environment: {WERKZEUG_DEBUG_PIN: "off"}}

Passes:

    services: {web: {build: ., command: "gunicorn hello:app"}}
"""

from deployguard.model.evidence import Claim
from deployguard.model.facts import Facts, Listener
from deployguard.model.finding import Rule, Severity
from deployguard.rules import words


def check(facts: Facts) -> Claim:
    """Look for settings without an effect: with one, another rule speaks."""
    return facts.configured


def describe(facts: Facts, _: tuple[Listener, ...]) -> str:
    """Tell settings that are there from settings that may be."""
    are = words.verb(facts.configured.answer, "are", "may be")
    return f"Debug settings {are} there, although what starts ignores them or ends because of them."


RULE = Rule(
    id="DG104",
    name="debug-configured",
    severity=Severity.LOW,
    summary="Debug settings are there, although nothing heeds them",
    remedy="Remove the debug settings from the image and from the container's declaration.",
    check=check,
    describe=describe,
    page=__doc__,
)
