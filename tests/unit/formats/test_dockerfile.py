"""Dockerfiles against the rules of BuildKit's parser (frontend/dockerfile/parser, instructions)."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployguard.errors import InputError, LimitError, SyntaxInputError
from deployguard.formats.dockerfile import Heredoc, Instruction, parse, trigger
from deployguard.model.evidence import Location
from tests.support.effort import examples


def steps(text: str | bytes) -> tuple[Instruction, ...]:
    return parse(text.encode() if isinstance(text, str) else text, "Dockerfile").instructions


def last(text: str) -> Instruction:
    return steps(f"FROM scratch\n{text}")[-1]


@pytest.mark.parametrize(
    ("text", "keyword", "rest"),
    [
        ("run a b", "RUN", "a b"),
        ("Run\ta", "RUN", "a"),
        ("  RUN   a  ", "RUN", "a"),
        ("RUN a \\\n  b", "RUN", "a   b"),
        ("RUN a \\  \t\n  b", "RUN", "a   b"),
        ("RUN a\\\n# comment\n  # another\n\nb", "RUN", "ab"),
        ("RUN a\\\n\\\nb", "RUN", "ab"),
        ("RUN a\\\\\nUSER b", "USER", "b"),
        ("RUN a\\", "RUN", "a"),
        ("RUN a # b", "RUN", "a # b"),
        ("RUN a\r\n", "RUN", "a"),
        ("RUN a \\\r\n b\r\n", "RUN", "a  b"),
        ("RUN a\x85b", "RUN", "a\x85b"),
        ("RUN a\u2028b", "RUN", "a\u2028b"),
        ("RUN --mount=type=cache,target=/c --network=none a --b", "RUN", "a --b"),
        ("RUN --  a", "RUN", "a"),
        ("HEALTHCHECK --interval=5s CMD x", "HEALTHCHECK", "CMD x"),
        ("MAINTAINER me <m@x>", "MAINTAINER", "me <m@x>"),
        ("STOPSIGNAL SIGTERM", "STOPSIGNAL", "SIGTERM"),
    ],
)
def test_lines_make_instructions(text: str, keyword: str, rest: str) -> None:
    step = last(text)
    assert (step.keyword, step.text) == (keyword, rest)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('CMD ["a", "b c"]', ("a", "b c")),
        ('CMD [ "a" ] ', ("a",)),
        ("CMD []", ()),
        ('CMD ["\\u00e9", "\\ud800"]', ("\u00e9", "\ufffd")),
        ("CMD ['a']", None),
        ('CMD ["a", "b"] c', None),
        ('CMD ["a"', None),
        ("CMD [NaN]", None),
        ("CMD a", None),
        ('ENTRYPOINT ["a"]', ("a",)),
        ('RUN ["a"]', ("a",)),
    ],
)
def test_the_json_form_is_json_or_else_text_for_the_shell(
    text: str, words: tuple[str, ...] | None
) -> None:
    assert last(text).words == words


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("ENV a=1 b=2", ("a", "1", "b", "2")),
        ("ENV a=\"x y\" b='z w' c=d\\ e", ("a", '"x y"', "b", "'z w'", "c", "d\\ e")),
        ("ENV a 1  2", ("a", "1  2")),
        ("ENV a= b=", ("a", "", "b", "")),
        ("LABEL a.b=c", ("a.b", "c")),
        ("ARG a b=1 c='x y'", ("a", "b=1", "c='x y'")),
        ("COPY a b  c/", ("a", "b", "c/")),
        ('COPY ["a b", "c"]', ("a b", "c")),
        ("COPY --chown=1:1 --from=0 a b", ("a", "b")),
        ("EXPOSE 80  81/udp", ("80", "81/udp")),
    ],
)
def test_arguments_are_split_as_each_instruction_does(
    text: str, arguments: tuple[str, ...]
) -> None:
    assert last(text).arguments == arguments


def test_flags_may_be_quoted_and_given_several_times() -> None:
    step = last('RUN --mount=type=bind,target="/a b" --mount=type=cache,target=/c x')
    assert step.values("mount") == ("type=bind,target=/a b", "type=cache,target=/c")
    assert last("COPY --link a b").on("link")
    assert not last("COPY --link=false a b").on("link")


@pytest.mark.parametrize(
    ("text", "heredocs"),
    [
        ("RUN <<EOF\na\n b\nEOF", (Heredoc("EOF", "a\n b\n", expand=True),)),
        ("RUN <<'EOF'\na\nEOF", (Heredoc("EOF", "a\n", expand=False),)),
        ('RUN <<"E F"\na\nE F', (Heredoc("E F", "a\n", expand=False),)),
        ("RUN <<-EOF\n\ta\n\t\tEOF", (Heredoc("EOF", "a\n", expand=True),)),
        ("COPY <<a <<-b /x/\n1\na\n\t2\nb", (Heredoc("a", "1\n", expand=True), Heredoc("b", "2\n", expand=True))),
        ("RUN cat <<EOF > /f && true\n# kept\n\nEOF", (Heredoc("EOF", "# kept\n\n", expand=True),)),
        ("RUN 3<<EOF x\na\nEOF", (Heredoc("EOF", "a\n", expand=True),)),
        ("RUN <<EOF\r\na\r\nEOF\r\n", (Heredoc("EOF", "a\r\n", expand=True),)),
        ("RUN echo '<<EOF'", ()),
        ("RUN a <<< b", ()),
        ('RUN ["a", "<<EOF"]', ()),
        ("CMD a <<EOF", ()),
    ],
)  # fmt: skip
def test_here_documents_stand_below_their_instruction(
    text: str, heredocs: tuple[Heredoc, ...]
) -> None:
    found = steps(f"FROM scratch\n{text}\nUSER after")
    assert [step.keyword for step in found][-1] == "USER"
    assert found[1].heredocs == heredocs


def test_an_onbuild_hands_on_its_here_documents() -> None:
    step = last("ONBUILD COPY <<EOF /x\ntext\nEOF")
    assert step.heredocs == (Heredoc("EOF", "text\n", expand=True),)
    inner = trigger("COPY <<EOF /x\ntext\nEOF", "\\", Location("Dockerfile", line=7))
    assert (inner.keyword, inner.heredocs[0].text, inner.location.line) == ("COPY", "text\n", 7)


@pytest.mark.parametrize(
    ("text", "escape"),
    [
        ("# escape=`\nFROM x", "`"),
        ("#escape = `\nFROM x", "`"),
        ("# syntax=docker/dockerfile:1\n# check=skip=all\n# ESCAPE=`\nFROM x", "`"),
        ("# a comment\n# escape=`\nFROM x", "\\"),
        ("\n# escape=`\nFROM x", "\\"),
        ("# unknown=1\n# escape=`\nFROM x", "\\"),
        ("FROM x\n# escape=`", "\\"),
    ],
)
def test_parser_directives_stand_before_everything_else(text: str, escape: str) -> None:
    assert parse(text.encode(), "Dockerfile").escape == escape


def test_a_byte_order_mark_and_other_encodings_in_comments_are_passed_over() -> None:
    assert steps(b"\xef\xbb\xbf# escape=`\nFROM x")[0].arguments == ("x",)
    assert steps(b"# caf\xe9\nFROM x")[0].arguments == ("x",)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("FROM x\nRUNN a", 2, "unknown instruction: RUNN"),
        ("FROM x\n\n\nCOPY a", 4, "COPY requires at least two arguments"),
        ("FROM", 1, "FROM requires either one or three arguments"),
        ("FROM a b", 1, "FROM requires either one or three arguments"),
        ("FROM a AS 1b", 1, "invalid name for build stage"),
        ("FROM a\nENV x", 2, "ENV must have two arguments"),
        ("FROM a\nENV a=1 b", 2, "there is no = in 'b'"),
        ("FROM a\nENV =1", 2, "names can not be blank"),
        ("FROM a\nENV", 2, "at least one argument"),
        ("FROM a\nUSER", 2, "exactly one argument"),
        ("FROM a\nSHELL bash -c", 2, "JSON"),
        ("FROM a\nSHELL []", 2, "at least one argument"),
        ("FROM a\nCMD [1]", 2, "comprised of strings only"),
        ("FROM a\nCOPY --form=b a b", 2, "unknown flag of COPY: form"),
        ("FROM a\nCOPY --from=b --from=c a b", 2, "duplicate flag"),
        ("FROM a\nCOPY --from a b", 2, "missing a value on flag from"),
        ("FROM a\nCOPY --link=x a b", 2, "true or false"),
        ("FROM a\nRUN <<EOF\nx", 2, "unterminated heredoc"),
        ("FROM a\nCOPY a <<EOF\nEOF", 2, "heredoc as a destination"),
        ("FROM a\nONBUILD ONBUILD RUN x", 2, "Chaining ONBUILD"),
        ("FROM a\nONBUILD FROM x", 2, "isn't allowed as an ONBUILD trigger"),
        ("FROM a\nONBUILD", 2, "at least one argument"),
        ("FROM a\nHEALTHCHECK NONE x", 2, "takes no arguments"),
        ("FROM a\nHEALTHCHECK CMD", 2, "Missing command"),
        ("FROM a\nHEALTHCHECK x", 2, "Unknown type"),
        ("FROM a\nVOLUME", 2, "at least one argument"),
        ("# escape=x\nFROM a", 1, "invalid escape token"),
        ("# escape=`\n# escape=`\nFROM a", 2, "only one escape parser directive"),
        ("", 1, "file with no instructions"),
        ("# only a comment\n", 1, "file with no instructions"),
        ("FROM a\nRUN " + "x" * 70_000, 2, "longer than 65535"),
    ],
)  # fmt: skip
def test_what_buildkit_refuses_is_an_error_with_its_line(
    text: str, line: int, message: str
) -> None:
    with pytest.raises(SyntaxInputError, match=message) as caught:
        steps(text)
    assert caught.value.location is not None
    assert (caught.value.location.file, caught.value.location.line) == ("Dockerfile", line)


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(SyntaxInputError, match="binary or UTF-16"):
        steps("FROM x".encode("utf-16"))
    with pytest.raises(LimitError):
        steps(b"FROM x\n" + b"#" * (4 * 1024 * 1024))
    with pytest.raises(LimitError, match="more than 10000 instructions"):
        steps("FROM x\n" + "RUN a\n" * 100_000)


_PIECES = st.sampled_from(
    ["FROM x", "RUN ", "COPY ", "<<EOF", "<<-'A'", "EOF", "\n", "\\\n", "`", "#", "# escape=`\n", "$",
     "${", "}", "'", '"', "[", "]", ",", "--from=", "ENV a=", "ARG ", "ONBUILD ", "\t", "\r", "\\"]
)  # fmt: skip


@given(
    st.one_of(
        st.binary(max_size=200),
        st.lists(_PIECES, max_size=30).map(lambda parts: "".join(parts).encode()),
    )
)
@settings(max_examples=examples(300, 20_000), deadline=None)
def test_any_bytes_are_instructions_or_an_error_of_ours(data: bytes) -> None:
    with suppress(InputError):
        found = parse(data, "Dockerfile").instructions
        assert found
        assert all(step.location.line for step in found)
