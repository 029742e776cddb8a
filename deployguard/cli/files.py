"""Files that reports are written to: each is whole, or as it was."""

import errno
import os
from pathlib import Path

# Of a folder that takes no further file, or a file that cannot be moved over, such as one that is
# mounted into a container by itself.
_IN_PLACE = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY, errno.EXDEV})


def write(path: str, text: str) -> None:
    """Write a text so that nobody finds half of it. Raises OSError, and then leaves none.

    It is written beside its place and moved there. A device or a pipe is written as it is.
    """
    data = text.encode("utf-8", "backslashreplace")
    whole = os.path.abspath(path)  # noqa: PTH100  (a link is followed below, and not in /dev)
    there = Path(path).exists()
    if whole.startswith(("/dev/", "/proc/")) or (there and not Path(path).is_file()):
        Path(path).write_bytes(data)
        return
    # Through links: what they lead to is written, and they stay.
    target = Path(os.path.realpath(path))
    try:
        _beside(target, data)
    except OSError as error:
        if not there or error.errno not in _IN_PLACE:
            raise
        _in_place(target, data)


def _beside(target: Path, data: bytes) -> None:
    partial = target.with_name(f".deployguard-{os.urandom(8).hex()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            # Some systems say only now that the disk is full.
            os.fsync(descriptor)
        if target.exists():
            partial.chmod(target.stat().st_mode & 0o7777)
        partial.replace(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _in_place(target: Path, data: bytes) -> None:
    with target.open("r+b") as file:
        file.truncate()
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            os.ftruncate(file.fileno(), 0)
            raise
