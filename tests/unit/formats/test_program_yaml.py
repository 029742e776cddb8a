"""YAML as programs read it: PyYAML's words, those of YAML 1.2, and what is too much."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from deployguard.errors import LimitError, SyntaxInputError
from deployguard.formats.program_yaml import MAX_CHARACTERS, Schema, UnknownTag, documents

WORDS = ["on", "Yes", "no", "OFF", "y", "n", "true", "False", "null", "~", "1", "010", "0o17", "0x1F",
         "1_000", "1e3", "1.5", "1:30", "'on'", '"no"', "", "-", "2024-01-01", ".inf"]  # fmt: skip


@pytest.mark.parametrize(
    ("word", "pyyaml", "core"),
    [
        ("on", True, "on"),
        ("Yes", True, "Yes"),
        ("OFF", False, "OFF"),
        ("n", "n", "n"),
        ("true", True, True),
        ("False", False, False),
        ("'on'", "on", "on"),
        ("010", 8, 10),
        ("0o17", "0o17", 15),
        ("1:30", 90, "1:30"),
        ("1e3", "1e3", 1000.0),
        ("~", None, None),
        ("", None, None),
    ],
)
def test_words_mean_different_things(word: str, pyyaml: object, core: object) -> None:
    text = f"a: {word}\n"
    assert documents(text, Schema.PYYAML) == ({"a": pyyaml},)
    assert documents(text, Schema.CORE) == ({"a": core},)
    assert documents(text, Schema.BASE) == ({"a": word.strip("'")},)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(WORDS)), max_size=6))
def test_any_file_gives_what_pyyaml_gives(lines: list[tuple[str, str]]) -> None:
    text = "".join(f"{key}: {word}\n" for key, word in lines)
    try:
        theirs = tuple(yaml.safe_load_all(text))
    except yaml.YAMLError:
        with pytest.raises(SyntaxInputError):
            documents(text, Schema.PYYAML)
    else:
        assert documents(text, Schema.PYYAML) == theirs


@pytest.mark.parametrize(
    "text",
    [
        "a" * (MAX_CHARACTERS + 1),
        "[" * 100 + "]" * 100,
        "\n".join(
            ["a0: &a0 [1]", *(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9))]
        ),
    ],
)
def test_what_is_too_much_is_refused(text: str) -> None:
    with pytest.raises(LimitError):
        documents(text, Schema.PYYAML)


def test_a_tag_of_a_program_is_not_guessed() -> None:
    with pytest.raises(UnknownTag):
        documents("a: !ENV ${X}\n", Schema.PYYAML)
    with pytest.raises(UnknownTag):
        documents("a: !!python/object/apply:os.system [x]\n", Schema.PYYAML)


def test_documents_come_in_order_and_merges_are_resolved() -> None:
    text = "a: &a {x: 1}\nb: {<<: *a, y: 2}\n---\n2\n"
    assert documents(text, Schema.PYYAML) == ({"a": {"x": 1}, "b": {"x": 1, "y": 2}}, 2)
