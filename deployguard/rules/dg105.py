"""A remote debugger listens.

What: debugpy, pydevd or the like waits for a debugger to attach over the network.

Why it is dangerous: whoever attaches runs code in the process, and none of these protocols asks
for a password. An external debugger is for a moment's use on a developer's machine, never for a
deployment.

How to fix: start the program itself instead of starting it through the debugger, and remove
debugpy.listen() and pydevd.settrace() from what is deployed.

Fails:

    services:
      web:
        build: .
        command: >-
          python -c "import debugpy; debugpy.listen(('0.0.0.0', 5678));
          from hello import app; app.run()"

Passes:

    services: {web: {build: ., command: "gunicorn hello:app"}}
"""

from deployguard.model.evidence import Claim
from deployguard.model.facts import Facts, Listener
from deployguard.model.finding import Rule, Severity
from deployguard.rules import words


def check(facts: Facts) -> Claim:
    """Wherever it listens: reachability is the policy's matter."""
    return facts.remote_debugger


def describe(facts: Facts, _: tuple[Listener, ...]) -> str:
    """Say who reaches the container's listeners."""
    listens = words.verb(facts.remote_debugger.answer, "listens", "may listen")
    return f"A remote debugger {listens}, and whoever attaches runs code."


RULE = Rule(
    id="DG105",
    name="remote-debugger",
    severity=Severity.CRITICAL,
    summary="A remote debugger listens",
    remedy="Start the program without debugpy or pydevd, and remove their calls from the code.",
    check=check,
    describe=describe,
    page=__doc__,
)
