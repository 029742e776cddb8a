"""Observed launches as container images: OCI archives made without an engine.

An image holds WORKDIR /srv/app/CWD, the case's variables and command, its files under /srv/app, and
its virtual environment under /srv/venv: console scripts, metadata of the distributions, and empty
package files, as in a stripped image. Binaries are stand-ins that begin as ELF files do.
"""

import base64
import gzip
import hashlib
import io
import json
import os
import posixpath
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ELF = b"\x7fELF\x02\x01\x01" + bytes(57)
PATH = "/srv/venv/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
_BIN = (
    "sh bash dash env python3 nice nohup timeout stdbuf setsid flock script xargs su runuser "
    "setpriv make tini dumb-init cat sleep true false test mkdir rm cp mv ln ls chmod chown touch "
    "head id hostname uname basename dirname printf echo sed awk tr cut sort curl nc grep openssl "
    "perl find tail date node busybox taskset chrt ionice numactl unshare prlimit chpst envdir "
    "setuidgid softlimit runsvdir"
)
USERS = "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33::/var/www:/usr/sbin/nologin\n"
BINARIES = (*(f"usr/bin/{name}" for name in _BIN.split()), "usr/sbin/gosu", "usr/sbin/chroot")
# npm is a program of Node, which starts what a package.json says.
NPM = b"#!/usr/bin/env node\n"


@dataclass(frozen=True)
class Entry:
    """One file of a layer."""

    data: bytes = b""
    mode: int = 0o644
    link: str | None = None


@dataclass(frozen=True)
class Case:
    """One observed launch; `row` is the line of the file."""

    id: str
    row: Mapping[str, Any] = field(repr=False)

    @property
    def debugger(self) -> bool:
        """Return whether the debugger middleware answered."""
        return bool(self.row["unsafe"])

    @property
    def dev_server(self) -> bool:
        """Return whether Werkzeug's development server answered."""
        return bool(self.row["truth"].get("dev_server"))

    @property
    def pin_off(self) -> bool | None:
        """Return whether the debugger asked for no PIN, None where there was none to ask."""
        pin = self.row["truth"].get("pin")
        return None if not self.debugger or pin is None else pin != "required"

    @property
    def interactive(self) -> bool | None:
        """Return whether the debugger had a console, None where there was no debugger."""
        truth = self.row["truth"]
        return bool(truth.get("evalex") or truth.get("console")) if self.debugger else None

    @property
    def beyond(self) -> bool:
        """Return whether the unsafe (else any) listener was not on loopback alone."""
        return bool(self.row["exposed"])


def cases(name: str = "*") -> Iterator[Case]:
    """Return every observed launch: those that the first models rest on, then the later ones.

    `name` is a pattern of the files' names: "cases" are the first.
    """
    later = sorted((HERE / "observed").glob("*.jsonl"))
    for path in filter(lambda path: path.match(f"{name}.jsonl"), (HERE / "cases.jsonl", *later)):
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                yield Case(row["id"], row)


@cache
def _venvs() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in (HERE / "venvs.json.gz", *sorted((HERE / "observed").glob("*.json.gz"))):
        found |= json.loads(gzip.decompress(path.read_bytes()))
    return found


def base_files(name: str) -> dict[str, Entry]:
    """Return the files below the application: a system and a virtual environment."""
    venv = _venvs()[name]
    files = {folder: Entry(link=f"usr/{folder}", mode=0o777) for folder in ("bin", "sbin", "lib")}
    files |= {binary: Entry(ELF, 0o755) for binary in BINARIES}
    files["usr/bin/npm"] = Entry(NPM, 0o755)
    files["etc/passwd"] = Entry(USERS.encode())
    for python in ("python", venv["python"].partition(".")[0], venv["python"]):
        files[f"srv/venv/bin/{python}"] = Entry(ELF, 0o755)
    files["srv/venv/pyvenv.cfg"] = Entry(b"home = /usr/bin\ninclude-system-site-packages = false\n")
    for path, text in sorted(venv["files"].items()):
        mode = 0o755 if path.startswith("bin/") else 0o644
        files[f"srv/venv/{path}"] = Entry(ELF if text is None else text.encode(), mode)
    return files


