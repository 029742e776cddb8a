"""What strangers' texts may cost: each bomb ends in its bound, in a process that is measured."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from deployguard.errors import InputError, LimitError
from deployguard.formats import compose_env, dotenv, interpolation
from deployguard.model.evidence import Location
from deployguard.model.filesystem import Content

MIB = 1024 * 1024

# Peak memory of the process over what it had before the text was there, and how it ended.
MEASURE = """
import json, resource, sys
from deployguard.errors import InputError
from deployguard.formats.yaml import Dialect, documents
from pathlib import Path

for node in documents(b"{a: [b]}", "warm", Dialect.KUBECTL):
    pass
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
data = Path(sys.argv[1]).read_bytes()
try:
    count = sum(1 for _ in documents(data, "bomb", Dialect(sys.argv[2])))
    ended = "read"
except InputError as error:
    ended = type(error).__name__
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([ended, (after - before) * 1024]))
"""
LAUGHS = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
)
MERGES = "a0: &a0 {k: v}\n" + "".join(
    f"a{n}: &a{n} {{<<: *a{n - 1}, k{n}: v}}\n" for n in range(1, 5_000)
)
WIDE_MERGES = (
    "a: &a {" + ", ".join(f"k{n}: 1" for n in range(1_000)) + "}\n"
    "b: {<<: [" + ", ".join(["*a"] * 1_000) + "]}"
)
BOMBS = {
    "laughs": ("LimitError", LAUGHS),
    "laughs in an extension": ("LimitError", "services: {}\nx-b:\n  " + LAUGHS.replace("\n", "\n  ")),
    "merges of merges": ("LimitError", MERGES),
    "merges of a list": ("LimitError", WIDE_MERGES),
    "brackets": ("LimitError", "[" * 100_000),
    "braces": ("LimitError", '{"a":' * 100_000),
    "closed brackets": ("LimitError", "[" * 100_000 + "]" * 100_000),
    "dashes": ("LimitError", "- " * 100_000),
    "question marks": ("LimitError", "? " * 100_000),
    "values": ("LimitError", "a: [" + "b," * 5_000_000 + "]"),
    "keys": ("LimitError", "{" + ",".join(f"k{n}: v" for n in range(700_000)) + "}"),
    "a key of a MiB above many values": ("read", f"? {'k' * MIB}\n: [{'b,' * 100_000}]"),
    "long keys above many values": (
        "read", "".join(f"{' ' * n}{'k' * 250}:\n" for n in range(60)) + " " * 61 + f"[{'b,' * 100_000}]",
    ),
    "an integer of a million digits": ("read", "a: " + "9" * 1_000_000),
    "ten thousand documents": ("read", "a: 1\n---\n" * 10_000),
    "a tag of Python": ("read", "a: !!python/object/apply:os.system [touch ran]\n"),
    "one long line": ("read", "a: " + "x" * (9 * MIB)),
    "escapes of JSON": ("read", '{"a": "' + "\\u0041\\\\" * 500_000 + '"}'),
    "anchors": ("read", "".join(f"- &a{n} x\n" for n in range(60_000))),
}  # fmt: skip
# What is read may keep what it holds: the text, its nodes, and a copy on the way.
KEPT = {"one long line": 96 * MIB}


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("dialect", ["kubectl", "compose"])
def test_a_bomb_ends_in_its_bound(name: str, dialect: str, tmp_path: Path) -> None:
    expected, text = BOMBS[name]
    path = tmp_path / "bomb.yaml"
    path.write_text(text)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path), dialect],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path,
    )
    ended, peak = json.loads(done.stdout)
    assert ended == expected
    assert peak <= KEPT.get(name, 64 * MIB), f"{peak / MIB:.0f} MiB"
    assert not (tmp_path / "ran").exists()


def nothing(_: str) -> str | None:
    return None


def doubling(reference: str, count: int = 64) -> bytes:
    lines = [f"A{number + 1}={reference.replace('A', f'A{number}') * 2}" for number in range(count)]
    return "\n".join(["A0=x", *lines]).encode()


def test_an_env_file_of_compose_whose_values_double_reaches_a_limit() -> None:
    with pytest.raises(LimitError, match="128 KiB"):
        compose_env.environment(doubling("${A}"), "a.env", nothing)


def test_an_env_file_of_compose_that_copies_one_value_often_reaches_a_limit() -> None:
    text = f"A={'x' * 100_000}\n" + "B=y${A}\n" * 1_000
    with pytest.raises(LimitError, match="16 MiB"):
        compose_env.environment(text.encode(), "a.env", nothing)


def test_an_env_file_of_flask_whose_values_double_ends_as_unknown() -> None:
    found = dotenv.environment(Content(doubling("${A}"), Location(".env")))
    assert found.entries["A64"].value is None
    assert found.entries["A64"].missing
    assert found.entries["A3"].value == "x" * 8


def test_an_env_file_of_flask_that_copies_one_value_often_ends_as_unknown() -> None:
    lines = "".join(f"B{number}=y${{A}}\n" for number in range(1_000))
    found = dotenv.environment(Content(f"A={'x' * 100_000}\n{lines}".encode(), Location(".env")))
    made = sum(len(entry.value or "") for entry in found.entries.values())
    assert made < 17 * MIB
    assert found.entries["B999"].value is None


@pytest.mark.parametrize(
    "text",
    [
        "${" * 50_000,
        "$" * 100_001,
        "${A:-" * 20_000,
        "${A" * 50_000,
        "${A}" * 25_000,
    ],
)
def test_any_interpolation_ends(text: str) -> None:
    if "{" not in text:  # two dollars are one, and a lone one stays
        assert interpolation.interpolate(text, nothing, Location("x")) == "$" * 50_001
        return
    if "${A}" in text:
        assert interpolation.interpolate(text, nothing, Location("x")) == ""
        return
    with pytest.raises(InputError) as caught:
        interpolation.interpolate(text, nothing, Location("x"))
    assert caught.value.location == Location("x")


@pytest.mark.parametrize(
    "piece",
    [
        "A=",
        "A='",
        'A="\\',
        "export ",
        " \t",
        "#",
        "A=b # ",
        "\\'",
        "A='\\'\n",
        "'\"",
        "A B=",
        "\r",
        "=",
    ],
)
def test_any_env_file_ends(piece: str) -> None:
    # In a process of its own: what does not end would hang the test.
    code = (
        "import sys; from deployguard.errors import InputError\n"
        "from deployguard.formats import compose_env, dotenv\n"
        "from deployguard.model.evidence import Location\n"
        "from deployguard.model.filesystem import Content\n"
        "data = sys.stdin.buffer.read()\n"
        "dotenv.environment(Content(data, Location('.env')))\n"
        "try: compose_env.environment(data, 'a.env', lambda _: None)\n"
        "except InputError: pass\n"
    )
    data = (piece * (100_000 // len(piece))).encode()
    subprocess.run([sys.executable, "-c", code], input=data, check=True, timeout=60)
