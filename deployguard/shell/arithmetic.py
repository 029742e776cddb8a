"""Integer arithmetic of the shell (POSIX.1-2017 XCU 2.6.4), with what it assigns."""

import re
from collections.abc import Callable, Mapping

from msgspec import Struct

_TOKEN = re.compile(
    r"\s*(?:(0[xX][0-9a-fA-F]+|[0-9]+)|([A-Za-z_][A-Za-z0-9_]*)"
    r"|(<<=|>>=|[-+*/%&|^]=(?!=)|\*\*|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%<>!~&|^?:()=,]))"
)
_LEVELS: tuple[tuple[str, ...], ...] = (
    ("||",),
    ("&&",),
    ("|",),
    ("^",),
    ("&",),
    ("==", "!="),
    ("<", "<=", ">", ">="),
    ("<<", ">>"),
    ("+", "-"),
    ("*", "/", "%"),
    ("**",),
)
_ASSIGNING = re.compile(r"\+\+|--|(?:<<|>>|[-+*/%&|^]|(?<![=!<>]))=(?!=)")
_COMPARING = frozenset({"==", "!=", "<=", ">="})
_DEEPEST = 30
_BITS = 64
_WIDEST = 1 << 63
_LONGEST = 2_000


class Result(Struct, frozen=True):
    """The value of an expression, and the variables it sets."""

    value: int
    assigned: Mapping[str, int]


class _UntoldError(Exception):
    """The value cannot be told."""


def may_assign(text: str) -> bool:
    """Say whether an expression may set a variable."""
    return _ASSIGNING.search(text) is not None


def evaluate(text: str, variable: Callable[[str], str | None]) -> Result | None:
    """Return the value of an expression, None where it cannot be told.

    `variable` gives the text of a variable, "" where it is unset, None where it is not seen.
    """
    tokens: list[str] = []
    at, text = 0, text.strip()
    if len(text) > _LONGEST:
        return None
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            return None
        tokens.append(match[0].strip())
        at = match.end()
    if not tokens:
        return Result(0, {})
    reader = _Reader(tokens, variable)
    try:
        value = reader.comma()
    except (_UntoldError, ArithmeticError, ValueError):
        return None
    return Result(value, reader.assigned) if reader.at == len(tokens) else None


class _Reader:
    def __init__(self, tokens: list[str], variable: Callable[[str], str | None]) -> None:
        self.tokens = tokens
        self.variable = variable
        self.at = 0
        self.assigned: dict[str, int] = {}
        # What stands on the side that is not taken (of ?: && ||) assigns nothing.
        self.skipped = 0

    def peek(self, ahead: int = 0) -> str:
        at = self.at + ahead
        return self.tokens[at] if at < len(self.tokens) else ""

    def take(self, token: str) -> bool:
        found = self.peek() == token
        self.at += found
        return found

    def assign(self, name: str, value: int) -> int:
        if not self.skipped:
            self.assigned[name] = _bounded(value)
        return value

    def comma(self) -> int:
        value = self.assignment(0)
        while self.take(","):
            value = self.assignment(0)
        return value

    def assignment(self, depth: int) -> int:
        name, operator = self.peek(), self.peek(1)
        if re.match(r"[A-Za-z_]", name) and operator.endswith("=") and operator not in _COMPARING:
            if depth > _DEEPEST:
                raise _UntoldError
            self.at += 2
            right = self.assignment(depth + 1)
            if operator == "=":
                return self.assign(name, right)
            return self.assign(name, _applied(operator[:-1], self.number(name), right))
        return self.ternary(depth)

    def lazily(self, taken: bool, read: Callable[[], int]) -> int:  # noqa: FBT001  (one use each)
        """Read a side that only counts where it is taken; an error in the other does not."""
        self.skipped += not taken
        try:
            return read()
        finally:
            self.skipped -= not taken

    def ternary(self, depth: int) -> int:
        if depth > _DEEPEST:
            raise _UntoldError
        condition = self.binary(0, depth)
        if not self.take("?"):
            return condition
        first = self.lazily(bool(condition), lambda: self.assignment(depth + 1))
        if not self.take(":"):
            raise _UntoldError
        second = self.lazily(not condition, lambda: self.assignment(depth + 1))
        return first if condition else second

    def binary(self, level: int, depth: int) -> int:
        if level == len(_LEVELS):
            return self.unary(depth)
        left = self.binary(level + 1, depth)
        while (operator := self.peek()) in _LEVELS[level]:
            self.at += 1
            needed = bool(left) is (operator == "&&") if operator in {"&&", "||"} else True
            right = self.lazily(needed, lambda: self.binary(level + 1, depth))
            left = left if self.skipped else _bounded(_applied(operator, left, right))
        return left

    def unary(self, depth: int) -> int:
        if depth > _DEEPEST:
            raise _UntoldError
        token = self.peek()
        self.at += 1
        match token:
            case "-":
                return -self.unary(depth + 1)
            case "+":
                return self.unary(depth + 1)
            case "!":
                return int(not self.unary(depth + 1))
            case "~":
                return ~self.unary(depth + 1)
            case "(":
                value = self.assignment(depth + 1)
                if not self.take(")"):
                    raise _UntoldError
                return value
            case "++" | "--" as sign:
                name = self.peek()
                if not re.match(r"[A-Za-z_]", name):
                    raise _UntoldError
                self.at += 1
                return self.assign(name, self.number(name) + (1 if sign == "++" else -1))
            case _:
                value = self.number(token)
                if re.match(r"[A-Za-z_]", token) and self.peek() in {"++", "--"}:
                    self.assign(token, value + (1 if self.take("++") else -1))
                    self.take("--")
                return value

    def number(self, token: str) -> int:
        if re.match(r"[A-Za-z_]", token):
            if token in self.assigned:
                return self.assigned[token]
            text = self.variable(token)
            if text is None:
                raise _UntoldError
            token = text.strip() or "0"
        if not re.fullmatch(r"-?(0[xX][0-9a-fA-F]{1,16}|[0-9]{1,19})", token):
            raise _UntoldError
        octal = re.fullmatch(r"(-?)0([0-7]+)", token)
        return _bounded(int(octal[1] + octal[2], 8) if octal else int(token, 0))


def _bounded(value: int) -> int:
    if not -_WIDEST <= value < _WIDEST:
        raise _UntoldError
    return value


def _applied(operator: str, left: int, right: int) -> int:  # noqa: C901, PLR0911, PLR0912  (a table)
    match operator:
        case "||":
            return int(bool(left or right))
        case "&&":
            return int(bool(left and right))
        case "==":
            return int(left == right)
        case "!=":
            return int(left != right)
        case "<":
            return int(left < right)
        case "<=":
            return int(left <= right)
        case ">":
            return int(left > right)
        case ">=":
            return int(left >= right)
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case "&":
            return left & right
        case "|":
            return left | right
        case "^":
            return left ^ right
        case "<<" | ">>" if 0 <= right < _BITS:
            return left << right if operator == "<<" else left >> right
        case "**" if 0 <= right < _BITS:
            return int(left**right)
        case "/" | "%":
            quotient = abs(left) // abs(right)  # C truncates towards zero
            quotient = quotient if (left < 0) == (right < 0) else -quotient
            return quotient if operator == "/" else left - quotient * right
        case _:
            raise _UntoldError
