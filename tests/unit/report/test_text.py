from inline_snapshot import snapshot

from deployguard.model.codes import ProblemCode
from deployguard.model.evidence import Location, Missing, Reason, unknown
from deployguard.model.facts import Facts
from deployguard.model.problem import Problem
from deployguard.model.report import Status
from deployguard.model.structs import replace
from deployguard.report import text
from tests.support import reports
from tests.support.reports import DEBUGGER, SAFE, SUSPECTED, UNREAD

EXEMPTING = b"""\
apiVersion: deployguard/v1
kind: Policy
metadata: {name: mine}
spec:
  rules: {DG101: block}
  exemptions:
    - {rule: DG101, subject: services.web, reason: demo host, owner: platform, expires: 2026-11-30}
    - {rule: DG102, subject: services.old, reason: demo host, expires: 2026-01-31}
    - {rule: DG102, subject: services.gone, reason: demo host}
"""


def test_who_was_blocked_sees_what_where_why_and_how_to_fix_it() -> None:
    report = reports.report(
        reports.container(reports.program(DEBUGGER), name="web"),
        reports.container(reports.program(UNREAD), name="worker"),
        reports.container(reports.program(SAFE), name="db"),
    )
    assert text.render(report) == snapshot("""\
block DG101 werkzeug-debugger in compose.yaml#services.web
  The Werkzeug debugger comes up on 0.0.0.0:5000: it runs any code a visitor types; a PIN is asked, which is no protection; reachable from beyond the machine that runs the container.
  runs: flask run
  why:
    compose.yaml:4:14: the command is flask run
    compose.yaml:6:20: FLASK_DEBUG is '1'
  reached by: public
    compose.yaml:8:9: port 5000 is published on 0.0.0.0:80
  fix: Turn the debugger off (unset FLASK_DEBUG, remove --debug, debug=True and DebuggedApplication) and start a production WSGI server, for example: gunicorn --bind 0.0.0.0:8000 hello:app
  policy: production (rules.DG101)

block DG102 development-server in compose.yaml#services.web
  Werkzeug's development server serves on 0.0.0.0:5000: reachable from beyond the machine that runs the container.
  runs: flask run
  why:
    compose.yaml:4:14: the command is flask run
  reached by: public
    compose.yaml:8:9: port 5000 is published on 0.0.0.0:80
  fix: Start a production WSGI server instead of flask run or app.run(), for example: gunicorn --bind 0.0.0.0:8000 hello:app
  policy: production (rules.DG102)

warn DG107 undetermined in compose.yaml#services.worker
  What starts, or what it does, could not be told.
  runs: flask run
  where: compose.yaml:3:3
  missing: the image acme/shop:1
    let the image be read: pull or build it first, or scan an archive of it
  fix: Supply what is missing, or start the server with a plain command.
  policy: production (on_unknown)

decision: block (blocked: 2 findings in 1 of 3 containers, unknown: 1, safe: 1)
""")


def test_a_suspicion_says_what_is_missing_and_how_to_supply_it() -> None:
    value = Missing(Reason.VARIABLE, "the value of DEBUG, set by nothing here")
    facts = replace(UNREAD, debugger=unknown(value, reports.FLAG, suspected=True))
    report = reports.report(reports.container(reports.program(facts)))
    assert text.render(report) == snapshot("""\
warn DG101 werkzeug-debugger in compose.yaml#services.web
  The Werkzeug debugger may come up on 0.0.0.0:5000; who reaches it cannot be told.
  runs: flask run
  why:
    compose.yaml:6:20: FLASK_DEBUG is '1'
  missing: the value of DEBUG, set by nothing here
    write the value into the file, or give it with --env or --env-file
  fix: Turn the debugger off (unset FLASK_DEBUG, remove --debug, debug=True and DebuggedApplication) and start a production WSGI server, for example: gunicorn --bind 0.0.0.0:8000 hello:app
  policy: production (on_unknown)

decision: warn (blocked: 0 findings in 0 of 1 container, unknown: 1, safe: 0)
""")


def test_a_target_that_was_not_inspected_is_told_with_the_way_out() -> None:
    problem = Problem(
        ProblemCode.NOT_FOUND,
        "there is no file or folder shop.yaml",
        Location("shop.yaml"),
        "check the path",
    )
    note = Problem(ProblemCode.NOTE, "nothing to judge in it")
    report = reports.report(
        targets=(
            replace(reports.target(Status.FAILED, "shop.yaml"), problems=(problem,)),
            replace(reports.target(name="config.yaml"), problems=(note,)),
        )
    )
    assert text.render(report) == snapshot("""\
failed shop.yaml
  not-found: shop.yaml: there is no file or folder shop.yaml (check the path)

config.yaml: note: nothing to judge in it

decision: error (blocked: 0 findings in 0 of 0 containers, unknown: 0, safe: 0, targets not inspected: 1)
""")


