"""Parse shell text into its syntax tree.

The grammar is POSIX.1-2017 XCU 2.10 with bash's `[[`, `((`, `function`, here strings and
`$'...'`. It is our own because a lenient parser drops words without a sign (an argument after
`2>&1`, the two halves of a word around a line continuation), and a dropped word is a dropped
`--debug`.
"""

import re
from bisect import bisect_right

from deployguard.shell.syntax import (
    AndOr,
    AnsiQuoted,
    Arithmetic,
    Array,
    Assignment,
    Background,
    Calculation,
    Case,
    CaseItem,
    For,
    Function,
    Group,
    If,
    Join,
    Literal,
    Loop,
    Parameter,
    Part,
    Pipeline,
    Redirect,
    Redirected,
    Script,
    Simple,
    Statement,
    Substitution,
    Test,
    Unclear,
    Word,
)

_LONGEST = 256 * 1024
_DEEPEST = 40
_ATTEMPTS = 100_000
_BLANKS = " \t"
_ENDS = " \t\n|&;<>()"
_RESERVED = re.compile(
    r"(?:if|then|elif|else|fi|do|done|case|esac|while|until|for|in|function|select|coproc"
    r"|[{}!]|\[\[|\]\])(?=[ \t\n|&;<>()]|\Z)"
)
_PARAMETER = re.compile(r"!?[A-Za-z_][A-Za-z0-9_]*(?:\[(?:[@*]|[0-9]{1,4})\])?|[0-9]+|[@*#?$!-]")
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(\[[^]\n]*\])?(\+?)=")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DESCRIPTOR = re.compile(r"([0-9]{1,3})(?=[<>])")
_REDIRECT = re.compile(r"&>>|&>|<<<|<<-|<<|<>|<&|>>|>&|>\||<|>")
_OPERATOR = re.compile(r":[-=?+]|[-=?+]|##|#|%%|%|//|/|\^\^|\^|,,|,|:")
_CLOSERS = frozenset({"then", "elif", "else", "fi", "do", "done", "esac", "}"})


class _NotUnderstoodError(Exception):
    """The text is no shell, or a part of the language that is not read."""


def parse(text: str) -> Script:
    """Return the statements of a text up to the line that is not understood; never raises.

    As in a shell, lines before a broken one count.
    """
    return _Parser(text, 1).script()


