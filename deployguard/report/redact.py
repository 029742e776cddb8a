"""What of other people's values a report may show: the one place that masks.

Values of variables go by `deployguard.model.disclosure`. In arguments and quoted source, what is
assigned to a name that speaks of a secret, user information in URLs, and the values of variables
that are not shown are masked.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

from msgspec import Struct, field

from deployguard.model.disclosure import open_name, shown
from deployguard.model.environment import Environment
from deployguard.model.evidence import Claim, Evidence, Traced
from deployguard.model.report import Container

HIDDEN = "(hidden)"

_SECRET_NAME = re.compile(
    r"secret|passw|passphrase|token|credential|api[-_.]?key|access[-_.]?key|private[-_.]?key"
    r"|signing[-_.]?key|encryption[-_.]?key|[-_.]key\Z|\Akey\Z|[-_.]pin\Z|[-_.]?dsn\Z|salt\Z"
    r"|auth\Z|authorization|pass\Z|basic[-_.]?auth|cookie|pwd\Z",
    re.IGNORECASE,
)
_NOT_SECRET = frozenset({"PWD", "OLDPWD"})
_USER_INFORMATION = re.compile(r"://[^\s/?#'\"]*@")
_NAME = re.compile(r"[A-Za-z_][\w.-]*")
# What follows a name where something is assigned to it: `NAME=value`, `"name": "value"`,
# `setdefault("NAME", "value")`, `NAME is 'value'`.
_ASSIGNED = re.compile(
    r"[\"'\])]{0,3}"
    r"(?:[ \t]{0,4}[=:]{1,2}[ \t]{0,4}(?P<value>\(hidden\)|\"[^\"\n]*\"?|'[^'\n]*'?"
    r"|(?:(?:Basic|Bearer|Digest|Token)[ \t])?[^\s,;)&|'\"]+)"
    r"|(?:,[ \t]{0,4}|[ \t]{1,4}(?:is|to)[ \t]{1,4})(?P<quoted>\"[^\"\n]*\"?|'[^'\n]*'?))"
)
_OPTION_VALUE = re.compile(
    r"[ \t]{1,4}(?P<value>\(hidden\)|\"[^\"\n]*\"?|'[^'\n]*'?|[^\s'\"-][^\s'\"]*)"
)
_PATH_OR_NUMBER = re.compile(r"/[\w./:+-]*\Z|[\d.:+-]*\Z|[a-z]{2}_[A-Z]{2}[\w.-]*\Z|C\.[\w-]*\Z")
_MIN_SECRET = 4  # what is shorter stands in every second word by chance
_MIN_VALUE = 8
_SHORT = 100
# More alternatives, or longer ones, make one expression slow to build and to run.
_ALTERNATIVES = 64
_EXPRESSION = 65_536


def speaks_of_secret(name: str) -> bool:
    """Return whether what is assigned to this name is likely a secret."""
    return _remembered(name) if len(name) <= _SHORT else _speaks_of_secret(name)


def _speaks_of_secret(name: str) -> bool:
    return name not in _NOT_SECRET and _SECRET_NAME.search(name) is not None


# A report of many containers says the same names again and again.
_remembered = lru_cache(maxsize=16_384)(_speaks_of_secret)


def masked(text: str) -> str:
    """Mask user information in URLs and what is assigned to secret names."""
    text = _without_user(text)
    pieces: list[str] = []
    done = 0
    for name in _NAME.finditer(text):
        if name.start() < done or not speaks_of_secret(name[0]):
            continue
        option = text.startswith("--", name.start() - 2) and name.start() > 1
        found = _ASSIGNED.match(text, name.end()) or (
            _OPTION_VALUE.match(text, name.end()) if option else None
        )
        if found is not None:
            group = found.lastgroup or "value"
            pieces += (text[done : found.start(group)], HIDDEN)
            done = found.end()
    return "".join((*pieces, text[done:]))


def named(text: str) -> str:
    """Mask a path, a reference or an address, in which a colon assigns nothing."""
    return masked(text) if "=" in text else _without_user(text)


def _without_user(text: str) -> str:
    return _USER_INFORMATION.sub(f"://{HIDDEN}@", text) if "@" in text else text


def _same(text: str) -> str:
    return text


class Mask(Struct, frozen=True):
    """Masks texts about one container; `hide` takes the hidden values of its variables out."""

    hide: Callable[[str], str] = field(default=_same)

    def __call__(self, text: str) -> str:
        """Return a text with everything masked."""
        return masked(self.hide(text))

    def named(self, text: str) -> str:
        """Return a path or a reference with its secrets masked."""
        return named(self.hide(text))


def mask(container: Container) -> Mask:
    """Return what masks texts about a container, its variables' hidden values included."""
    decided = deciding(container)
    hidden = sorted(set(_hidden_values(container, decided)), key=lambda text: (-len(text), text))
    if not hidden:
        return Mask()
    if len(hidden) > _ALTERNATIVES or sum(map(len, hidden)) > _EXPRESSION:
        return Mask(_hiding(hidden))
    pattern = re.compile("|".join(re.escape(value) for value in hidden))
    return Mask(lambda text: pattern.sub(HIDDEN, text))


