"""What installers in a RUN leave: the distributions that are known, and what stays open."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from deployguard.flask.versions import Stack, installed
from deployguard.inputs.dockerfile import BuildOptions
from deployguard.model.filesystem import Absent, Filesystem, Stat, Unread
from tests.support.builds import PYTHON, SITE, built, text, write
from tests.unit.formats.test_locks import PIPFILE, POETRY, PROJECT, UV

REQUIREMENTS = "flask==3.0.3\nwerkzeug==3.0.4\nclick==8.1.7\n"


def known(files: Filesystem, site: str = SITE) -> dict[str, str]:
    """Return the distributions that a folder is known to hold, with version or specifier."""
    names = files.list(site)
    seen = names.seen if isinstance(names, Unread) else names if isinstance(names, tuple) else ()
    found = [name.removesuffix(".dist-info") for name in seen if name.endswith(".dist-info")]
    return dict(name.split("-", 1) for name in found)


def dotenv(files: Filesystem, site: str = SITE) -> bool:
    """Say whether python-dotenv may be there."""
    return not isinstance(files.stat(f"{site}/dotenv/__init__.py"), Absent)


@pytest.mark.parametrize(
    ("steps", "expected", "may_have_dotenv"),
    [
        ("RUN pip install flask==3.0.3", {"flask": "3.0.3"}, False),
        ("RUN pip install --no-cache-dir 'flask==3.0.3' gunicorn", {"flask": "3.0.3", "gunicorn": ">=0"}, False),
        ("RUN pip3 install -q flask", {"flask": ">=0"}, False),
        ("RUN python -m pip install -U 'Flask>=2.3,<3.1'", {"flask": "<3.1,>=2.3"}, False),
        ("RUN python3 -u -m pip install flask~=3.0.0", {"flask": "~=3.0.0"}, False),
        ("RUN pip install gunicorn==23.0.0", {"gunicorn": "23.0.0"}, False),
        ("RUN pip install --no-deps flask==3.0.3", {"flask": "3.0.3"}, False),
        ("RUN pip install -r requirements.txt", {"flask": "3.0.3", "werkzeug": "3.0.4", "click": "8.1.7"}, False),
        ("RUN pip install --no-deps -r requirements.txt",
         {"flask": "3.0.3", "werkzeug": "3.0.4", "click": "8.1.7"}, False),
        ("RUN pip install -r hashed.txt", {"flask": "3.0.3", "werkzeug": "3.0.4", "click": "8.1.7"}, False),
        ("RUN pip install --require-hashes -r nested/all.txt", {"flask": "3.0.3", "gunicorn": "1"}, False),
        ("RUN pip install flask -c requirements.txt", {"flask": "3.0.3", "werkzeug": "3.0.4", "click": "8.1.7"}, False),
        ("RUN pip install 'flask[dotenv]==3.0.3'", {"flask": "3.0.3", "python_dotenv": ">=0"}, True),
        ("RUN pip install -r gone.txt", {}, True),
        ("RUN pip install flask==2.0.0 && pip install requests", {"flask": "2.0.0", "requests": ">=0"}, False),
        ("RUN pip install flask==2.0.0 && pip install flask-login", {"flask_login": ">=0"}, False),
        ("RUN pip install flask==2.0.0 && pip install flask", {"flask": "2.0.0"}, False),
        ("RUN pip install flask==2.0.0 && pip install -U flask", {"flask": ">=0"}, False),
        ("RUN pip install flask==2.0.0 && pip install flask==3.0.3", {"flask": "3.0.3"}, False),
        ("RUN pip install flask==2.0.0 && pip uninstall -y flask", {}, False),
        ("RUN pip install ./dist/flask-3.0.3-py3-none-any.whl", {"flask": "3.0.3"}, True),
        ("RUN pip install git+https://example.org/flask.git@x#egg=flask", {"flask": ">=0"}, True),
        ("RUN pip install .", {"flask": "3.0.3"}, True),
        ("RUN pip install -e '.[prod]'", {"flask": "3.0.3", "gunicorn": "23.0.0"}, True),
        ("RUN pip install flask==3.0.3; pip cache purge; pip check", {"flask": "3.0.3"}, False),
        ("ARG F=3.0.3\nRUN pip install flask==$F", {"flask": "3.0.3"}, False),
        ("RUN --mount=type=bind,source=requirements.txt,target=/tmp/r.txt pip install -r /tmp/r.txt --no-deps",
         {"flask": "3.0.3", "werkzeug": "3.0.4", "click": "8.1.7"}, False),
        ("RUN <<EOF\nset -e\npip install flask==3.0.3\nEOF", {"flask": "3.0.3"}, False),
        ("RUN apt-get update && apt-get install -y gcc && pip install flask==3.0.3", {"flask": "3.0.3"}, False),
        ("RUN pip install flask==3.0.3\nRUN apt-get install -y gcc", {"flask": "3.0.3"}, False),
        ("RUN pip install poetry && poetry config virtualenvs.create false && poetry install --only main",
         {"poetry": ">=0", "click": "8.1.7", "flask": "2.2.5", "werkzeug": "2.2.3"}, True),
        ("RUN pip install uv && uv pip install --system flask==3.0.3", {"flask": "3.0.3", "uv": ">=0"}, False),
        ("RUN uv pip sync --system requirements.txt", {"flask": "3.0.3", "werkzeug": "3.0.4", "click": "8.1.7"}, False),
        ("RUN uv pip install --system --no-deps -r requirements.txt",
         {"flask": "3.0.3", "werkzeug": "3.0.4", "click": "8.1.7"}, False),
        ("ENV UV_SYSTEM_PYTHON=1\nRUN uv pip install flask==3.0.3", {"flask": "3.0.3"}, False),
        ("RUN pipenv install --system --deploy", {"flask": "3.0.3"}, False),
        ("RUN pipenv sync --system --dev", {"flask": "3.0.3", "pytest": "8.0.0"}, False),
        ("RUN pipenv install --system", {}, True),
    ],
)  # fmt: skip
def test_installers_leave_the_distributions_that_they_name(
    tmp_path: Path,
    steps: str,
    expected: Mapping[str, str],
    may_have_dotenv: bool,  # noqa: FBT001
) -> None:
    files: dict[str, str | bytes] = {
        "requirements.txt": REQUIREMENTS,
        "hashed.txt": REQUIREMENTS.replace("\n", " --hash=sha256:0\n"),
        "nested/all.txt": "-r flask.txt\ngunicorn==1 --hash=sha256:0\n",
        "nested/flask.txt": "flask==3.0.3 \\\n  --hash=sha256:0\n",
        "pyproject.toml": b"[project]\nname = 'shop'\ndependencies = ['flask==3.0.3']\n"
                          b"[project.optional-dependencies]\nprod = ['gunicorn==23.0.0']\n",
        "Pipfile.lock": PIPFILE,
    }  # fmt: skip
    if "poetry" in steps:
        files |= {"poetry.lock": POETRY, "pyproject.toml": PROJECT}
    found = built(tmp_path, f"{PYTHON}COPY . .\n{steps}\n", files).image.files
    assert known(found) == expected
    may = dotenv(found)
    assert may is may_have_dotenv


@pytest.mark.parametrize(
    ("steps", "site", "expected", "may_have_dotenv"),
    [
        ("RUN python -m venv /opt/venv\nENV PATH=/opt/venv/bin:$PATH\nRUN pip install flask==3.0.3",
         "/opt/venv", {"flask": "3.0.3"}, False),
        ("RUN python3 -m venv /venv && /venv/bin/pip install --no-deps flask==3.0.3", "/venv",
         {"flask": "3.0.3"}, False),
        ("RUN python -m venv v && . v/bin/activate && pip install flask==3.0.3", "/app/v",
         {"flask": "3.0.3"}, False),
        ("RUN virtualenv -p python3 /v && /v/bin/python -m pip install flask==3.0.3", "/v",
         {"flask": "3.0.3"}, False),
        ("RUN uv venv /v\nENV VIRTUAL_ENV=/v\nRUN uv pip install flask==3.0.3", "/v", {"flask": "3.0.3"}, False),
        ("RUN uv venv && uv pip install flask==3.0.3", "/app/.venv", {"flask": "3.0.3"}, False),
        ("RUN uv sync --frozen --no-dev", "/app/.venv",
         {"click": "8.1.7", "flask": "3.0.3", "python_dotenv": "1.0.1", "werkzeug": "3.0.4"}, True),
        ("ENV UV_PROJECT_ENVIRONMENT=/v\nRUN uv sync --locked --no-install-project --no-dev", "/v",
         {"click": "8.1.7", "flask": "3.0.3", "python_dotenv": "1.0.1", "werkzeug": "3.0.4"}, True),
        ("RUN uv sync --only-group docs", "/app/.venv", {"sphinx": "7.0.0"}, False),
        ("RUN rm uv.lock && uv sync", "/app/.venv", {}, True),
        ("ENV POETRY_VIRTUALENVS_IN_PROJECT=1\nRUN cp poetry.toml pyproject.toml && poetry install --without dev",
         "/app/.venv", {"click": "8.1.7", "flask": "2.2.5", "werkzeug": "2.2.3"}, False),
        ("ENV PIPENV_VENV_IN_PROJECT=1\nRUN pipenv sync", "/app/.venv", {"flask": "3.0.3"}, False),
        ("RUN pip install --user flask==3.0.3", "/root/.local", {"flask": "3.0.3"}, False),
        ("RUN useradd -m -u 1000 web\nUSER web\nRUN pip install flask==3.0.3", "/home/web/.local",
         {"flask": "3.0.3"}, False),
        ("RUN pip install --prefix=/install flask==3.0.3", "/install", {"flask": "3.0.3"}, False),
    ],
)  # fmt: skip
def test_environments_have_their_own_packages(
    tmp_path: Path, steps: str, site: str, expected: Mapping[str, str],
    may_have_dotenv: bool,  # noqa: FBT001  (the table's)
) -> None:  # fmt: skip
    files: dict[str, str | bytes] = {
        "uv.lock": UV, "pyproject.toml": b"[project]\nname = 'shop'\n", "poetry.lock": POETRY,
        "poetry.toml": PROJECT, "Pipfile.lock": PIPFILE,
    }  # fmt: skip
    found = built(tmp_path, f"{PYTHON}COPY . .\n{steps}\n", files).image.files
    folder = f"{site}/lib/python3.12/site-packages"
    assert known(found, folder) == expected
    may = dotenv(found, folder)
    assert may is may_have_dotenv
    assert known(found) == {}
    if "flask" in expected:
        script = text(found, f"{site}/bin/flask")
        assert script is not None
        own = isinstance(found.stat(f"{site}/pyvenv.cfg"), Stat)
        assert script.startswith(f"#!{site if own else '/usr/local'}/bin/python3.12\n")


@pytest.mark.parametrize(
    "steps",
    [
        "RUN pip install --root /x flask==3.0.3",
        "ENV PIP_TARGET=/x\nRUN pip install flask==3.0.3",
        "ENV UV_PYTHON=3.9\nRUN uv sync",
        "RUN poetry add flask",
        "RUN uv add flask",
        "RUN uv sync --package other",
        "RUN pip wheel flask",
        "RUN conda install flask",
        "USER nobody-known\nRUN pip install flask==3.0.3",
    ],
)
def test_other_ways_leave_everything_open(tmp_path: Path, steps: str) -> None:
    found = built(tmp_path, f"{PYTHON}{steps}\n").image.files
    assert isinstance(found.stat("/app/anything"), Unread)


def test_packages_go_along_with_a_stage(tmp_path: Path) -> None:
    files = built(
        tmp_path,
        "FROM python:3.12 AS build\nRUN python -m venv /opt/venv && /opt/venv/bin/pip install --no-deps flask==3.0.3\n"
        "RUN pip install --user gunicorn==23.0.0 && pip install --prefix=/install click==8.1.7\n"
        "FROM python:3.12-slim\nCOPY --from=build /opt/venv /opt/venv\nCOPY --from=build /root/.local /root/.local\n"
        "COPY --from=build /install /usr/local\n",
    ).image.files  # fmt: skip
    assert known(files, "/opt/venv/lib/python3.12/site-packages") == {"flask": "3.0.3"}
    assert known(files, "/root/.local/lib/python3.12/site-packages") == {"gunicorn": "23.0.0"}
    assert known(files) == {"click": "8.1.7"}
    found = files.stat("/opt/venv/bin/python")
    assert isinstance(found, Stat)
    assert found.path == "/usr/local/bin/python3.12"


def test_a_pin_is_shown_where_it_stands(tmp_path: Path) -> None:
    files = built(
        tmp_path, f"{PYTHON}COPY r.txt .\nRUN pip install -r r.txt\n", {"r.txt": "\nflask==3.0.3\n"}
    ).image.files
    (evidence,) = installed([SITE], files).evidence()
    assert evidence.note == "Flask 3.0.3 is installed"
    assert (Path(evidence.location.file).name, evidence.location.line) == ("r.txt", 2)


@pytest.mark.parametrize(
    ("asked", "versions"),
    [
        ("flask==3.0.3", {(3, 0, 3)}),
        ("flask~=2.2.0", {(2, 2, 2), (2, 2, 5)}),
        ("flask>=2.2.3,<2.3", {(2, 2, 5)}),
        ("flask>=3.0,<3.1", {(3, 0, 3)}),
        ("flask>=3.1", {(3, 1, 3)}),
        ("flask<2", {(0, 12, 5), (1, 1, 4)}),
        ("flask>=2.3", {(2, 3, 3), (3, 0, 3), (3, 1, 3)}),
        ("flask", {(0, 12, 5), (1, 1, 4), (2, 1, 3), (2, 2, 2), (2, 2, 5), (2, 3, 3), (3, 0, 3), (3, 1, 3)}),
        ("celery", {(0, 12, 5), (1, 1, 4), (2, 1, 3), (2, 2, 2), (2, 2, 5), (2, 3, 3), (3, 0, 3), (3, 1, 3)}),
    ],
)  # fmt: skip
def test_a_range_leaves_the_families_that_it_admits(
    tmp_path: Path, asked: str, versions: set[tuple[int, ...]]
) -> None:
    files = built(tmp_path, f"{PYTHON}RUN pip install '{asked}'\n").image.files
    stacks = installed([SITE], files).stacks()
    assert {stack.flask for stack in stacks} == versions
    # Flask and what comes with it never bring python-dotenv.
    assert {stack.dotenv for stack in stacks} == ({True, False} if asked == "celery" else {False})


def test_a_lock_leaves_one_stack(tmp_path: Path) -> None:
    files = built(
        tmp_path,
        f"{PYTHON}COPY r.txt .\nRUN pip install --no-deps -r r.txt\n",
        {"r.txt": REQUIREMENTS},
    ).image.files
    assert installed([SITE], files).stacks() == (
        Stack(flask=(3, 0, 3), werkzeug=(3, 0, 4), click=(8, 1, 7), dotenv=False),
    )


INDEX = {
    ("flask", "3.0.3"): ["werkzeug>=3.0.0", "click>=8.1.3", "python-dotenv; extra == 'dotenv'"],
    ("flask", "2.2.5"): ["werkzeug>=2.2.2", "click>=8.0"],
    ("werkzeug", "3.0.4"): [], ("werkzeug", "2.2.3"): [], ("click", "8.1.7"): [],
    ("python-dotenv", "1.0.1"): [], ("gunicorn", "23.0.0"): [],
    ("flask-login", "0.6.3"): ["flask>=1.0.4", "werkzeug>=1.0.1"],
}  # fmt: skip


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make wheels that hold nothing but their metadata, for the real pip to choose from."""
    folder = tmp_path_factory.mktemp("index")
    for (name, version), needs in INDEX.items():
        stem = f"{name.replace('-', '_')}-{version}"
        lines = [f"Name: {name}", f"Version: {version}", "Provides-Extra: dotenv"]
        lines += [f"Requires-Dist: {need}" for need in needs]
        with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
            info = f"{stem}.dist-info"
            wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\n" + "\n".join(lines) + "\n")
            wheel.writestr(
                f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            wheel.writestr(f"{info}/RECORD", "")
    return folder


@pytest.mark.parametrize(
    ("words", "files"),
    [
        (["flask==3.0.3"], {}),
        (["flask<3", "werkzeug==2.2.3"], {}),
        (["--no-deps", "flask==3.0.3", "gunicorn"], {}),
        (["-r", "r.txt"], {"r.txt": REQUIREMENTS + "gunicorn\n"}),
        (["-r", "r.txt", "-c", "c.txt"], {"r.txt": "flask\n-r more.txt\n", "more.txt": "flask-login # x\n",
                                          "c.txt": "flask==2.2.5\nwerkzeug==2.2.3\npython-dotenv==1.0.1\n"}),
        (["flask[dotenv]==3.0.3"], {}),
        (["-r", "r.txt"], {"r.txt": "flask==2.2.5; python_version < '3'\nflask==3.0.3; python_version >= '3'\n"
                                    "gunicorn; sys_platform == 'win32'\n"}),
    ],
)  # fmt: skip
def test_the_real_pip_installs_what_is_said_to_be_known(
    tmp_path: Path, index: Path, words: list[str], files: Mapping[str, str]
) -> None:
    write(tmp_path, dict(files))
    target = tmp_path / "target"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-index",
         "--find-links", str(index), "--target", str(target), *words],
        check=True, cwd=tmp_path,
    )  # fmt: skip
    really = dict(
        name.removesuffix(".dist-info").split("-", 1)
        for name in (place.name for place in target.iterdir())
        if name.endswith(".dist-info")
    )
    step = json.dumps(["pip", "install", *words])
    found = built(tmp_path, f"{PYTHON}COPY *.txt .\nRUN {step}\n", {"none.txt": ""}).image.files
    derived = known(found)
    for name, version in derived.items():
        assert name in really
        assert version in {really[name], ">=0"} or not version[0].isdigit()
    stacks = installed([SITE], found).stacks()
    flask = tuple(int(part) for part in really["flask"].split("."))
    assert flask in {stack.flask for stack in stacks}
    assert ("python_dotenv" in really) in {stack.dotenv for stack in stacks}


def test_an_argument_of_the_build_decides_a_version(tmp_path: Path) -> None:
    options = BuildOptions(arguments={"FLASK": "2.2.5"})
    steps = f"ARG FLASK=3.0.3\n{PYTHON}ARG FLASK\nRUN pip install flask==$FLASK\n"
    assert known(built(tmp_path, steps, options=options).image.files) == {"flask": "2.2.5"}
    assert known(built(tmp_path, steps).image.files) == {"flask": "3.0.3"}
