"""The policies we ship, wherever they lie, and a user's own by path."""

from pathlib import Path

from deployguard import files as disk
from deployguard.errors import InputError, PolicyError
from deployguard.formats import yaml
from deployguard.formats.checked import did_you_mean
from deployguard.model.evidence import Location
from deployguard.policy.document import Policy
from deployguard.policy.load import loads

DEFAULT = "production"
_SUFFIX = ".yaml"


def shipped() -> tuple[str, ...]:
    """Return the names of the policies we ship, the default first."""
    names = (entry.name for entry in _folder().iterdir() if entry.name.endswith(_SUFFIX))
    bare = (name.removesuffix(_SUFFIX) for name in names)
    return tuple(sorted(bare, key=lambda name: (name != DEFAULT, name)))


def find(name_or_path: str) -> tuple[bytes, str]:
    """Return a policy's text and how to call its file.

    A shipped name wins over a file of that name in the folder: write ./production for the file.
    Raises PolicyError where there is nothing to read.
    """
    names = shipped()
    if name_or_path in names:
        file = f"{name_or_path}{_SUFFIX}"
        return (_folder() / file).read_bytes(), file
    try:
        return disk.read(name_or_path, yaml.MAX_BYTES), name_or_path
    except InputError as error:
        shipped_hint = f"shipped are {', '.join(names)}"
        raise PolicyError(
            f"the policy cannot be read: {error.message}",
            location=Location(name_or_path),
            hint=did_you_mean(name_or_path, names)
            or (f"{error.hint}; {shipped_hint}" if error.hint else shipped_hint),
        ) from error


def load(name_or_path: str, rules: tuple[str, ...]) -> Policy:
    """Find and read a policy that may name `rules`; raises PolicyError with every mistake."""
    data, source = find(name_or_path)
    return loads(data, source, rules)


def _folder() -> Path:
    """Return where the policies lie: inside the package of a wheel, beside it in a checkout."""
    package = Path(__file__).parents[1]
    packaged = package / "policies"
    return packaged if packaged.is_dir() else package.with_name("policies")