def _hiding(values: Iterable[str]) -> Callable[[str], str]:
    """Return what takes any of many values out, in time that does not grow with their number."""
    by_start: dict[str, set[str]] = {}
    for value in values:
        by_start.setdefault(value[:_MIN_SECRET], set()).add(value)
    lengths = {
        start: sorted({len(value) for value in found}, reverse=True)
        for start, found in by_start.items()
    }

    def hide(text: str) -> str:
        pieces: list[str] = []
        done = position = 0
        while position <= len(text) - _MIN_SECRET:
            start = text[position : position + _MIN_SECRET]
            found = next(
                (
                    length
                    for length in lengths.get(start, ())
                    if text[position : position + length] in by_start[start]
                ),
                None,
            )
            if found is None:
                position += 1
                continue
            pieces += (text[done:position], HIDDEN)
            position += found
            done = position
        return "".join((*pieces, text[done:]))

    return hide


def arguments(
    words: Sequence[Traced[str | None]], mask_text: Callable[[str], str]
) -> tuple[str | None, ...]:
    """Mask the words of a command; one that follows an option for a secret goes whole."""
    result: list[str | None] = []
    before = ""
    for word in words:
        value = word.value
        if value is not None:
            follows = before.startswith("-") and speaks_of_secret(before.lstrip("-"))
            result.append(HIDDEN if follows and not value.startswith("-") else mask_text(value))
        else:
            result.append(None)
        before = value or ""
    return tuple(result)


def variable(name: str, value: str | None, decided: frozenset[str]) -> str | None:
    """Return what is shown of a variable, None where nothing is.

    Open names always show their value, others only where they decided something.
    """
    if name in decided or open_name(name) or name == "WERKZEUG_DEBUG_PIN":
        text = shown(name, value)
        return None if text is None else masked(text)
    return None


def deciding(container: Container) -> frozenset[str]:
    """Return the names that the container's evidence speaks of."""
    return frozenset(name for step in _evidence(container) for name in _NAME.findall(step.note))


def _evidence(container: Container) -> Iterator[Evidence]:
    for facts in (container.facts, *(entry.facts for entry in container.programs)):
        claims: tuple[Claim, ...] = (*facts.claims().values(), facts.reachable.claim)
        for claim in claims:
            yield from claim.evidence


def _hidden_values(container: Container, decided: frozenset[str]) -> Iterator[str]:
    environments = (
        container.process.env,
        container.spec.env,
        *(entry.program.process.env for entry in container.programs),
    )
    for name, value in _values(environments):
        if variable(name, value, decided) != value and _is_hidden(name, value):
            yield value
            yield repr(value)[1:-1]
    yield from _given_values(container.spec.given, container.spec.image_reference)


def _given_values(given: Mapping[str, str], image: Traced[str | None] | None) -> Iterator[str]:
    """Yield what came from outside and is not for show; a report has to name the image."""
    reference = (image.value if image is not None else None) or ""
    for name, value in given.items():
        if open_name(name) or not _is_hidden(name, value):
            continue
        if value not in reference or speaks_of_secret(name):
            yield value
            yield repr(value)[1:-1]


def _is_hidden(name: str, value: str) -> bool:
    secret = speaks_of_secret(name) and len(value) >= _MIN_SECRET
    if not secret and (len(value) < _MIN_VALUE or _PATH_OR_NUMBER.match(value)):
        return False
    return shown("", value) != value  # a word that gives nothing away


def _values(environments: Sequence[Environment]) -> Iterator[tuple[str, str]]:
    for environment in environments:
        for name, entry in environment.entries.items():
            current: Traced[str | None] | None = entry
            while current is not None:
                if current.value is not None:
                    yield name, current.value
                current = current.replaced
