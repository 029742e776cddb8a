"""What chmod does to permissions (chmod(1)), for COPY --chmod as well."""

import re
from collections.abc import Callable

_CLAUSE = re.compile(r"([ugoa]*)([-+=])([rwxXst]*)\Z")


def mode_change(text: str) -> Callable[[int, bool], int] | None:
    """Return what chmod does to a mode: octal, or clauses such as u+x,g-w. None if unclear."""
    if re.fullmatch(r"[0-7]{1,4}", text):
        octal = int(text, 8)
        return lambda _mode, _folder: octal
    clauses = [_CLAUSE.match(clause) for clause in text.split(",")]
    if not all(clauses):
        return None
    parsed = [(m[1], m[2], m[3]) for m in clauses if m is not None]

    def change(mode: int, folder: bool) -> int:  # noqa: FBT001  (the protocol's)
        for who, operator, what in parsed:
            mode = _clause(mode, who, operator, what, folder=folder)
        return mode

    return change


def _clause(mode: int, who: str, operator: str, what: str, *, folder: bool) -> int:
    bits = 0
    for sign in what:
        if sign == "X":
            bits |= 0o111 if folder or mode & 0o111 else 0
        else:
            bits |= {"r": 0o444, "w": 0o222, "x": 0o111}.get(sign, 0)
    people = {"u": 0o700, "g": 0o070, "o": 0o007}
    mask = 0o777 if not who or "a" in who else sum(people[one] for one in set(who))
    if not who:
        # Without a class the umask of a build counts, which is 022.
        mask &= ~(bits & 0o022)
    match operator:
        case "+":
            return mode | (bits & mask)
        case "-":
            return mode & ~(bits & mask)
        case _:
            return (mode & ~mask) | (bits & mask)
