"""Real images of Flask launches, built on bases made of Debian's packages: nothing is pulled."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from docker import DockerClient
from docker.errors import ImageNotFound

from tests.support.components import CACHE, missing

REPOSITORY = "dgtest"
BASES = {
    "flask3": ("flask==3.1.0", "werkzeug==3.1.3", "click==8.1.7", "gunicorn==23.0.0",
               "python-dotenv==1.0.1"),
    "flask22": ("flask==2.2.5", "werkzeug==2.2.3", "click==8.1.7", "gunicorn==23.0.0",
                "python-dotenv==1.0.1"),
}  # fmt: skip
_PACKAGES = [
    "libc6",
    "zlib1g",
    "libbz2-1.0",
    "liblzma5",
    "libffi8",
    "libssl3",
    "libexpat1",
    "libsqlite3-0",
    "libuuid1",
    "libcrypt1",
    "libtinfo6",
    "libncursesw6",
    "libreadline8",
    "libdb5.3",
    "libnsl2",
    "libtirpc3",
    "libgssapi-krb5-2",
    "libkrb5-3",
    "libk5crypto3",
    "libkrb5support0",
    "libkeyutils1",
    "libcom-err2",
    "python3.11-minimal",
    "python3.11",
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "busybox-static",
]
_SITE = "usr/local/lib/python3.11/dist-packages"
_COMMANDS = {"flask": ("flask.cli", "main"), "gunicorn": ("gunicorn.app.wsgiapp", "run")}
_TOOLS = ("sh", "cat", "rm", "ln", "mkdir", "cp", "env", "sleep", "ls", "chmod")

APP = """\
from flask import Flask
app = Flask(__name__)


@app.route("/")
def index():
    return "hello"


@app.route("/boom")
def boom():
    return str(1 / 0)
"""
ENTRY = """\
#!/bin/sh
set -e
if [ "${APP_ENV:-prod}" = "dev" ]; then
    exec flask run --debug --host=0.0.0.0