def test_what_is_exempt_stays_in_the_report() -> None:
    report = reports.report(
        reports.container(reports.program(Facts(debugger=DEBUGGER.debugger))), by=EXEMPTING
    )
    assert text.render(report) == snapshot("""\
allow DG101 werkzeug-debugger in compose.yaml#services.web
  The Werkzeug debugger comes up on 0.0.0.0:5000: it shows source and variables, but runs no code; a PIN is asked, which is no protection; nobody reaches it over a network.
  runs: flask run
  why:
    compose.yaml:4:14: the command is flask run
    compose.yaml:6:20: FLASK_DEBUG is '1'
  fix: Turn the debugger off (unset FLASK_DEBUG, remove --debug, debug=True and DebuggedApplication) and start a production WSGI server, for example: gunicorn --bind 0.0.0.0:8000 hello:app
  policy: mine, exempt by platform until 2026-11-30: demo host (policy.yaml:7:7)

expired: DG102 in services.old, exempt until 2026-01-31: demo host (policy.yaml:8:7)
ends soon: DG101 in services.web, exempt by platform until 2026-11-30: demo host (policy.yaml:7:7)

decision: allow (blocked: 0 findings in 0 of 1 container, unknown: 0, allowed: 1, safe: 0)
""")


def test_a_container_that_no_policy_matches_is_warned_of() -> None:
    by = b"""\
apiVersion: deployguard/v1
kind: Policy
metadata: {name: mine}
spec: {match: {kinds: [image]}}
"""
    rendered = text.render(reports.report(reports.container(reports.program(DEBUGGER)), by=by))
    assert "  policy: none speaks of this container (no-policy)\n" in rendered
    assert "decision: warn" in rendered


def test_explain_shows_how_every_answer_came_about() -> None:
    started = reports.process(("flask", "run", None), {"FLASK_DEBUG": "1", "API_KEY": "hunter2"})
    report = reports.report(
        reports.container(reports.program(replace(DEBUGGER, pin_off=SUSPECTED), started)),
        reports.container(reports.program(SAFE), name="db"),
        explain=True,
    )
    assert text.render(report) == snapshot("""\
block DG101 werkzeug-debugger in compose.yaml#services.web
  The Werkzeug debugger comes up on 0.0.0.0:5000: it runs any code a visitor types; whether a PIN is asked cannot be told, and it would be no protection; reachable from beyond the machine that runs the container.
  runs: flask run ?
  why:
    compose.yaml:4:14: the command is flask run
    compose.yaml:6:20: FLASK_DEBUG is '1'
  reached by: public
    compose.yaml:8:9: port 5000 is published on 0.0.0.0:80
  fix: Turn the debugger off (unset FLASK_DEBUG, remove --debug, debug=True and DebuggedApplication) and start a production WSGI server, for example: gunicorn --bind 0.0.0.0:8000 hello:app
  policy: production (rules.DG101)

block DG102 development-server in compose.yaml#services.web
  Werkzeug's development server serves on 0.0.0.0:5000: reachable from beyond the machine that runs the container.
  runs: flask run ?
  why:
    compose.yaml:4:14: the command is flask run
  reached by: public
    compose.yaml:8:9: port 5000 is published on 0.0.0.0:80
  fix: Start a production WSGI server instead of flask run or app.run(), for example: gunicorn --bind 0.0.0.0:8000 hello:app
  policy: production (rules.DG102)

container compose.yaml#services.web
  declared: compose.yaml:3:3
  image: acme/shop:1 (not read)
  process: flask run ?
    compose.yaml:4:14: flask
    compose.yaml:4:14: run
    compose.yaml:4:14: ?
  directory: /app (compose.yaml:4:14)
  user: the default
  terminal: no
  environment:
    API_KEY=(hidden) (compose.yaml:7:20)
    FLASK_DEBUG=1 (compose.yaml:6:20)
  program 0: flask run ? (flask, server werkzeug)
    listens on 0.0.0.0 port 5000
    dev_server: yes
      compose.yaml:4:14: the command is flask run
    debug_mode: yes
      compose.yaml:4:14: the command is flask run
      compose.yaml:6:20: FLASK_DEBUG is '1'
    debugger: yes
      compose.yaml:4:14: the command is flask run
      compose.yaml:6:20: FLASK_DEBUG is '1'
    interactive: yes
      compose.yaml:4:14: the command is flask run
      compose.yaml:6:20: FLASK_DEBUG is '1'
    pin_off: unknown
      compose.yaml:6:20: FLASK_DEBUG is '1'
      missing: the image acme/shop:1
        let the image be read: pull or build it first, or scan an archive of it
    reloader: no
    remote_debugger: no
    configured: no
    passthrough: no
    reachable (public): yes
      compose.yaml:8:9: port 5000 is published on 0.0.0.0:80

container compose.yaml#services.db
  declared: compose.yaml:3:3
  image: acme/shop:1 (not read)
  process: flask run
    compose.yaml:4:14: flask
    compose.yaml:4:14: run
  directory: /app (compose.yaml:4:14)
  user: the default
  terminal: no
  program 0: flask run (flask, server werkzeug)
    listens on 0.0.0.0 port 5000
    dev_server: no
    debug_mode: no
    debugger: no
    interactive: no
    pin_off: no
    reloader: no
    remote_debugger: no
    configured: no
    passthrough: no
    reachable (none): no

decision: block (blocked: 2 findings in 1 of 2 containers, unknown: 0, safe: 1)
""")
