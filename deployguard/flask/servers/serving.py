"""What a production server does with an application that was loaded, and where it listens."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from deployguard.flask.application import (
    Imported,
    Setting,
    Wrapped,
    application_debug,
    happens,
    processes,
    remote_debugger,
    serves,
    started,
    unseen,
    value_claim,
    wrapped,
)
from deployguard.flask.judged import Judged, ended, nothing, undetermined
from deployguard.flask.listeners import listener, remote_listeners
from deployguard.flask.served import Serving, served_facts
from deployguard.flask.servers.interfaces import unanswered_by_wsgi
from deployguard.flask.servers.places import answering
from deployguard.model.evidence import (
    Answer,
    Claim,
    Evidence,
    Location,
    Missing,
    Reason,
    all_of,
    any_of,
    no,
    unknown,
    yes,
)
from deployguard.model.facts import Listener, ProgramClass
from deployguard.model.process import Start
from deployguard.python import Effect


class Behaviour(Struct, frozen=True, kw_only=True):
    """How a server behaves where the application itself serves while it is loaded.

    `binds_first`: the server's own port is bound by then and answers nothing. `restarts`: whether
    Werkzeug's reloader, which starts the same command once more, comes up; else nothing answers.
    `lost` says why it does not, and `dies` that the server ends with it. All as observed.
    """

    binds_first: bool
    restarts: Answer = Answer.YES
    lost: str = ""
    dies: bool = False


def refused(setting: Setting, why: Evidence) -> Judged:
    """Return a server that ends with an error."""
    return ended(ProgramClass.WSGI_SERVER, *setting.program.trail, why)


def ends(setting: Setting, place: Location, note: str) -> Judged:
    """Return a server that ends at once, and why."""
    return refused(setting, Evidence(place, note))


def silent(setting: Setting, server: str, listeners: tuple[Listener, ...], why: Evidence) -> Judged:
    """Return a server that is bound and answers nothing: its workers end and are started again."""
    evidence = (*setting.program.trail, why)
    return Judged(
        kind=ProgramClass.WSGI_SERVER,
        server=server,
        starts=yes(*evidence),
        facts=nothing(*evidence),
        listeners=tuple(answering(item, Answer.NO) for item in listeners),
    )


def not_told(setting: Setting, server: str, missing: Sequence[Missing]) -> Judged:
    """Return a server of which it cannot be told what it loads."""
    return Judged(
        kind=ProgramClass.WSGI_SERVER,
        server=server,
        starts=unknown(missing),
        facts=undetermined(missing, *setting.program.trail, flask=False, debug=True),
    )


def served(
    setting: Setting,
    server: str,
    behaviour: Behaviour,
    imported: Imported,
    listeners: tuple[Listener, ...],
    *,
    place: Location | None = None,
    unanswered: Evidence | None = None,
    started_beside: tuple[Start, ...] = (),
) -> Judged:
    """Return what a server does with an application that was loaded.

    `unanswered` says why no request reaches the application.
    """
    outcome = imported.outcome
    if imported.failure is not None and not outcome.unseen and not serves(outcome):
        note = f"the application cannot be loaded ({imported.failure.note}), so {server} ends"
        return ends(setting, imported.failure.location, note)
    flask = any(entry.partition(".")[0] == "flask" for entry in imported.run.modules)
    hidden = any_of(unseen(outcome, suspected=flask), started(outcome, suspected=flask))
    place = place or setting.program.location
    own = serves(outcome)
    starts = {effect: _inside(effect, behaviour) for effect in own}
    if behaviour.dies and hidden.answer is Answer.NO and _lost(starts):
        return ends(setting, own[0].location, behaviour.lost)
    without = no(Evidence(place, f"{server} serves the application without Werkzeug's server"))
    inside = any_of(*starts.values(), hidden, without)
    inner_debugger = any_of(
        *(
            all_of(start, value_claim(effect.values["debugger"], "use_debugger"))
            for effect, start in starts.items()
        ),
        without,
    )
    debug = any_of(
        application_debug(imported.application) if imported.application else no(),
        no(Evidence(place, "nothing turns debug mode on")),
        *(
            all_of(start, value_claim(effect.values["debug"], "debug"))
            for effect, start in starts.items()
        ),
    )
    unanswered = unanswered or unanswered_by_wsgi(imported.application, server)
    middleware = wrapped(imported.application, outcome)
    if unanswered is not None:
        middleware = Wrapped(debugger=no(unanswered), interactive=no(), pin_off=no())
    facts = served_facts(
        Serving(
            trail=setting.program.trail,
            dev_server=inside,
            debug=debug,
            server_debugger=inner_debugger,
            evalex=any_of(no(), *(value_claim(e.values["evalex"], "use_evalex") for e in own)),
            middleware=middleware,
            unseen=hidden,
            environment=None,
            run=imported.run,
            stack=setting.stack,
            reloader=no(),
            remote=remote_debugger(outcome),
        )
    )
    # An application that serves by itself certainly never lets the server go on.
    certain = any(not effect.conditions for effect in own)
    outer = Answer.NO if certain else facts.debugger.answer
    bound = listeners if behaviour.binds_first or not certain else ()
    inner = tuple(
        listener(effect, "host", "port", _answer(start, facts.debugger))
        for effect, start in starts.items()
    )
    return Judged(
        kind=ProgramClass.WSGI_SERVER,
        server=server,
        starts=yes(),
        facts=facts,
        listeners=(
            *(answering(item, outer) for item in bound),
            *inner,
            *remote_listeners(outcome),
        ),
        processes=(*processes(outcome, setting.program), *started_beside),
    )


def _lost(starts: Mapping[Effect, Claim]) -> bool:
    """Say whether a reloader certainly ends what loads the application."""
    return any(
        claim.answer is Answer.NO and not effect.conditions for effect, claim in starts.items()
    )


def _answer(start: Claim, debugger: Claim) -> Answer:
    return Answer.NO if start.answer is Answer.NO else debugger.answer


def _inside(effect: Effect, behaviour: Behaviour) -> Claim:
    """Claim that Werkzeug's server comes up inside a production server, at an unguarded app.run().

    With a reloader the same command is started once more, from inside.
    """
    start = happens(effect, "app.run() is reached when the module is loaded")
    reloader = value_claim(effect.values["reloader"], "use_reloader")
    if reloader.answer is Answer.NO or behaviour.restarts is Answer.YES:
        return start
    if behaviour.restarts is Answer.UNKNOWN:
        missing = Missing(Reason.PROGRAM, "how the reloader ends inside the server's worker")
        return unknown(missing, *start.evidence, suspected=True)
    if reloader.answer is Answer.UNKNOWN:
        return unknown(reloader.missing, *start.evidence, suspected=True)
    return no(*start.evidence, Evidence(effect.location, behaviour.lost))
