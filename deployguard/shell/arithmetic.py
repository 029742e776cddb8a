"""Integer arithmetic of the shell (POSIX.1-2017 XCU 2.6.4), for expressions that assign nothing."""

import re
from collections.abc import Callable

_TOKEN = re.compile(
    r"\s*(?:(0[xX][0-9a-fA-F]+|[0-9]+)|([A-Za-z_][A-Za-z0-9_]*)"
    r"|(\*\*|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%<>!~&|^?:()=,]))"
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
)
_DEEPEST = 30
_WIDEST = 1 << 63


class _UntoldError(Exception):
    """The value cannot be told."""


def evaluate(text: str, variable: Callable[[str], str | None]) -> int | None:
    """Return the value of an expression, None where it cannot be told.

    `variable` gives the text of a variable, "" where it is unset, None where it is not seen.
    """
    tokens: list[str] = []
    at, text = 0, text.strip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            return None
        tokens.append(match[0].strip())
        at = match.end()
    if not tokens:
        return 0
    reader = _Reader(tokens, variable)
    try:
        value = reader.ternary(0)
    except (_UntoldError, ArithmeticError, ValueError):
        return None
    return value if reader.at == len(tokens) else None


class _Reader:
    def __init__(self, tokens: list[str], variable: Callable[[str], str | None]) -> None:
        self.tokens = tokens
        self.variable = variable
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, token: str) -> bool:
        found = self.peek() == token
        self.at += found
        return found

    def ternary(self, depth: int) -> int:
        if depth > _DEEPEST:
            raise _UntoldError
        condition = self.binary(0, depth)
        if not self.take("?"):
            return condition
        first = self.ternary(depth + 1)
        if not self.take(":"):
            raise _UntoldError
        second = self.ternary(depth + 1)
        return first if condition else second

    def binary(self, level: int, depth: int) -> int:
        if level == len(_LEVELS):
            return self.unary(depth)
        left = self.binary(level + 1, depth)
        while self.peek() in _LEVELS[level]:
            operator = self.peek()
            self.at += 1
            left = _bounded(_applied(operator, left, self.binary(level + 1, depth)))
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
                value = self.ternary(depth + 1)
                if not self.take(")"):
                    raise _UntoldError
                return value
            case _:
                return self.number(token)

    def number(self, token: str) -> int:
        if re.match(r"[A-Za-z_]", token):
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


def _applied(operator: str, left: int, right: int) -> int:  # noqa: PLR0911  (a table with lazy rows)
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
        case "/" | "%":
            quotient = abs(left) // abs(right)  # C truncates towards zero
            quotient = quotient if (left < 0) == (right < 0) else -quotient
            return quotient if operator == "/" else left - quotient * right
        case _:
            raise _UntoldError
