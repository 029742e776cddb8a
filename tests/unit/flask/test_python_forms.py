"""Python programs of every form: folders, archives, bytecode, path files, versions, libraries."""

import base64
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployguard import flask
from deployguard.model.environment import Environment
from deployguard.model.evidence import Answer, Missing, Reason, Traced
from deployguard.model.facts import ProgramFacts
from deployguard.model.filesystem import Absent, Content, Unread
from deployguard.model.structs import replace
from tests.support.effort import examples
from tests.support.memory import ELF, FLASK_3, MemoryFiles, process, venv

YES, NO, UNKNOWN = Answer.YES, Answer.NO, Answer.UNKNOWN
WEB = "from flask import Flask\napp = Flask(__name__)\n"
SITE = "/srv/venv/lib/python3.13/site-packages"


@dataclass(frozen=True)
class RawFiles(MemoryFiles):
    """Files of texts, of which those under a base64 name are decoded."""

    def read(self, path: str) -> Content | Absent | Unread:
        found = super().read(path)
        if isinstance(found, Content) and found.data.startswith(b"base64:"):
            return Content(base64.b64decode(found.data[7:]), found.location)
        return found


def archive(**members: str) -> str:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for name, text in members.items():
            made.writestr(name.replace("__dot__", ".").replace("__slash__", "/"), text)
    return "base64:" + base64.b64encode(buffer.getvalue()).decode()


def programs(
    command: str,
    files: Mapping[str, str],
    variables: Mapping[str, str | None] | None = None,
) -> tuple[ProgramFacts, ...]:
    """Judge a command; a variable of value None is set to what nobody sees."""
    own = {name if name[0] == "/" else f"/srv/app/{name}": text for name, text in files.items()}
    texts = {**venv(**FLASK_3), "/bin/sh": ELF, **own}
    started = process(command, **(variables or {}))
    hidden = {
        name: Traced[str | None](None, started.location, missing=(secret(name),))
        for name, value in (variables or {}).items()
        if value is None
    }
    environment = Environment({**started.env.entries, **hidden})
    return flask.judge(replace(started, env=environment), RawFiles(texts))


def secret(name: str) -> Missing:
    return Missing(Reason.SECRET, f"the value of {name}")


def debugger(command: str, files: Mapping[str, str], **variables: str | None) -> Answer:
    (program,) = programs(command, files, variables)
    claim = program.facts.debugger
    assert bool(claim.missing) == (claim.answer is UNKNOWN)
    return claim.answer


RUN = "app.run(debug=True)\n"
MAIN_IN = {"shop/web.py": WEB, "shop/__main__.py": "from web import app\n" + RUN}


@pytest.mark.parametrize(
    ("command", "files", "expected"),
    [
        ("python shop", MAIN_IN, YES),
        ("python shop", {"shop/web.py": WEB}, NO),
        ("python -m shop", {"shop/__init__.py": "", "shop/web.py": WEB,
                            "shop/__main__.py": "from .web import app\n" + RUN}, YES),
        ("python -m shop.run", {"shop/__init__.py": WEB, "shop/run.py": "from . import app\n" + RUN},
         YES),
        ("python shop/run.py", {"shop/__init__.py": WEB, "shop/run.py": "from . import app\n" + RUN},
         NO),
        ("python app.pyz", {"app.pyz": archive(__main____dot__py="from web import app\n" + RUN,
                                               web__dot__py=WEB)}, YES),
        ("python app.pyz", {"app.pyz": archive(web__dot__py=WEB)}, NO),
        ("python app.pyc", {"app.pyc": "\x00\x00", "app.py": WEB + RUN}, YES),
        ("python app.pyc", {"app.pyc": "\x00\x00"}, UNKNOWN),
        ("python __pycache__/app.cpython-313.pyc",
         {"__pycache__/app.cpython-313.pyc": "\x00", "app.py": WEB + "app.run()\n"}, NO),
        ("python app.py", {"app.py": "import web\nweb.app.run()\n", "web.pyc": "\x00"}, UNKNOWN),
        ("python app.py", {"app.py": "from a.b.web import app\n" + RUN, "a/b/web.py": WEB}, YES),
        ("python app.py", {"app.py": "print 'hello'\n" + WEB + RUN}, NO),
        ("python app.py", {"app.py": WEB + "try:\n  app.run(debug=True)\nexcept E, e:\n  pass\n"}, NO),
        ("python app.py", {"app.py": WEB + "match = 1\n" + RUN}, YES),
        ("python -O app.py", {"app.py": WEB + "app.run(debug=__debug__)\n"}, NO),
        ("python app.py", {"app.py": WEB + "import http.server\n" + RUN}, YES),
        ("python app.py", {"app.py": "import os\nos.chdir('web')\nimport run\n",
                           "web/run.py": WEB + RUN}, NO),
    ],
)  # fmt: skip
def test_what_runs_follows_from_the_form_of_the_program(
    command: str, files: Mapping[str, str], expected: Answer
) -> None:
    assert debugger(command, files) is expected


