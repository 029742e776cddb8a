"""`.env` files are read as the real python-dotenv reads them, with the line of each value."""

import io
from unittest.mock import patch

import dotenv as real
from hypothesis import given
from hypothesis import strategies as st

from deployguard.formats import dotenv
from deployguard.model.environment import Environment
from deployguard.model.evidence import Location, Missing, Reason, Traced
from deployguard.model.filesystem import Content

PLACE = Location("/srv/app/.env")
LINES = st.lists(
    st.sampled_from(
        [
            "A=1", "export B=2", "  C = 3 # c", "A='x # y'", 'D="a\\nb"', "E", "F: 1", "# A=9",
            "G=${A}", "H='${A}'", "I=${NO:-d}", "J=0#1", "", 'K="unclosed', "L='it\\'s'", "=x",
        ]
    ),
    max_size=8,
)  # fmt: skip


def values(text: str) -> dict[str, str | None]:
    found = dotenv.environment(Content(text.encode(), PLACE))
    return {name: entry.value for name, entry in found.entries.items()}


@given(LINES, st.sampled_from(["\n", "\r\n"]))
def test_any_file_gives_what_python_dotenv_gives(lines: list[str], end: str) -> None:
    text = end.join(lines)
    with patch.dict("os.environ", {}, clear=True):
        theirs = real.dotenv_values(stream=io.StringIO(text, newline=""))
    assert values(text) == {name: value for name, value in theirs.items() if value is not None}


@given(lines=LINES, override=st.booleans(), interpolate=st.booleans())
def test_names_are_looked_up_where_python_dotenv_does(
    *, lines: list[str], override: bool, interpolate: bool
) -> None:
    text = "\n".join(lines)
    outside = {"A": "outer", "NO": "set"}
    with patch.dict("os.environ", outside, clear=True):
        theirs = real.main.DotEnv(
            None, io.StringIO(text), interpolate=interpolate, override=override
        ).dict()
    outer = Environment({name: Traced(value, PLACE) for name, value in outside.items()})
    content = Content(text.encode(), PLACE)
    found = dotenv.environment(content, outer, inner_first=override, interpolate=interpolate)
    ours = {name: entry.value for name, entry in found.entries.items()}
    assert ours == {name: value for name, value in theirs.items() if value is not None}
    assert set(dotenv.bare_names(content)) >= {n for n, value in theirs.items() if value is None}


def test_each_value_knows_its_line() -> None:
    found = dotenv.environment(Content(b"\n# comment\n\nA=1\nB=2\n", PLACE))
    assert [entry.location.line for entry in found.entries.values()] == [4, 5]


def test_what_refers_to_an_unseen_variable_is_unseen() -> None:
    missing = Missing(Reason.SECRET, "the key TOKEN")
    outer = Environment({"T": Traced(None, PLACE, missing=(missing,))})
    found = dotenv.environment(Content(b"A=${T}\n", PLACE), outer)
    assert (found.entries["A"].value, found.entries["A"].missing) == (None, (missing,))


def test_a_file_that_is_not_text_may_set_anything() -> None:
    found = dotenv.environment(Content(b"A=\xff", PLACE))
    entry = found.get("FLASK_DEBUG")
    assert entry is not None
    assert entry.value is None
