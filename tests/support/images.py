"""Real images of Flask launches, built on bases made of Debian's packages: nothing is pulled."""

import hashlib
import io
import json
import os
import re
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
_FLASK3 = ("flask==3.1.0", "werkzeug==3.1.3", "click==8.1.7", "gunicorn==23.0.0",
           "python-dotenv==1.0.1", "waitress==3.0.2")  # fmt: skip
_FLASK22 = ("flask==2.2.5", "werkzeug==2.2.3", "click==8.1.7", "gunicorn==23.0.0",
            "python-dotenv==1.0.1")  # fmt: skip
_PYTHON = (
    "libc6", "zlib1g", "libbz2-1.0", "liblzma5", "libffi8", "libssl3", "libexpat1", "libuuid1",
    "libcrypt1", "python3.11-minimal", "python3.11", "libpython3.11-minimal",
    "libpython3.11-stdlib", "busybox-static",
)  # fmt: skip
# Debian's servers with the shells and tools that the entry scripts of their images use.
_SERVICES = (
    "libc6", "libtinfo6", "dash", "bash", "coreutils", "findutils", "sed", "grep", "mawk", "gosu",
    "nginx", "nginx-common", "postgresql-15", "postgresql-client-15", "redis-server", "redis-tools",
)  # fmt: skip
_SLIM = (
    "libtinfo6", "dash", "bash", "coreutils", "findutils", "sed", "grep", "tar", "gzip", "mawk",
    "libgcc-s1",
    "passwd", "libpam0g", "libaudit1", "libcap-ng0", "libselinux1", "libpcre2-8-0",
    "libsemanage2", "libsepol2", "libacl1", "libattr1", "libgmp10", "libpam-modules",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Base:
    """A base image: Debian packages with their database, Python packages, busybox by its links."""

    packages: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    busybox: bool = True


BASES: Mapping[str, Base] = {
    "flask3": Base(packages=_PYTHON, requirements=_FLASK3),
    "flask22": Base(packages=_PYTHON, requirements=_FLASK22),
    # For an image without a shell, and for what is needed to make one.
    "python": Base(packages=_PYTHON[:-1], busybox=False),
    "build": Base(
        packages=(
            *_PYTHON,
            "python3-pip",
            "python3-wheel",
            "python3-setuptools",
            "python3-pkg-resources",
            "python3-distutils",
        )
    ),
    "tiny": Base(packages=("busybox-static",)),
    # What the steps of Dockerfiles use: the shells and tools of a slim Debian.
    "slim": Base(packages=(*_PYTHON[:-1], "python3.11-venv", *_SLIM), busybox=False),
    "services": Base(packages=_SERVICES, busybox=False),
    "services-python": Base(
        packages=(*_SERVICES, *_PYTHON[1:-1]), requirements=_FLASK3, busybox=False
    ),
}
_SITE = "usr/local/lib/python3.11/dist-packages"
_COMMANDS = {
    "flask": ("flask.cli", "main"),
    "gunicorn": ("gunicorn.app.wsgiapp", "run"),
    "waitress-serve": ("waitress.runner", "run"),
}
_TOOLS = ("sh", "cat", "rm", "ln", "mkdir", "cp", "env", "sleep", "ls", "chmod", "sed", "nc")
# What no test runs or reads: it would be copied, packed and hashed for every image.
_UNUSED = (
    "usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/i18n", "usr/share/info",
    "usr/lib/x86_64-linux-gnu/gconv", "usr/lib/postgresql/15/lib", "usr/share/postgresql/15",
    "usr/lib/python3.11/pydoc_data", "usr/lib/python3.11/lib2to3", "usr/lib/python3.11/unittest",
    "usr/lib/python3.11/turtle.py", "usr/lib/python3.11/ensurepip",
)  # fmt: skip


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

    `dockerfile` is the whole text instead, in which @base:NAME and @image:NAME stand for images
    made here. What does not run, or never serves, is not probed.
    """

    name: str
    steps: str = ""
    files: Mapping[str, str | bytes] = field(default_factory=lambda: {"app.py": APP})
    base: str = "flask3"
    port: int = 5000
    runs: bool = True
    dockerfile: str | None = None


def _main(arguments: str, imports: str = "") -> dict[str, str]:
    text = f"{imports}{APP}\n\nif __name__ == '__main__':\n    app.run({arguments})\n"
    return {"app.py": text}


_BY_VARIABLE = _main("host='0.0.0.0', debug=os.environ.get('DEBUG') == '1'", "import os\n")
_FLASKENV = {"app.py": APP, ".flaskenv": "FLASK_DEBUG=1\n"}
_FACTORY = "def create_app():\n" + "".join(
    f"    {line}\n" if line else "\n" for line in (APP + "return app").splitlines()
)
_WAIT = """\
#!/bin/sh
# wait-for HOST:PORT -- COMMAND: start it once the port answers, or after three tries.
address="$1"
shift
if [ "$1" = "--" ]; then
    shift
fi
tries=0
while ! nc -z "${address%:*}" "${address#*:}" 2>/dev/null; do
    tries=$((tries + 1))
    if [ "$tries" -ge 3 ]; then
        echo "$address does not answer" >&2
        break
    fi
    sleep 0.1
done
exec "$@"
"""
_VENV = """\
RUN mkdir -p /opt/venv/bin /opt/venv/lib/python3.11 \\
 && cp -r /usr/local/lib/python3.11/dist-packages /opt/venv/lib/python3.11/site-packages \\
 && rm -r /usr/local/lib/python3.11/dist-packages \\
 && ln -s /usr/bin/python3.11 /opt/venv/bin/python \\
 && echo "home = /usr/bin" > /opt/venv/pyvenv.cfg \\
 && for name in flask gunicorn; do \\
      sed "1s|.*|#!/opt/venv/bin/python|" /usr/local/bin/$name > /opt/venv/bin/$name \\
      && chmod 755 /opt/venv/bin/$name && rm /usr/local/bin/$name; done
ENV PATH=/opt/venv/bin:$PATH
"""
_METADATA = """\
LABEL org.opencontainers.image.title="shop" com.example.stage="dev"
EXPOSE 5000/tcp 5678
USER www-data:www-data
VOLUME /data
STOPSIGNAL SIGINT
SHELL ["/bin/sh", "-ec"]
HEALTHCHECK --interval=30s --timeout=3s CMD python3 -c "import socket" || exit 1
ENV FLASK_DEBUG=1
CMD flask run --host=0.0.0.0
"""

FIXTURES = (
    Fixture("run-variable", f"ENV FLASK_APP=app.py FLASK_DEBUG=1\nEXPOSE 5000\nCMD {PUBLIC}"),
    Fixture("run-option", 'CMD ["flask", "--app", "app", "run", "--debug", "-h", "0.0.0.0"]'),
    Fixture("run-group-option", 'CMD ["flask", "--debug", "run", "-h", "0.0.0.0"]'),
    Fixture("run-plain", f"CMD {PUBLIC}"),
    Fixture("run-loopback", 'ENV FLASK_DEBUG=1\nCMD ["flask", "run"]'),
    Fixture(
        "run-no-debugger",
        'ENV FLASK_DEBUG=1\nCMD ["flask", "run", "-h0.0.0.0", "--no-debugger", "--no-reload"]',
    ),
    Fixture("run-debugger-variable", f"ENV FLASK_DEBUG=1 FLASK_RUN_DEBUGGER=0\nCMD {PUBLIC}"),
    Fixture(
        "run-host-variable",
        "ENV FLASK_RUN_HOST=0.0.0.0 FLASK_RUN_PORT=8081 FLASK_DEBUG=true\n"
        'CMD ["flask", "run"]',
        port=8081,
    ),
    Fixture("run-variable-false", f"ENV FLASK_DEBUG=False\nCMD {PUBLIC}"),
    Fixture("run-pin-off", f"ENV FLASK_DEBUG=1 WERKZEUG_DEBUG_PIN=off\nCMD {PUBLIC}"),
    Fixture(
        "run-factory",
        'ENV FLASK_DEBUG=1\nCMD ["flask", "-A", "shop:create_app()", "run", "-h", "0.0.0.0"]',
        {"shop.py": _FACTORY},
    ),
    Fixture("module", 'ENV FLASK_DEBUG=yes\nCMD ["python3", "-m", "flask", "run", "-h0.0.0.0"]'),
    Fixture("app-run", 'CMD ["python3", "app.py"]', _main("host='0.0.0.0', debug=True")),
    Fixture("app-run-loopback", 'CMD ["python3", "app.py"]', _main("debug=True")),
    Fixture("app-run-off", 'CMD ["python3", "app.py"]', _main("host='0.0.0.0'")),
    Fixture("app-run-by-variable", 'CMD ["python3", "app.py"]', _BY_VARIABLE),
    Fixture("app-run-variable", 'ENV DEBUG=1\nCMD ["python3", "app.py"]', _BY_VARIABLE),
    Fixture(
        "app-run-no-console",
        'CMD ["python3", "app.py"]',
        _main("host='0.0.0.0', debug=True, use_evalex=False"),
    ),
    Fixture(
        "run-simple",
        'CMD ["python3", "-u", "app.py"]',
        {"app.py": APP + "from werkzeug.serving import run_simple\n"
                   "run_simple('0.0.0.0', 5000, app, use_debugger=True)\n"},
    ),
    Fixture(
        "external-debugger",
        'CMD ["python3", "app.py"]',
        _main("host='0.0.0.0', debug=True, use_debugger=False, use_reloader=False,"
              " passthrough_errors=True"),
    ),
    Fixture(
        "code",
        """CMD ["python3", "-c", "import app; app.app.run(host='0.0.0.0', debug=True)"]""",
    ),
    Fixture("gunicorn", f"CMD {GUNICORN}"),
    Fixture("gunicorn-variable", f"ENV FLASK_DEBUG=1\nCMD {GUNICORN}"),
    Fixture(
        "gunicorn-debugged",
        f"CMD {GUNICORN}",
        {"app.py": APP + "from werkzeug.debug import DebuggedApplication\n"
                   "app.wsgi_app = DebuggedApplication(app.wsgi_app, evalex=True)\n"},
    ),
    Fixture("gunicorn-module", 'CMD ["python3", "-m", "gunicorn", "-b", "0.0.0.0:5000", "app:app"]'),
    Fixture("waitress", 'CMD ["waitress-serve", "--listen=*:5000", "app:app"]'),
    Fixture("shell-form", "ENV FLASK_DEBUG=1\nCMD flask run --host=0.0.0.0"),
    Fixture(
        "shell-variables",
        "ENV HOST=0.0.0.0 EXTRA=--debug\n"
        "CMD exec flask run --host=$HOST --port ${PORT:-5000} $EXTRA",
    ),
    Fixture(
        "shell-assignment",
        'CMD ["sh", "-c", "cd /app && FLASK_DEBUG=1 exec flask run -h 0.0.0.0"]',
    ),
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
    Fixture(
        "entry-waits",
        'COPY wait-for.sh /usr/local/bin/wait-for\nENV FLASK_DEBUG=1\n'
        f'ENTRYPOINT ["wait-for", "127.0.0.1:5432", "--"]\nCMD {PUBLIC}',
        {"app.py": APP, "wait-for.sh": _WAIT},
    ),
    Fixture(
        "entry-env", f'ENTRYPOINT ["env", "FLASK_DEBUG=1"]\nCMD {PUBLIC}'
    ),
    Fixture("entry-flask", 'ENTRYPOINT ["flask", "run"]\nCMD ["--debug", "-h", "0.0.0.0"]'),
    Fixture(
        "entry-drops-command",
        dockerfile='FROM @image:run-variable\n'
        'ENTRYPOINT ["gunicorn", "-b", "0.0.0.0:5000", "app:app"]\n',
    ),
    Fixture(
        "multistage",
        dockerfile="FROM @base:flask3 AS dev\nWORKDIR /app\nCOPY . .\nENV FLASK_DEBUG=1\n"
        f"CMD {PUBLIC}\nFROM @base:flask3\nWORKDIR /app\nCOPY --from=dev /app/app.py .\n"
        f"USER 33:33\nCMD {GUNICORN}\n",
    ),
    Fixture("venv", f"{_VENV}ENV FLASK_DEBUG=1\nCMD {PUBLIC}"),
    Fixture("flaskenv", f"CMD {PUBLIC}", _FLASKENV),
    Fixture("dotenv-over-flaskenv", f"CMD {PUBLIC}", _FLASKENV | {".env": "FLASK_DEBUG=0\n"}),
    Fixture("flaskenv-whiteout", f"RUN rm .flaskenv\nCMD {PUBLIC}", _FLASKENV),
    Fixture(
        "flaskenv-opaque",
        f"RUN cp app.py /srv && rm -r /app && mkdir /app && cp /srv/app.py /app\nCMD {PUBLIC}",
        _FLASKENV,
    ),
    Fixture(
        "flaskenv-link",
        f"RUN ln settings.env .flaskenv && ln -s /app /srv/www\nWORKDIR /srv/www\nCMD {PUBLIC}",
        {"app.py": APP, "settings.env": "FLASK_DEBUG=1\n"},
    ),
    Fixture(
        "flaskenv-unread",
        f"RUN rm -rf /{_SITE}/dotenv /{_SITE}/python_dotenv-1.0.1.dist-info\nCMD {PUBLIC}",
        _FLASKENV,
    ),
    Fixture(
        "onbuild-base",
        dockerfile="FROM @base:flask3\nONBUILD ENV FLASK_DEBUG=1\nONBUILD WORKDIR /app\n"
        f"ONBUILD COPY . .\nCMD {PUBLIC}\n",
        runs=False,
    ),
    Fixture("onbuild-child", dockerfile="FROM @image:onbuild-base\n"),
    Fixture("flask-env", f"ENV FLASK_ENV=development\nCMD {PUBLIC}"),
    Fixture("flask-env-22", f"ENV FLASK_ENV=development\nCMD {PUBLIC}", base="flask22"),
    Fixture("metadata", _METADATA),
    Fixture(
        "tiny-variable", f"ENV FLASK_DEBUG=1\nCMD {PUBLIC}", base="tiny", runs=False
    ),
    Fixture("tiny-no-command", "CMD []", base="tiny", runs=False),
    Fixture(
        "tiny-quotes",
        """ENV A="x y" B='"q"' C=a=b D= E="line\\\nno" F='$HOME'\n"""
        'LABEL "a key"="v"\nCMD ["sh", "-c", "exit 0"]',
        base="tiny",
        runs=False,
    ),
    Fixture(
        "scratch-file",
        dockerfile='FROM scratch\nCOPY app.py /\nENTRYPOINT ["/usr/bin/flask", "run"]\n',
        runs=False,
    ),
)  # fmt: skip
_BY_NAME = {fixture.name: fixture for fixture in FIXTURES}


def ensure(engine: DockerClient, fixture: Fixture) -> str:
    """Build a fixture if the engine does not have it as it is now; return its reference."""
    text = fixture.dockerfile or (
        f"FROM @base:{fixture.base}\nWORKDIR /app\nCOPY . .\n{fixture.steps}\n"
    )
    context = _context(_FROM.sub(lambda match: _named(engine, match), text), fixture.files)
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


_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_FROM = re.compile(r"@(base|image):([a-z0-9-]+)")


def _named(engine: DockerClient, match: re.Match[str]) -> str:
    if match[1] == "base":
        return base(engine, match[2])
    return ensure(engine, _BY_NAME[match[2]])


def _context(dockerfile: str, files: Mapping[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    ignore = "Dockerfile\n.dockerignore\n"
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, text in {"Dockerfile": dockerfile, ".dockerignore": ignore, **files}.items():
            data = text.encode() if isinstance(text, str) else text
            info = tarfile.TarInfo(name)
            program = name.endswith((".sh", ".envsh")) or data.startswith(b"\x7fELF")
            info.size, info.mode = len(data), 0o755 if program else 0o644
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def base(engine: DockerClient, name: str) -> str:
    """Import a base of Debian packages and pinned Python packages, kept in the cache."""
    base = BASES[name]
    recipe = hashlib.sha256(repr((base, _TOOLS, _UNUSED, _PATH)).encode()).hexdigest()[:12]
    reference = f"{REPOSITORY}/base-{name}:{recipe}"
    try:
        engine.images.get(reference)
    except ImageNotFound:
        archive = CACHE / f"base-{name}-{recipe}.tar"
        if not archive.exists():
            _make_base(BASES[name], archive)
        changes = [f"ENV PATH={_PATH}", "ENV LANG=C.UTF-8",
                   "ENV PYTHONDONTWRITEBYTECODE=1"]  # fmt: skip
        with archive.open("rb") as file:
            engine.api.import_image_from_data(
                file, repository=reference.rpartition(":")[0], tag=recipe, changes=changes
            )
    return reference


def _make_base(base: Base, archive: Path) -> None:
    for tool in ("apt-get", "dpkg-deb", "ldconfig"):
        if shutil.which(tool) is None and not Path("/sbin", tool).exists():
            missing(f"base images are made with {tool}")
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "root")
        _skeleton(root)
        _debian(root, Path(folder, "debs"), base.packages)
        if base.busybox:
            for tool in _TOOLS:
                _link(root / "usr/bin" / tool, "busybox")
        if (root / "usr/bin/python3.11").exists():
            _link(root / "usr/bin/python3", "python3.11")
        if base.requirements:
            _site(root, base.requirements)
        for unused in _UNUSED:
            path = root / unused
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        subprocess.run(["/sbin/ldconfig", "-r", str(root)], check=True)
        partial = archive.with_suffix(f".{os.getpid()}")
        subprocess.run(
            ["tar", "-C", str(root), "--sort=name", "--mtime=@1700000000", "--owner=0",
             "--group=0", "--numeric-owner", "-cf", str(partial), "."],
            check=True,
        )  # fmt: skip
        partial.rename(archive)


def _link(path: Path, target: str) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def _skeleton(root: Path) -> None:
    for name in ("usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "usr/local/bin", "etc", "tmp",
                 "root", "var/tmp", "var/lib/dpkg/info", "proc", "sys", "dev", "run",
                 "srv"):  # fmt: skip
        (root / name).mkdir(parents=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
    (root / "tmp").chmod(0o1777)
    (root / "etc/passwd").write_text(
        "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n"
        "postgres:x:999:999::/var/lib/postgresql:/bin/bash\nredis:x:998:998::/data:/bin/sh\n"
    )
    (root / "etc/group").write_text("root:x:0:\nwww-data:x:33:\npostgres:x:999:\nredis:x:998:\n")


def _debian(root: Path, folder: Path, packages: tuple[str, ...]) -> None:
    """Unpack packages with the entries that dpkg would make of them in its database."""
    folder.mkdir()
    subprocess.run(
        ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", *packages],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    status: list[str] = []
    for package in sorted(folder.glob("*.deb")):
        # Through tar, so that /bin and /lib stay the links they are.
        with subprocess.Popen(
            ["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE
        ) as unpacked:
            listed = subprocess.run(
                ["tar", "-C", str(root), "--keep-directory-symlink", "-xvf", "-"],
                stdin=unpacked.stdout,
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        control = folder / f"{package.stem}.control"
        subprocess.run(["dpkg-deb", "--control", str(package), str(control)], check=True)
        stanza = (control / "control").read_text()
        name = stanza.partition("Package: ")[2].partition("\n")[0]
        status.append(f"{stanza.rstrip()}\nStatus: install ok installed\n")
        info = root / "var/lib/dpkg/info"
        lines = ["/.", *(line.removeprefix(".").rstrip("/") for line in listed.splitlines()[1:])]
        (info / f"{name}.list").write_text("\n".join(lines) + "\n")
        if (control / "md5sums").exists():
            shutil.copy(control / "md5sums", info / f"{name}.md5sums")
    (root / "var/lib/dpkg/status").write_text("\n".join(status))


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
import http.client, json, re, sys, time
port, deadline = int(sys.argv[1]), time.time() + float(sys.argv[2])

def beyond():
    for name in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in open(name).read().splitlines()[1:]:
            words = line.split()
            address, number = words[1].split(":")
            if words[3] == "0A" and int(number, 16) == port and not address.endswith("0100007F"):
                return True
    return False

def get(path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3)
    connection.request("GET", path, headers={"Host": "127.0.0.1"})
    answer = connection.getresponse()
    return answer.getheader("Server") or "", answer.read(200000).decode("utf-8", "replace")

while True:
    try:
        server, _ = get("/")
        break
    except OSError:
        if time.time() > deadline:
            print(json.dumps({"up": False}))
            sys.exit()
        time.sleep(0.05)
_, script = get("/?__debugger__=yes&cmd=resource&f=debugger.js")
_, console = get("/console")
secret = re.search('SECRET = "([^"]+)"', console)
result = ""
if secret:
    _, result = get("/console?__debugger__=yes&cmd=6*7&frm=0&s=" + secret[1])
try:
    _, failure = get("/boom")
except (OSError, http.client.HTTPException):
    failure = ""  # passed on to the server, which hangs up
print(json.dumps({
    "up": True,
    "server": server.partition("/")[0].lower(),
    "dev_server": server.startswith("Werkzeug"),
    "debugger": "EVALEX" in script,
    "interactive": "Interactive Console" in console or "EVALEX = true" in failure,
    "pin_off": "42" in result and "__debugger__" not in result,
    "beyond": beyond(),
}))
"""


def probe(engine: DockerClient, reference: str, port: int) -> dict[str, Any]:
    """Run an image in isolation and say what came up; nothing of it stays behind."""
    container = engine.containers.create(
        reference,
        network_mode="none",
        tmpfs={"/tmp": "size=16m,mode=1777"},  # noqa: S108  (inside of the container)
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        pids_limit=64,
        mem_limit="256m",
    )
    try:
        container.start()
        _, output = container.exec_run(
            ["/usr/bin/python3.11", "-I", "-c", _PROBE, str(port), "20"], workdir="/"
        )
        assert isinstance(output, bytes)
        found: dict[str, Any] = json.loads(output.decode().strip().splitlines()[-1])
        return found
    finally:
        container.remove(force=True, v=True)
