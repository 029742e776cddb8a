"""Which of several things that take in each other are judged, and which through those."""

from collections.abc import Collection, Mapping


def tops(uses: Mapping[str, Collection[str]]) -> tuple[list[str], set[str]]:
    """Return what nothing else takes in, and everything that is reached from there.

    Of things that take in each other in a circle the first by name counts as not taken in: the tool
    that reads it says that it is a circle.
    """
    used = {use for name, own in uses.items() for use in own if use != name}
    judged = [name for name in sorted(uses) if name not in used]
    reached: set[str] = set()
    for name in judged:
        _reach(name, uses, reached)
    for name in sorted(uses):
        if name not in reached:
            judged.append(name)
            _reach(name, uses, reached)
    return judged, reached


def _reach(name: str, uses: Mapping[str, Collection[str]], reached: set[str]) -> None:
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current not in reached:
            reached.add(current)
            waiting += uses.get(current, ())
