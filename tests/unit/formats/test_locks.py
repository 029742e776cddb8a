"""Requirements and lock files, written by hand in the forms that the tools themselves write."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployguard.formats import locks, requirements
from deployguard.formats.distributions import Target, Wanted, admits, marker, requirement, wheel
from deployguard.formats.locks import Choice, Locked, LockError
from deployguard.formats.requirements import Editable, Include, Line, Option, Unclear
from deployguard.model.evidence import Answer, Location
from tests.support.effort import examples

PLACE = Location("r.txt", line=1)
PYTHON = Target("3.12")

UV = b"""\
version = 1
requires-python = ">=3.12"

[[package]]
name = "shop"
version = "0.1.0"
source = { virtual = "." }
dependencies = [
    { name = "flask", extra = ["dotenv"], marker = "sys_platform == 'linux'" },
    { name = "colorama", marker = "sys_platform == 'win32'" },
    { name = "numpy", version = "2.0.0", marker = "platform_machine == 'x86_64'" },
]

[package.optional-dependencies]
prod = [{ name = "gunicorn" }]

[package.dev-dependencies]
dev = [{ name = "pytest" }]
docs = [{ name = "sphinx" }]

[[package]]
name = "flask"
version = "3.0.3"
source = { registry = "https://packages.example/simple" }
dependencies = [{ name = "click" }, { name = "werkzeug" }]

[package.optional-dependencies]
dotenv = [{ name = "python-dotenv" }]

[[package]]
name = "click"
version = "8.1.7"

[[package]]
name = "werkzeug"
version = "3.0.4"

[[package]]
name = "python-dotenv"
version = "1.0.1"

[[package]]
name = "gunicorn"
version = "23.0.0"

[[package]]
name = "numpy"
version = "2.0.0"

[[package]]
name = "pytest"
version = "8.0.0"

[[package]]
name = "sphinx"
version = "7.0.0"
"""
POETRY = b"""\
[[package]]
name = "Flask"
version = "2.2.5"
optional = false
groups = ["main"]

[package.dependencies]
click = ">=8.0"
importlib-metadata = {version = ">=3.6.0", markers = "python_version < \\"3.10\\""}
python-dotenv = {version = "*", optional = true}
Werkzeug = ">=2.2.2"

[package.extras]
dotenv = ["python-dotenv"]

[[package]]
name = "click"
version = "8.1.7"

[[package]]
name = "werkzeug"
version = "2.2.3"

[[package]]
name = "python-dotenv"
version = "1.0.1"

[[package]]
name = "pytest"
version = "8.0.0"
"""
PROJECT = b"""\
[tool.poetry.dependencies]
python = "^3.12"
flask = "^2.2"

[tool.poetry.group.dev.dependencies]
pytest = "*"

[tool.poetry.group.docs]
optional = true