@pytest.mark.parametrize(
    ("variables", "expected"),
    [({"PYTHONOPTIMIZE": "1"}, NO), ({"PYTHONOPTIMIZE": "yes"}, NO), ({"PYTHONOPTIMIZE": ""}, YES),
     ({}, YES)],
)  # fmt: skip
def test_pythonoptimize_is_read(variables: dict[str, str], expected: Answer) -> None:
    assert debugger("python app.py", {"app.py": WEB + "app.run(debug=__debug__)"}, **variables) is (
        expected
    )


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("import os; os.environ['FLASK_DEBUG'] = '1'\n", YES),
        ("# import os; os.environ['FLASK_DEBUG'] = '1'\n", NO),
        ("  import os; os.environ['FLASK_DEBUG'] = '1'\n", NO),
        ("/srv/extra\n", NO),
        ("../../../../extra\nimport on\n", YES),
    ],
)
def test_path_files_of_installed_packages_are_taken(lines: str, expected: Answer) -> None:
    files = {
        f"{SITE}/x.pth": lines,
        "app.py": WEB + "app.run()\n",
        "/srv/extra/on.py": "import os\nos.environ['FLASK_DEBUG'] = '1'\n",
    }
    assert debugger("python app.py", files) is expected


QUIET = {f"{SITE}/helper/__init__.py": "from .inner import name\n",
         f"{SITE}/helper/inner.py": "import math\ndef name(x):\n    return math.floor(x)\n"}  # fmt: skip


@pytest.mark.parametrize(
    ("library", "expected"),
    [
        (QUIET, NO),
        ({f"{SITE}/helper/__init__.py": ""}, UNKNOWN),
        ({**QUIET, f"{SITE}/helper/more.py": "import subprocess\n"}, UNKNOWN),
        ({**QUIET, f"{SITE}/helper/more.py": "def go(app): app.run(debug=True)\n"}, UNKNOWN),
        ({**QUIET, f"{SITE}/helper/more.py": "import other\n"}, UNKNOWN),
        ({**QUIET, f"{SITE}/helper/more.py": "import other\n",
          f"{SITE}/other.py": "X = 1\n"}, NO),
        ({**QUIET, f"{SITE}/helper/fast.cpython-313-x86_64-linux-gnu.so": "\x7fELF"}, UNKNOWN),
    ],
)  # fmt: skip
def test_a_library_whose_whole_source_names_nothing_that_starts_is_harmless(
    library: Mapping[str, str], expected: Answer
) -> None:
    source = WEB + "import helper\nhelper.name(2.5)\napp.run()\n"
    assert debugger("python app.py", {**library, "app.py": source}) is expected


