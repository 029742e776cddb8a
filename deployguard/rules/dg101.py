"""The Werkzeug debugger comes up.

What: the process answers requests through Werkzeug's debugger middleware, because debug mode is
on for the development server, because --debugger or use_debugger asks for it, or because the code
wraps the application in DebuggedApplication. That works under gunicorn and uWSGI just as well.

Why it is dangerous: the debugger shows source code and variables with every error, and its
console runs any Python code that a visitor types, as the user of the server. The PIN is no
protection: it is made from facts about the machine that other flaws give away, it is printed in
the logs, and WERKZEUG_DEBUG_PIN=off takes it away. Binding to a loopback address or trusting only
certain host names helps against strangers' browsers, not against whoever can open a connection.

How to fix: unset FLASK_DEBUG, FLASK_ENV and FLASK_RUN_DEBUGGER, remove --debug, --debugger,
debug=True and DebuggedApplication from what is deployed, and start a production WSGI server.

Fails:

    services: {web: {build: ., command: flask run --debug}}

Passes:

    services: {web: {build: ., command: "gunicorn hello:app"}}
"""

from deployguard.model.evidence import Answer, Claim
from deployguard.model.facts import Facts, Listener
from deployguard.model.finding import Rule, Severity
from deployguard.rules import words


def check(facts: Facts) -> Claim:
    """Whoever starts it and whoever reaches it: the middleware answers requests."""
    return facts.debugger


def describe(facts: Facts, listeners: tuple[Listener, ...]) -> str:
    """Say whether it runs code, whether a PIN is asked, and who reaches it."""
    debuggers = tuple(entry for entry in listeners if entry.debugger is not Answer.NO)
    if facts.debugger.answer is Answer.UNKNOWN:
        may = f"The Werkzeug debugger may come up{words.where(debuggers)}"
        return f"{may}; {words.who_reaches(facts.reachable)}."
    return (
        f"The Werkzeug debugger comes up{words.where(debuggers)}: "
        f"{_power(facts.interactive.answer)}; {_pin(facts.pin_off.answer)}; "
        f"{words.who_reaches(facts.reachable)}."
    )


def _power(interactive: Answer) -> str:
    match interactive:
        case Answer.YES:
            return "it runs any code a visitor types"
        case Answer.NO:
            return "it shows source and variables, but runs no code"
        case Answer.UNKNOWN:
            return "whether it also runs code a visitor types cannot be told"


def _pin(pin_off: Answer) -> str:
    match pin_off:
        case Answer.YES:
            return "no PIN is asked"
        case Answer.NO:
            return "a PIN is asked, which is no protection"
        case Answer.UNKNOWN:
            return "whether a PIN is asked cannot be told, and it would be no protection"


RULE = Rule(
    id="DG101",
    name="werkzeug-debugger",
    severity=Severity.CRITICAL,
    summary="The Werkzeug debugger comes up",
    remedy=(
        "Turn the debugger off (unset FLASK_DEBUG, remove --debug, debug=True and "
        "DebuggedApplication) and start a production WSGI server, "
        "for example: gunicorn --bind 0.0.0.0:8000 hello:app"
    ),
    check=check,
    describe=describe,
    page=__doc__,
)
