"""YAML as a Python program reads it: with PyYAML's loaders, or by the core schema of YAML 1.2.

The parser is PyYAML itself with loaders that construct no objects, on text that was bounded before.
"""

import re
from enum import StrEnum
from typing import Any

import yaml

from deployguard.errors import LimitError, SyntaxInputError

MAX_CHARACTERS = 256 * 1024
MAX_DEPTH = 30
MAX_NODES = 20_000  # with what aliases stand for


class Schema(StrEnum):
    """How plain scalars are read.

    PYYAML: YAML 1.1 as the loaders of PyYAML, where `on` and `no` are booleans. BASE: all of it is
    text (BaseLoader). CORE: YAML 1.2 as ruamel.yaml reads it, where equal keys are an error.
    """

    PYYAML = "pyyaml"
    BASE = "base"
    CORE = "core"


class _Core(yaml.SafeLoader):
    """The core schema of YAML 1.2 (section 10.3)."""

    # Resolvers are kept by first character; those of the base class are left where they are.
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


def _core_int(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node)).replace("_", "")
    return int(text, 0) if text.startswith(("0o", "0x")) else int(text)


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9][0-9_]*|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+0123456789.",
    ),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", r"<<", "<"),
):
    _Core.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), list(_first)
    )
_Core.add_constructor("tag:yaml.org,2002:int", _core_int)

_LOADERS: dict[Schema, type[Any]] = {
    Schema.PYYAML: getattr(yaml, "CSafeLoader", yaml.SafeLoader),  # absent where libyaml is
    Schema.BASE: getattr(yaml, "CBaseLoader", yaml.BaseLoader),
    Schema.CORE: _Core,
}


class UnknownTag(Exception):  # noqa: N818  (an answer, not an error)
    """A tag that only a constructor of the program's own can know."""


def documents(text: str | bytes, schema: Schema) -> tuple[Any, ...]:
    """Return the documents of a text as plain objects.

    Raises SyntaxInputError for what is not YAML, LimitError beyond the bounds above, and UnknownTag
    for a tag that stands for no plain value.
    """
    if len(text) > MAX_CHARACTERS:
        raise LimitError(f"YAML of more than {MAX_CHARACTERS} characters")
    loader = _LOADERS[schema]
    try:
        _bounded(text, loader)
        # The loaders are SafeLoader and BaseLoader, and one made of the first.
        return tuple(yaml.load_all(text, Loader=loader))
    except yaml.constructor.ConstructorError as error:
        raise UnknownTag(error.problem or "a tag") from error
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise SyntaxInputError("not YAML") from error
    except RecursionError as error:
        raise LimitError("YAML nested too deeply") from error


def _bounded(text: str | bytes, loader: type[Any]) -> None:
    """Count what a text makes, an alias as much as it stands for; raises LimitError."""
    sizes: dict[str, int] = {}
    pending: list[tuple[str | None, int]] = []
    total = 0
    for event in yaml.parse(text, Loader=loader):
        match event:
            case yaml.MappingStartEvent(anchor=anchor) | yaml.SequenceStartEvent(anchor=anchor):
                pending.append((anchor, total))
                total += 1
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                anchor, before = pending.pop()
                if anchor is not None:
                    sizes[anchor] = total - before
            case yaml.ScalarEvent():
                total += 1
            case yaml.AliasEvent(anchor=anchor):
                total += sizes.get(anchor or "", 1)
            case _:
                continue
        if total > MAX_NODES or len(pending) > MAX_DEPTH:
            raise LimitError("YAML of too many or too deeply nested values")
