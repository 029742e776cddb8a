""".dockerignore against the rules of moby/patternmatcher."""

import fnmatch
import posixpath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployguard.errors import LimitError, SyntaxInputError
from deployguard.inputs.dockerfile.ignore import read
from tests.support.effort import examples


def ignored(text: str, path: str) -> bool:
    return read(text.encode(), ".dockerignore").matches(path)


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("**", "file", True), ("**", "dir/file", True), ("**/", "file", True), ("**/**", "a/b", True),
        ("dir/**", "dir/file", True), ("dir/**", "dir", False), ("dir/**", "dirx/file", False),
        ("**/dir", "dir", True), ("**/dir", "a/dir", True), ("**/dir", "a/xdir", False),
        ("**/dir", "dir/file", True), ("**/dir2/*", "dir/dir2/file", True),
        ("**/dir2/**", "dir/dir2/dir3/file", True), ("**file", "dir/file", True),
        ("**file", "dir/dirfile", True), ("**/file", "dirfile", False), ("**/file*txt", "dir/filetxt", True),
        ("**/*.txt", "a/b/c.txt", True), ("**/*.txt", "c.txt", True), ("**/*txt.go", "a/b.txt.go", True),
        ("**/**/*.txt", "a/c.txt", True), ("a**/*.txt", "a/file.txt", True), ("a**b", "axb", False),
        ("a**b", "a/b", True), ("a**b", "ab", True), ("a/*.txt", "a/b/file.txt", False),
        ("a/*.txt", "a/file.txt", True), ("a[b-d]e", "ace", True), ("a[b-d]e", "aae", False),
        ("a[^b-d]e", "aze", True), ("a[^b-d]e", "ace", False), (".*", ".foo", True), (".*", "foo", False),
        ("abc.def", "abcdef", False), ("abc.def", "abc.def", True), ("abc?def", "abcZdef", True),
        ("abc?def", "abc/def", False), ("a\\*b", "a*b", True), ("a\\*b", "axb", False), ("a\\\\", "a\\", True),
        ("*", "a/b", True), ("/a/b", "a/b", True), ("./a", "a", True), ("a/../b", "b", True), ("a/", "a/b", True),
        ("  a  ", "a", True), ("# a", "# a", False), ("a b", "a b", True), ("*.md\n!README.md", "README.md", False),
        ("*.md\n!README.md\nREADME*", "README.md", True), ("!a\na", "a", True), ("a\n!a/b", "a/b", False),
        ("a\n!a/b", "a/c", True), ("*\n!a", "a/b", False), ("\ufeffa", "a", True), ("a\r\nb\r\n", "b", True),
        ("a(b)+{c}|$", "a(b)+{c}|$", True),
    ],
)  # fmt: skip
def test_patterns_leave_out_what_docker_leaves_out(
    pattern: str,
    path: str,
    expected: bool,  # noqa: FBT001  (the table's)
) -> None:
    assert ignored(pattern, path) is expected


@pytest.mark.parametrize("pattern", ["a\n[", "x\n[]a", "y\n[a", "z\na\\", "q\n[b-a]", "p\n!"])
def test_a_pattern_that_docker_refuses_is_an_error_with_its_line(pattern: str) -> None:
    with pytest.raises(SyntaxInputError) as caught:
        ignored(pattern, "a")
    assert caught.value.location is not None
    assert caught.value.location.line == 2


def test_no_pattern_is_slow_and_not_too_many_are_read() -> None:
    assert not ignored("*a" * 200 + "b", "a" * 2_000)
    assert not ignored("**/" * 200 + "b", "a/" * 500)
    with pytest.raises(LimitError):
        ignored("a\n" * 10_000, "a")


@given(st.text("ab*?./", min_size=1, max_size=8), st.text("ab./", min_size=1, max_size=8))
@settings(max_examples=examples(300, 10_000), deadline=None)
def test_without_two_stars_a_pattern_matches_part_by_part(pattern: str, path: str) -> None:
    path = posixpath.normpath("/" + path)[1:].lstrip("/")
    kept = posixpath.normpath(pattern).lstrip("/")
    if "**" in pattern or not path or not kept or kept.startswith((".", "!")):
        return
    parts = path.split("/")
    expected = any(
        len(kept.split("/")) == count
        and all(map(fnmatch.fnmatchcase, parts[:count], kept.split("/")))
        for count in range(1, len(parts) + 1)
    )
    assert ignored(pattern, path) is expected
