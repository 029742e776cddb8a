"""What is known, from where, and what would have to be known.

A value read from outside is `Traced`; an answer is a `Claim`. The report's chains of evidence are
read off these two and built nowhere else.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Generic, TypeVar

from msgspec import Struct

T_co = TypeVar("T_co", covariant=True)

# What ends the label of a text that was rendered from templates, in place of a file's name.
RENDERED = " (rendered)"


class Answer(StrEnum):
    """What analysis says: never a guess."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Location(Struct, frozen=True, order=True):
    """A place in an input.

    `file` is the path as reached from the argument, or the absolute path inside an image, or a
    label such as "image config". Lines and columns count from 1. `pointer` is a JSON pointer
    (RFC 6901), `image` the reference of the image the place lies in, `layer` its diff_id.
    """

    file: str
    line: int | None = None
    column: int | None = None
    pointer: str | None = None
    image: str | None = None
    layer: str | None = None

    @property
    def is_rendered(self) -> bool:
        """Return whether the place is one of a rendered text, which lies in no file."""
        return self.file.endswith(RENDERED)


class Reason(StrEnum):
    """Why something is not known: the closed list of what can stand behind `missing`.

    What supplies it stands beside each, and as a sentence in the report (`WAYS_OUT`). A test fails
    for a member that no input yields.
    """

    # An image that was not read; supplied by a name that can be told, a build, or the image itself.
    IMAGE = "image"
    # An image that was not to be looked up; supplied by --images, or by the image as a target.
    IMAGE_NOT_LOOKED_UP = "image-not-looked-up"
    # An image that no engine has; supplied by pulling or building it.
    IMAGE_NOT_FOUND = "image-not-found"
    # An image of an engine that cannot be asked, or that cannot be read there; supplied by access.
    IMAGE_NO_ACCESS = "image-no-access"
    # A file that was not read; supplied by the file, or by the name of the one that is meant.
    FILE = "file"
    # Files that a volume brings; supplied where they lie, or by files of the image instead.
    MOUNT = "mount"
    # A file that is not the text that it must be; supplied by correcting it.
    TEXT = "text"
    # The value of an environment variable; supplied by --env, --env-file, or in the file itself.
    VARIABLE = "variable"
    # A ConfigMap that is not in the input; supplied by its manifest in the same scan.
    CONFIG_MAP = "config-map"
    # A key that a ConfigMap of the input lacks, or holds no text under; supplied by adding it.
    CONFIG_MAP_KEY = "config-map-key"
    # What a Secret holds, which is never read; supplied by a value that is no secret.
    SECRET = "secret"  # noqa: S105  (the Kubernetes kind)
    # A Kubernetes downward API field; supplied by a fixed value, as the running cluster sets it.
    FIELD = "field"
    # What the running container alone knows, such as its host's name; supplied by a fixed value.
    RUNNING = "running"
    # What is typed or piped in; supplied by words of the command or variables instead.
    INPUT = "input"
    # The version of a library; supplied by an image in which it is installed.
    VERSION = "version"
    # What a command outside the known ones does or prints; supplied by doing without it.
    COMMAND = "command"
    # What a shell script does; supplied by a plain exec line.
    SCRIPT = "script"
    # What Python source does; supplied by plain values in the source.
    SOURCE = "source"
    # What a library whose source is not at hand does; supplied by its source.
    LIBRARY = "library"
    # What a binary or a server does; supplied by a server that is known.
    PROGRAM = "program"
    # The address and port that a server listens on; supplied where it is started.
    ADDRESS = "address"
    # A limit of ours was reached; supplied by a smaller input.
    LIMIT = "limit"
    # What a Dockerfile's RUN left behind; supplied by the built image.
    RUN = "run"
    # Who reaches what is attached to a network; supplied by a network that Docker itself makes.
    NETWORK = "network"
    # A Kubernetes object that another one refers to; supplied by its manifest in the same scan.
    OBJECT = "object"
    # With which others, and in which namespace, manifests are applied; supplied by naming it.
    DEPLOYMENT = "deployment"


class Missing(Struct, frozen=True, order=True):
    """What would settle an answer: `what` names it for a reader, as in "the image acme/shop:1"."""

    reason: Reason
    what: str


class Evidence(Struct, frozen=True):
    """One step of a chain: at this place stands what the note says."""

    location: Location
    note: str


class Traced(Struct, Generic[T_co], frozen=True):
    """A value and where it came from.

    `replaced` is what stood there before a stronger source set it. A value that is set but cannot
    be seen is `Traced[... | None]` with value None and `missing` saying what would show it.
    """

    value: T_co
    location: Location
    replaced: "Traced[T_co] | None" = None
    missing: tuple[Missing, ...] = ()


class Claim(Struct, frozen=True):
    """An answer with its evidence, in the order in which it convinces.

    A settled claim has an empty `missing`; an unknown one names what would settle it. `suspected`
    marks an unknown answer for which something of the matter is at hand (a variable is set, a
    program of that kind starts): such a claim becomes a finding of its own rule, the others become
    one DG107.
    """

    answer: Answer
    evidence: tuple[Evidence, ...] = ()
    missing: tuple[Missing, ...] = ()
    suspected: bool = False


def yes(*evidence: Evidence) -> Claim:
    """Claim that it is so."""
    return Claim(Answer.YES, evidence)


def no(*evidence: Evidence) -> Claim:
    """Claim that it is not so."""
    return Claim(Answer.NO, evidence)


def unknown(
    missing: Missing | Iterable[Missing], *evidence: Evidence, suspected: bool = False
) -> Claim:
    """Say that it cannot be told without `missing`."""
    names = (missing,) if isinstance(missing, Missing) else distinct(missing)
    return Claim(Answer.UNKNOWN, evidence, names, suspected=suspected)


def distinct(missing: Iterable[Missing]) -> tuple[Missing, ...]:
    """Return each thing once, in the order of first mention."""
    return tuple(dict.fromkeys(missing))


def _joined(claims: Iterable[Claim], answer: Answer) -> Claim:
    chosen = [claim for claim in claims if claim.answer is answer]
    evidence = dict.fromkeys(step for claim in chosen for step in claim.evidence)
    return Claim(
        answer,
        tuple(evidence),
        distinct(name for claim in chosen for name in claim.missing),
        suspected=any(claim.suspected for claim in chosen),
    )


def all_of(*claims: Claim) -> Claim:
    """Return whether all hold: one no settles it, then one unknown leaves it open."""
    answers = {claim.answer for claim in claims}
    for answer in (Answer.NO, Answer.UNKNOWN):
        if answer in answers:
            return _joined(claims, answer)
    return _joined(claims, Answer.YES)


def any_of(*claims: Claim) -> Claim:
    """Return whether one holds: one yes settles it, then one unknown leaves it open."""
    answers = {claim.answer for claim in claims}
    for answer in (Answer.YES, Answer.UNKNOWN):
        if answer in answers:
            return _joined(claims, answer)
    return _joined(claims, Answer.NO)


def negate(claim: Claim) -> Claim:
    """Return the opposite claim on the same evidence."""
    opposite = {Answer.YES: Answer.NO, Answer.NO: Answer.YES, Answer.UNKNOWN: Answer.UNKNOWN}
    return Claim(opposite[claim.answer], claim.evidence, claim.missing, suspected=claim.suspected)
