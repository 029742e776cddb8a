"""Settings that ask for debugging, whether or not what starts heeds them."""

from dataclasses import replace

from deployguard.model.disclosure import quoted
from deployguard.model.evidence import Answer, Claim, Evidence, any_of, no, unknown, yes
from deployguard.model.facts import Facts
from deployguard.model.process import Process


def asked(process: Process) -> tuple[Evidence, ...]:
    """Return the variables that ask for debugging, each with its place."""
    steps: list[Evidence] = []
    for name, entry in process.env.entries.items():
        value = entry.value
        asks = (
            (name in {"FLASK_DEBUG", "FLASK_RUN_DEBUG", "FLASK_RUN_DEBUGGER"} and _truthy(value))
            or (name == "FLASK_ENV" and value == "development")
            or (name == "WERKZEUG_DEBUG_PIN" and value == "off")
        )
        if asks:
            steps.append(Evidence(entry.location, f"{name} is {quoted(name, value)}"))
    return tuple(steps)


def _truthy(value: str | None) -> bool:
    return value is None or value.strip().lower() not in {"", "0", "false", "no", "off", "n", "f"}


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
    settings = asked(process)
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
