"""References to variables in command, args and env: $(NAME), and $$ for a plain dollar.

Follows Expand and tryReadVariableName of k8s.io/kubernetes third_party/forked/golang/expansion.
"""

from collections.abc import Callable

from deployguard.model.evidence import Missing, Reason, Traced, distinct

# Values that double from one to the next end here; no process takes one above 128 KiB.
_LONGEST = 1024 * 1024


def expand(
    word: Traced[str], lookup: Callable[[str], Traced[str | None] | None]
) -> Traced[str | None]:
    """Return the word with its references replaced.

    A reference to a variable that is not set stays as it is written; one to a variable whose value
    cannot be seen makes the whole word one that cannot be seen.
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
                if length > _LONGEST:
                    too_long = Missing(Reason.LIMIT, f"a value of more than {_LONGEST // 1024} KiB")
                    return Traced(None, word.location, missing=(too_long,))
            done = closer + 1
        else:
            pieces.append("$" if opener == "$" else text[operator : operator + 2])
            done = operator + 2
    if unseen:
        return Traced(None, word.location, missing=distinct(missing))
    return Traced("".join(pieces) + text[done:], word.location)