fi
exec "$@"
"""
PUBLIC = '["flask", "run", "--host=0.0.0.0"]'
GUNICORN = '["gunicorn", "-b", "0.0.0.0:5000", "app:app"]'


@dataclass(frozen=True)
class Fixture:
    """One image: the Dockerfile below `FROM base`, and the files of its context.

    `settled` says that the analyser must know the answers; else it may say unknown.
    """

    name: str
    steps: str
    files: Mapping[str, str] = field(default_factory=lambda: {"app.py": APP})
    base: str = "flask3"
    settled: bool = True
    port: int = 5000


def _main(arguments: str) -> dict[str, str]:
    return {"app.py": f"{APP}\n\nif __name__ == '__main__':\n    app.run({arguments})\n"}


FIXTURES = (
    Fixture("run-variable", f"ENV FLASK_DEBUG=1\nCMD {PUBLIC}"),
    Fixture("run-option", 'CMD ["flask", "--app", "app", "run", "--debug", "-h", "0.0.0.0"]'),
    Fixture("run-plain", f"CMD {PUBLIC}"),
    Fixture("run-loopback", 'ENV FLASK_DEBUG=1\nCMD ["flask", "run"]'),
    Fixture("run-no-debugger", f"ENV FLASK_DEBUG=1 FLASK_RUN_DEBUGGER=0\nCMD {PUBLIC}"),
    Fixture("module", 'ENV FLASK_DEBUG=yes\nCMD ["python3", "-m", "flask", "run"]'),
    Fixture("app-run", 'CMD ["python3", "app.py"]', _main("host='0.0.0.0', debug=True")),
    Fixture("app-run-off", 'CMD ["python3", "app.py"]', _main("host='0.0.0.0'")),
    Fixture(
        "app-run-variable",
        'ENV DEBUG=1\nCMD ["python3", "app.py"]',
        {"app.py": "import os\n" + _main("debug=os.environ.get('DEBUG') == '1'")["app.py"]},
    ),
    Fixture(
        "run-simple",
        'CMD ["python3", "-u", "app.py"]',
        {"app.py": APP + "from werkzeug.serving import run_simple\n"
                   "run_simple('0.0.0.0', 5000, app, use_debugger=True)\n"},
    ),
    Fixture("gunicorn", f"CMD {GUNICORN}"),
    Fixture("gunicorn-variable", f"ENV FLASK_DEBUG=1\nCMD {GUNICORN}"),
    Fixture(
        "gunicorn-debugged",
        f"CMD {GUNICORN}",
        {"app.py": APP + "from werkzeug.debug import DebuggedApplication\n"
                   "app.wsgi_app = DebuggedApplication(app.wsgi_app, evalex=True)\n"},
    ),
    Fixture("shell-form", "ENV FLASK_DEBUG=1\nCMD flask run --host=0.0.0.0"),
    Fixture(
        "entry-prod",
        f'COPY entry.sh /entry.sh\nENTRYPOINT ["/entry.sh"]\nCMD {GUNICORN}',
        {"app.py": APP, "entry.sh": ENTRY},
    ),
    Fixture(
        "entry-dev",
        f'ENV APP_ENV=dev\nCOPY entry.sh /entry.sh\nENTRYPOINT ["/entry.sh"]\nCMD {GUNICORN}',
        {"app.py": APP, "entry.sh": ENTRY},
    ),
    Fixture("flaskenv", f"CMD {PUBLIC}", {"app.py": APP, ".flaskenv": "FLASK_DEBUG=1\n"}),
    Fixture(
        "flaskenv-whiteout",
        f"RUN rm .flaskenv\nCMD {PUBLIC}",
        {"app.py": APP, ".flaskenv": "FLASK_DEBUG=1\n"},
    ),
    Fixture(
        "flaskenv-link",
        f"RUN ln settings.env .flaskenv && ln -s /app /srv/www\nWORKDIR /srv/www\nCMD {PUBLIC}",
        {"app.py": APP, "settings.env": "FLASK_DEBUG=1\n"},
    ),
    Fixture(
        "flaskenv-unread",
        f"RUN rm -rf /{_SITE}/dotenv /{_SITE}/python_dotenv-1.0.1.dist-info\nCMD {PUBLIC}",
        {"app.py": APP, ".flaskenv": "FLASK_DEBUG=1\n"},
    ),
    Fixture("flask-env", f"ENV FLASK_ENV=development\nCMD {PUBLIC}"),
    Fixture("flask-env-22", f"ENV FLASK_ENV=development\nCMD {PUBLIC}", base="flask22"),
)  # fmt: skip


def ensure(engine: DockerClient, fixture: Fixture) -> str:
    """Build a fixture if the engine does not have it as it is now; return its reference."""
    base = _base(engine, fixture.base)
    dockerfile = f"FROM {base}\nWORKDIR /app\nCOPY . .\n{fixture.steps}\n"
    context = _context(dockerfile, fixture.files)
    reference = f"{REPOSITORY}/{fixture.name}:{hashlib.sha256(context).hexdigest()[:12]}"
    try:
        engine.images.get(reference)
    except ImageNotFound:
        # The classic builder through the API; no network is there to be used.
        engine.images.build(
            fileobj=io.BytesIO(context),
            custom_context=True,
            tag=reference,
            rm=True,
            forcerm=True,
            network_mode="none",
        )
    return reference


def _context(dockerfile: str, files: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    ignore = "Dockerfile\n.dockerignore\n"
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, text in {"Dockerfile": dockerfile, ".dockerignore": ignore, **files}.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(text.encode()), 0o755 if name.endswith(".sh") else 0o644
            tar.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


def _base(engine: DockerClient, name: str) -> str:
    """Import a base of Debian's Python and pinned packages, made once and kept in the cache."""
    recipe = hashlib.sha256(repr((_PACKAGES, BASES[name], _TOOLS)).encode()).hexdigest()[:12]
    reference = f"{REPOSITORY}/base-{name}:{recipe}"
    try:
        engine.images.get(reference)
    except ImageNotFound:
        archive = CACHE / f"base-{name}-{recipe}.tar"
        if not archive.exists():
            _make_base(BASES[name], archive)
        changes = ["ENV PATH=/usr/local/bin:/usr/bin:/bin", "ENV LANG=C.UTF-8",
                   "ENV PYTHONDONTWRITEBYTECODE=1"]  # fmt: skip
        with archive.open("rb") as file:
            engine.api.import_image_from_data(
                file, repository=reference.rpartition(":")[0], tag=recipe, changes=changes
            )
    return reference


