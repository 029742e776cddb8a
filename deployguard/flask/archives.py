"""Python programs in archives (zipapp): their members as files below the archive's own path."""

import io
import posixpath

from deployguard.model.evidence import Location, Missing, Reason
from deployguard.model.filesystem import Content, Filesystem, Unread
from deployguard.python.files import Layered

# An archive may hold no more members than this, and unpack to no more bytes in all.
_MEMBERS = 2000
_BYTES = 16 * 1024 * 1024
_END = b"PK\x05\x06"  # begins the record at an archive's end


def zipped(files: Filesystem, path: str) -> bool:
    """Say whether a file is an archive that Python runs: its end says so, not its name."""
    content = files.read(path)
    if not isinstance(content, Content) or _END not in content.data:
        return False
    import zipfile  # noqa: PLC0415  (most programs are no archives)

    return zipfile.is_zipfile(io.BytesIO(content.data))


def unpacked(files: Layered, path: str) -> Missing | None:
    """Lay the members of an archive over the files; return why not, None where all are there."""
    import zipfile  # noqa: PLC0415  (likewise)

    content = files.read(path)
    if isinstance(content, Unread):
        return content.missing
    missing = Missing(Reason.PROGRAM, f"what the archive {path} holds")
    if not isinstance(content, Content):
        return missing
    try:
        with zipfile.ZipFile(io.BytesIO(content.data)) as archive:
            members = archive.infolist()
            if len(members) > _MEMBERS or sum(one.file_size for one in members) > _BYTES:
                return Missing(Reason.LIMIT, f"what the large archive {path} holds")
            left = _BYTES
            for member in members:
                if member.is_dir() or ".." in member.filename.split("/"):
                    continue
                with archive.open(member) as stream:
                    data = stream.read(left + 1)
                left -= len(data)
                if left < 0:
                    return Missing(Reason.LIMIT, f"what the large archive {path} holds")
                place = posixpath.normpath(posixpath.join(path, member.filename))
                location = Location(place, layer=content.location.layer)
                files.slots[place] = Content(data, location)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, OSError, EOFError):
        return missing
    return None
