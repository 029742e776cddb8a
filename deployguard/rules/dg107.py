"""What starts, or what it does, could not be told.

What: something that decides the answer was not at hand: an image that was not read, a variable
whose value is not in the input, a program or a source that deployguard cannot follow.

Why it is dangerous: a container that nobody could judge is not a safe one. The policy's onUnknown
says what becomes of it.

How to fix: the finding names what is missing. Supply it: let the image be read, put the ConfigMap
into the same scan, start the server with a plain command.

Fails:

    services: {web: {build: ., command: "/usr/local/bin/acme-start"}}

Passes:

    services: {web: {build: ., command: "gunicorn hello:app"}}
"""

from deployguard.model.evidence import Answer, Claim, any_of, no
from deployguard.model.facts import Facts, Listener
from deployguard.model.finding import Rule, Severity
from deployguard.rules import dg101, dg102, dg103, dg104, dg105, dg106

_OTHERS = tuple(module.RULE for module in (dg101, dg102, dg103, dg104, dg105, dg106))

_WHETHER = {
    "DG101": "the Werkzeug debugger comes up",
    "DG102": "Werkzeug's development server serves",
    "DG103": "Flask debug mode is on",
    "DG105": "a remote debugger listens",
}


def check(facts: Facts) -> Claim:
    """Return unknown with all that is missing where another rule is not settled, else no.

    A fact that no rule asks for, such as the reloader's, makes no finding.
    """
    claims = [rule.check(facts) for rule in _OTHERS]
    unsettled = [claim for claim in claims if claim.answer is Answer.UNKNOWN]
    return any_of(*unsettled) if unsettled else no()


def describe(facts: Facts, _: tuple[Listener, ...]) -> str:
    """Name what is open where the rest is settled; what is missing stands in the finding's list."""
    settled = {rule.id for rule in _OTHERS if rule.check(facts).answer is not Answer.UNKNOWN}
    unsettled = [phrase for rule, phrase in _WHETHER.items() if rule not in settled]
    if not unsettled or len(unsettled) == len(_WHETHER):
        return "What starts, or what it does, could not be told."
    return f"Whether {' or '.join(unsettled)} could not be told."


RULE = Rule(
    id="DG107",
    name="undetermined",
    severity=Severity.MEDIUM,
    summary="What starts, or what it does, could not be told",
    remedy="Supply what is missing, or start the server with a plain command.",
    check=check,
    describe=describe,
    page=__doc__,
)
