"""Where effects of a program listen."""

from deployguard.flask.libraries.effects import REMOTE
from deployguard.model.evidence import Answer, Evidence, Location, Missing, Reason
from deployguard.model.facts import Listener
from deployguard.python import Effect, Known, Outcome, Value
from deployguard.python.values import missing_of


def listener(effect: Effect, host: str, port: str, debugger: Answer) -> Listener:
    """Return where an effect listens; what cannot be told is None with what is missing."""
    address, number = effect.values.get(host), effect.values.get(port)
    text = address.value if isinstance(address, Known) else None
    place = _place(address, effect.location)
    missing = missing_of(address) if address is not None else ()
    if not isinstance(text, str):
        return Listener(
            address=None,
            port=_number(number),
            debugger=debugger,
            location=effect.location,
            missing=missing or (Missing(Reason.ADDRESS, "the address it listens on"),),
        )
    if text.startswith("unix://"):
        text, number = "unix:" + text.removeprefix("unix://"), None
    elif text in {"", "*"}:
        text = "0.0.0.0"  # noqa: S104  (what an empty host binds)
    note = Evidence(place, f"it listens on {text}")
    return Listener(
        address=text,
        port=_number(number),
        debugger=debugger,
        location=place,
        evidence=(note,),
    )


def _place(value: Value | None, default: Location) -> Location:
    if isinstance(value, Known) and value.trail:
        return value.trail[-1].location
    return default


def _number(value: Value | None) -> int | None:
    if isinstance(value, Known):
        if isinstance(value.value, int):
            return int(value.value)
        if isinstance(value.value, str) and value.value.isdigit():
            return int(value.value)
    return None


def remote_listeners(outcome: Outcome) -> tuple[Listener, ...]:
    """Return where remote debuggers listen."""
    return tuple(
        listener(effect, "host", "port", Answer.NO)
        for effect in outcome.effects
        if effect.name == REMOTE
    )
