"""Read a policy, refusing whatever is not understood: a typing slip must not open the gate.

The form is INTERFACE's `apiVersion: deployguard/v1, kind: Policy`. Every mistake of a file is
reported at once, each with its place.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from enum import StrEnum
from typing import TypeVar

from deployguard.errors import InputError, PolicyError, nearest
from deployguard.formats import yaml
from deployguard.model.action import Action
from deployguard.model.container import ContainerKind
from deployguard.model.decision import Exemption
from deployguard.model.evidence import Location
from deployguard.model.facts import Scope
from deployguard.policy.document import Match, Off, Policy, Setting

API_VERSION = "deployguard/v1"
KIND = "Policy"

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
_WILDCARDS = frozenset("*?[]")
_NO_EXPRESSIONS = (
    "CEL expressions need an extra that this version does not have; "
    "narrow the rule with scope, or the policy with match"
)

T = TypeVar("T")
Word = TypeVar("Word", bound=StrEnum)


def loads(data: bytes, source: str, rules: tuple[str, ...]) -> Policy:
    """Build the policy that a text holds; `rules` are the ids that it may name.

    Raises PolicyError for the first mistake, with the others in its `others`.
    """
    try:
        documents = [node for node in yaml.documents(data, source, yaml.Dialect.STRICT) if node]
    except InputError as error:
        raise PolicyError(error.message, location=error.location, hint=error.hint) from error
    reader = _Reader(rules)
    policy = reader.policy(documents[0]) if documents else None
    if policy is None:
        reader.fail("the file holds no policy", Location(source, line=1))
    elif len(documents) > 1:
        place = documents[1].location
        reader.fail("one file holds one policy", place, "split it into several files")
    if reader.errors or policy is None:
        first, *others = sorted(reader.errors, key=_place)
        first.others = tuple(others)
        raise first
    return policy


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return a hint where a word is close to a known one."""
    close = nearest(word, known)
    return f"did you mean '{close}'?" if close else None


def _place(error: PolicyError) -> tuple[int, int]:
    location = error.location or Location("")
    return location.line or 0, location.column or 0


