"""Settings that ask for debugging, whether or not what starts heeds them."""

from deployguard.model.disclosure import quoted
from deployguard.model.evidence import (
    Answer,
    Claim,
    Evidence,
    Missing,
    Reason,
    any_of,
    no,
    unknown,
    yes,
)
from deployguard.model.facts import Facts
from deployguard.model.process import Process
from deployguard.model.structs import replace

_SWITCHES = frozenset({"FLASK_DEBUG", "FLASK_RUN_DEBUG", "FLASK_RUN_DEBUGGER"})
_WORDS = {"FLASK_ENV": "development", "WERKZEUG_DEBUG_PIN": "off"}


def asked(process: Process) -> tuple[Evidence, ...]:
    """Return the variables that ask for debugging, each with its place."""
    return tuple(
        Evidence(entry.location, f"{name} is {quoted(name, entry.value)}")
        for name, entry in process.env.entries.items()
        if (name in _SWITCHES and _truthy(entry.value))
        or (entry.value is not None and entry.value == _WORDS.get(name))
    )


def _truthy(value: str | None) -> bool:
    words = {"", "0", "false", "no", "off", "n", "f"}
    return value is not None and value.strip().lower() not in words


def _hidden(process: Process) -> tuple[Missing, ...]:
    """Return what would have to be known of the variables that may ask for debugging."""
    return tuple(
        missing
        for name, entry in process.env.entries.items()
        if entry.value is None and (name in _SWITCHES or name in _WORDS)
        for missing in entry.missing or (Missing(Reason.VARIABLE, f"the value of {name}"),)
    )


def hinted(process: Process) -> bool:
    """Say whether the environment asks for debugging, or may do so unseen."""
    return bool(asked(process) or _hidden(process))


def answered(process: Process, facts: Facts, *, stays: bool) -> Facts:
    """Say of each setting that asks for debugging what became of it.

    `stays` is false where what starts ends at once; its evidence says why.
    """
    debugger = _unheeded(process, facts) if stays else facts.debugger
    return replace(facts, configured=_configured(process, facts), debugger=debugger)


def _unheeded(process: Process, facts: Facts) -> Claim:
    """Say why settings raise no debugger, where neither the server nor the application has one."""
    if {facts.debugger.answer, facts.dev_server.answer} != {Answer.NO}:
        return facts.debugger
    steps = tuple(
        replace(step, note=f"{step.note}, which by itself starts no server and no debugger")
        for step in asked(process)
    )
    return replace(facts.debugger, evidence=(*facts.debugger.evidence, *steps))


def _configured(process: Process, facts: Facts) -> Claim:
    """Claim that debug settings are there although what starts ignores or refuses them."""
    settings, hidden = asked(process), _hidden(process)
    if not settings and hidden:
        return unknown(hidden)
    if not settings:
        return no(Evidence(process.location, "no variable asks for debugging"))
    active = any_of(facts.debugger, facts.debug_mode)
    match active.answer:
        case Answer.YES:
            return no(*(replace(step, note=f"{step.note}, and is heeded") for step in settings))
        case Answer.NO:
            return yes(*settings)
        case Answer.UNKNOWN:
            return unknown(active.missing, *settings)
