"""What is done about findings: load a policy, evaluate findings, decide."""

from deployguard.policy.document import Match, Off, Policy, Setting
from deployguard.policy.evaluate import NO_POLICY, Judgement, decide, evaluate
from deployguard.policy.load import loads
from deployguard.policy.shipped import DEFAULT, find, load, shipped

__all__ = [
    "DEFAULT",
    "NO_POLICY",
    "Judgement",
    "Match",
    "Off",
    "Policy",
    "Setting",
    "decide",
    "evaluate",
    "find",
    "load",
    "loads",
    "shipped",
]
