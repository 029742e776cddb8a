"""The syntax tree of a shell script (POSIX.1-2017 XCU 2, and what bash adds in common use)."""

from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct


class Literal(Struct, frozen=True):
    """Text as it stands; unquoted text takes part in pathname expansion."""

    text: str
    quoted: bool


class Parameter(Struct, frozen=True):
    """`$name` or `${name OPERATOR argument}`; the operator "length" is `${#name}`.

    Of bash's own, `name` may be "name[@]", "name[*]" or "name[3]", and "!name" for the variable
    that another names; `index` is an index that must be calculated, `extra` what replaces a
    pattern (`/`) or the length of a part (`:`).
    """

    name: str
    operator: str
    argument: "Word"
    quoted: bool
    index: "Word | None" = None
    extra: "Word | None" = None


class Substitution(Struct, frozen=True):
    """`$(script)`, or `<(script)` where `process` is true."""

    body: "Script"
    quoted: bool
    process: bool = False


class Arithmetic(Struct, frozen=True):
    """`$((expression))`, the expression with its expansions still to be done."""

    expression: "Word"
    quoted: bool


class AnsiQuoted(Struct, frozen=True):
    """`$'text'`, escapes decoded; shells without it take it as it stands (`raw`).

    A `message` is the dollar of `$"text"`, which bash alone leaves out.
    """

    text: str
    raw: str
    message: bool = False


class Unclear(Struct, frozen=True):
    """An expansion that is not evaluated, such as an array."""

    text: str
    quoted: bool


class Array(Struct, frozen=True):
    """`(word ...)`, what an assignment makes an array of."""

    words: "tuple[Word, ...]"


Part: TypeAlias = Literal | Parameter | Substitution | Arithmetic | AnsiQuoted | Unclear | Array


class Word(Struct, frozen=True):
    """One word before expansion; no parts is the empty word of an expansion's argument."""

    parts: tuple[Part, ...]
    line: int

    @property
    def plain(self) -> str | None:
        """Return the text of a word that is one unquoted literal."""
        if len(self.parts) == 1 and isinstance(part := self.parts[0], Literal) and not part.quoted:
            return part.text
        return None


class Assignment(Struct, frozen=True):
    """`name=value` or `name+=value`."""

    name: str
    value: Word
    append: bool


class Redirect(Struct, frozen=True):
    """A redirection; of a here document (`<<`) the target is its body."""

    operator: str
    descriptor: int | None
    target: Word


class Simple(Struct, frozen=True):
    """Assignments, words and redirections."""

    line: int
    assignments: tuple[Assignment, ...]
    words: tuple[Word, ...]
    redirects: tuple[Redirect, ...]


class Pipeline(Struct, frozen=True):
    """Commands joined by `|`, perhaps negated by `!`; `both` where one is `|&`."""

    line: int
    commands: "tuple[Statement, ...]"
    negated: bool
    both: bool = False


class Join(StrEnum):
    """What stands between two parts of a list."""

    AND = "&&"
    OR = "||"


class AndOr(Struct, frozen=True):
    """`left && right` or `left || right`."""

    line: int
    left: "Statement"
    join: Join
    right: "Statement"


class Background(Struct, frozen=True):
    """`body &`."""

    line: int
    body: "Statement"


class If(Struct, frozen=True):
    """Conditions with their bodies, in order, and the `else`."""

    line: int
    branches: "tuple[tuple[Script, Script], ...]"
    otherwise: "Script"


class Loop(Struct, frozen=True):
    """`while`, or `until`; `update` is the last part of `for ((;;))`."""

    line: int
    condition: "Script"
    body: "Script"
    until: bool
    update: "Script | None" = None


class For(Struct, frozen=True):
    """`for name in words`; words is None where the positional parameters are meant."""

    line: int
    name: str
    words: tuple[Word, ...] | None
    body: "Script"


class CaseItem(Struct, frozen=True):
    """Patterns, a body, and how it ends: `;;`, `;&` or `;;&`."""

    patterns: tuple[Word, ...]
    body: "Script"
    end: str


class Case(Struct, frozen=True):
    """`case subject in items esac`."""

    line: int
    subject: Word
    items: tuple[CaseItem, ...]


class Group(Struct, frozen=True):
    """`{ body; }`, or in a subshell `( body )`."""

    line: int
    body: "Script"
    subshell: bool


class Function(Struct, frozen=True):
    """The definition of a function; `keyword` is the form that begins with `function`."""

    line: int
    name: str
    body: "Statement"
    keyword: bool = False


class Test(Struct, frozen=True):
    """`[[ ... ]]`: words, and operators as plain strings."""

    line: int
    tokens: tuple[Word | str, ...]


class Calculation(Struct, frozen=True):
    """`(( expression ))`."""

    line: int
    expression: Word


class Redirected(Struct, frozen=True):
    """A compound command with redirections."""

    line: int
    body: "Statement"
    redirects: tuple[Redirect, ...]


Statement: TypeAlias = (
    Simple
    | Pipeline
    | AndOr
    | Background
    | If
    | Loop
    | For
    | Case
    | Group
    | Function
    | Test
    | Calculation
    | Redirected
)


class Script(Struct, frozen=True):
    """Statements in order; `broken` is the line from which on the text was not understood."""

    statements: tuple[Statement, ...]
    broken: int | None = None
