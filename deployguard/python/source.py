"""Source text to a syntax tree, guarded: no text may crash, stall or nest us to death."""

import ast
import re
import sys
import warnings

from msgspec import Struct

from deployguard.model.evidence import Missing, Reason

SOURCE_LIMIT = 2 * 1024 * 1024

# What every Python 3 refuses with these words, whatever its version; others may be new syntax.
_REFUSED_BY_ALL = re.compile(
    r"Missing parentheses in call to '(print|exec)'|inconsistent use of tabs"
    r"|leading zeros in decimal integer literals"
)
# What Python 3.14 takes without parentheses, and no other before it.
_LENIENT = "multiple exception types must be parenthesized"
_LENIENT_FROM = (3, 14)
# The first version in which `async` and `await` are no names any more.
_KEYWORDS = (3, 7)


class Refused(Struct, frozen=True):
    """Source that the program's own Python certainly ends over with a SyntaxError."""

    message: str
    line: int | None


def parse(
    text: bytes | str, version: tuple[int, int] | None = None
) -> ast.Module | Refused | Missing:
    """Parse source as CPython does (PEP 263 encodings, byte order marks), or say why not.

    `version` is that of the Python that would run it, None where it is not known.
    """
    if len(text) > SOURCE_LIMIT:
        return Missing(Reason.LIMIT, "source of more than 2 MiB")
    if _pieces(text) > _PIECES:
        return Missing(Reason.LIMIT, "source of very many statements")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except SyntaxError as error:
        if _refused(error, version):
            return Refused(error.msg, error.lineno)
        return Missing(Reason.TEXT, "what source does that this Python cannot parse")
    except ValueError:
        return Missing(Reason.TEXT, "what source does that this Python cannot parse")
    except (RecursionError, MemoryError):
        return Missing(Reason.LIMIT, "source nested too deeply")


# Parsing takes about 10 us and 1 kB for each of these.
_PIECES = 120_000
_ENDS = ("\n", ",", ";", "(", "[", "+", "-", ".", "=")


def _pieces(text: bytes | str) -> int:
    """Return about how many statements and operands a source has, without parsing it."""
    if isinstance(text, bytes):
        return sum(text.count(end.encode()) for end in _ENDS)
    return sum(text.count(end) for end in _ENDS)


def _refused(error: SyntaxError, version: tuple[int, int] | None) -> bool:
    """Say whether a Python of that version certainly refuses what ours does."""
    if version is None or version < _KEYWORDS or "too many" in error.msg:
        return False
    if error.msg == _LENIENT and version < _LENIENT_FROM:
        return True
    return version <= sys.version_info[:2] or _REFUSED_BY_ALL.search(error.msg) is not None
