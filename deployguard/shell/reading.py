"""The words of shell text: quotes, expansions and their nesting (POSIX.1-2017 XCU 2.2-2.3)."""

import re
from abc import ABC, abstractmethod
from bisect import bisect_right
from typing import Self

from deployguard.shell.syntax import (
    AnsiQuoted,
    Arithmetic,
    Literal,
    Parameter,
    Part,
    Script,
    Substitution,
    Unclear,
    Word,
)

DEEPEST = 40
_ATTEMPTS = 100_000
_LETTERS = 16
BLANKS = " \t"
ENDS = " \t\n|&;<>()"
_RESERVED = re.compile(
    r"(?:if|then|elif|else|fi|do|done|case|esac|while|until|for|in|function|select|coproc"
    r"|[{}!]|\[\[|\]\])(?=[ \t\n|&;<>()]|\Z)"
)
_PARAMETER = re.compile(r"!?[A-Za-z_][A-Za-z0-9_]*(?:\[(?:[@*]|[0-9]{1,4})\])?|[0-9]+|[@*#?$!-]")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATOR = re.compile(r":[-=?+]|[-=?+]|##|#|%%|%|//|/|\^\^|\^|,,|,|:")


class NotUnderstoodError(Exception):
    """The text is no shell, or a part of the language that is not read."""