class _Parser:
    """A recursive descent over one text; `first` is the line it begins on.

    `attempts` is shared with the parsers of nested texts: what may be read in two ways is tried
    in both, and the tries must not multiply.
    """

    def __init__(self, text: str, first: int, outer: "_Parser | None" = None) -> None:
        self.text = text
        self.at = 0
        self.first = first
        self.depth: int = outer.depth + 1 if outer else 0
        self.attempts: list[int] = outer.attempts if outer else [_ATTEMPTS]
        self.lines = [index for index, letter in enumerate(text) if letter == "\n"]
        self.after: dict[int, int] = {}  # newline before here documents -> first letter after them

    def script(self) -> Script:
        done: list[Statement] = []
        if len(self.text) > _LONGEST or self.depth > _DEEPEST:
            return Script((), self.first)
        while True:
            line = self.line()
            try:
                self.newlines()
                if self.at >= len(self.text):
                    return Script(tuple(done))
                line = self.line()
                done += self.complete_line()
            except (_NotUnderstoodError, RecursionError):
                return Script(tuple(done), line)

    def line(self) -> int:
        return self.first + bisect_right(self.lines, self.at - 1)

    def complete_line(self) -> list[Statement]:
        """Read statements up to the end of the line, as a shell does before it runs them."""
        found: list[Statement] = []
        while True:
            found.append(self.and_or())
            self.blanks()
            if self.at >= len(self.text) or self.text[self.at] == "\n":
                return found
            found[-1] = self.separated(found[-1])
            self.blanks()
            if self.at >= len(self.text) or self.text[self.at] == "\n":
                return found

    def separated(self, statement: Statement) -> Statement:
        if self.take("&"):
            return Background(statement.line, statement)
        if self.looking_at(";;") or not self.take(";"):
            raise _NotUnderstoodError
        return statement

    def compound_list(self, *closers: str) -> Script:
        """Read statements up to a reserved word or closing sign, which is left standing."""
        self.deepen()
        found: list[Statement] = []
        while True:
            self.newlines()
            if self.closed(closers):
                break
            found.append(self.and_or())
            self.blanks()
            if self.closed(closers):
                break
            if self.at < len(self.text) and self.text[self.at] == "\n":
                continue
            found[-1] = self.separated(found[-1])
        self.depth -= 1
        if not found:
            raise _NotUnderstoodError
        return Script(tuple(found))

    def closed(self, closers: tuple[str, ...]) -> bool:
        word = self.reserved()
        return any(
            self.looking_at(closer) if closer in {")", ";;", ";&"} else word == closer
            for closer in closers
        )

    def deepen(self) -> None:
        self.depth += 1
        self.attempts[0] -= 1
        if self.depth > _DEEPEST or self.attempts[0] < 0:
            raise _NotUnderstoodError

    def and_or(self) -> Statement:
        left = self.pipeline()
        while True:
            self.blanks()
            line = self.line()
            if self.take("&&"):
                join = Join.AND
            elif self.take("||"):
                join = Join.OR
            else:
                return left
            self.newlines()
            left = AndOr(line, left, join, self.pipeline())

    def pipeline(self) -> Statement:
        line = self.line()
        negated = False
        while self.reserved() == "!":
            self.at += 1
            negated = not negated
            self.blanks()
        commands = [self.command()]
        while True:
            self.blanks()
            if self.looking_at("||") or not self.take("|"):
                break
            self.take("&")
            self.newlines()
            commands.append(self.command())
        if len(commands) == 1 and not negated:
            return commands[0]
        return Pipeline(line, tuple(commands), negated)

    def command(self) -> Statement:
        self.blanks()
        line = self.line()
        self.deepen()
        body = self.compound(line)
        if body is None:
            body = self.simple(line)
        elif not isinstance(body, Function):
            redirects: list[Redirect] = []
            while (redirect := self.redirect()) is not None:
                redirects.append(redirect)
            if redirects:
                body = Redirected(line, body, tuple(redirects))
        self.depth -= 1
        return body

    def compound(self, line: int) -> Statement | None:
        word = self.reserved()
        if word is None:
            if self.looking_at("(("):
                start = self.at
                try:
                    return Calculation(line, self.calculation(2, "))"))
                except _NotUnderstoodError:
                    self.at = start
            if self.take("("):
                body = self.compound_list(")")
                self.expect(")")
                return Group(line, body, subshell=True)
            return None
        if word in _CLOSERS or word in {"in", "select", "coproc", "]]"}:
            raise _NotUnderstoodError
        self.at += len(word)
        match word:
            case "{":
                body = self.compound_list("}")
                self.expect("}")
                return Group(line, body, subshell=False)
            case "if":
                return self.conditional(line)
            case "while" | "until":
                condition = self.compound_list("do")
                return Loop(line, condition, self.loop_body(), until=word == "until")
            case "for":
                return self.iteration(line)
            case "case":
                return self.choice(line)
            case "[[":
                return self.test(line)
            case "function":
                self.blanks()
                name = self.name()
                self.blanks()
                if self.take("("):
                    self.blanks()
                    self.expect(")")
                self.newlines()
                return Function(line, name, self.command(), keyword=True)
            case _:
                raise _NotUnderstoodError

    def conditional(self, line: int) -> If:
        branches: list[tuple[Script, Script]] = []
        otherwise = Script(())
        while True:
            condition = self.compound_list("then")
            self.expect("then")
            branches.append((condition, self.compound_list("elif", "else", "fi")))
            if self.take("elif"):
                continue
            if self.take("else"):
                otherwise = self.compound_list("fi")
            self.expect("fi")
            return If(line, tuple(branches), otherwise)

    def loop_body(self) -> Script:
        self.expect("do")
        body = self.compound_list("done")
        self.expect("done")
        return body

    def iteration(self, line: int) -> Statement:
        self.blanks()
        if self.looking_at("(("):
            return self.counted(line)
        name = self.name()
        self.newlines()
        words: list[Word] | None = None
        if self.reserved() == "in":
            self.at += 2
            words = []
            while (word := self.word()) is not None:
                words.append(word)
        self.blanks()
        self.take(";")
        self.newlines()
        return For(line, name, None if words is None else tuple(words), self.loop_body())

    def counted(self, line: int) -> Group:
        """Read `for ((first; condition; update))` (bash)."""
        stop = self.text.find("))", self.at)
        parts = self.text[self.at + 2 : max(stop, self.at)].split(";")
        if len(parts) != 3:  # noqa: PLR2004  (first, condition, update)
            raise _NotUnderstoodError
        self.at = stop + 2
        self.blanks()
        self.take(";")
        self.newlines()
        first, condition, update = (
            Script((Calculation(line, _Parser(part, line, self).expression_text()),))
            if part.strip()
            else None
            for part in parts
        )
        always = Script((Simple(line, (), (Word((Literal("true", quoted=False),), line),), ()),))
        loop = Loop(line, condition or always, self.loop_body(), until=False, update=update)
        begin = first.statements if first is not None else ()
        return Group(line, Script((*begin, loop)), subshell=False)

    def expression_text(self) -> Word:
        self.deepen()
        return Word(self.double_quoted(None), self.first)

    def choice(self, line: int) -> Case:
        subject = self.required_word()
        self.newlines()
        self.expect("in")
        items: list[CaseItem] = []
        while True:
            self.newlines()
            if self.reserved() == "esac":
                self.at += 4
                return Case(line, subject, tuple(items))
            self.take("(")
            patterns = [self.required_word()]
            self.blanks()
            while self.take("|"):
                patterns.append(self.required_word())
                self.blanks()
            self.expect(")")
            self.newlines()
            body = Script(())
            if not self.looking_at(";;") and self.reserved() != "esac":
                body = self.compound_list(";;", ";&", "esac")
            end = next((end for end in (";;&", ";;", ";&") if self.take(end)), ";;")
            items.append(CaseItem(tuple(patterns), body, end))

    def test(self, line: int) -> Test:
        tokens: list[Word | str] = []
        while True:
            self.newlines()
            if self.reserved() == "]]":
                self.at += 2
                return Test(line, tuple(tokens))
            sign = next(
                (sign for sign in ("&&", "||", "(", ")", "<", ">") if self.take(sign)), None
            )
            if sign is not None:
                tokens.append(sign)
            elif tokens and isinstance(last := tokens[-1], Word) and last.plain == "=~":
                tokens.append(self.expression())
            else:
                tokens.append(self.required_word())

    def expression(self) -> Word:
        """Read the regular expression of `=~`, in which brackets and bars are letters."""
        self.blanks()
        parts: list[Part] = []
        line, open_brackets = self.line(), 0
        while self.at < len(self.text):
            letter = self.text[self.at]
            if letter in " \t\n" and not open_brackets:
                break
            open_brackets += (letter == "(") - (letter == ")")
            if letter in "|&;<>() \t\n":
                parts.append(Literal(letter, quoted=False))
                self.at += 1
            else:
                parts += self.pieces(_ENDS)
        return Word(_fused(parts), line)

    def simple(self, line: int) -> Statement:
        assignments: list[Assignment] = []
        words: list[Word] = []
        redirects: list[Redirect] = []
        while True:
            self.blanks()
            redirect = self.redirect()
            if redirect is not None:
                redirects.append(redirect)
                continue
            if not words and (assignment := self.assignment()) is not None:
                assignments.append(assignment)
                continue
            word = self.word()
            if word is None:
                break
            if self.looking_at("(") and _is_assignment(word):  # declare -a names=(a b)
                word = Word((*word.parts, self.array()), word.line)
            words.append(word)
            self.blanks()
            if len(words) == 1 and not assignments and not redirects and self.looking_at("("):
                return self.function(line, word)
        if not (assignments or words or redirects):
            raise _NotUnderstoodError
        return Simple(line, tuple(assignments), tuple(words), tuple(redirects))

    def function(self, line: int, name: Word) -> Function:
        self.expect("(")
        self.blanks()
        self.expect(")")
        self.newlines()
        if name.plain is None:
            raise _NotUnderstoodError
        return Function(line, name.plain, self.command())

    def assignment(self) -> Assignment | None:
        match = _ASSIGNMENT.match(self.text, self.at)
        if match is None:
            return None
        line = self.line()
        self.at = match.end()
        if match[2] or self.looking_at("("):
            return Assignment(
                match[1], Word((self.array(),), line), append=bool(match[2] or match[3])
            )
        # After a blank stands the command: `NAME= command` sets the empty text.
        empty = self.text[self.at : self.at + 1] in {*_BLANKS, ""}
        value = None if empty else self.word()
        return Assignment(match[1], value or Word((), line), append=bool(match[3]))

    def array(self) -> Array | Unclear:
        """Read the value of an array; one that names its elements is not evaluated."""
        start = self.at
        words: list[Word] = []
        named = False
        if self.take("("):
            while True:
                self.newlines()
                if self.take(")"):
                    break
                named = named or self.looking_at("[")
                words.append(self.required_word())
            if not named:
                return Array(tuple(words))
        else:
            self.word()
        return Unclear(self.text[start : self.at], quoted=True)

    def redirect(self) -> Redirect | None:
        self.blanks()
        start = self.at
        descriptor = _DESCRIPTOR.match(self.text, self.at)
        if descriptor is not None:
            self.at = descriptor.end()
        operator = _REDIRECT.match(self.text, self.at)
        if operator is None or self.text[self.at : self.at + 2] in {"<(", ">("}:
            self.at = start
            return None
        self.at = operator.end()
        number = int(descriptor[1]) if descriptor is not None else None
        if operator[0] in {"<<", "<<-"}:
            return Redirect("<<", number, self.document(tabs=operator[0] == "<<-"))
        return Redirect(operator[0], number, self.required_word())

    def document(self, *, tabs: bool) -> Word:
        """Read the body of a here document, which begins after the line."""
        line = self.line()
        delimiter = self.required_word()
        if not all(isinstance(part, Literal) for part in delimiter.parts):
            raise _NotUnderstoodError
        literals = [part for part in delimiter.parts if isinstance(part, Literal)]
        end = "".join(part.text for part in literals)
        newline = self.text.find("\n", self.at)
        rest = self.text[self.at : newline]
        if newline < 0 or rest.endswith("\\") or rest.count("'") % 2 or rest.count('"') % 2:
            raise _NotUnderstoodError
        body: list[str] = []
        at = self.after.get(newline, newline + 1)
        while True:
            stop = self.text.find("\n", at)
            stop = len(self.text) if stop < 0 else stop
            row = self.text[at:stop]
            row = row.lstrip("\t") if tabs else row
            if row == end:
                break
            if stop == len(self.text):
                raise _NotUnderstoodError
            body.append(row + "\n")
            at = stop + 1
        self.after[newline] = min(stop + 1, len(self.text))
        content = "".join(body)
        if any(part.quoted for part in literals):
            return Word((Literal(content, quoted=True),), line)
        inner = _Parser(content, line + 1, self)
        return Word(inner.double_quoted(None), line)

    def required_word(self) -> Word:
        word = self.word()
        if word is None:
            raise _NotUnderstoodError
        return word

    def word(self) -> Word | None:
        self.blanks()
        if self.at >= len(self.text):
            return None
        if self.text[self.at] in _ENDS and self.text[self.at : self.at + 2] not in {"<(", ">("}:
            return None
        line = self.line()
        parts = self.pieces(_ENDS)
        return Word(_fused(parts), line)

    def pieces(self, ends: str, *, literal_quotes: bool = False) -> list[Part]:
        """Read the parts of a word up to one of `ends` that is not quoted.

        In `literal_quotes`, the argument of an expansion within double quotes, a single quote is a
        letter and unquoted text counts as quoted.
        """
        parts: list[Part] = []
        while self.at < len(self.text):
            letter = self.text[self.at]
            if letter in "<>" and self.text[self.at + 1 : self.at + 2] == "(" and ends is _ENDS:
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
                    raise _NotUnderstoodError
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
                return _fused(parts)
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
            raise _NotUnderstoodError
        return _fused(parts)

    def dollar(self, *, quoted: bool) -> Part:
        self.at += 1
        following = self.text[self.at : self.at + 1]
        if following == "(":
            if self.text.startswith("((", self.at):
                start = self.at
                try:
                    return Arithmetic(self.calculation(2, "))"), quoted)
                except _NotUnderstoodError:
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
            raise _NotUnderstoodError
        if following == '"' and not quoted:  # a message to translate: itself, in the C locale
            return Literal("", quoted=True)
        name = _NAME.match(self.text, self.at)
        if name is not None:
            self.at = name.end()
            return Parameter(name[0], "", Word((), self.line()), quoted)
        if following and following in "0123456789@*#?$!-":
            self.at += 1
            return Parameter(following, "", Word((), self.line()), quoted)
        return Literal("$", quoted=True)

    def parameter(self, *, quoted: bool) -> Part:
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
            raise _NotUnderstoodError
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
        line = self.line()
        self.deepen()
        parts = self.pieces(ends, literal_quotes=quoted)
        self.depth -= 1
        return Word(_fused(parts), line)

    def argument(self, *, quoted: bool) -> Word:
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
                inner = _Parser(self.text[start:at], line, self)
                inner.deepen()
                self.at = at + len(closing)
                return Word(inner.double_quoted(None), line)
            open_brackets += (letter == "(") - (letter == ")")
        raise _NotUnderstoodError

    def backquoted(self, *, quoted: bool) -> Substitution:
        self.at += 1
        line = self.line()
        letters: list[str] = []
        while not self.looking_at("`"):
            if self.at >= len(self.text):
                raise _NotUnderstoodError
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
        script = _Parser("".join(letters), line, self).script()
        if script.broken is not None:
            raise _NotUnderstoodError
        return Substitution(script, quoted)

    def ansi_quoted(self) -> AnsiQuoted:
        """Read `$'...'` (bash, 3.1.2.4)."""
        match = re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL).match(self.text, self.at)
        if match is None:
            raise _NotUnderstoodError
        self.at = match.end()
        simple = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"', "e": "\x1b"}

        def decoded(escape: re.Match[str]) -> str:
            if escape[1] not in simple:
                raise _NotUnderstoodError
            return simple[escape[1]]

        return AnsiQuoted(re.sub(r"\\(.)", decoded, match[1], flags=re.DOTALL))

    def reserved(self) -> str | None:
        self.blanks()
        match = _RESERVED.match(self.text, self.at)
        return match[0] if match is not None else None

    def name(self) -> str:
        word = self.word()
        if word is None or word.plain is None:
            raise _NotUnderstoodError
        return word.plain

    def looking_at(self, sign: str) -> bool:
        return self.text.startswith(sign, self.at)

    def take(self, sign: str) -> bool:
        found = self.looking_at(sign)
        if found:
            self.at += len(sign)
        return found

    def expect(self, sign: str) -> None:
        if not self.take(sign):
            raise _NotUnderstoodError

    def blanks(self) -> None:
        """Pass over blanks, line continuations and a comment."""
        while self.at < len(self.text):
            if self.text[self.at] in _BLANKS:
                self.at += 1
            elif self.looking_at("\\\n"):
                self.at += 2
            elif self.text[self.at] == "#" and self.text[self.at - 1 : self.at] in {"", *_ENDS}:
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


def _is_assignment(word: Word) -> bool:
    plain = word.plain
    return plain is not None and _ASSIGNMENT.fullmatch(plain) is not None


def _fused(parts: list[Part]) -> tuple[Part, ...]:
    """Join neighbouring literals of one kind."""
    found: list[Part] = []
    for part in parts:
        last = found[-1] if found else None
        if isinstance(part, Literal) and isinstance(last, Literal) and part.quoted == last.quoted:
            found[-1] = Literal(last.text + part.text, part.quoted)
        else:
            found.append(part)
    return tuple(found)
