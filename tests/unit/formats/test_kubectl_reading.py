"""Files as kubectl reads them, beside recorded readings, kubectl's own code and the real program.

`kubectl_reading.json` holds texts (their bytes as Latin-1) and what the decoder of Kubernetes 1.35
makes of each: its objects, or null where it refuses the text.
"""

import json
import random
import tracemalloc
from functools import cache
from pathlib import Path

import pytest

from deployguard.errors import InputError, LimitError, SyntaxInputError
from deployguard.formats.nodes import MAX_DOCUMENTS, Mapping, Node, Remarks, Scalar, Sequence
from deployguard.formats.yaml import Dialect, documents
from tests.support import kubectl
from tests.support.effort import LONG
from tests.support.kubernetes_oracle import reader

RECORDED: list[tuple[str, list[object] | None]] = [
    (text, objects)
    for text, objects in json.loads(Path(__file__).with_name("kubectl_reading.json").read_text())
]
# What is read otherwise on purpose, with the reason.
OTHERWISE = {
    # Refused here: the mark would become part of the key.
    "---\n\xef\xbb\xbfa: 1\n",
    # kubectl looks four characters ahead for YAML behind JSON, and there are three.
    '{"a": 1} # c',
}


def plain(node: Node) -> object:
    match node:
        case Scalar(value):
            return value
        case Sequence(items):
            return [plain(item) for item in items]
        case Mapping(entries):
            return {key.value: plain(value) for key, value in entries}


def read(data: bytes) -> list[object] | None:
    """Return the objects of a file, None where it is refused."""
    try:
        found = documents(data, "file.yaml", Dialect.KUBECTL)
        return [plain(node) for node in found if node is not None]
    except InputError:
        return None


def same(one: object, other: object) -> bool:
    """Compare values as JSON has them: 1 is 1.0, and neither is true."""
    match one, other:
        case dict(), dict():
            return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
        case list(), list():
            return len(one) == len(other) and all(map(same, one, other))
        case bool(), _:
            return one is other
        case ((int() | float()), (int() | float())) if not isinstance(other, bool):
            return float(one) == float(other)
        case _:
            return type(one) is type(other) and one == other


def test_more_than_four_hundred_texts_are_read_as_kubectl_reads_them() -> None:
    assert len(RECORDED) > 400
    wrong = [
        (text, objects, found)
        for text, objects in RECORDED
        if text not in OTHERWISE and not same(found := read(text.encode("latin-1")), objects)
    ]
    assert wrong == []


def test_the_recorded_readings_are_those_of_kubectls_own_code() -> None:
    own = reader()
    for text, objects in RECORDED:
        answer = own.ask(text.encode("latin-1"))
        assert same(None if answer.get("error") else answer["documents"], objects), text


HEAD = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n"


def manifests() -> list[tuple[bytes, object]]:
    """Return the recorded texts that go on where the fields of an object have begun."""
    texts = [(text, objects) for text, objects in RECORDED if text.startswith("a: ")]
    plain_ones = [one for one in texts if "---" not in one[0] and "..." not in one[0]]
    return [(HEAD + text.encode("latin-1"), objects) for text, objects in plain_ones]


def test_the_real_kubectl_reads_them_so_too(tmp_path: Path) -> None:
    # Numbers beyond 53 bits are printed rounded.
    taken = [
        (text, objects[0])
        for text, objects in manifests()
        if isinstance(objects, list) and len(objects) == 1 and "999999999" not in str(objects)
        if not any(digits in str(objects) for digits in ("18446744073", "9223372036"))
    ]
    assert len(taken) > 200
    lines = (text if text.endswith(b"\n") else text + b"\n" for text, _ in taken)
    (tmp_path / "all.yaml").write_bytes(b"---\n".join(lines))
    run = kubectl.local(tmp_path / "all.yaml", "json")
    assert run.returncode == 0, run.stderr
    decoder, rest = json.JSONDecoder(), run.stdout.strip()
    for text, expected in taken:
        item, end = decoder.raw_decode(rest)
        rest = rest[end:].strip()
        found = {key: item[key] for key in item if key not in ("apiVersion", "kind", "metadata")}
        assert same(found, expected), text


def test_the_real_kubectl_refuses_what_is_refused(tmp_path: Path) -> None:
    refused = [text for text, objects in manifests() if objects is None]
    assert len(refused) > 20
    for number, text in enumerate(refused if LONG else refused[::4]):
        path = tmp_path / f"{number}.yaml"
        path.write_bytes(text)
        assert kubectl.local(path, "json").returncode != 0, text


PIECES = (
    *"abyno01e_x.:-+{}[],&*!|>'\"#%? \n\t<=~\\u",
    *("\n", "\n---\n", "\n...\n", "\r\n", "<<: ", "*x", "&x ", "- ", ": ", "? ", "\n  ", "!!str "),
    *("|\n", "{", "}", "0x", "1e3", "\x85", "\ufeff", "é", "!a,"),
)


