"""The flask command: what `flask` or `python -m flask` does with its words."""

from deployguard.flask import script
from deployguard.flask.application import Setting
from deployguard.flask.judged import Judged, ended
from deployguard.flask.libraries.flask_cli import held
from deployguard.model.evidence import Evidence
from deployguard.model.facts import ProgramClass


def judge(setting: Setting) -> Judged:
    """Follow flask.cli.main under one stack."""
    if setting.stack.flask < (0, 11):
        note = Evidence(setting.program.location, "this Flask has no command of its own")
        return ended(ProgramClass.FLASK, note)
    return script.judge_call(
        setting, lambda call: held(call.run, setting.stack).main(call), flask=True
    )