def _make_base(requirements: tuple[str, ...], archive: Path) -> None:
    for tool in ("apt-get", "dpkg-deb", "ldconfig"):
        if shutil.which(tool) is None and not Path("/sbin", tool).exists():
            missing(f"base images are made with {tool}")
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "root")
        _skeleton(root)
        _debian(root, Path(folder, "debs"))
        _site(root, requirements)
        subprocess.run(["/sbin/ldconfig", "-r", str(root)], check=True)
        partial = archive.with_suffix(f".{os.getpid()}")
        subprocess.run(
            ["tar", "-C", str(root), "--sort=name", "--mtime=@1700000000", "--owner=0",
             "--group=0", "--numeric-owner", "-cf", str(partial), "."],
            check=True,
        )  # fmt: skip
        partial.rename(archive)


def _skeleton(root: Path) -> None:
    for name in ("usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "usr/local/bin", "etc", "tmp",
                 "root", "var/tmp", "proc", "sys", "dev", "run", "srv"):  # fmt: skip
        (root / name).mkdir(parents=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
    (root / "tmp").chmod(0o1777)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")


def _debian(root: Path, folder: Path) -> None:
    folder.mkdir()
    subprocess.run(
        ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", *_PACKAGES],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    for package in sorted(folder.glob("*.deb")):
        # Through tar, so that /bin and /lib stay the links they are.
        with subprocess.Popen(
            ["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE
        ) as unpacked:
            subprocess.run(
                ["tar", "-C", str(root), "--keep-directory-symlink", "-xf", "-"],
                stdin=unpacked.stdout,
                check=True,
            )
    for tool in _TOOLS:
        path = root / "usr/bin" / tool
        path.unlink(missing_ok=True)
        path.symlink_to("busybox")
    (root / "usr/bin/python3").unlink(missing_ok=True)
    (root / "usr/bin/python3").symlink_to("python3.11")
    shutil.rmtree(root / "usr/share/doc", ignore_errors=True)


def _site(root: Path, requirements: tuple[str, ...]) -> None:
    site = root / _SITE
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile",
         "--python-version", "3.11", "--only-binary=:all:", "--platform", "manylinux2014_x86_64",
         "--target", str(site), *requirements],
        check=True,
        capture_output=True,
    )  # fmt: skip
    shutil.rmtree(site / "bin", ignore_errors=True)
    for name, (module, function) in _COMMANDS.items():
        script = root / "usr/local/bin" / name
        script.write_text(
            f"#!/usr/bin/python3.11\nimport sys\nfrom {module} import {function}\n"
            f"if __name__ == '__main__':\n    sys.exit({function}())\n"
        )
        script.chmod(0o755)


_PROBE = """
import http.client, json, sys, time
port, deadline = int(sys.argv[1]), time.time() + float(sys.argv[2])

def listeners():
    found = []
    for name in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in open(name).read().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A":
                address, number = words[1].split(":")
                found.append([int(number, 16), address.endswith("0100007F")])
    return found

def get(path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3)
    connection.request("GET", path, headers={"Host": "127.0.0.1"})
    answer = connection.getresponse()
    return answer.getheader("Server") or "", answer.read(200000)

while True:
    try:
        server, _ = get("/")
        break
    except OSError:
        if time.time() > deadline:
            print(json.dumps({"up": False}))
            sys.exit()
        time.sleep(0.1)
_, script = get("/?__debugger__=yes&cmd=resource&f=debugger.js")
print(json.dumps({"up": True, "dev_server": server.startswith("Werkzeug"),
                  "debugger": b"EVALEX" in script,
                  "beyond": any(number == port and not loopback
                                for number, loopback in listeners())}))
"""


def probe(engine: DockerClient, reference: str, port: int) -> dict[str, Any]:
    """Run an image in isolation and say what came up; nothing of it stays behind."""
    limits: dict[str, Any] = {
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "pids_limit": 64,
        "mem_limit": "256m",
    }
    container = engine.containers.create(
        reference,
        network_mode="none",
        tmpfs={"/tmp": "size=16m,mode=1777"},  # noqa: S108  (inside of the container)
        **limits,
    )
    try:
        container.start()
        base = _base(engine, "flask3")
        output = engine.containers.run(
            base,
            ["python3", "-c", _PROBE, str(port), "20"],
            network_mode=f"container:{container.id}",
            remove=True,
            **limits,
        )
        found: dict[str, Any] = json.loads(output.decode().strip().splitlines()[-1])
        return found
    finally:
        container.remove(force=True, v=True)