class _Reader:
    """Reads nodes into values and collects what is wrong with them.

    Each method returns a value that the policy could hold even where it notes an error, so that
    reading goes on to the next mistake.
    """

    def __init__(self, rules: tuple[str, ...]) -> None:
        self.rules = rules
        self.errors: list[PolicyError] = []

    def fail(self, message: str, location: Location, hint: str | None = None) -> None:
        """Note a mistake."""
        self.errors.append(PolicyError(message, location=location, hint=hint))

    def policy(self, node: yaml.Node) -> Policy:
        """Read the whole document."""
        top = self.fields(node, ("apiVersion", "kind", "metadata", "spec"))
        self.constant(node, top, "apiVersion", API_VERSION)
        self.constant(node, top, "kind", KIND)
        metadata = self.fields(top.get("metadata"), ("name", "description"))
        self.required(node, top, ("metadata", "spec"))
        if (named := top.get("metadata")) is not None:
            self.required(named, metadata, ("name",))
        spec = self.fields(
            top.get("spec"),
            (
                "default",
                "onUnknown",
                "onIncomplete",
                "rules",
                "match",
                "custom",
                "exemptions",
            ),
        )
        if (custom := spec.get("custom")) is not None:
            self.fail("custom rules are not read", custom.location, _NO_EXPRESSIONS)
        incomplete = self.word(spec.get("onIncomplete"), Action, Action.BLOCK)
        if incomplete is Action.ALLOW:
            place = spec["onIncomplete"].location
            self.fail("onIncomplete is warn or block", place, "what was not read is not allowed")
        return Policy(
            name=self.text(metadata.get("name")),
            description=self.text(metadata.get("description")),
            default=self.word(spec.get("default"), Action, Action.WARN),
            on_unknown=self.word(spec.get("onUnknown"), Action, Action.WARN),
            on_incomplete=incomplete,
            rules=self.settings(spec.get("rules")),
            match=self.match(spec.get("match")),
            exemptions=self.items(spec.get("exemptions"), self.exemption),
        )

    def settings(self, node: yaml.Node | None) -> Mapping[str, Setting]:
        """Read `rules`: ids with an action, "off", or a mapping with action and scope."""
        settings = {}
        for key, value in self.entries(node):
            self.rule(str(key.value), key.location)
            settings[str(key.value)] = self.setting(value)
        return settings

    def setting(self, node: yaml.Node) -> Setting:
        """Read what a policy says of one rule."""
        if not isinstance(node, yaml.Mapping):
            return Setting(self.action(node))
        fields = self.fields(node, ("action", "scope", "when"))
        self.required(node, fields, ("action",))
        if (when := fields.get("when")) is not None:
            self.fail("'when' is not read", when.location, _NO_EXPRESSIONS)
        scope = fields.get("scope")
        if isinstance(scope, yaml.Sequence) and not scope.items:
            self.fail("an empty scope holds for nothing", scope.location, "write off instead")
        return Setting(
            self.action(fields["action"]) if "action" in fields else Action.BLOCK,
            None if scope is None else frozenset(self.words(scope, Scope)),
        )

    def action(self, node: yaml.Node) -> Action | Off:
        """Read an action of a rule, which may be off."""
        if isinstance(node, yaml.Scalar) and node.value == Off.OFF.value:
            return Off.OFF
        return self.word(node, Action, Action.BLOCK, also=(Off.OFF.value,))

    def match(self, node: yaml.Node | None) -> Match:
        """Read which containers the policy speaks of."""
        fields = self.fields(node, ("kinds", "namespaces", "labels", "images"))
        kinds = fields.get("kinds")
        return Match(
            kinds=None if kinds is None else frozenset(self.words(kinds, ContainerKind)),
            namespaces=self.patterns(fields.get("namespaces")),
            labels={
                str(key.value): self.text(value)
                for key, value in self.entries(fields.get("labels"))
            },
            images=self.patterns(fields.get("images")),
        )

    def exemption(self, node: yaml.Node) -> Exemption:
        """Read an exemption: for one rule and one subject, by name."""
        names = ("rule", "subject", "reason", "source", "image", "namespace", "owner", "expires")
        fields = self.fields(node, names)
        self.required(node, fields, ("rule", "subject", "reason"))
        rule = self.text(fields.get("rule"))
        if rule:
            self.rule(rule, fields["rule"].location)
        subject = self.text(fields.get("subject"))
        if _WILDCARDS & set(subject):
            place = fields["subject"].location
            self.fail("an exemption names one subject", place, "write one exemption for each")
        image = self.optional(fields.get("image"))
        if image and not _DIGEST.match(image):
            place = fields["image"].location
            self.fail("an exemption names an image by digest", place, "sha256: and 64 hex digits")
        return Exemption(
            rule=rule,
            subject=subject,
            reason=self.text(fields.get("reason")),
            expires=self.day(fields.get("expires")),
            location=node.location,
            owner=self.optional(fields.get("owner")),
            source=self.optional(fields.get("source")),
            image=image,
            namespace=self.optional(fields.get("namespace")),
        )

    def day(self, node: yaml.Node | None) -> date | None:
        """Read a date, written as 2031-01-31."""
        if node is None:
            return None
        text = self.text(node)
        try:
            day = date.fromisoformat(text)
        except ValueError:
            day = None
        if text and (day is None or day.isoformat() != text):
            self.fail(f"not a day: {text!r}", node.location, "write it as 2031-01-31")
        return day

    def rule(self, name: str, location: Location) -> None:
        """Note an id that no rule has."""
        if name not in self.rules:
            hint = did_you_mean(name, self.rules) or "deployguard explain lists the rules"
            self.fail(f"unknown rule '{name}'", location, hint)

    def entries(self, node: yaml.Node | None) -> tuple[tuple[yaml.Scalar, yaml.Node], ...]:
        """Return the entries of a mapping that may be left out."""
        if isinstance(node, yaml.Mapping):
            return node.entries
        if node is not None:
            self.fail("expected keys and values", node.location)
        return ()

    def fields(self, node: yaml.Node | None, names: tuple[str, ...]) -> dict[str, yaml.Node]:
        """Return the entries of a mapping by name; other names are mistakes."""
        fields = {}
        for key, value in self.entries(node):
            name = str(key.value)
            if name in names:
                fields[name] = value
            else:
                hint = did_you_mean(name, names) or f"known here: {', '.join(names)}"
                self.fail(f"unknown key '{name}'", key.location, hint)
        return fields

    def required(
        self, node: yaml.Node, fields: Mapping[str, yaml.Node], names: tuple[str, ...]
    ) -> None:
        """Note the names that a mapping must have and has not."""
        if isinstance(node, yaml.Mapping):
            for name in names:
                if name not in fields:
                    self.fail(f"'{name}' is missing", node.location)

    def constant(
        self, node: yaml.Node, fields: Mapping[str, yaml.Node], name: str, value: str
    ) -> None:
        """Note where a field is not what it must be."""
        self.required(node, fields, (name,))
        if name in fields and self.text(fields[name]) != value:
            self.fail(f"'{name}' is not {value}", fields[name].location, f"write {name}: {value}")

    def items(self, node: yaml.Node | None, read: Callable[[yaml.Node], T]) -> tuple[T, ...]:
        """Read the items of a list that may be left out."""
        if isinstance(node, yaml.Sequence):
            return tuple(read(item) for item in node.items)
        if node is not None:
            self.fail("expected a list", node.location)
        return ()

    def words(self, node: yaml.Node, known: type[Word]) -> tuple[Word, ...]:
        """Read a list of words out of a closed set."""
        default = next(iter(known))
        return self.items(node, lambda item: self.word(item, known, default))

    def patterns(self, node: yaml.Node | None) -> tuple[str, ...]:
        """Read a list of shell patterns; left out, it is all."""
        return ("*",) if node is None else self.items(node, self.text)

    def word(
        self, node: yaml.Node | None, known: type[Word], default: Word, also: tuple[str, ...] = ()
    ) -> Word:
        """Read one word out of a closed set."""
        if node is None:
            return default
        values = (*also, *(member.value for member in known))
        value = node.value if isinstance(node, yaml.Scalar) else None
        if isinstance(value, str) and value in values:
            return known(value)
        written = node.text if isinstance(node, yaml.Scalar) else "a list or keys"
        hint = did_you_mean(written, values) or f"one of {', '.join(values)}"
        self.fail(f"not known here: {written}", node.location, hint)
        return default

    def text(self, node: yaml.Node | None) -> str:
        """Read a text that is not empty; "" where there is none."""
        if node is None:
            return ""
        if isinstance(node, yaml.Scalar) and isinstance(node.value, str) and node.value:
            return node.value
        self.fail("expected a text", node.location, "put it in quotes")
        return ""

    def optional(self, node: yaml.Node | None) -> str | None:
        """Read a text that may be left out."""
        return self.text(node) or None