[tool.poetry.group.docs.dependencies]
python-dotenv = "*"
"""
PIPFILE = b"""\
{
    "_meta": {"hash": {"sha256": "0"}},
    "default": {
        "flask": {
            "hashes": ["sha256:0"],
            "version": "==3.0.3"
        },
        "colorama": {"markers": "sys_platform == 'win32'", "version": "==0.4.6"},
        "numpy": {"markers": "platform_machine == 'x86_64'", "version": "==2.0.0"}
    },
    "develop": {"pytest": {"version": "==8.0.0"}}
}
"""


def names(found: Locked) -> dict[str, str | None]:
    return {one.name: one.pin for one in sorted(found.certain, key=lambda one: one.name)}


@pytest.mark.parametrize(
    ("choice", "more"),
    [
        (Choice(), {"pytest": "8.0.0"}),
        (Choice(default=False), {}),
        (Choice(without_groups=frozenset({"dev"})), {}),
        (Choice(defaults=frozenset({"docs"})), {"sphinx": "7.0.0"}),
        (Choice(with_groups=frozenset({"docs"})), {"pytest": "8.0.0", "sphinx": "7.0.0"}),
        (Choice(default=False, extras=frozenset({"prod"})), {"gunicorn": "23.0.0"}),
        (Choice(default=False, all_extras=True), {"gunicorn": "23.0.0"}),
        (Choice(default=False, all_groups=True), {"pytest": "8.0.0", "sphinx": "7.0.0"}),
    ],
)
def test_uv_installs_what_the_root_needs(choice: Choice, more: dict[str, str]) -> None:
    found = locks.uv(UV, "uv.lock", choice, PYTHON)
    main = {"click": "8.1.7", "flask": "3.0.3", "python-dotenv": "1.0.1", "werkzeug": "3.0.4"}
    assert names(found) == dict(sorted((main | more).items()))
    assert found.perhaps == {"numpy"}
    flask = next(one for one in found.certain if one.name == "flask")
    assert flask.location == Location("uv.lock", line=22)


def test_a_group_alone_leaves_the_project_out() -> None:
    found = locks.uv(
        UV, "uv.lock", Choice(main=False, default=False, with_groups=frozenset({"docs"})), PYTHON
    )
    assert names(found) == {"sphinx": "7.0.0"}


def test_the_groups_that_uv_takes_unasked_stand_in_the_project() -> None:
    assert locks.uv_defaults(b"") == frozenset({"dev"})
    assert locks.uv_defaults(b"[tool.uv]\ndefault-groups = ['a', 'B']") == frozenset({"a", "b"})
    assert locks.uv_defaults(b"[tool.uv]\ndefault-groups = 'all'") is None


@pytest.mark.parametrize(
    ("choice", "more"),
    [
        (Choice(), {"pytest": "8.0.0"}),
        (Choice(default=False), {}),
        (Choice(without_groups=frozenset({"dev"})), {}),
        (Choice(with_groups=frozenset({"docs"})), {"pytest": "8.0.0", "python-dotenv": "1.0.1"}),
    ],
)
def test_poetry_installs_its_groups(choice: Choice, more: dict[str, str]) -> None:
    found = locks.poetry(POETRY, PROJECT, "poetry.lock", choice, PYTHON)
    main = {"click": "8.1.7", "flask": "2.2.5", "werkzeug": "2.2.3"}
    assert names(found) == dict(sorted((main | more).items()))


def test_poetry_reads_the_standard_tables_and_extras() -> None:
    project = b"[project]\ndependencies = ['flask[dotenv]>=2 ; python_version >= \"3.10\"']\n"
    found = locks.poetry(POETRY, project, "poetry.lock", Choice(), PYTHON)
    assert set(names(found)) == {"click", "flask", "werkzeug", "python-dotenv"}


def test_pipenv_installs_its_sections() -> None:
    found = locks.pipfile(PIPFILE, "Pipfile.lock", develop=False, target=PYTHON)
    assert names(found) == {"flask": "3.0.3"}
    assert found.perhaps == {"numpy"}
    assert found.certain[0].location.line == 4
    found = locks.pipfile(PIPFILE, "Pipfile.lock", develop=True, target=PYTHON)
    assert names(found) == {"flask": "3.0.3", "pytest": "8.0.0"}


def test_a_version_that_markers_choose_is_not_known() -> None:
    data = UV + b'\n[[package]]\nname = "flask"\nversion = "2.3.3"\n'
    assert names(locks.uv(data, "uv.lock", Choice(), PYTHON))["flask"] is None


@pytest.mark.parametrize("data", [b"", b"\xff", b"[[package", b"[[" * 5_000, b"package = 1"])
def test_what_is_no_lock_is_an_error_of_ours(data: bytes) -> None:
    with pytest.raises(LockError):
        locks.uv(data, "uv.lock", Choice(), PYTHON)
    with pytest.raises(LockError):
        locks.pipfile(data, "Pipfile.lock", develop=True, target=PYTHON)


def test_a_project_declares_its_dependencies() -> None:
    found = locks.pyproject(
        b"[project]\ndependencies = [\n  'flask==3.0.3',\n]\n[project.optional-dependencies]\n"
        b"Prod = ['gunicorn']\n", "pyproject.toml",
    )  # fmt: skip
    assert found.requirements == (("flask==3.0.3", Location("pyproject.toml", line=3)),)
    assert found.extras["prod"][0][0] == "gunicorn"
    assert locks.pyproject(b"[project]\ndynamic = ['dependencies']", "p").requirements is None
    assert locks.pyproject(b"[build-system]", "p").requirements is None
    setup = locks.setup_cfg(b"[options]\ninstall_requires =\n  flask==3.0.3\n  # no\n", "setup.cfg")
    assert setup.requirements is not None
    assert [text for text, _ in setup.requirements] == ["flask==3.0.3"]
    assert locks.setup_cfg(b"[options]\ninstall_requires = file: r.txt", "s").requirements is None


REQUIREMENTS = """\
# comment
flask==3.0.3  # why
Werkzeug >=3,<4 \\
    --hash=sha256:0 \\
    --hash=sha256:1