@pytest.mark.parametrize(
    ("command", "address", "port"),
    [
        ("python -m http.server", "0.0.0.0", 8000),
        ("python -m http.server 9000", "0.0.0.0", 9000),
        ("python -m http.server --bind 127.0.0.1 5000", "127.0.0.1", 5000),
        ("python -m http.server -b ::1 -d /srv", "::1", 8000),
        ("python -m http.server --bind=10.0.0.1", "10.0.0.1", 8000),
    ],
)
def test_http_server_says_where_it_listens(command: str, address: str, port: int) -> None:
    (program,) = programs(command, {}, {"FLASK_DEBUG": "1"})
    assert program.facts.debugger.answer is NO
    assert [(one.address, one.port) for one in program.listeners] == [(address, port)]


def test_http_server_with_wrong_words_ends() -> None:
    (program,) = programs("python -m http.server --bind", {})
    assert (program.server, program.listeners) == ("none", ())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("subprocess.run(['true']); app.run(debug=True)", [YES]),
        ("subprocess.Popen(['flask', 'run', '--debug']); app.run()", [NO, YES]),
        ("os.system('flask run --debug'); app.run()", [NO, YES]),
        ("subprocess.run(['flask', 'run'], env={**os.environ, 'FLASK_DEBUG': '1'})", [NO, YES]),
        ("subprocess.run('cd . && flask run --debug', shell=True)", [NO, YES]),
        ("subprocess.run(['flask', 'run'], env=dict(os.environ, FLASK_DEBUG='1'))", [NO, YES]),
    ],
)
def test_processes_that_a_program_starts_are_judged_by_themselves(
    text: str, expected: list[Answer]
) -> None:
    files = {"app.py": "import os, subprocess\n" + WEB + "if __name__ == '__main__':\n  " + text}
    found = programs("python app.py", {**files, "/usr/bin/true": "\x7fELF"})
    answers = [one.facts.debugger.answer for one in found]
    assert answers[: len(expected)] == expected or sorted(answers) == sorted(expected)


NAMES = ("A", "B", "C", "D")
CONDITIONS = st.sampled_from(
    ["os.environ.get('A') == '1'", "bool(os.getenv('B'))", "os.environ.get('C', '') in ('x', 'y')",
     "'D' in os.environ", "int(os.getenv('A', '0') or 0) > 0", "os.environ.get('B') != 'no'",
     "{'x': True}.get(os.getenv('C'), False)", "len(os.getenv('D', '')) > 1"]
)  # fmt: skip
VALUES = st.sampled_from(["", "1", "x", "no", "yes"])


@st.composite
def sources(draw: st.DrawFn) -> str:
    """A program whose debug flag hangs on some variables, in some way of writing."""
    one, two = draw(CONDITIONS), draw(CONDITIONS)
    form = draw(
        st.sampled_from(
            [
                f"debug = {one}",
                f"debug = ({one}) and ({two})",
                f"debug = ({one}) or not ({two})",
                f"debug = False\nif {one}:\n  debug = {two}",
                f"debug = True if {one} else {two}",
                f"debug = all([{one}, {two}])",
                f"def f():\n  if {one}:\n    return {two}\n  return False\ndebug = f()",
                f"class C:\n  D = {one}\n  def g(s): return s.D and {two}\ndebug = C().g()",
            ]
        )
    )
    return f"import os\n{WEB}{form}\napp.run(debug=debug)\n"


def answer(source: str, variables: Mapping[str, str | None]) -> tuple[Answer, tuple[str, ...]]:
    (program,) = programs("python app.py", {"app.py": source}, variables)
    claim = program.facts.debugger
    return claim.answer, tuple(entry.what for entry in claim.missing)


@settings(max_examples=examples(60, 3000), deadline=None)
@given(sources(), st.dictionaries(st.sampled_from(NAMES), VALUES), st.sets(st.sampled_from(NAMES)))
def test_supplying_what_is_missing_settles_an_answer_or_leaves_it_open(
    source: str, full: dict[str, str], hidden: set[str]
) -> None:
    """And it never turns one that was settled; a settled answer misses nothing."""
    known: dict[str, str | None] = dict(full)
    veiled = {name: None if name in hidden and name in full else known[name] for name in known}
    before, missing = answer(source, veiled)
    after, _ = answer(source, known)
    assert (before is UNKNOWN) == bool(missing)
    assert after is not UNKNOWN
    if before is not UNKNOWN:
        assert after is before
    else:
        assert any(name in " ".join(missing) for name in hidden) or missing


