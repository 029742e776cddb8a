"""A command that is written as one text, split as compose splits it (mattn/go-shellwords)."""

_BLANKS = " \t\r\n"
_ENDS = ";&|<>"


def split(text: str) -> list[str] | None:
    """Return the words of a text, None where compose refuses it.

    No shell is at work: variables stay as they are, and what follows an operator of the shell is
    dropped without a word. Quotes, backquotes and `$(` must be closed.
    """
    words: list[str] = []
    buffer: list[str] = []
    begun = escaped = False
    inside: dict[str, bool] = dict.fromkeys("\"'`(", False)
    for sign in text:
        if escaped:
            buffer.append(sign)
            begun, escaped = True, False
        elif sign == "\\" and not inside["'"]:
            escaped = True
        elif sign in _BLANKS and not any(inside.values()):
            if begun:
                words.append("".join(buffer))
            buffer, begun = [], False
        elif sign in _BLANKS or sign == "\\":
            buffer.append(sign)
        elif sign in "\"'" and not inside["("] and not inside["'" if sign == '"' else '"']:
            begun = begun or inside[sign]
            inside[sign] = not inside[sign]
        elif sign in _ENDS and not any(inside.values()):
            if sign == ">" and buffer and "0" <= buffer[0][:1] <= "9":
                begun = False  # the number of a descriptor
            break
        elif not _toggled(sign, inside, buffer):
            return None
        else:
            buffer.append(sign)
            begun = True
    if escaped or any(inside.values()):
        return None
    if begun:
        words.append("".join(buffer))
    return words


def _toggled(sign: str, inside: dict[str, bool], buffer: list[str]) -> bool:
    """Follow backquotes and `$(`; False for a parenthesis that stands for nothing."""
    quoted = inside["'"] or inside['"']
    if sign == "`" and not quoted and not inside["("]:
        inside["`"] = not inside["`"]
    elif sign == ")" and not quoted and not inside["`"]:
        inside["("] = not inside["("]
    elif sign == "(" and not quoted and not inside["`"]:
        if inside["("] or not buffer or not buffer[-1].endswith("$"):
            return False
        inside["("] = True
    return True
