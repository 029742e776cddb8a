"""Parse shell text into its syntax tree.

The grammar is POSIX.1-2017 XCU 2.10 with bash's `[[`, `((`, `function`, here strings and
`$'...'`. It is our own because a lenient parser drops words without a sign (an argument after
`2>&1`, the two halves of a word around a line continuation), and a dropped word is a dropped
`--debug`.
"""

import re

from deployguard.shell.reading import BLANKS, DEEPEST, ENDS, NotUnderstoodError, Reader, fused
from deployguard.shell.syntax import (
    AndOr,
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
    Part,
    Pipeline,
    Redirect,
    Redirected,
    Script,
    Simple,
    Statement,
    Test,
    Unclear,
    Word,
)

_LONGEST = 256 * 1024
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(\[[^]\n]*\])?(\+?)=")
_DESCRIPTOR = re.compile(r"([0-9]{1,3})(?=[<>])")
_REDIRECT = re.compile(r"&>>|&>|<<<|<<-|<<|<>|<&|>>|>&|>\||<|>")
_CLOSERS = frozenset({"then", "elif", "else", "fi", "do", "done", "esac", "}"})


def parse(text: str) -> Script:
    """Return the statements of a text up to the line that is not understood; never raises.

    As in a shell, lines before a broken one count.
    """
    return _Parser(text, 1).script()


class _Parser(Reader):
    """A recursive descent over one text."""

    def script(self) -> Script:
        done: list[Statement] = []
        if len(self.text) > _LONGEST or self.depth > DEEPEST:
            return Script((), self.first)
        while True:
            line = self.line()
            try:
                self.newlines()
                if self.at >= len(self.text):
                    return Script(tuple(done))
                line = self.line()
                done += self.complete_line()
            except (NotUnderstoodError, RecursionError):
                return Script(tuple(done), line)

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
            raise NotUnderstoodError
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
            raise NotUnderstoodError
        return Script(tuple(found))

    def closed(self, closers: tuple[str, ...]) -> bool:
        word = self.reserved()
        return any(
            self.looking_at(closer) if closer in {")", ";;", ";&"} else word == closer
            for closer in closers
        )

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
        both = False
        commands = [self.command()]
        while True:
            self.blanks()
            if self.looking_at("||") or not self.take("|"):
                break
            both = self.take("&") or both
            self.newlines()
            commands.append(self.command())
        if len(commands) == 1 and not negated:
            return commands[0]
        return Pipeline(line, tuple(commands), negated, both)

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
                except NotUnderstoodError:
                    self.at = start
            if self.take("("):
                body = self.compound_list(")")
                self.expect(")")
                return Group(line, body, subshell=True)
            return None
        if word in _CLOSERS or word in {"in", "select", "coproc", "]]"}:
            raise NotUnderstoodError
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
                raise NotUnderstoodError

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
            raise NotUnderstoodError
        self.at = stop + 2
        self.blanks()
        self.take(";")
        self.newlines()
        first, condition, update = (
            Script((Calculation(line, self.inner(part, line).expression_text()),))
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
                parts += self.pieces(ENDS)
        return Word(fused(parts), line)

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
            raise NotUnderstoodError
        return Simple(line, tuple(assignments), tuple(words), tuple(redirects))

    def function(self, line: int, name: Word) -> Function:
        self.expect("(")
        self.blanks()
        self.expect(")")
        self.newlines()
        if name.plain is None:
            raise NotUnderstoodError
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
        empty = self.text[self.at : self.at + 1] in {*BLANKS, ""}
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
            raise NotUnderstoodError
        literals = [part for part in delimiter.parts if isinstance(part, Literal)]
        end = "".join(part.text for part in literals)
        newline = self.text.find("\n", self.at)
        rest = self.text[self.at : newline]
        if newline < 0 or rest.endswith("\\") or rest.count("'") % 2 or rest.count('"') % 2:
            raise NotUnderstoodError
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
                raise NotUnderstoodError
            body.append(row + "\n")
            at = stop + 1
        self.after[newline] = min(stop + 1, len(self.text))
        content = "".join(body)
        if any(part.quoted for part in literals):
            return Word((Literal(content, quoted=True),), line)
        inner = self.inner(content, line + 1)
        return Word(inner.double_quoted(None), line)


def _is_assignment(word: Word) -> bool:
    plain = word.plain
    return plain is not None and _ASSIGNMENT.fullmatch(plain) is not None
