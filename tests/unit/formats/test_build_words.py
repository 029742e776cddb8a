"""Words of Dockerfiles: the table of BuildKit's shell/lex.go, and what follows from it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployguard.formats.build_words import (
    SubstitutionError,
    UnseenError,
    Value,
    expand,
    expand_words,
    raw_words,
    split,
)
from tests.support.effort import examples

SET = {
    "PWD": Value("/home"), "SHELL": Value("bash"), "KOREAN": Value("한국어"), "NULL": Value(""),
    "HIDDEN": Value(None), "PATH": Value("a:b:c"), "FILE": Value("x.tar.gz"), "STAR": Value("a*b*c"),
}  # fmt: skip


def lookup(name: str) -> Value | None:
    if name == "MAYBE":
        raise UnseenError
    return SET.get(name)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hello", "hello"), ("he'll'o", "hello"), ("he'llo'", "hello"), ("he\\'llo", "he'llo"),
        ('he"llo"', "hello"), ('"he\'llo"', "he'llo"), ("'he\"llo'", 'he"llo'),
        ('"he\\"llo"', 'he"llo'), ('"he\\llo"', "he\\llo"), ("he\\llo", "hello"), ("he\\\\llo", "he\\llo"),
        ("$PWD", "/home"), ("${PWD}", "/home"), ("he$PWD.", "he/home."), ("he\\$PWD", "he$PWD"),
        ("'he$PWD'", "he$PWD"), ('"he$PWD"', "he/home"), ("he${X}xx", "hexx"), ("$", "$"), ("he$.", "he$."),
        ("$PWD$SHELL", "/homebash"), ("${PWD}/x", "/home/x"), ("$KOREAN", "한국어"), ("안녕$", "안녕$"),
        ("he${X:-000}xx", "he000xx"), ("he${PWD:-000}xx", "he/homexx"), ("he${X:-$PWD}xx", "he/homexx"),
        ("he${X:-${Y:-deep}}xx", "hedeepxx"), ("he${NULL:-000}x", "he000x"), ("he${NULL-000}x", "hex"),
        ("he${X-000}x", "he000x"), ("he${X:+1}x", "hex"), ("he${PWD:+1}x", "he1x"), ("he${NULL:+1}x", "hex"),
        ("he${NULL+1}x", "he1x"), ("${PWD:?no}", "/home"), ("${NULL?no}", ""), ("${X:-'a b'}", "a b"),
        ('"${X:-a "b" c}"', "a b c"), ("${FILE#*.}", "tar.gz"), ("${FILE##*.}", "gz"),
        ("${FILE%.*}", "x.tar"), ("${FILE%%.*}", "x"), ("${FILE#no}", "x.tar.gz"), ("${X#*}", ""),
        ("${PATH/:/-}", "a-b:c"), ("${PATH//:/-}", "a-b-c"), ("${PATH//:/}", "abc"), ("${PATH/?:/}", "b:c"),
        ("${STAR#a\\*}", "b*c"), ("${PWD/\\/home/x}", "x"), ("$1x", "x"), ("$10x", "x"), ("$$PWD", "PWD"),
    ],
)  # fmt: skip
def test_variables_are_filled_in_and_quotes_taken_away(text: str, expected: str) -> None:
    assert expand(text, lookup) == expected


@pytest.mark.parametrize(
    "text",
    ["${", "${}", "${{X}", "${:x}", "${PWD", "${PWD:-", "${PWD:=x}", "${PWD^}", "'a", '"a', "${X:?}",
     "${X?why}", "${NULL:?}", "${PWD/x}", "${PWD/x/y", "${PWD#\\x}"],
)  # fmt: skip
def test_what_buildkit_refuses_is_an_error(text: str) -> None:
    with pytest.raises(SubstitutionError):
        expand(text, lookup)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$HIDDEN", None), ("a${HIDDEN}b", None), ('"$HIDDEN"', None), ("'$HIDDEN'", "$HIDDEN"),
        ("${HIDDEN:-x}", None), ("${HIDDEN-x}", None), ("${HIDDEN+x}", "x"), ("${HIDDEN:+x}", None),
        ("${PWD:-$HIDDEN}", "/home"), ("${X:-$HIDDEN}", None), ("${X:+$HIDDEN}y", "y"),
        ("${PWD:-${X:-$HIDDEN}}/${SHELL}", "/home/bash"), ("${HIDDEN#a}", None), ("$MAYBE", None),
        ("${MAYBE+x}", None), ("${MAYBE:-x}", None), ("${PWD:-$MAYBE}", "/home"),
    ],
)  # fmt: skip
def test_what_depends_on_a_value_that_is_not_known_is_not_known(
    text: str, expected: str | None
) -> None:
    assert expand(text, lookup) == expected


def test_the_escape_character_is_the_files() -> None:
    assert expand("a`$PWD", lookup, "`") == "a$PWD"
    assert expand("c:\\$PWD", lookup, "`") == "c:\\/home"
    assert split("a=b` c d=e", "`") == ("a=b` c", "d=e")


def test_text_of_a_here_document_keeps_its_quotes() -> None:
    assert (
        expand("print('$PWD', \"\\$PWD\")\n", lookup, quotes=False) == "print('/home', \"$PWD\")\n"
    )


def test_ports_are_split_after_variables_are_filled_in() -> None:
    ports = {"PORTS": Value("80 81")}
    assert expand_words("$PORTS", ports.get) == ("80", "81")
    assert expand_words('"$PORTS"', ports.get) == ("80 81",)


def test_a_value_that_is_doubled_on_and_on_is_not_known() -> None:
    assert expand("$A" * 30_000, {"A": Value("x" * 60_000)}.get) is None
    assert expand("${A#" + "*a" * 2_000 + "b}", {"A": Value("a" * 60_000)}.get) is None
    with pytest.raises(SubstitutionError, match="nested too deep"):
        expand("${A:-" * 5_000 + "}" * 5_000, lookup)


@given(st.text("${}:-+?#%/\\'\"` aX*\n", max_size=40))
@settings(max_examples=examples(300, 20_000), deadline=None)
def test_any_word_is_text_or_refused(text: str) -> None:
    for escape in "\\`":
        try:
            found = expand(text, lambda _: Value("v"), escape)
        except SubstitutionError:
            continue
        assert found is not None or "$" in text
        assert expand(text, lambda _: Value(None), escape) in {None, found} or "${" in text


@given(st.text("ab \t\\", max_size=30))
@settings(deadline=None)
def test_words_without_quotes_lose_nothing_but_blanks(text: str) -> None:
    assert "".join(raw_words(text)).replace(" ", "").replace("\t", "") == text.replace(
        " ", ""
    ).replace("\t", "")