click==8.1.7 ; python_version >= "3.8"
-r other.txt
--requirement=third.txt
-c limits.txt
-e ./local[extra]
--index-url https://example.org/simple
-i https://example.org/simple --pre
--require-hashes
gunicorn==${VERSION}
uvicorn==${UNSET}
--unknown-option
-r
"""


def test_a_requirements_file_is_read_as_pip_reads_it() -> None:
    found = requirements.parse(REQUIREMENTS.encode(), "r.txt", {"VERSION": "23.0.0"}.get)

    def at(line: int) -> Location:
        return Location("r.txt", line=line)

    assert found == (
        Line("flask==3.0.3", hashed=False, location=at(2)),
        Line("Werkzeug >=3,<4", hashed=True, location=at(3)),
        Line('click==8.1.7 ; python_version >= "3.8"', hashed=False, location=at(6)),
        Include("other.txt", constraint=False, location=at(7)),
        Include("third.txt", constraint=False, location=at(8)),
        Include("limits.txt", constraint=True, location=at(9)),
        Editable("./local[extra]", at(10)),
        Option("--pre", at(12)),
        Option("--require-hashes", at(13)),
        Line("gunicorn==23.0.0", hashed=False, location=at(14)),
        Unclear(at(15)),
        Unclear(at(16)),
        Unclear(at(17)),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("flask==3.0.3", Wanted("flask", "==3.0.3", PLACE)),
        ("Flask_Cors[a,B]>=1,<2", Wanted("flask-cors", "<2,>=1", PLACE, frozenset({"a", "b"}))),
        ("flask", Wanted("flask", "", PLACE)),
        ("flask @ https://example.org/f.zip", Wanted("flask", None, PLACE)),
        ("flask; python_version < '3.8'", None),
        ("flask; sys_platform == 'win32'", None),
        ("flask; platform_machine == 'x86_64'", Wanted("flask", "", PLACE, perhaps=True)),
        ("flask; platform_system == 'Linux' and python_version >= '3.12'", Wanted("flask", "", PLACE)),
    ],
)  # fmt: skip
def test_a_requirement_has_a_name_a_specifier_and_a_marker(
    text: str, expected: Wanted | None
) -> None:
    assert requirement(text, PLACE, PYTHON) == expected


def test_a_marker_about_a_python_that_is_not_known_is_open() -> None:
    assert marker("python_version >= '3.10'", Target(None)) is Answer.UNKNOWN
    assert marker("python_version >= '3.0'", Target(None)) is Answer.YES
    assert marker("nonsense", PYTHON) is Answer.UNKNOWN
    assert marker("(" * 2_000, PYTHON) is Answer.UNKNOWN


def test_versions_and_file_names() -> None:
    assert admits(">=3,<4", "3.0.3")
    assert not admits("~=2.2.0", "2.3.0")
    assert admits("nonsense", "1") is None
    assert wheel("dist/Flask-3.0.3-py3-none-any.whl") == ("flask", "3.0.3")
    assert wheel("flask-sqlalchemy-3.1.1.tar.gz") == ("flask-sqlalchemy", "3.1.1")
    assert wheel("flask") is None


@given(
    st.one_of(
        st.binary(max_size=100), st.text("flask=<>;-rec[]\\ \n#$'\"{}", max_size=60).map(str.encode)
    )
)
@settings(max_examples=examples(200, 10_000), deadline=None)
def test_any_bytes_are_lines_or_an_error_of_ours(data: bytes) -> None:
    for entry in requirements.parse(data, "r.txt", lambda _: None):
        if isinstance(entry, Line):
            try:
                requirement(entry.text, entry.location, PYTHON)
            except ValueError:
                continue
    for read in (lambda: locks.uv(data, "l", Choice(), PYTHON), lambda: locks.setup_cfg(data, "s"),
                 lambda: locks.pipfile(data, "p", develop=True, target=PYTHON),
                 lambda: locks.poetry(data, data, "l", Choice(), PYTHON)):  # fmt: skip
        try:
            read()
        except LockError:
            continue
