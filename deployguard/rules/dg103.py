"""Flask debug mode is on, though no debugger comes up.

What: app.debug is true, but nothing puts the debugger in front of the application: a production
server runs with FLASK_DEBUG=1, or the debugger was taken out with --no-debugger.

Why it is dangerous: errors behave as in development, templates are read again at every request,
and extensions that look at app.debug open up. One change of the command brings the debugger back.

How to fix: remove --debug, unset FLASK_DEBUG, and do not set app.debug in code.

Fails:

    services: {web: {build: ., command: flask run --debug --no-debugger}}

Passes:

    services: {web: {build: ., command: "gunicorn hello:app"}}
"""

from deployguard.model.evidence import Answer, Claim, all_of, negate
from deployguard.model.facts import Facts, Listener
from deployguard.model.finding import Rule, Severity
from deployguard.model.structs import replace
from deployguard.rules import words


def check(facts: Facts) -> Claim:
    """Debug mode alone: with the debugger up, DG101 speaks.

    A suspicion of the debugger is none of debug mode.
    """
    alone = all_of(facts.debug_mode, negate(facts.debugger))
    at_hand = facts.debug_mode.suspected or facts.debug_mode.answer is Answer.YES
    return replace(alone, suspected=alone.answer is Answer.UNKNOWN and at_hand)


def describe(facts: Facts, _: tuple[Listener, ...]) -> str:
    """Tell debug mode that is on from debug mode that may be."""
    is_on = words.verb(facts.debug_mode.answer, "is", "may be")
    without = (
        "though no debugger comes up"
        if facts.debugger.answer is Answer.NO
        else "whether or not the debugger comes up"
    )
    return f"Flask debug mode {is_on} on, {without}."


RULE = Rule(
    id="DG103",
    name="debug-mode",
    severity=Severity.MEDIUM,
    summary="Flask debug mode is on",
    remedy="Remove --debug, unset FLASK_DEBUG, and start a production WSGI server.",
    check=check,
    describe=describe,
    page=__doc__,
)