@cache
def stock() -> tuple[str, ...]:
    return tuple(text.encode("latin-1").decode("utf-8", "replace") for text, _ in RECORDED)


def mutated(chance: random.Random) -> str:
    """Return a recorded text with some of it taken out, put in or brought over from another."""
    text = chance.choice(stock())
    for _ in range(chance.randint(1, 4)):
        place = chance.randint(0, len(text))
        way = chance.random()
        if way < 0.5:
            text = text[:place] + chance.choice(PIECES) + text[place:]
        elif way < 0.75:
            text = text[:place] + text[place + chance.randint(1, 5) :]
        else:
            other = chance.choice(stock())
            begin = chance.randint(0, len(other))
            text = text[:place] + other[begin : begin + chance.randint(1, 30)] + text[place:]
    return text


@pytest.mark.parametrize("seed", range(40 if LONG else 2))
def test_of_a_changed_text_kubectl_never_reads_something_else(seed: int) -> None:
    chance, own, both = random.Random(seed), reader(), 0  # noqa: S311  (repeatable on purpose)
    for _ in range(2000):
        data = mutated(chance).encode("utf-8", "surrogatepass")
        answer, found = own.ask(data), read(data)
        if not answer.get("error") and found is not None:
            both += 1
            assert same(found, answer["documents"]), data
    assert both > 500  # as many are refused by both


def only(text: str) -> list[Node]:
    return [node for node in documents(text.encode(), "f", Dialect.KUBECTL) if node is not None]


def test_places_are_those_of_the_file_in_whichever_part_they_stand() -> None:
    text = '{"a":\n 1}\n{"b": [2,\n  3]}'
    json_nodes = only(text)
    listed = json_nodes[1].get("b") if isinstance(json_nodes[1], Mapping) else None
    assert isinstance(listed, Sequence)
    assert [(item.location.line, item.location.column) for item in listed.items] == [(3, 8), (4, 3)]
    assert listed.items[1].location.pointer == "/b/1"
    assert [
        (node.location.line, node.location.column)
        for node in only("# c\n\n---\na: 1\n---\n\n b: 2\n")
    ] == [(4, 1), (7, 2)]
    assert [(node.location.line, node.location.column) for node in only('{"a": 1} {b: 2}')] == [
        (1, 1),
        (1, 10),
    ]


def test_what_is_not_read_is_remarked_on() -> None:
    remarks = Remarks()
    found = list(
        documents(b"a: 1\n...\n# c\n\nb: 2\n---\nc: 1\n...\n# d\n", "f", Dialect.KUBECTL, remarks)
    )
    assert len(found) == 2
    assert [place.line for place in remarks.ignored] == [5]
    assert not remarks.repeated


@pytest.mark.parametrize("text", ["---\n---\n", "---\na\n", '{"a":1}\n', '{"a":1}'])
def test_a_text_has_a_limit_of_documents(text: str) -> None:
    with pytest.raises(LimitError, match="more than 20000 documents"):
        only(text * (MAX_DOCUMENTS + 1) + text)


@pytest.mark.parametrize(
    "text",
    [
        "{" + "\n" * 1_000_000 + '"a": 1}',
        "a: 1\n...\n" + "\n" * 1_000_000,
        "a: 1\n...\n" + "#\n" * 500_000,
        "\n" * 1_000_000 + "a: 1\n",
        "\r\n" * 500_000 + "a: 1\n",
    ],
    ids=["in JSON", "behind the end", "comments", "before", "with returns"],
)
def test_blank_lines_take_no_memory_of_their_own(text: str) -> None:
    tracemalloc.start()
    assert len(only(text)) == 1
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6 * len(text)


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("a: 1\n--- b\nc: 1\n", "a line that begins with ---", 2),
        ('{"a": 1}\n{"b": 2}\nc: 3\n', "not JSON", 3),
        ('{"a": 1}\n{"b": 1e999}', "too big", 2),
        ("a: 1\n---\n# c\n...\n", "ends before it begins", 4),
        ('a: 1\nb: "\\/"\n', "unknown escape", 2),
        ("1: a\n'1': b\n", "stands twice", 2),
        ("a: {!b, c: 1}", "a tag with a comma", 1),
        ("a: 1\n\ufeffb: 1\n", "byte order mark", 2),
        ("a: &x [{b: 1}]\nc:\n  <<: *x\n", "<< takes", 3),
    ],
)
def test_what_kubectl_refuses_or_may_read_either_way_is_an_error_with_its_place(
    text: str, message: str, line: int
) -> None:
    with pytest.raises(SyntaxInputError, match=message) as caught:
        only(text)
    assert caught.value.location is not None
    assert caught.value.location.line == line
