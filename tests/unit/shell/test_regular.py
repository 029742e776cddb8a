"""Regular expressions of POSIX, beside Python's where both mean the same."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployguard.shell.regular import NotRegularError, Regular


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("a|ab", "xab", (1, 3)),  # the longest, where Python takes the first
        ("^a*$", "aaa", (0, 3)),
        ("(dev|test)-[0-9]+", "on dev-12", (3, 9)),
        ("[[:alpha:]_]{2,3}", "1abcd", (1, 4)),
        ("x?", "y", (0, 0)),
        ("a.c", "abc", (0, 3)),
        (r"a\.c", "abc", None),
        ("[^=]+=", "A=1", (0, 2)),
        ("[]x]", "]", (0, 1)),
    ],
)
def test_the_leftmost_longest_match_is_found(
    pattern: str, text: str, found: tuple[int, int] | None
) -> None:
    assert Regular(pattern, extended=True).search(text) == found


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("a+", "a+", (0, 2)),
        (r"a\+", "aa", (0, 2)),
        (r"\(a\|b\)c", "bc", (0, 2)),
        ("*a", "*a", (0, 2)),
        ("a$b", "a$b", (0, 3)),
        (r"a\{2\}", "aaa", (0, 2)),
    ],
)
def test_basic_expressions_escape_what_extended_ones_do_not(
    pattern: str, text: str, found: tuple[int, int]
) -> None:
    assert Regular(pattern, extended=False).search(text) == found


@pytest.mark.parametrize("pattern", [r"(a)\1", "a(b", "[a", "*a", "a{9999}{9999}", r"\bword", "("])
def test_what_is_not_followed_is_refused(pattern: str) -> None:
    with pytest.raises(NotRegularError):
        Regular(pattern, extended=True)


def test_a_hostile_expression_is_given_up_by_its_work() -> None:
    regular = Regular("(a*)*b", extended=True)
    with pytest.raises(NotRegularError):
        regular.search("a" * 20_000)


ATOMS = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", "(ab)", "(a|b)", "a*", "b+", "[ab]?"])


@given(st.lists(ATOMS, min_size=1, max_size=5).map("".join), st.text("abc", max_size=8))
def test_a_whole_text_matches_as_it_does_in_python(pattern: str, text: str) -> None:
    assert Regular(pattern, extended=True).covers(text) is bool(re.fullmatch(pattern, text))
