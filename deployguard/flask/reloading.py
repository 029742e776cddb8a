"""The reloader of Werkzeug's server: what serves is the program once more, told that it is so.

werkzeug._reloader.restart_with_reloader starts `sys.argv` anew with os.environ as it is then and
WERKZEUG_RUN_MAIN=true; the process itself goes on only to watch it.
"""

from deployguard.flask.application import (
    Setting,
    environment_of,
    processes,
    remote_debugger,
    serves,
    value_claim,
)
from deployguard.flask.judged import Judged
from deployguard.model.evidence import Answer, Traced, any_of
from deployguard.model.structs import replace
from deployguard.python import Interpreter, Outcome

_NESTED = "WERKZEUG_RUN_MAIN"


def child(setting: Setting, run: Interpreter, outcome: Outcome) -> Setting | None:
    """Return what the reloader starts the program anew with; None where it certainly has none."""
    if _NESTED in setting.environment.entries or len(serves(outcome)) != 1:
        return None
    (effect,) = serves(outcome)
    reloads = value_claim(effect.values["reloader"], "use_reloader")
    if reloads.answer is not Answer.YES or effect.conditions:
        return None
    environment = environment_of(run.environ, effect.location)
    for name, value in ((_NESTED, "true"), ("WERKZEUG_SERVER_FD", "3")):
        environment = environment.with_entry(name, Traced(value, effect.location))
    return replace(setting, environment=environment)


def joined(served: Judged, setting: Setting, outcome: Outcome) -> Judged:
    """Return what the child serves, with what the process above it lets in and starts beside it."""
    remote = any_of(served.facts.remote_debugger, remote_debugger(outcome))
    return replace(
        served,
        facts=replace(served.facts, remote_debugger=remote),
        processes=(*processes(outcome, setting.program), *served.processes),
    )
