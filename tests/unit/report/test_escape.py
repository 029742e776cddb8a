from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployguard.report.escape import github_message, github_property, plain, uri

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
