"""References to variables in command, args and env: $(NAME), and $$ for a plain dollar.

Follows Expand and tryReadVariableName of k8s.io/kubernetes third_party/forked/golang/expansion.
"""

from collections.abc import Callable

from msgspec import Struct

from deployguard.model.evidence import Missing, Reason, Traced, distinct

# MAX_ARG_STRLEN of Linux: a process is not started with a longer word or variable.
_LONGEST = 128 * 1024


class Budget(Struct):
    """How many characters references may still make: values may double from one to the next."""

    left: int = 32 * 1024 * 1024


def expand(
    word: Traced[str], lookup: Callable[[str], Traced[str | None] | None], budget: Budget
) -> Traced[str | None]:
    """Return the word with its references replaced.

    A reference to a variable that is not set stays as it is written; one to a variable whose value
    cannot be seen makes the whole word one that cannot be seen, as does a limit that is reached.
    """
    text = word.value
    last_closer = text.rfind(")")
    pieces: list[str] = []
    missing: list[Missing] = []
    unseen = False
    done = length = 0
    while 0 <= (operator := text.find("$", done)) < len(text) - 1:
        pieces.append(text[done:operator])
        opener = text[operator + 1]
        if opener == "(" and operator + 1 < last_closer:
            closer = text.index(")", operator)
            variable = lookup(text[operator + 2 : closer])
            if variable is None:
                pieces.append(text[operator : closer + 1])
            elif variable.value is None:
                unseen = True
                missing += variable.missing
            else:
                pieces.append(variable.value)
                length += len(variable.value)
                budget.left -= len(variable.value)
                if length > _LONGEST or budget.left < 0:
                    return Traced(None, word.location, missing=(_TOO_LONG,))
            done = closer + 1
        else:
            pieces.append("$" if opener == "$" else text[operator : operator + 2])
            done = operator + 2
    if unseen:
        return Traced(None, word.location, missing=distinct(missing))
    return Traced("".join(pieces) + text[done:], word.location)


_TOO_LONG = Missing(Reason.LIMIT, "a value that references make too long")
