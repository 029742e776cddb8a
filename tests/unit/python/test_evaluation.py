"""What the evaluator makes of Python: values, branches, effects, and what it cannot see."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployguard.model.environment import Environment
from deployguard.model.evidence import Location, Missing, Reason, Traced
from deployguard.python import (
    Call,
    EffectKind,
    Ending,
    Interpreter,
    Items,
    Known,
    Module,
    Native,
    Outcome,
    Value,
    known,
)
from deployguard.python.modules import LOCATION
from deployguard.python.standard.data import copied
from tests.support.memory import MemoryFiles

PLACE = Location("/srv/app/app.py")
SECRET = Missing(Reason.SECRET, "the key DEBUG of the Secret shop")


@dataclass(frozen=True)
class Recorder:
    """A library of one module, `probe`, whose function `note` records what it is given."""

    def module(self, run: Interpreter, name: str) -> Module | None:
        del run
        return Module("probe", {"note": Native("note", self._note)}) if name == "probe" else None

    @staticmethod
    def _note(call: Call) -> Value:
        values = dict(enumerate(call.arguments)) | dict(call.keywords)
        call.run.emit(
            EffectKind.LIBRARY,
            "note",
            call.location,
            # As they are now: a list may change later.
            values={str(key): copied(value) for key, value in values.items()},
        )
        return known(None)


def evaluate(
    text: str,
    files: dict[str, str] | None = None,
    *,
    python: tuple[int, int] | None = (3, 13),
    terminal: bool = False,
    optimize: int = 0,
    variables: Mapping[str, str | None] | None = None,
    **others: str | None,
) -> Outcome:
    entries: dict[str, Traced[str | None]] = {
        name: Traced(value, Location("compose.yaml"), missing=() if value else (SECRET,))
        for name, value in {**(variables or {}), **others}.items()
    }
    site = {"/venv/site-packages/probe/__init__.py": ""}
    run = Interpreter(
        environment=Environment(entries),
        files=MemoryFiles({**site, **(files or {})}),
        library=Recorder(),
        cwd="/srv/app",
        arguments=(known("app.py"), known("--debug")),
        search_path=("/srv/app", "/venv/site-packages"),
        version=python,
        terminal=terminal,
        optimize=optimize,
    )
    names = {LOCATION: PLACE, "__name__": known("__main__"), "__file__": known(PLACE.file)}
    module = Module("__main__", dict(names))

    def start() -> Module:
        run.execute_text("import probe, os, sys\nnote = probe.note\n" + text, module)
        return module

    return run.run(start, PLACE)


def plain(value: Value) -> Any:  # noqa: ANN401
    match value:
        case Known(value=constant):
            return constant
        case Items():
            return [plain(item) for item in value.items]
        case _:
            return type(value).__name__


def noted(text: str, files: dict[str, str] | None = None, **variables: str | None) -> list[Any]:
    """Return the first argument of every certain call of `note`, in order."""
    outcome = evaluate(text, files, variables=variables)
    assert outcome.unseen == ()
    return [
        plain(effect.values["0"])
        for effect in outcome.effects
        if effect.name == "note" and not effect.conditions
    ]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("os.environ['STAGE'] == 'dev'", True),
        ("os.environ.get('NOPE', 'False')", "False"),
        ("bool(os.getenv('STAGE'))", True),
        ("os.getenv('NOPE') in (None, '')", True),
        ("os.getenv('STAGE', '').lower() in {'dev', 'test'}", True),
        ("int('8' * 2) + 1", 89),
        ("f'{1}-{\"a\"!r}'", "1-'a'"),
        ("'%s:%d' % ('a', 3)", "a:3"),
        ("{'a': 1, **{'b': 2}}['b']", 2),
        ("[n * 2 for n in range(3) if n]", [2, 4]),
        ("(lambda a, *b, c=3, **d: c)(1, 2, c=4)", 4),
        ("1 if sys.argv[1:] else 2", 1),
        ("'--debug' in sys.argv", True),
        ("not 0 and None", None),
        ("(x := 5) + x", 10),
        ("len({'a': 1}.keys())", 1),
        ("any(v == 'dev' for v in ['prod', os.environ['STAGE']])", True),
        ("getattr(os, 'nothing_of_the_kind', 7) if False else 3", 3),
        ("os.path.join(os.path.dirname('/a/b'), 'c')", "/a/c"),
        ("sys.stdin.isatty()", False),
        ("__debug__", True),
    ],
)
def test_expressions_have_the_value_python_gives_them(expression: str, value: object) -> None:
    assert noted(f"note({expression})", STAGE="dev") == [value]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("def f(x=1):\n  return x\nnote(f())\nnote(f(2))", [1, 2]),
        ("class A:\n  D = False\nclass B(A):\n  D = True\nnote(B.D)\nnote(A().D)", [True, False]),
        ("class A:\n  def __init__(s, x):\n    s.x = x\nnote(A(4).x)", [4]),
        ("class A:\n  def f(self):\n    return 1\nclass B(A):\n  def f(self):\n"
         "    return super().f() + 1\nnote(B().f())", [2]),
        ("for n in (1, 2, 3):\n  if n == 3: break\n  note(n)\nelse:\n  note(9)", [1, 2]),
        ("while True:\n  note(1)\n  break", [1]),
        ("try:\n  import nothing_here\nexcept ImportError:\n  note(1)", [1]),
        ("try:\n  os.environ['NOPE']\nexcept KeyError:\n  note(1)\nfinally:\n  note(2)", [1, 2]),
        ("match os.environ['STAGE']:\n  case 'dev' | 'test': note(1)\n  case _: note(2)", [1]),
        ("import threading\nthreading.Thread(target=note, args=(1,)).start()\nnote(2)", [1, 2]),
        ("import threading\ndef f(): note(1)\nt = threading.Thread(target=f)\nt.start()", [1]),
        ("import asyncio\nasync def main():\n  note(1)\nasyncio.run(main())", [1]),
        ("import atexit\natexit.register(note, 2)\nnote(1)", [1, 2]),
        ("from functools import partial\npartial(note, 1)()", [1]),
        ("exec('note(1)')", [1]),
        ("x = {}\nx.setdefault('a', 1)\nx.update(b=2)\nnote(x.pop('a') + x['b'])", [3]),
        ("if 0:\n  note(1)\nelif 1:\n  note(2)", [2]),
        ("def f():\n  global g\n  g = 1\nf()\nnote(g)", [1]),
        ("def f():\n  n = 1\n  def g():\n    nonlocal n\n    n = 2\n  g()\n  return n\n"
         "note(f())", [2]),
        ("os.environ['A'] = 'x'\nnote(os.getenv('A'))", ["x"]),
        ("sys.exit(0)\nnote(1)", []),
        ("raise RuntimeError('no')\nnote(1)", []),
        ("assert False\nnote(1)", []),
    ],
)  # fmt: skip
def test_statements_do_what_python_does(text: str, values: list[object]) -> None:
    assert noted(text, STAGE="dev") == values


def test_an_unseen_variable_runs_both_branches_and_says_what_would_settle_it() -> None:
    outcome = evaluate(
        "if os.environ['FLAG'] == '1':\n  note(1)\nelse:\n  note(2)\nnote(3)", FLAG=None
    )
    assert [(plain(e.values["0"]), e.conditions) for e in outcome.effects] == [
        (1, (SECRET,)),
        (2, (SECRET,)),
        (3, ()),
    ]


def test_what_two_branches_leave_alike_is_known_and_what_differs_is_not() -> None:
    outcome = evaluate(
        "if os.environ['FLAG']:\n  a, b = 1, 1\nelse:\n  a, b = 1, 2\nnote(a)\nnote(b)", FLAG=None
    )
    first, second = outcome.effects
    assert plain(first.values["0"]) == 1
    assert plain(second.values["0"]) == "Opaque"


@pytest.mark.parametrize(
    "leave",
    ["sys.exit()", "raise ValueError", "return", "[][0]"],
)
def test_what_follows_a_way_out_that_may_be_taken_is_not_certain(leave: str) -> None:
    outcome = evaluate(
        f"def f():\n  if os.environ['FLAG']:\n    {leave}\n  note(1)\nf()", FLAG=None
    )
    assert [effect.conditions for effect in outcome.effects] == [(SECRET,)]


def test_a_handler_of_an_exception_that_may_be_raised_may_run() -> None:
    outcome = evaluate(
        "try:\n  if os.environ['FLAG']:\n    raise ValueError\nexcept ValueError:\n  note(1)",
        FLAG=None,
    )
    assert [bool(effect.conditions) for effect in outcome.effects if effect.name == "note"] == [
        True
    ]


@pytest.mark.parametrize(
    "text",
    [
        "eval(input())",
        "exec(os.environ['HIDDEN'])",
        "exec(sys.stdin.read())",
        "import runpy\nrunpy.run_path(os.environ['HIDDEN'])",
        "import runpy\nrunpy.run_module('unknown_library')",
        "import importlib\nimportlib.reload(note)",
        "import importlib\nimportlib.import_module(os.environ['HIDDEN'])",
        "import ctypes\nctypes.CDLL('x').main()",
        "open(os.environ['HIDDEN'], 'w').write('x')",
        "import os\nos.rename('a', 'b')",
        "setattr(os, os.environ['HIDDEN'], 1)",
        "import asyncio\nasyncio.run(asyncio.start_server(note))",
        "class M(type):\n  def __call__(c): return 1\nclass A(metaclass=M): pass",
        "import unknown_library\nunknown_library.start()",
    ],
)
def test_what_cannot_be_seen_into_is_recorded(text: str) -> None:
    outcome = evaluate(text, {"/venv/site-packages/unknown_library/__init__.py": ""}, HIDDEN=None)
    assert outcome.unseen
    assert all(missing.what for missing in outcome.unseen)


def test_a_function_handed_to_a_harmless_library_may_be_called() -> None:
    outcome = evaluate("import sched\ndef f(): note(1)\nsched.scheduler().enter(1, 1, f)")
    assert [bool(effect.conditions) for effect in outcome.effects] == [True]


@pytest.mark.parametrize(
    ("files", "values"),
    [
        ({"/srv/app/shop.py": "FLAG = True"}, [True]),
        ({"/srv/app/shop/__init__.py": "from .inner import FLAG",
          "/srv/app/shop/inner.py": "FLAG = 2"}, [2]),
    ],
)  # fmt: skip
def test_modules_of_the_program_are_evaluated(files: dict[str, str], values: list[object]) -> None:
    assert noted("from shop import FLAG\nnote(FLAG)", files) == values


def test_a_local_file_hides_a_library() -> None:
    files = {"/srv/app/probe.py": "def note(*a): pass"}
    outcome = evaluate("note(1)", files)
    assert [effect.name for effect in outcome.effects] == []


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n  f()\nf()",
        "x = " + "-" * 30_000 + "1",
        "x = " + "(" * 5_000 + ")" * 5_000,
        "\x00",
        "print 'python 2'",
    ],
    ids=lambda text: text[:20],
)
def test_hostile_sources_end_and_are_never_taken_for_understood(text: str) -> None:
    assert evaluate(text, python=None).unseen


@pytest.mark.parametrize(
    "text",
    [
        "x = '" + "a" * 100 + "'\n" + "x = x + x\n" * 60,
        "x = 'a'\n" + "x = f'{x}{x}'\n" * 60,
        "x = 'ab'\n" + "x = x.join([x, x])\n" * 60,
        "x = 7\n" + "x = x * x\n" * 60,
        "x = [[]]\n" + "x = x + x\n" * 40,
        "x = 'a'\n" + "x = x.replace('a', 'aa')\n" * 40,
        "x = 'a' * 10 ** 9",
        "x = '%1000000000d' % 1",
        "x = '{:1000000000}'.format(1)",
        "r = range(400)\nfor i in r:\n  for j in r:\n    for k in r:\n      x = 1",
    ],
    ids=lambda text: text[:20],
)
def test_what_grows_without_end_becomes_unknown_or_meets_the_step_budget(text: str) -> None:
    outcome = evaluate(text + "\nnote(x)")
    assert [plain(e.values["0"]) for e in outcome.effects if e.name == "note"] in ([], ["Opaque"])


def test_what_follows_a_loop_without_a_known_end_is_not_certain() -> None:
    outcome = evaluate("n = 0\nwhile n < 10_000:\n  n += 1\nnote(n)")
    assert [bool(effect.conditions) for effect in outcome.effects] == [True]


SOURCES = st.lists(
    st.sampled_from(
        [
            "note(x)", "x = 1", "x = os.environ['FLAG']", "if x: note(2)", "for x in y: note(x)",
            "def f(a, b=2, *c, **d): return a", "f(1)", "f()", "class A(f): x = 1", "A().x",
            "try: f(x)\nexcept: note(1)", "del x", "x += 1", "with x as y: note(y)",
            "y = [x for x in x]", "y = {**x}", "import z", "from z import *", "lambda: x",
            "x[0] = 1", "x.y = 2", "assert x", "while x: break", "raise x", "x = y = None",
            "async def g(): await x", "note(*x, **y)", "return 1", "nonlocal x", "x: int = 3",
        ]
    ),
    max_size=12,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(SOURCES)
def test_evaluation_never_raises(lines: list[str]) -> None:
    assert evaluate("\n".join(lines), FLAG=None).ending in set(Ending)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=200))
def test_evaluation_never_raises_on_any_text(text: str) -> None:
    assert evaluate(text).ending in set(Ending)
