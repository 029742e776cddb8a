"""Files of the user's disk: read whole or refused, never waited for and never guessed at."""

import errno
import os
import stat
from itertools import islice
from pathlib import Path

from deployguard.errors import (
    LimitError,
    NotFoundError,
    UnreadableError,
    UnsupportedError,
    nearest,
)
from deployguard.model.evidence import Location

_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG})
_LOOKED_AT = 5_000  # names of a folder, for one that is near
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def status(name: str, location: Location | None = None) -> os.stat_result:
    """Return what lies at a path, links followed.

    Raises NotFoundError with a near name where there is one, UnreadableError for what may not be
    looked at. `location` is where the path is written, else the path itself.
    """
    place = location or Location(name)
    try:
        return Path(name).stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        if os.path.islink(name):  # noqa: PTH114  (Path.is_symlink raises for some names)
            target = os.readlink(name)  # noqa: PTH115  (likewise)
            raise NotFoundError(
                f"{name} is a link to {target}, which is not there",
                location=place,
                hint="make the link anew or name the file itself",
            ) from error
        raise NotFoundError(
            f"there is no file or folder {name}", location=place, hint=_near(Path(name))
        ) from error
    except OSError as error:
        raise _unreadable(name, error, place) from error
    except ValueError as error:  # by pathlib
        raise NotFoundError(
            f"{name} is no path: it holds a NUL character", location=place, hint="check the path"
        ) from error


def exists(path: Path) -> bool:
    """Return whether there is something at a path; what may not be looked at is there."""
    try:
        path.stat()
    except OSError as error:
        return error.errno not in _ABSENT
    except ValueError:  # no path at all
        return False
    return True


def is_folder(path: Path) -> bool:
    """Return whether there is a folder at a path that may be looked at."""
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def read(name: str, limit: int, location: Location | None = None) -> bytes:
    """Return a file's whole content. Raises InputError for what is no file, or not readable.

    A pipe or a device is refused before it is opened: reading one may wait for ever, and opening
    one may set something off. LimitError says that there are more than `limit` bytes.
    """
    place = location or Location(name)
    data = head(name, limit + 1, location)
    if len(data) > limit:
        raise LimitError(
            f"{name} has more than {limit // 1024 // 1024} MiB",
            location=place,
            hint="split it into several files",
        )
    return data


def head(name: str, size: int, location: Location | None = None) -> bytes:
    """Return the first bytes of a file; raises as `read` does."""
    place = location or Location(name)
    regular(name, location)
    try:
        # Without waiting, should it have become a pipe since.
        opened = os.open(name, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(opened, "rb") as file:
            return file.read(size)
    except OSError as error:
        raise _unreadable(name, error, place) from error


def regular(name: str, location: Location | None = None) -> None:
    """Return where a path is a plain file; raises UnsupportedError for another kind of thing."""
    mode = status(name, location).st_mode
    if stat.S_ISREG(mode):
        return
    kind = next((word for is_kind, word in _KINDS if is_kind(mode)), "no plain file")
    raise UnsupportedError(
        f"{name} is {kind}, not a file",
        location=location or Location(name),
        hint="name a file in it, or the folder without a prefix"
        if stat.S_ISDIR(mode)
        else "name a file; what comes through a pipe is read as standard input, as in k8s:-",
    )


def _unreadable(name: str, error: OSError, place: Location) -> UnreadableError:
    if error.errno == errno.ELOOP:
        return UnreadableError(
            f"{name} is a link that leads back to itself",
            location=place,
            hint="remove the link or name the file itself",
        )
    return UnreadableError(
        f"cannot read {name}: {error.strerror or type(error).__name__}",
        location=place,
        hint="check the path, its permissions and those of the folders above it",
    )


def _near(path: Path) -> str:
    """Return a hint at a name beside the missing one that is like it."""
    try:
        names = [child.name for child in islice(path.parent.iterdir(), _LOOKED_AT)]
    except (OSError, ValueError):
        return "check the path and the folder you stand in"
    close = nearest(path.name, names, likeness=0.7)
    if close is None:
        return "check the path and the folder you stand in"
    return f"did you mean {path.parent / close}?"