class Reader(ABC):
    """A place in one text; `first` is the line it begins on.

    `attempts` is shared with the readers of nested texts: what may be read in two ways is tried
    in both, and the tries must not multiply.
    """

    def __init__(self, text: str, first: int, outer: "Reader | None" = None) -> None:
        self.text = text
        self.at = 0
        self.first = first
        self.depth: int = outer.depth + 1 if outer else 0
        self.attempts: list[int] = outer.attempts if outer else [_ATTEMPTS]
        self.lines = [index for index, letter in enumerate(text) if letter == "\n"]
        self.after: dict[int, int] = {}  # newline before here documents -> first letter after them

    @abstractmethod
    def script(self) -> Script:
        """Read the whole text."""

    @abstractmethod
    def compound_list(self, *closers: str) -> Script:
        """Read statements up to a reserved word or closing sign, which is left standing."""

    def inner(self, text: str, line: int) -> Self:
        """Return a reader of a text within this one."""
        return type(self)(text, line, self)

    def line(self) -> int:
        """Return the line of the place."""
        return self.first + bisect_right(self.lines, self.at - 1)

    def deepen(self, letters: int = 0) -> None:
        """Go one level down; what was looked through to get there counts as well."""
        self.depth += 1
        self.attempts[0] -= 1 + letters // _LETTERS
        if self.depth > DEEPEST or self.attempts[0] < 0:
            raise NotUnderstoodError

    def required_word(self) -> Word:
        """Read a word that must be there."""
        word = self.word()
        if word is None:
            raise NotUnderstoodError
        return word

    def word(self) -> Word | None:
        """Read a word, None where there is none."""
        self.blanks()
        if self.at >= len(self.text):
            return None
        if self.text[self.at] in ENDS and self.text[self.at : self.at + 2] not in {"<(", ">("}:
            return None
        line = self.line()
        parts = self.pieces(ENDS)
        return Word(fused(parts), line)

    def pieces(self, ends: str, *, literal_quotes: bool = False) -> list[Part]:
        """Read the parts of a word up to one of `ends` that is not quoted.

        In `literal_quotes`, the argument of an expansion within double quotes, a single quote is a
        letter and unquoted text counts as quoted.
        """
        parts: list[Part] = []
        while self.at < len(self.text):
            letter = self.text[self.at]
            if letter in "<>" and self.text[self.at + 1 : self.at + 2] == "(" and ends is ENDS:
                self.at += 2
                body = self.compound_list(")")
                self.expect(")")
                parts.append(Substitution(body, quoted=True, process=True))
            elif letter in ends:
                break
            elif letter == "\\":
                escaped = self.text[self.at + 1 : self.at + 2]
                self.at += 2
                if escaped != "\n":
                    parts.append(Literal(escaped or "\\", quoted=True))
            elif letter == "'" and not literal_quotes:
                stop = self.text.find("'", self.at + 1)
                if stop < 0:
                    raise NotUnderstoodError
                parts.append(Literal(self.text[self.at + 1 : stop], quoted=True))
                self.at = stop + 1
            elif letter == '"':
                self.at += 1
                inner = self.double_quoted('"')
                self.expect('"')
                parts += inner or (Literal("", quoted=True),)
            elif letter == "$":
                parts.append(self.dollar(quoted=literal_quotes))
            elif letter == "`":
                parts.append(self.backquoted(quoted=literal_quotes))
            else:
                parts.append(Literal(letter, quoted=literal_quotes))
                self.at += 1
        return parts

    def double_quoted(self, end: str | None) -> tuple[Part, ...]:
        """Read text in which only dollar, backquote and some escapes mean something."""
        parts: list[Part] = []
        while self.at < len(self.text):
            letter = self.text[self.at]
            if letter == end:
                return fused(parts)
            if letter == "\\":
                escaped = self.text[self.at + 1 : self.at + 2]
                if escaped == "\n":
                    self.at += 2
                elif escaped and (escaped in "$`\\" or escaped == end):
                    parts.append(Literal(escaped, quoted=True))
                    self.at += 2
                else:
                    parts.append(Literal("\\", quoted=True))
                    self.at += 1
            elif letter == "$":
                parts.append(self.dollar(quoted=True))
            elif letter == "`":
                parts.append(self.backquoted(quoted=True))
            else:
                parts.append(Literal(letter, quoted=True))
                self.at += 1
        if end is not None:
            raise NotUnderstoodError
        return fused(parts)

    def dollar(self, *, quoted: bool) -> Part:
        """Read what a dollar begins."""
        self.at += 1
        following = self.text[self.at : self.at + 1]
        if following == "(":
            if self.text.startswith("((", self.at):
                start = self.at
                try:
                    return Arithmetic(self.calculation(2, "))"), quoted)
                except NotUnderstoodError:
                    self.at = start
            self.at += 1
            self.newlines()
            body = Script(())
            if not self.looking_at(")"):
                body = self.compound_list(")")
            self.expect(")")
            return Substitution(body, quoted)
        if following == "{":
            self.at += 1
            return self.parameter(quoted=quoted)
        if following == "'" and not quoted:
            return self.ansi_quoted()
        if following == "[":
            raise NotUnderstoodError
        if following == '"' and not quoted:  # a message to translate: itself, in the C locale
            return AnsiQuoted("", "$", message=True)
        name = NAME.match(self.text, self.at)
        if name is not None:
            self.at = name.end()
            return Parameter(name[0], "", Word((), self.line()), quoted)
        if following and following in "0123456789@*#?$!-":
            self.at += 1
            return Parameter(following, "", Word((), self.line()), quoted)
        return Literal("$", quoted=True)

    def parameter(self, *, quoted: bool) -> Part:
        """Read `${...}` after its brace."""
        start, line = self.at, self.line()
        length = self.take("#") if not self.looking_at("#}") else False
        match = _PARAMETER.match(self.text, self.at)
        if match is None or (match[0] == "!" and not self.text.startswith("!}", self.at)):
            return self.unclear(start, quoted=quoted)
        self.at = match.end()
        index: Word | None = None
        if self.looking_at("["):
            self.at += 1
            index = self.until("]", quoted=False)
            self.expect("]")
        following = self.text[self.at : self.at + 1]
        if index is not None and match[0][0] == "!":
            return self.unclear(start, quoted=quoted)
        if following == "@" or (match[0][0] == "!" and following == "*"):
            return self.unclear(start, quoted=quoted)
        if self.take("}"):
            operator = "length" if length else ""
            return Parameter(match[0], operator, Word((), line), quoted, index)
        operator_found = _OPERATOR.match(self.text, self.at)
        if operator_found is None:
            raise NotUnderstoodError
        self.at = operator_found.end()
        operator = operator_found[0]
        extra: Word | None = None
        if operator in {"/", "//", ":"}:
            sign = ":" if operator == ":" else "/"
            first = self.text[self.at : self.at + 1] if operator != ":" else ""
            self.at += len(first) if first == "/" else 0
            argument = self.until(sign + "}", quoted=False)
            if self.take(sign):
                extra = self.until("}", quoted=False)
            self.expect("}")
        else:
            keeps = quoted and operator.lstrip(":") in {"-", "=", "?", "+"}
            argument = self.argument(quoted=keeps)
        if length:
            return Unclear("${" + self.text[start : self.at], quoted)
        return Parameter(match[0], operator, argument, quoted, index, extra)

    def unclear(self, start: int, *, quoted: bool) -> Unclear:
        """Pass over an expansion that is not evaluated."""
        self.argument(quoted=quoted)
        return Unclear("${" + self.text[start : self.at], quoted)

    def until(self, ends: str, *, quoted: bool) -> Word:
        """Read a word up to one of some signs, which is left standing."""
        line = self.line()
        self.deepen()
        parts = self.pieces(ends, literal_quotes=quoted)
        self.depth -= 1
        return Word(fused(parts), line)

    def argument(self, *, quoted: bool) -> Word:
        """Read the argument of an expansion, and its brace."""
        word = self.until("}", quoted=quoted)
        self.expect("}")
        return word

    def calculation(self, opening: int, closing: str) -> Word:
        """Read an arithmetic expression; its text is expanded as if in double quotes."""
        start, line, open_brackets = self.at + opening, self.line(), 0
        for at in range(start, len(self.text)):
            letter = self.text[at]
            if letter == ")" and not open_brackets:
                if not self.text.startswith(closing, at):
                    break
                inner = self.inner(self.text[start:at], line)
                inner.deepen(at - start)
                self.at = at + len(closing)
                return Word(inner.double_quoted(None), line)
            open_brackets += (letter == "(") - (letter == ")")
        self.attempts[0] -= (len(self.text) - start) // _LETTERS
        raise NotUnderstoodError

    def backquoted(self, *, quoted: bool) -> Substitution:
        """Read a substitution between backquotes."""
        self.at += 1
        line = self.line()
        letters: list[str] = []
        while not self.looking_at("`"):
            if self.at >= len(self.text):
                raise NotUnderstoodError
            escaped = self.text[self.at + 1 : self.at + 2]
            if (
                self.text[self.at] == "\\"
                and escaped
                and escaped in ('$`\\"' if quoted else "$`\\")
            ):
                self.at += 1
            letters.append(self.text[self.at])
            self.at += 1
        self.at += 1
        script = self.inner("".join(letters), line).script()
        if script.broken is not None:
            raise NotUnderstoodError
        return Substitution(script, quoted)

    def ansi_quoted(self) -> AnsiQuoted:
        """Read `$'...'` (bash, 3.1.2.4)."""
        match = re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL).match(self.text, self.at)
        if match is None:
            raise NotUnderstoodError
        self.at = match.end()
        simple = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"', "e": "\x1b"}

        def decoded(escape: re.Match[str]) -> str:
            if escape[1] not in simple:
                raise NotUnderstoodError
            return simple[escape[1]]

        text = re.sub(r"\\(.)", decoded, match[1], flags=re.DOTALL)
        return AnsiQuoted(text, f"${match[1]}")

    def reserved(self) -> str | None:
        """Return the reserved word at the place, which is left standing."""
        self.blanks()
        match = _RESERVED.match(self.text, self.at)
        return match[0] if match is not None else None

    def name(self) -> str:
        """Read a plain word."""
        word = self.word()
        if word is None or word.plain is None:
            raise NotUnderstoodError
        return word.plain

    def looking_at(self, sign: str) -> bool:
        """Say whether a sign stands at the place."""
        return self.text.startswith(sign, self.at)

    def take(self, sign: str) -> bool:
        """Pass over a sign, if it is there."""
        found = self.looking_at(sign)
        if found:
            self.at += len(sign)
        return found

    def expect(self, sign: str) -> None:
        """Pass over a sign that must be there."""
        if not self.take(sign):
            raise NotUnderstoodError

    def blanks(self) -> None:
        """Pass over blanks, line continuations and a comment."""
        while self.at < len(self.text):
            if self.text[self.at] in BLANKS:
                self.at += 1
            elif self.looking_at("\\\n"):
                self.at += 2
            elif self.text[self.at] == "#" and self.text[self.at - 1 : self.at] in {"", *ENDS}:
                stop = self.text.find("\n", self.at)
                self.at = len(self.text) if stop < 0 else stop
            else:
                return

    def newlines(self) -> None:
        """Pass over blanks and line ends, and over the here documents that follow a line."""
        while True:
            self.blanks()
            if not self.looking_at("\n"):
                return
            self.at = self.after.get(self.at, self.at + 1)


def fused(parts: list[Part]) -> tuple[Part, ...]:
    """Join neighbouring literals of one kind."""
    found: list[Part] = []
    for part in parts:
        last = found[-1] if found else None
        if isinstance(part, Literal) and isinstance(last, Literal) and part.quoted == last.quoted:
            found[-1] = Literal(last.text + part.text, part.quoted)
        else:
            found.append(part)
    return tuple(found)
