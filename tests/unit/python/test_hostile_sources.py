"""No source may crash, stall or fill the memory: what cannot be followed ends as unknown.

The laws are counted in steps of the evaluator and in bytes that it allocates, never in seconds.
"""

import json
import random
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployguard.python import Ending, Outcome
from deployguard.python.interpreter import STEPS
from tests.support.effort import examples
from tests.unit.python.test_evaluation import evaluate, plain

MEGABYTE = 1 << 20
CASES = Path(__file__).parents[2] / "truth" / "cases.jsonl"


def understood(outcome: Outcome) -> bool:
    """Say whether an outcome claims to have seen everything."""
    return not outcome.unseen and outcome.ending not in {Ending.LIMIT, Ending.FAILED}


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n  f()\nf()",
        "def f(n):\n  return g(n + 1)\ndef g(n):\n  return f(n + 1)\nf(0)",
        "x = " + "-" * 30_000 + "1",
        "x = " + "not " * 30_000 + "1",
        "x = " + "(" * 5_000 + ")" * 5_000,
        "x = " + "[" * 5_000 + "]" * 5_000,
        "x" + ".a" * 30_000,
        "x = " + "1 + " * 20_000 + "1\n" + "if x:\n" + "pass" if False else "x = f(" * 400,
        "\x00",
        "note(1)\n\x00",
        "x = 1\n" * 400_000,
        "class A:\n  def __getattr__(s, n): return getattr(s, n + 'x')\nA().y",
        "class A:\n  def __add__(s, o): return o + s\nA() + A()",
        "class A:\n  def __str__(s): return str(s)\nstr(A())",
        "class A:\n  def __iter__(s): return iter(s)\nlist(A())",
        "class A:\n  def __bool__(s): return bool(s)\nif A(): pass",
        "def g():\n  yield from g()\nlist(g())",
        "r = range(400)\nfor i in r:\n  for j in r:\n    for k in r:\n      x = 1",
        "[0 for i in range(900) for j in range(900) for k in range(900)]",
        "import json\njson.loads('[' * 100000)",
    ],
    ids=lambda text: text[:60].encode("unicode_escape").decode(),
)
def test_what_has_no_end_or_is_nested_too_deeply_is_never_taken_for_understood(text: str) -> None:
    outcome = evaluate(text + "\nnote(9)")
    certain = [e for e in outcome.effects if e.name == "note" and not e.conditions]
    assert (
        not understood(outcome)
        or not certain
        or outcome.ending is Ending.RAISED
        or ("json" in text)
    )
    assert outcome.ending is not Ending.FAILED


@pytest.mark.parametrize(
    "text",
    [
        "x = 'a' * 10 ** 12",
        "x = [0] * 10 ** 9",
        "x = 10 ** 10 ** 10",
        "x = 1 << 10 ** 9",
        "x = list(range(10 ** 12))",
        "x = int('9' * 1000000)",
        "x = '%1000000000d' % 1",
        "x = '%*d' % (10 ** 9, 1)",
        "x = '{:1000000000}'.format(1)",
        "x = '{:{w}}'.format(1, w=10 ** 9)",
        "x = f'{1:{10 ** 9}}'",
        "x = format(1, '1000000000')",
        "x = 'a'.ljust(10 ** 9)",
        "x = 'a'.zfill(10 ** 10)",
        "x = '\\t'.expandtabs(10 ** 9)",
        "x = (10 ** 9).to_bytes(10 ** 9, 'big')",
        "x = bytes(10 ** 10)",
        "x = 'a'\nfor i in range(60): x = x + x",
        "x = 'a'\nfor i in range(60): x = f'{x}{x}'",
        "x = 'ab'\nfor i in range(60): x = x.join([x, x])",
        "x = 'a'\nfor i in range(60): x = x.replace('a', 'aa')",
        "x = 'a'\nfor i in range(60): x = '%s%s' % (x, x)",
        "x = 'a'\nfor i in range(60): x = '{0}{0}'.format(x)",
        "x = [1]\nfor i in range(60): x = x + x",
        "x = [1]\nfor i in range(60): x += x",
        "x = [1]\nfor i in range(60): x.extend(x)",
        "x = [1]\nfor i in range(60): x = [x, x]\nx = str(x)",
        "x = [1]\nfor i in range(60): x = [x, x]\nimport json\nx = json.dumps(x)",
        "x = 7\nfor i in range(60): x = x * x",
        "import string\nx = string.Template('$a' * 4000).substitute(a='a' * 15000)",
        "import itertools\nx = list(itertools.product(range(900), repeat=9))",
        "import itertools\nx = list(itertools.product(range(900), range(900), range(900)))",
        "import itertools\nx = list(itertools.repeat(1))",
        "import re\nx = re.match('(a+)+$', 'a' * 40 + 'b')",
        "import re\nx = re.match('(a|a)*$', 'a' * 40 + 'b')",
        "import re\nx = re.match('a?' * 40 + 'a' * 40, 'a' * 40)",
        "import re\nx = re.search('(.*)(.*)(.*)(.*)(.*)b', 'a' * 5000)",
        "import re\nx = re.match(r'(a*)\\1b', 'a' * 5000)",
        "import fnmatch\nx = fnmatch.fnmatch('a' * 5000, '*a' * 2000)",
        "import base64\nx = base64.b64encode(b'a' * 20000 * 20)",
        "import argparse\np = argparse.ArgumentParser()\np.add_argument('x', nargs=10 ** 9)\n"
        "x = p.parse_args(['1'])",
        "x = {i: 'a' * 10000 for i in range(900)}\nx = str(x)",
        "import ast\nx = ast.literal_eval('-' * 20000 + '1')",
        "import ast\nx = ast.literal_eval('(' * 9000 + ')' * 9000)",
        'import plistlib\nx = plistlib.loads(b\'<?xml version="1.0"?><!DOCTYPE p [<!ENTITY a "b">]>\')',
    ],
    ids=lambda text: text[:70].encode("unicode_escape").decode(),
)
def test_what_would_grow_without_bound_becomes_unknown_in_little_memory(text: str) -> None:
    tracemalloc.start()
    outcome = evaluate(text + "\nnote(x)")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 * MEGABYTE
    assert outcome.ending is not Ending.FAILED
    noted = [e.values["0"] for e in outcome.effects if e.name == "note" and not e.conditions]
    assert not any(
        isinstance(value, str | int | bytes) and len(str(value)) > 30_000
        for value in map(plain, noted)
    )


