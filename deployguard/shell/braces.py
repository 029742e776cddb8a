"""Brace expansion, which bash does before any other (bash(1), Brace Expansion)."""

import re

from deployguard.model.structs import replace
from deployguard.shell.syntax import Literal, Part, Word

_MOST = 1_000
_RANGE = re.compile(r"(-?\d{1,6})\.\.(-?\d{1,6})(?:\.\.(-?\d{1,6}))?|([A-Za-z])\.\.([A-Za-z])")
_SIGN = re.compile(r"\{[^{}]*(?:,|\.\.)[^{}]*\}")

# A letter that is not quoted, or any other part as a whole.
_Token = str | Part


def has_braces(word: Word) -> bool:
    """Say whether a word has something that may be a brace expansion."""
    text = "".join(
        part.text if isinstance(part, Literal) and not part.quoted else "\0" for part in word.parts
    )
    return _SIGN.search(text) is not None


def expanded(word: Word) -> tuple[Word, ...] | None:
    """Return the words a word stands for, None where they are too many."""
    tokens: list[_Token] = []
    for part in word.parts:
        if isinstance(part, Literal) and not part.quoted:
            tokens += part.text
        else:
            tokens.append(part)
    found = _expanded(tokens)
    return None if found is None else tuple(replace(word, parts=_parts(one)) for one in found)


def _parts(tokens: list[_Token]) -> tuple[Part, ...]:
    parts: list[Part] = []
    for token in tokens:
        last = parts[-1] if parts else None
        if not isinstance(token, str):
            parts.append(token)
        elif isinstance(last, Literal) and not last.quoted:
            parts[-1] = Literal(last.text + token, quoted=False)
        else:
            parts.append(Literal(token, quoted=False))
    return tuple(parts)


def _expanded(tokens: list[_Token]) -> list[list[_Token]] | None:
    opened = [at for at, sign in enumerate(tokens) if sign == "{"]
    for start in opened:
        found = _choices(tokens, start)
        if found is None:
            continue
        stop, choices = found
        rest = _expanded(tokens[stop + 1 :])
        inner: list[list[_Token]] = []
        for choice in choices:
            nested = _expanded(choice)
            if nested is None or rest is None or len(inner) > _MOST:
                return None
            inner += nested
        if rest is None or len(inner) * len(rest) > _MOST:
            return None
        return [[*tokens[:start], *middle, *end] for middle in inner for end in rest]
    return [tokens]


def _choices(tokens: list[_Token], start: int) -> tuple[int, list[list[_Token]]] | None:
    """Return where the brace at a place closes, and what stands between its commas."""
    depth, choices = 0, [list[_Token]()]
    for at in range(start + 1, len(tokens)):
        token = tokens[at]
        sign = token if isinstance(token, str) else ""
        if sign == "}" and depth == 0:
            if len(choices) > 1:
                return at, choices
            sequence = _sequence(tokens[start + 1 : at])
            return None if sequence is None else (at, sequence)
        depth += (sign == "{") - (sign == "}")
        if sign == "," and depth == 0:
            choices.append([])
        else:
            choices[-1].append(token)
    return None


def _sequence(tokens: list[_Token]) -> list[list[_Token]] | None:
    text = "".join(token if isinstance(token, str) else "\0" for token in tokens)
    match = _RANGE.fullmatch(text)
    if match is None:
        return None
    if match[4]:
        first, last, step = ord(match[4]), ord(match[5]), 1
    else:
        first, last, step = int(match[1]), int(match[2]), abs(int(match[3] or "1")) or 1
    if abs(last - first) // step > _MOST:
        return None
    numbers = range(first, last + 1, step) if first <= last else range(first, last - 1, -step)
    if match[4]:
        return [[chr(number)] for number in numbers]
    padded = any(re.match(r"-?0\d", one) for one in (match[1], match[2]))
    width = max(len(match[1]), len(match[2])) if padded else 0
    return [list(f"{number:0{width}d}") for number in numbers]
