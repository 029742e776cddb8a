"""The facts of a program that serves, joined from what its server and its application do."""

from msgspec import Struct

from deployguard.flask.application import Wrapped, value_claim
from deployguard.flask.versions import Stack
from deployguard.model.environment import Environment
from deployguard.model.evidence import (
    Answer,
    Claim,
    Evidence,
    all_of,
    any_of,
    no,
    unknown,
    yes,
)
from deployguard.model.facts import Facts
from deployguard.python import Interpreter, Known, Opaque, Value


class Serving(Struct, frozen=True, kw_only=True):
    """A program that serves: what its server does, and what wraps its application.

    `unseen` is open where something runs that cannot be seen into. The PIN is read off `run`, the
    evaluator after the program, or off `environment` where nothing was evaluated.
    """

    trail: tuple[Evidence, ...]
    dev_server: Claim
    debug: Claim
    server_debugger: Claim
    evalex: Claim
    middleware: Wrapped
    unseen: Claim
    environment: Environment | None
    run: Interpreter | None
    stack: Stack
    reloader: Claim
    remote: Claim


def served_facts(serving: Serving) -> Facts:
    """Join the server's debugger with the one that wraps the application."""
    trail, middleware = serving.trail, serving.middleware
    from_server = all_of(serving.dev_server, serving.server_debugger)
    debugger = any_of(from_server, middleware.debugger, serving.unseen)
    interactive = any_of(
        all_of(from_server, serving.evalex),
        all_of(middleware.debugger, middleware.interactive),
    )
    if debugger.answer is Answer.UNKNOWN and interactive.answer is Answer.NO:
        interactive = Claim(Answer.UNKNOWN, (), debugger.missing)
    pin = any_of(_pin_off(serving.environment, serving.run, serving.stack), middleware.pin_off)
    return Facts(
        dev_server=_after(trail, serving.dev_server),
        debug_mode=_after(trail, any_of(serving.debug, serving.unseen)),
        debugger=_after(trail, debugger),
        interactive=_after(trail, interactive),
        pin_off=_after(trail, _said(pin, trail, "WERKZEUG_DEBUG_PIN is not off")),
        reloader=_after(trail, all_of(serving.dev_server, serving.reloader)),
        remote_debugger=_after(
            trail, _said(serving.remote, trail, "nothing starts a remote debugger")
        ),
    )


def _said(claim: Claim, trail: tuple[Evidence, ...], note: str) -> Claim:
    """Give an answer that rests on what is not there the words for it."""
    if claim.answer is not Answer.NO or claim.evidence or not trail:
        return claim
    return no(Evidence(trail[-1].location, note))


def _after(trail: tuple[Evidence, ...], claim: Claim) -> Claim:
    steps = tuple(dict.fromkeys((*trail, *claim.evidence)))
    return Claim(claim.answer, steps, claim.missing, suspected=claim.suspected)


def _pin_off(environment: Environment | None, run: Interpreter | None, stack: Stack) -> Claim:
    """werkzeug.debug.get_pin_and_cookie_name: only exactly "off" turns the PIN off."""
    if stack.werkzeug < (0, 11):
        return yes()
    if run is not None:
        value = run.environ.slots.get("WERKZEUG_DEBUG_PIN")
        return pin_claim(value if value is not None else run.environ.rest)
    entry = environment.get("WERKZEUG_DEBUG_PIN") if environment is not None else None
    if entry is None:
        return no()
    step = Evidence(entry.location, "WERKZEUG_DEBUG_PIN is set")
    if entry.value is None:
        return unknown(entry.missing, step)
    return yes(step) if entry.value == "off" else no(step)


def pin_claim(value: Value | None) -> Claim:
    """Claim that the value of WERKZEUG_DEBUG_PIN turns the PIN off."""
    match value:
        case None:
            return no()
        case Known(value=text, trail=trail):
            return Claim(Answer.YES if text == "off" else Answer.NO, trail)
        case Opaque():
            return unknown(value.missing)
        case _:
            return value_claim(value, "WERKZEUG_DEBUG_PIN")
