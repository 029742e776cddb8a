"""celery: tasks are registered, and a worker serves nobody."""

from typing import Any

from deployguard.flask.libraries import debuggers, foreign
from deployguard.flask.libraries.effects import harmless, register
from deployguard.flask.libraries.servers.common import below
from deployguard.model.evidence import Evidence
from deployguard.python import Call, Instance, Interpreter, Native, Value
from deployguard.python.signals import ServeSignal


def _works(call: Call, _instance: Instance) -> Value:
    raise ServeSignal(Evidence(call.location, "a worker of celery runs"))


_CELERY = foreign.application_class("celery.Celery", {"worker_main": _works, "start": _works})
_QUIET = ("Task", "current_app", "current_task", "group", "chain", "chord", "signature",
          "schedules", "signals", "states", "result", "utils", "exceptions")  # fmt: skip


def slots(run: Interpreter, name: str) -> dict[Any, Any] | None:
    """Return what a module of celery holds, None where it is none."""
    match name:
        case "celery":
            return {
                **below(run, _inner, name, "contrib"),
                "Celery": _CELERY,
                "shared_task": Native("celery.shared_task", register),
                **{one: harmless(f"celery.{one}") for one in _QUIET},
            }
        case "celery.app" | "celery.app.base":
            return {"Celery": _CELERY}
        case "celery.contrib":
            return _inner(run, name)
        case _:
            return None


def _inner(run: Interpreter, name: str) -> dict[Any, Any]:
    if name == "celery.contrib":
        return below(run, _inner, name, "rdb")
    return debuggers.slots(run, name) or {}
