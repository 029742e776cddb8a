"""The texts of a scan: each file is opened once, whoever asks for it."""

from collections.abc import Callable

from msgspec import Struct, field

from deployguard import files
from deployguard.errors import InputError

FILE_LIMIT = 64 * 1024 * 1024  # bigger inputs are no manifests; the YAML reader's own limit is less


class Sources(Struct, eq=False):
    """Reads files of the user's disk and keeps what will be asked for again.

    `open` is how a file is read: given a name and a limit, it raises InputError where it cannot be.
    """

    open: Callable[[str, int], bytes] = files.read
    _kept: dict[str, bytes | InputError] = field(default_factory=dict)

    def read(self, name: str) -> bytes:
        """Return a file's whole content, from memory where it was read before."""
        found = self._kept.get(name)
        if found is None:
            try:
                found = self.open(name, FILE_LIMIT)
            except InputError as error:
                found = error
            self._kept[name] = found
        if isinstance(found, InputError):
            raise found
        return found

    def head(self, name: str, size: int) -> bytes:
        """Return the first bytes of a file that is read by somebody else."""
        return files.head(name, size)

    def drop(self, name: str) -> None:
        """Forget a file that nobody will ask for."""
        self._kept.pop(name, None)

    def clear(self) -> None:
        """Forget all files."""
        self._kept.clear()
