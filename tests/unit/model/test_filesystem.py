"""Searching files of any size, piece by piece."""

from hypothesis import given
from hypothesis import strategies as st

from deployguard.model.evidence import Location, Missing, Reason
from deployguard.model.filesystem import (
    Absent,
    Searched,
    Unread,
    UnreadFilesystem,
    search,
    searched,
)
from deployguard.shell.overlay import Overlay, Written
from tests.support.memory import MemoryFiles

PIECES = st.lists(st.text("ab", max_size=12).map(str.encode), max_size=12)
WANTED = st.frozensets(st.text("ab", min_size=1, max_size=5).map(str.encode), max_size=4)


@given(PIECES, WANTED)
def test_what_a_file_holds_does_not_depend_on_its_pieces(
    pieces: list[bytes], wanted: frozenset[bytes]
) -> None:
    whole = b"".join(pieces)
    expected = Searched(whole[:64], frozenset(one for one in wanted if one in whole))
    assert searched(pieces, wanted) == expected


def test_no_more_is_read_than_is_wanted() -> None:
    pieces = iter([b"x" * 100] * 50)
    assert searched(pieces, frozenset()).head == b"x" * 64
    assert len(list(pieces)) == 49


def test_files_that_cannot_be_searched_are_read() -> None:
    files = MemoryFiles({"/a": "some text"})
    assert search(files, "/a", frozenset({b"text", b"other"})).found == {b"text"}  # type: ignore[union-attr]
    assert isinstance(search(files, "/b", frozenset()), Absent)
    missing = Missing(Reason.IMAGE, "an image")
    assert search(UnreadFilesystem(missing), "/a", frozenset()) == Unread(missing)


def test_a_script_may_have_written_what_is_searched() -> None:
    files = Overlay(MemoryFiles({"/a": "before"}))
    change = Written(b"after", executable=True, location=Location("entry.sh"))
    wanted = frozenset({b"before", b"after"})
    assert search(files, "/a", wanted) == Searched(b"before", frozenset({b"before"}))
    changed = files.with_change("/a", change)
    assert search(changed, "/a", wanted) == Searched(b"after", frozenset({b"after"}))
    assert isinstance(search(files.without("/a"), "/a", wanted), Absent)
    unsure = files.with_unsure("/", Missing(Reason.SCRIPT, "what tar leaves"))
    assert isinstance(search(unsure, "/a", wanted), Unread)
