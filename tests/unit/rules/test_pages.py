import pytest

from deployguard import rules
from deployguard.formats import yaml
from deployguard.model.finding import Rule

ALL = pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.id)


@ALL
def test_a_page_says_what_why_and_how(rule: Rule) -> None:
    for heading in ("What:", "Why it is dangerous:", "How to fix:", "Fails:", "Passes:"):
        assert rule.page.count(f"\n{heading}") == 1


@ALL
def test_the_examples_of_a_page_are_yaml(rule: Rule) -> None:
    for example in rule.page.partition("Fails:")[2].split("Passes:"):
        (document,) = yaml.documents(example.encode(), rule.id, yaml.Dialect.COMPOSE)
        assert isinstance(document, yaml.Mapping)
        assert document.get("services") is not None


def test_ids_are_in_order_and_each_there_once() -> None:
    assert [rule.id for rule in rules.RULES] == [f"DG10{number}" for number in range(1, 8)]


def test_a_policy_may_name_every_rule_and_the_one_to_come() -> None:
    assert (*(rule.id for rule in rules.RULES), "DG108") == rules.IDS
