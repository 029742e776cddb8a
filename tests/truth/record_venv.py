"""Record a virtual environment as the images of observed launches hold it.

`python -m tests.truth.record_venv FOLDER... > observed/PART-venvs.json.gz` writes, for each folder by
its name: console scripts, the names, versions, requirements and entry points of distributions, and
the markers of packages, empty as in a stripped image. Other files are left out.
"""

import gzip
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

_FIELDS = re.compile(r"(Metadata-Version|Name|Version|Requires-Dist): ")
_MARKERS = ("__init__.py", "__main__.py")


def record(folder: Path) -> dict[str, object]:
    """Return the name of the interpreter and the files by their paths; None stands for a binary."""
    site = next((folder / "lib").glob("python*/site-packages"))
    files = dict(sorted((*_commands(folder), *_distributions(folder, site))))
    return {"python": site.parent.name, "files": files}


def _commands(folder: Path) -> Iterator[tuple[str, str | None]]:
    for path in sorted((folder / "bin").iterdir()):
        if path.is_symlink() or path.name.lower().startswith(("activate", "python")):
            continue
        data = path.read_bytes()
        if data.startswith(b"\x7fELF"):
            yield f"bin/{path.name}", None
        elif data.startswith(b"#!") and b"python" in data.partition(b"\n")[0]:
            _, _, rest = data.decode().partition("\n")
            yield f"bin/{path.name}", f"#!/srv/venv/bin/python\n{rest}"


def _distributions(folder: Path, site: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(site.iterdir()):
        place = path.relative_to(folder).as_posix()
        if path.suffix == ".dist-info":
            yield f"{place}/METADATA", _metadata(path / "METADATA")
            for name in ("entry_points.txt", "top_level.txt"):
                if (path / name).exists():
                    yield f"{place}/{name}", (path / name).read_text(encoding="utf-8")
        elif path.suffix == ".py":
            yield place, ""
        else:
            for name in _MARKERS:
                if (path / name).exists():
                    yield f"{place}/{name}", ""


def _metadata(path: Path) -> str:
    head = path.read_text(encoding="utf-8").partition("\n\n")[0]
    return "".join(f"{line}\n" for line in head.splitlines() if _FIELDS.match(line))


if __name__ == "__main__":
    found = {Path(name).name: record(Path(name)) for name in sys.argv[1:]}
    text = json.dumps(found, sort_keys=True).encode()
    sys.stdout.buffer.write(gzip.compress(text, 9, mtime=0))