@settings(max_examples=examples(30, 1000), deadline=None)
@given(sources(), st.dictionaries(st.sampled_from(NAMES), VALUES), VALUES)
def test_an_input_that_is_not_read_changes_nothing(
    source: str, variables: dict[str, str], value: str
) -> None:
    known: dict[str, str | None] = dict(variables)
    assert answer(source, {**known, "UNREAD": value}) == answer(source, known)


TESTS = st.sampled_from([f"os.environ.get({name!r}) == '1'" for name in NAMES])
LEAVES = ("app.run(debug=True)", "app.run()", "pass", "return", "sys.exit()")


@st.composite
def bodies(draw: st.DrawFn, depth: int = 0) -> str:
    """Draw statements that start servers, return and end under conditions."""
    lines: list[str] = []
    for _ in range(draw(st.integers(1, 3))):
        if depth == 3 or draw(st.booleans()):
            lines.append(draw(st.sampled_from(LEAVES)))
            continue
        lines.append(f"if {draw(TESTS)}:")
        lines += [f"  {line}" for line in draw(bodies(depth + 1)).splitlines()]
        if draw(st.booleans()):
            lines.append("else:")
            lines += [f"  {line}" for line in draw(bodies(depth + 1)).splitlines()]
    return "\n".join(lines)


@settings(max_examples=examples(150, 10_000), deadline=None)
@given(
    st.lists(bodies(), min_size=1, max_size=3),
    st.fixed_dictionaries({name: st.sampled_from("01") for name in NAMES}),
    st.sets(st.sampled_from(NAMES), min_size=1),
)
def test_what_happens_on_every_way_happens_on_the_one_that_is_taken(
    functions: list[str], full: dict[str, str], hidden: set[str]
) -> None:
    defined = "".join(
        f"def f{number}():\n" + "".join(f"  {line}\n" for line in body.splitlines())
        for number, body in enumerate(functions)
    )
    called = "".join(f"f{number}()\n" for number in range(len(functions)))
    source = f"import os, sys\n{WEB}{defined}{called}"
    veiled = {name: None if name in hidden else value for name, value in full.items()}
    (before,) = programs("python app.py", {"app.py": source}, veiled)
    (after,) = programs("python app.py", {"app.py": source}, full)
    for one, other in (
        (before.facts.dev_server, after.facts.dev_server),
        (before.facts.debugger, after.facts.debugger),
    ):
        assert one.answer in {UNKNOWN, other.answer}, source
        assert other.answer is not UNKNOWN, source


WAYS = {
    "if A:\n  app.run()\nelse:\n  app.run(debug=True)": (YES, UNKNOWN),
    "if A:\n  app.run(debug=True)\nelse:\n  app.run(debug=True, port=80)": (YES, YES),
    "if A:\n  app.run()\napp.run(debug=True)": (YES, UNKNOWN),
    "if A:\n  app.run()\nelif B:\n  app.run()\nelse:\n  app.run()": (YES, NO),
    "if A:\n  app.run()\nelif B:\n  app.run()": (UNKNOWN, NO),
    "if A:\n  if B:\n    sys.exit()\nelse:\n  sys.exit()\napp.run()": (UNKNOWN, NO),
    "if A:\n  if B:\n    app.run()\nelse:\n  app.run()": (UNKNOWN, NO),
}


@pytest.mark.parametrize(("body", "expected"), WAYS.items(), ids=list(WAYS))
def test_a_server_that_starts_on_every_way_starts(
    body: str, expected: tuple[Answer, Answer]
) -> None:
    names = "A, B = os.environ.get('A') == '1', os.environ.get('B') == '1'"
    source = f"import os, sys\n{WEB}{names}\n{body}\n"
    (program,) = programs("python app.py", {"app.py": source}, {"A": None, "B": None})
    assert (program.facts.dev_server.answer, program.facts.debugger.answer) == expected
