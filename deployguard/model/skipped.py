"""What lies in a folder and was not judged, and why: nothing is passed over in silence."""

from enum import StrEnum

from msgspec import Struct


class SkipReason(StrEnum):
    """Why something in a folder is not judged."""

    LIBRARIES = "libraries"  # folders of third-party code, caches and tools
    EXAMPLES = "examples"  # folders of examples, samples and test data
    DEVELOPMENT = "development"  # development containers, which are started on desks alone
    EXCLUDED = "excluded"  # what --exclude or the settings leave out
    TEMPLATE = "template"  # rendered by another program before it is applied
    NEITHER = "neither"  # YAML or JSON that is neither a compose file nor a manifest
    FRAGMENT = "fragment"  # parts that no project, chart or kustomization of the folder takes in
    NO_IMAGE = "no-image"  # archives that hold no image
    TOO_LARGE = "too-large"  # more than is read of a text
    LINK = "link"  # symbolic links: what they lead to is judged where it lies, or lies outside
    OTHER = "other"  # files of no form that is judged, counted and not named


class Skipped(Struct, frozen=True, order=True):
    """What is skipped for one reason: `paths` by name, as reached from the argument.

    `count` is how many they are, which is more than the names where too many share a reason. A
    folder counts as one: what lies in it is not looked at.
    """

    why: SkipReason
    count: int
    paths: tuple[str, ...] = ()
