"""The syntax tree of a shell script (POSIX.1-2017 XCU 2, and what bash adds in common use)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Literal:
    """Text as it stands; unquoted text takes part in pathname expansion."""

    text: str
    quoted: bool


@dataclass(frozen=True, slots=True)
class Parameter:
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


@dataclass(frozen=True, slots=True)
class Substitution:
    """`$(script)`, or `<(script)` where `process` is true."""

    body: "Script"
    quoted: bool
    process: bool = False


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`$((expression))`, the expression with its expansions still to be done."""

    expression: "Word"
    quoted: bool


@dataclass(frozen=True, slots=True)
class AnsiQuoted:
    """`$'text'`, escapes decoded; shells without it keep the dollar."""

    text: str
    quoted: bool = True


@dataclass(frozen=True, slots=True)
class Unclear:
    """An expansion that is not evaluated, such as an array."""

    text: str
    quoted: bool


@dataclass(frozen=True, slots=True)
class Array:
    """`(word ...)`, what an assignment makes an array of."""

    words: "tuple[Word, ...]"


Part: TypeAlias = Literal | Parameter | Substitution | Arithmetic | AnsiQuoted | Unclear | Array


@dataclass(frozen=True, slots=True)
class Word:
    """One word before expansion; no parts is the empty word of an expansion's argument."""

    parts: tuple[Part, ...]
    line: int

    @property
    def plain(self) -> str | None:
        """Return the text of a word that is one unquoted literal."""
        if len(self.parts) == 1 and isinstance(part := self.parts[0], Literal) and not part.quoted:
            return part.text
        return None


@dataclass(frozen=True, slots=True)
class Assignment:
    """`name=value` or `name+=value`."""

    name: str
    value: Word
    append: bool


@dataclass(frozen=True, slots=True)
class Redirect:
    """A redirection; of a here document (`<<`) the target is its body."""

    operator: str
    descriptor: int | None
    target: Word


@dataclass(frozen=True, slots=True)
class Simple:
    """Assignments, words and redirections."""

    line: int
    assignments: tuple[Assignment, ...]
    words: tuple[Word, ...]
    redirects: tuple[Redirect, ...]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands joined by `|`, perhaps negated by `!`."""

    line: int
    commands: "tuple[Statement, ...]"
    negated: bool


class Join(StrEnum):
    """What stands between two parts of a list."""

    AND = "&&"
    OR = "||"


@dataclass(frozen=True, slots=True)
class AndOr:
    """`left && right` or `left || right`."""

    line: int
    left: "Statement"
    join: Join
    right: "Statement"


@dataclass(frozen=True, slots=True)
class Background:
    """`body &`."""

    line: int
    body: "Statement"


@dataclass(frozen=True, slots=True)
class If:
    """Conditions with their bodies, in order, and the `else`."""

    line: int
    branches: "tuple[tuple[Script, Script], ...]"
    otherwise: "Script"


@dataclass(frozen=True, slots=True)
class Loop:
    """`while`, or `until`; `update` is the last part of `for ((;;))`."""

    line: int
    condition: "Script"
    body: "Script"
    until: bool
    update: "Script | None" = None


@dataclass(frozen=True, slots=True)
class For:
    """`for name in words`; words is None where the positional parameters are meant."""

    line: int
    name: str
    words: tuple[Word, ...] | None
    body: "Script"


@dataclass(frozen=True, slots=True)
class CaseItem:
    """Patterns, a body, and how it ends: `;;`, `;&` or `;;&`."""

    patterns: tuple[Word, ...]
    body: "Script"
    end: str


@dataclass(frozen=True, slots=True)
class Case:
    """`case subject in items esac`."""

    line: int
    subject: Word
    items: tuple[CaseItem, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """`{ body; }`, or in a subshell `( body )`."""

    line: int
    body: "Script"
    subshell: bool


@dataclass(frozen=True, slots=True)
class Function:
    """The definition of a function; `keyword` is the form that begins with `function`."""

    line: int
    name: str
    body: "Statement"
    keyword: bool = False


@dataclass(frozen=True, slots=True)
class Test:
    """`[[ ... ]]`: words, and operators as plain strings."""

    line: int
    tokens: tuple[Word | str, ...]


@dataclass(frozen=True, slots=True)
class Calculation:
    """`(( expression ))`."""

    line: int
    expression: Word


@dataclass(frozen=True, slots=True)
class Redirected:
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


@dataclass(frozen=True, slots=True)
class Script:
    """Statements in order; `broken` is the line from which on the text was not understood."""

    statements: tuple[Statement, ...]
    broken: int | None = None
