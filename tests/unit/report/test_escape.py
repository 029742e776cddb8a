import json
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployguard.report.escape import (
    LONGEST,
    github_message,
    github_property,
    json_text,
    line,
    plain,
    uri,
)

TEXTS = st.text(st.characters() | st.sampled_from("\x1b\u202e\u200b\u2066\n\r\t\0:%,#[\ud800"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünïcode 例", "plain ünïcode 例"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\x9b31m", r"\x9b31m"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("zero\u200bwidth\ufeff", r"zero\u200bwidth\ufeff"),
        ("hangul\u3164filler", r"hangul\u3164filler"),
        ("tag\U000e0041", r"tag\U000e0041"),
        ("half\ud800", r"half\ud800"),
        ("::error ::x", r"\x3a:error ::x"),
        ("  ::error ::x", r"  \x3a:error ::x"),
        ("x ##[error]y", r"x #\x23[error]y"),
        ("[::]:5000", "[::]:5000"),
    ],
)
def test_what_acts_on_a_terminal_is_written_out(text: str, shown: str) -> None:
    assert plain(text) == shown


@given(TEXTS)
def test_a_shown_text_is_one_printable_line(text: str) -> None:
    shown = plain(text)
    assert shown.isprintable()
    assert shown.encode().decode() == shown
    assert not shown.lstrip().startswith("::")
    assert "##[" not in shown
    assert plain(shown) == shown


@given(TEXTS)
def test_a_message_cannot_end_its_command(text: str) -> None:
    assert not {"\n", "\r"} & set(github_message(text))
    assert not set("\n\r:,") & set(github_property(text))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("compose.yaml", "compose.yaml"),
        ("a b/ü#?.yaml", "a%20b/%C3%BC%23%3F.yaml"),
        ("c:evil", "c%3Aevil"),
        ("/srv/app.py", "file:///srv/app.py"),
        ("bad\udcff", "bad%FF"),
    ],
)
def test_a_path_becomes_a_uri(path: str, expected: str) -> None:
    assert uri(path) == expected


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_uri_holds_the_whole_path(path: str) -> None:
    assert unquote(uri(path).removeprefix("file://")) == path


@given(TEXTS)
def test_a_uri_of_any_name_is_ascii_and_relative_or_a_file(path: str) -> None:
    encoded = uri(path)
    assert encoded.isascii()
    assert not set(encoded) & set(' "<>\\^`{|}:\n') or encoded.startswith("file:///")
    assert not encoded.startswith("//")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),  # a report holds no other numbers
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_json_is_laid_out_as_the_standard_library_does(body: object) -> None:
    written = json_text(body)
    assert json.loads(written) == json.loads(json.dumps(body))
    assert written.replace(r"#\u0023[", "##[") == json.dumps(body, indent=2) + "\n"


@given(st.dictionaries(TEXTS, st.lists(TEXTS)))
def test_json_holds_neither_halves_of_characters_nor_commands(body: object) -> None:
    written = json_text(body)
    assert written.isascii()
    assert "##[" not in written
    json.dumps(json.loads(written), ensure_ascii=False).encode()


@given(TEXTS)
def test_a_line_has_a_length_that_is_read(text: str) -> None:
    assert len(line(text * 1_000)) <= LONGEST + 40
    assert len(plain(text)) > LONGEST or line(text) == plain(text)
