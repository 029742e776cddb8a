"""A policy as a value: what it says of which containers."""

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct, field

from deployguard.model.action import Action
from deployguard.model.container import ContainerKind
from deployguard.model.decision import Exemption
from deployguard.model.facts import Scope


class Off(StrEnum):
    """A rule that is not evaluated and not listed."""

    OFF = "off"


class Setting(Struct, frozen=True):
    """What a policy says of one rule.

    `scope` limits the action to findings of that reach; beyond it the policy's default holds. None
    stands for every scope.
    """

    action: Action | Off
    scope: frozenset[Scope] | None = None


class Match(Struct, frozen=True, kw_only=True):
    """Which containers a policy speaks of; what is None is not looked at.

    `namespaces` and `images` are shell patterns; a container without a namespace or an image
    reference is matched by "*" alone. `labels` must all be there with these values.
    """

    kinds: frozenset[ContainerKind] | None = None
    namespaces: tuple[str, ...] = ("*",)
    labels: Mapping[str, str] = field(default_factory=dict)
    images: tuple[str, ...] = ("*",)


class Policy(Struct, frozen=True, kw_only=True):
    """What findings lead to. `default` is for rules that `rules` does not name."""

    name: str
    description: str = ""
    default: Action = Action.WARN
    on_unknown: Action = Action.WARN
    on_incomplete: Action = Action.BLOCK
    rules: Mapping[str, Setting] = field(default_factory=dict)
    match: Match = field(default_factory=Match)
    exemptions: tuple[Exemption, ...] = ()
