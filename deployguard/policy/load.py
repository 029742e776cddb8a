"""Read a policy, refusing whatever is not understood: a typing slip must not open the gate.

The form is INTERFACE's `apiVersion: deployguard/v1, kind: Policy`. Every mistake of a file is
reported at once, each with its place.
"""

import re
from collections.abc import Mapping
from datetime import date

from deployguard.errors import PolicyError
from deployguard.formats import yaml
from deployguard.formats.checked import Reader, did_you_mean, nodes
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


def loads(data: bytes, source: str, rules: tuple[str, ...]) -> Policy:
    """Build the policy that a text holds; `rules` are the ids that it may name.

    Raises PolicyError for the first mistake, with the others in its `others`.
    """
    documents = nodes(data, source)
    if not documents:
        raise PolicyError("the file holds no policy", location=Location(source, line=1))
    reader = _Reader(rules)
    policy = reader.policy(documents[0])
    if len(documents) > 1:
        place = documents[1].location
        reader.fail("one file holds one policy", place, "split it into several files")
    reader.check()
    return policy


class _Reader(Reader):
    """Reads the nodes of a policy."""

    def __init__(self, rules: tuple[str, ...]) -> None:
        super().__init__()
        self.rules = rules

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

    def patterns(self, node: yaml.Node | None) -> tuple[str, ...]:
        """Read a list of shell patterns; left out, it is all."""
        return ("*",) if node is None else self.items(node, self.text)
