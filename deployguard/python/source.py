"""Source text to a syntax tree, guarded: no text may crash, stall or nest us to death."""

import ast
import warnings

from deployguard.model.evidence import Missing, Reason

SOURCE_LIMIT = 2 * 1024 * 1024


def parse(text: bytes | str) -> ast.Module | Missing:
    """Parse source as CPython does (PEP 263 encodings, byte order marks), or say why not."""
    if len(text) > SOURCE_LIMIT:
        return Missing(Reason.LIMIT, "source of more than 2 MiB")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError):
        return Missing(Reason.SOURCE, "what source does that this Python cannot parse")
    except (RecursionError, MemoryError):
        return Missing(Reason.LIMIT, "source nested too deeply")
