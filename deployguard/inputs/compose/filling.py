"""Variables filled into a document, and texts made numbers where the field is one.

As compose-go does it: interpolation/interpolation.go, loader/interpolate.go.
"""

import math
import re

from deployguard.errors import SyntaxInputError
from deployguard.formats.interpolation import Lookup, interpolate
from deployguard.formats.nodes import Value
from deployguard.formats.yaml import TIMESTAMP, Mapping, Node, Scalar, Sequence
from deployguard.inputs.compose.fields import BOOLEANS, wrong
from deployguard.inputs.compose.trees import Path, of_place, path
from deployguard.model.structs import replace

_INT = re.compile(r"[-+]?[0-9]+", re.ASCII)
_INT_LENGTH = 20  # a sign and the digits of 64 bits
_FLOAT = re.compile(
    r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[-+]?[0-9]+)?|[-+]?inf(?:inity)?|nan",
    re.ASCII | re.IGNORECASE,
)
_INTEGER_FIELDS = (
    "configs.[].mode", "cpu_count", "cpu_period", "cpu_quota", "cpu_rt_period", "cpu_rt_runtime",
    "cpu_shares", "deploy.replicas", "deploy.update_config.parallelism",
    "deploy.rollback_config.parallelism", "deploy.restart_policy.max_attempts",
    "deploy.placement.max_replicas_per_node", "healthcheck.retries", "oom_score_adj", "pids_limit",
    "ports.[].target", "scale", "secrets.[].mode", "ulimits.*", "ulimits.*.hard", "ulimits.*.soft",
)  # fmt: skip
_FLOAT_FIELDS = (
    "cpu_percent", "cpus", "deploy.update_config.max_failure_ratio",
    "deploy.rollback_config.max_failure_ratio",
)  # fmt: skip
_BOOLEAN_FIELDS = (
    "init", "healthcheck.disable", "oom_kill_disable", "privileged", "read_only", "stdin_open",
    "tty", "volumes.[].read_only", "volumes.[].volume.nocopy",
)  # fmt: skip
_KINDS: dict[Path, str] = {
    **{path(f"services.*.{name}"): "a whole number" for name in _INTEGER_FIELDS},
    **{path(f"services.*.{name}"): "a number" for name in _FLOAT_FIELDS},
    **{path(f"services.*.{name}"): "true or false" for name in _BOOLEAN_FIELDS},
    **{
        path(f"{part}.*.{name}"): "true or false"
        for part, names in {
            "networks": ("external", "internal", "attachable", "enable_ipv4", "enable_ipv6"),
            "volumes": ("external",),
            "secrets": ("external",),
            "configs": ("external",),
        }.items()
        for name in names
    },
}


def filled(node: Node, lookup: Lookup, place: Path = ()) -> Node:
    """Return a document with its variables filled in; keys stay as they are.

    Raises SyntaxInputError for a form that compose refuses or a value that its field cannot take,
    InputError for a variable that is required.
    """
    match node:
        case Mapping():
            entries = tuple(
                (key, filled(value, lookup, (*place, key.text))) for key, value in node.entries
            )
            return replace(node, entries=entries)
        case Sequence():
            items = tuple(filled(item, lookup, (*place, "[]")) for item in node.items)
            return replace(node, items=items)
        case Scalar(value=str(value), tag=tag) if tag != TIMESTAMP:
            text = interpolate(value, lookup, node.location)
            if "\0" in text:
                raise SyntaxInputError(
                    f"{'.'.join(place)} holds a NUL character",
                    location=node.location,
                    hint="no path, word or variable of a process can hold one",
                )
            return replace(node, value=_cast(text, node, place), text=text)
        case _:
            return node


def _fits(text: str) -> bool:
    """Say whether a number is in the range of a float, or said to be infinite."""
    return "inf" in text.lower() or not math.isinf(float(text))


def _cast(text: str, node: Node, place: Path) -> Value:
    kind = of_place(_KINDS, place)
    match kind:
        case "a whole number" if _INT.fullmatch(text) and len(text) <= _INT_LENGTH:
            return int(text)
        case "a number" if _FLOAT.fullmatch(text) and _fits(text):
            return float(text)
        case "true or false" if text.lower() in BOOLEANS:
            return BOOLEANS[text.lower()]
        case None:
            return text
        case _:
            raise wrong(node, ".".join(place), kind)
