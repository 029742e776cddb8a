"""A base that looks like python:3.11-slim, with wheels in it: builds need no network.

Its Python is Debian's behind a virtual environment in /usr/local, where the official image has its
own; its apt-get and apk succeed and install nothing, for no package decides here.
"""

import ensurepip
import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from docker import DockerClient
from docker.errors import ImageNotFound

from tests.support.components import CACHE
from tests.support.images import REPOSITORY, base

RELEASES = (
    "flask==3.0.3", "flask==2.2.5", "flask==3.1.0", "werkzeug==3.0.4", "werkzeug==2.2.3",
    "werkzeug==3.1.3", "click==8.1.7", "jinja2==3.1.4", "markupsafe==2.1.5", "itsdangerous==2.2.0",
    "blinker==1.8.2", "gunicorn==23.0.0", "packaging==24.1", "python-dotenv==1.0.1",
    "waitress==3.0.2", "debugpy==1.8.5", "flask-cors==4.0.1", "setuptools==75.1.0",
    "wheel==0.44.0", "pip==24.2", "uv==0.4.18", "gevent==24.2.1", "greenlet==3.1.1",
    "zope.event==5.0", "zope.interface==7.0.3",
)  # fmt: skip
_NOTHING = "#!/bin/sh\nexit 0\n"
_RECIPE = """\
ARG BASE
FROM $BASE
COPY wheels /usr/share/wheels
COPY nothing /usr/bin/apt-get
COPY nothing /sbin/apk
COPY ensurepip /usr/lib/python3.11/ensurepip
RUN chmod 755 /usr/bin/apt-get /sbin/apk \
 && python3 -m venv --copies --without-pip --system-site-packages /usr/local \
 && cd /usr/share/wheels && PYTHONPATH=$(echo pip-*.whl) /usr/local/bin/python3 -m pip -q \
 install --no-index --no-compile ./pip-*.whl ./setuptools-*.whl ./wheel-*.whl
ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
 PYTHON_VERSION=3.11.9 PIP_NO_INDEX=1 PIP_FIND_LINKS=/usr/share/wheels PIP_NO_COMPILE=1 \
 PIP_ROOT_USER_ACTION=ignore PIP_NO_WARN_SCRIPT_LOCATION=1 UV_NO_INDEX=1 UV_FIND_LINKS=/usr/share/wheels \
 UV_OFFLINE=1
CMD ["python3"]
"""


def python_base(client: DockerClient) -> str:
    """Return the reference of the base, which is made where the engine does not have it."""
    below = base(client, "slim")
    wanted = repr((RELEASES, _RECIPE, below))
    digest = hashlib.sha256(wanted.encode()).hexdigest()[:12]
    reference = f"{REPOSITORY}/python-slim:{digest}"
    try:
        client.images.get(reference)
    except ImageNotFound:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            shutil.copytree(wheels(), folder / "wheels")
            # Debian's, which the bases leave out, has its wheels in packages of their own.
            shutil.copytree(Path(ensurepip.__file__).parent, folder / "ensurepip")
            (folder / "nothing").write_text(_NOTHING)
            (folder / "Dockerfile").write_text(_RECIPE)
            client.images.build(
                path=name, tag=reference, rm=True, forcerm=True, network_mode="none",
                buildargs={"BASE": below},
            )  # fmt: skip
    return reference


def wheels() -> Path:
    """Return the folder of wheels for the Python of the base, kept in the cache."""
    folder = CACHE / f"flask-wheels-{hashlib.sha256(repr(RELEASES).encode()).hexdigest()[:12]}"
    if not folder.exists():
        partial = Path(tempfile.mkdtemp(dir=CACHE))
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest",
             str(partial), "--python-version", "3.11", "--only-binary=:all:", "--platform",
             "manylinux2014_x86_64", "--platform", "manylinux_2_28_x86_64",
             *(one for one in RELEASES if not one.startswith(("flask==", "werkzeug==")))],
            check=True,
        )  # fmt: skip
        for release in RELEASES:
            if release.startswith(("flask==", "werkzeug==")):
                subprocess.run(
                    [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest",
                     str(partial), release],
                    check=True,
                )  # fmt: skip
        partial.rename(folder)
    return folder