def app_files(case: Case) -> dict[str, Entry]:
    """Return the case's own files, prepared by its own shell line where it has one."""
    files: dict[str, Entry] = {}
    for name, given in case.row["files"].items():
        spec = {"text": given} if isinstance(given, str) else given
        path = posixpath.normpath(posixpath.join("/srv/app", name)).lstrip("/")
        if "link" in spec:
            files[path] = Entry(mode=0o777, link=spec["link"])
        else:
            data = base64.b64decode(spec["b64"]) if "b64" in spec else spec["text"].encode()
            mode = int(spec.get("mode", "755" if path.endswith(".sh") else "644"), 8)
            files[path] = Entry(data, mode)
    return _prepared(case, files) if case.row.get("prep") else files


def _prepared(case: Case, files: Mapping[str, Entry]) -> dict[str, Entry]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name, entry in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if entry.link is not None:
                path.symlink_to(entry.link)
            else:
                path.write_bytes(entry.data)
                path.chmod(entry.mode)
        cwd = root / "srv/app" / case.row.get("cwd", ".")
        cwd.mkdir(parents=True, exist_ok=True)
        # Its `python` is the one that runs the tests: Debian has none of that name.
        own = posixpath.dirname(sys.executable)
        subprocess.run(
            ["/bin/sh", "-c", case.row["prep"]],
            cwd=cwd,
            check=True,
            capture_output=True,
            env={**os.environ, "PATH": f"{own}:{os.environ.get('PATH', PATH)}"},
        )
        return {
            str(path.relative_to(root)): Entry(path.read_bytes(), path.stat().st_mode & 0o777)
            for path in sorted(root.rglob("*"))
            if path.is_file()
        }


def layer(files: Mapping[str, Entry]) -> bytes:
    """Return a layer of files by their paths below the root."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path, entry in files.items():
            _add(tar, path, entry)
    return buffer.getvalue()


def _add(tar: tarfile.TarFile, path: str, entry: Entry) -> None:
    info = tarfile.TarInfo(path)
    info.mtime, info.mode = 1_700_000_000, entry.mode
    if entry.link is not None:
        info.type, info.linkname = tarfile.SYMTYPE, entry.link
        tar.addfile(info)
    else:
        info.size = len(entry.data)
        tar.addfile(info, io.BytesIO(entry.data))


@cache
def _base_layer(venv: str) -> tuple[str, bytes]:
    raw = layer(base_files(venv))
    return _sha256(raw), gzip.compress(raw, 6, mtime=0)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def archive(case: Case) -> bytes:
    """Return the case as an OCI archive."""
    row = case.row
    base_diff, base = _base_layer(row["venv"])
    app = layer(app_files(case))
    env = {"PATH": PATH, "HOME": "/srv/home", "LANG": "C.UTF-8"} | row["env"]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{base_diff}", f"sha256:{_sha256(app)}"]},
        "config": {
            "Env": [f"{name}={value}" for name, value in env.items()],
            "Cmd": row["argv"],
            "WorkingDir": posixpath.normpath(posixpath.join("/srv/app", row.get("cwd", "."))),
        },
    }
    blobs: dict[str, bytes] = {}

    def put(data: bytes, media: str) -> dict[str, Any]:
        blobs[_sha256(data)] = data
        return {"mediaType": media, "digest": f"sha256:{_sha256(data)}", "size": len(data)}

    media = "application/vnd.oci.image."
    layers = [
        put(base, f"{media}layer.v1.tar+gzip"),
        put(gzip.compress(app, 6, mtime=0), f"{media}layer.v1.tar+gzip"),
    ]
    manifest = put(
        json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": f"{media}manifest.v1+json",
                "config": put(json.dumps(config).encode(), f"{media}config.v1+json"),
                "layers": layers,
            }
        ).encode(),
        f"{media}manifest.v1+json",
    )
    tag = re.sub(r"[^A-Za-z0-9_.-]", "_", case.id)
    manifest["annotations"] = {"org.opencontainers.image.ref.name": f"case:{tag}"}
    index = {
        "schemaVersion": 2,
        "mediaType": f"{media}index.v1+json",
        "manifests": [manifest],
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        _add(tar, "oci-layout", Entry(b'{"imageLayoutVersion":"1.0.0"}'))
        _add(tar, "index.json", Entry(json.dumps(index).encode()))
        for digest, data in blobs.items():
            _add(tar, f"blobs/sha256/{digest}", Entry(data))
    return buffer.getvalue()