def test_large_sources_are_refused_by_their_size_and_many_lines_by_steps() -> None:
    assert not understood(evaluate("# " + "x" * 10 * MEGABYTE))
    assert not understood(evaluate("x = 1\n" * 300_000))
    assert understood(evaluate("x = 1\n" * 50_000))
    assert STEPS <= 500_000


def test_deep_hierarchies_and_circular_imports_end() -> None:
    classes = "class C0: x = 5\n" + "".join(f"class C{n}(C{n - 1}): pass\n" for n in range(1, 60))
    outcome = evaluate(classes + "note(C59().x)")
    assert [plain(e.values["0"]) for e in outcome.effects if e.name == "note"] == [5]
    files = {"/srv/app/a.py": "import b\nX = 1", "/srv/app/b.py": "import a\nY = 2"}
    outcome = evaluate("import a, b\nnote(a.X + b.Y)", files)
    assert [plain(e.values["0"]) for e in outcome.effects if e.name == "note"] == [3]
    files = {"/srv/app/a.py": "from b import Y\nX = 1", "/srv/app/b.py": "from a import X\nY = 2"}
    assert evaluate("import a\nnote(1)", files).ending is Ending.RAISED


def test_wide_hierarchies_end() -> None:
    bases = "".join(f"class A{n}: pass\n" for n in range(40))
    wide = "class W(" + ", ".join(f"A{n}" for n in range(40)) + "): x = 1\n"
    nested = "".join(f"class W{n}({'W' if n == 0 else f'W{n - 1}'}, A0): pass\n" for n in range(3))
    outcome = evaluate(bases + wide + nested + "note(W().x)")
    assert outcome.ending in {Ending.DONE, Ending.LIMIT}


def programs() -> Iterator[str]:
    """Return the Python texts of the observed launches, each once."""
    seen: set[str] = set()
    with CASES.open(encoding="utf-8") as lines:
        for line in lines:
            for name, content in json.loads(line)["files"].items():
                if name.endswith(".py") and isinstance(content, str) and content not in seen:
                    seen.add(content)
                    yield content


PROGRAMS = sorted(programs(), key=len)[:200]
WORDS = (
    "None", "os.environ['HIDDEN']", "[]", "lambda *a, **k: app", "app", "yield 1", "*x", "**y",
    "return", "global app", "del app", "raise", "async def f(): pass", "import os.path as app",
    "class app(app): pass", "with app as os: pass", "for app in app: pass", "try:\n  app\nfinally:\n  1",
    "print(app, file=1)", "app[app] = app", "app.run = app", "super().__init__()", "match app:\n  case 1: pass",
    "x = yield", "(x := app)", "f'{app!r:>{os}}'", "type('T', (app,), {})", "vars(app)", "exec(app)",
)  # fmt: skip


@st.composite
def mutations(draw: st.DrawFn) -> str:
    """A program in which lines are dropped, doubled, swapped, cut or followed by others."""
    lines = draw(st.sampled_from(PROGRAMS)).splitlines()
    chance = random.Random(draw(st.integers(0, 1 << 32)))  # noqa: S311  (no secret)
    for _ in range(draw(st.integers(1, 6))):
        place = chance.randrange(len(lines)) if lines else 0
        match chance.randrange(5):
            case 0:
                lines[place : place + 1] = []
            case 1:
                lines.insert(place, chance.choice(lines or [""]))
            case 2:
                word = chance.choice(WORDS)
                indent = " " * (len(lines[place]) - len(lines[place].lstrip())) if lines else ""
                lines.insert(place, "\n".join(indent + part for part in word.splitlines()))
            case 3 if lines:
                tokens = lines[place].split(" ")
                tokens[chance.randrange(len(tokens))] = chance.choice(WORDS).splitlines()[0]
                lines[place] = " ".join(tokens)
            case _:
                lines[place:] = [
                    line[: chance.randrange(len(line) + 1)] for line in lines[place:][:1]
                ]
    return "\n".join(lines)


@settings(max_examples=examples(200, 20_000), deadline=None)
@given(mutations())
def test_no_mutation_of_a_program_makes_the_evaluator_fail(text: str) -> None:
    outcome = evaluate(text, {"/srv/app/app.py": text}, HIDDEN=None)
    assert outcome.ending is not Ending.FAILED, outcome.note.note
