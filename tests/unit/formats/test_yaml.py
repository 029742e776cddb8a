import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import yaml as pyyaml
from hypothesis import given
from hypothesis import strategies as st

from deployguard.errors import InputError, LimitError, SyntaxInputError
from deployguard.formats import yaml
from deployguard.formats.yaml import Dialect, Mapping, Node, Scalar, Sequence, documents
from tests.support import kubectl

KUBECTL, COMPOSE, STRICT = Dialect.KUBECTL, Dialect.COMPOSE, Dialect.STRICT
DIALECTS = st.sampled_from(list(Dialect))


def only(text: str | bytes, dialect: Dialect = STRICT) -> Node:
    data = text.encode() if isinstance(text, str) else text
    [node] = documents(data, "file.yaml", dialect)
    assert node is not None
    return node


def plain(node: Node | None) -> object:
    match node:
        case None:
            return None
        case Scalar(value):
            return value
        case Sequence(items):
            return [plain(item) for item in items]
        case Mapping(entries):
            return {key.value: plain(value) for key, value in entries}


def value(text: str, dialect: Dialect) -> object:
    node = only(f"v: {text}", dialect)
    assert isinstance(node, Mapping)
    return plain(node.get("v"))


# Recorded from kubectl 1.32 (annotate --local -o json) and Docker Compose 2.40.3 (config --format
# json, under an x- key); the last column is YAML 1.2, section 10.3.
SCALARS = [
    ("y", True, "y", "y"),
    ("N", False, "N", "N"),
    ("yes", True, "yes", "yes"),
    ("On", True, "On", "On"),
    ("off", False, "off", "off"),
    ("True", True, True, True),
    ("tRUE", "tRUE", "tRUE", "tRUE"),
    ("~", None, None, None),
    ("NULL", None, None, None),
    ("nULL", "nULL", "nULL", "nULL"),
    ("22:22", "22:22", "22:22", "22:22"),
    ("1:2:3.5", "1:2:3.5", "1:2:3.5", "1:2:3.5"),
    ("0o17", 15, 15, 15),
    ("0O17", 15, 15, "0O17"),
    ("-0o17", -15, -15, "-0o17"),
    ("0o-7", "0o-7", -7, "0o-7"),
    ("0o18", "0o18", "0o18", "0o18"),
    ("08", 8, 8, 8),
    ("010", 8, 8, 10),
    ("-010", -8, -8, -10),
    ("0_8", 8, 8, "0_8"),
    ("1e3", 1000, 1000, 1000),
    ("1E+3", 1000, 1000, 1000),
    ("1e", "1e", "1e", "1e"),
    ("1e400", "1e400", "1e400", "1e400"),
    ("1e3_0", 1e30, 1e30, "1e3_0"),
    ("1_000", 1000, 1000, "1_000"),
    ("1_", 1, 1, "1_"),
    ("_1", "_1", "_1", "_1"),
    ("0b11", 3, 3, "0b11"),
    ("-0B11", -3, -3, "-0B11"),
    ("0b-11", -3, -3, "0b-11"),
    ("0b102", "0b102", "0b102", "0b102"),
    ("0x1F", 31, 31, 31),
    ("0X1f", 31, 31, "0X1f"),
    ("-0x1F", -31, -31, "-0x1F"),
    ("0x_1", 1, 1, "0x_1"),
    ("0x1p3", "0x1p3", "0x1p3", "0x1p3"),
    ("0xffffffffffffffffff", "0xffffffffffffffffff", "0xffffffffffffffffff", 2**72 - 1),
    ("18446744073709551615", 2**64 - 1, 2**64 - 1, 2**64 - 1),
    ("18446744073709551616", 2.0**64, 2.0**64, 2**64),
    ("1.", 1, 1, 1),
    ("+.5", 0.5, 0.5, 0.5),
    (".5_0", 0.5, 0.5, ".5_0"),
    (".5_", ".5_", ".5_", ".5_"),
    (".e3", ".e3", ".e3", ".e3"),
    ("infinity", "infinity", "infinity", "infinity"),
    ("NaN", "NaN", "NaN", "NaN"),
    ("2024-01-01", "2024-01-01", "2024-01-01", "2024-01-01"),
    ("=", "=", "=", "="),
    ("<<", "<<", "<<", "<<"),
    ("'1'", "1", "1", "1"),
    ('"yes"', "yes", "yes", "yes"),
]


@pytest.mark.parametrize(("text", "kubectl", "compose", "core"), SCALARS)
def test_a_plain_scalar_means_what_the_tool_makes_of_it(
    text: str, kubectl: object, compose: object, core: object
) -> None:
    found = [value(text, dialect) for dialect in (KUBECTL, COMPOSE, STRICT)]
    assert found == [kubectl, compose, core]
    # 1 == True, so equal values are not enough; a number may be spelt 1000 or 1000.0.
    expected = [isinstance(one, bool) for one in (kubectl, compose, core)]
    assert [isinstance(one, bool) for one in found] == expected


@pytest.mark.parametrize(
    ("text", "kubectl", "compose"),
    [
        ("! 1", "1", 1),
        ("! '1'", "1", "1"),
        ("! true", "true", True),
        ("!!str 1", "1", "1"),
        ("!!str", "", ""),
        ("!!int '1'", 1, 1),
        ("!!int 010", 8, 8),
        ("!!float 1", 1.0, 1.0),
        ("!!bool 'true'", True, True),
        ("!!null ''", None, None),
        ("!!binary aGk=", "hi", "hi"),
        ("!custom 1", "1", "1"),
        ("!!python/object:os.system {a: 1}", {"a": 1}, {"a": 1}),
    ],
)
def test_an_explicit_tag_is_followed_or_without_effect(
    text: str, kubectl: object, compose: object
) -> None:
    assert [value(text, KUBECTL), value(text, COMPOSE)] == [kubectl, compose]


@pytest.mark.parametrize("text", ["!!int abc", "!!int 1.0", "!!bool 1", "!!binary '***'"])
@pytest.mark.parametrize("dialect", list(Dialect))
def test_a_tag_that_does_not_fit_its_value_is_an_error(text: str, dialect: Dialect) -> None:
    with pytest.raises(SyntaxInputError):
        value(text, dialect)


@pytest.mark.parametrize("text", ["!!str 1", "!reset null", "!custom [a]", "!!map {a: 1}"])
def test_our_own_files_have_no_tags(text: str) -> None:
    with pytest.raises(SyntaxInputError, match="the tag"):
        value(text, STRICT)


def test_compose_keeps_its_tags_on_every_kind_of_node() -> None:
    node = only("{a: !reset null, b: !override [x], c: !override {d: e}}", COMPOSE)
    assert isinstance(node, Mapping)
    assert [value.tag for _, value in node.entries] == ["!reset", "!override", "!override"]


def test_a_plain_date_of_compose_is_marked_as_one() -> None:
    node = only("[2024-01-01, 2024-1-2 3:4:5, '2024-01-01', 2024-02-30, 2024-01-01x]", COMPOSE)
    assert isinstance(node, Sequence)
    assert [item.tag == yaml.TIMESTAMP for item in node.items] == [True, True, False, False, False]


@pytest.mark.parametrize("text", [".inf", "-.Inf", ".nan"])
def test_only_kubectl_refuses_what_json_cannot_say(text: str) -> None:
    with pytest.raises(SyntaxInputError, match="JSON"):
        value(text, KUBECTL)
    for dialect in (COMPOSE, STRICT):
        number = value(text, dialect)
        assert isinstance(number, float)
        assert not math.isfinite(number)


def test_keys_of_kubectl_become_text() -> None:
    assert plain(only("{y: 1, 0x10: 2, 1.5: 3, 1e3: 4, '': 5}", KUBECTL)) == {
        "true": 1,
        "16": 2,
        "1.5": 3,
        "1000": 4,
        "": 5,
    }


@pytest.mark.parametrize("text", ["{~: 1}", "{[a]: 1}", "{{a: b}: 1}", "{18446744073709551615: 1}"])
@pytest.mark.parametrize("dialect", list(Dialect))
def test_other_keys_are_refused(text: str, dialect: Dialect) -> None:
    with pytest.raises(SyntaxInputError, match="key"):
        only(text, dialect)


@pytest.mark.parametrize("key", ["1", "1.5", "true", "2024-01-01"])
def test_keys_of_compose_must_be_text(key: str) -> None:
    with pytest.raises(SyntaxInputError, match="is not text"):
        only(f"{{{key}: x}}", COMPOSE)


def test_of_equal_keys_kubectl_takes_the_last() -> None:
    assert plain(only("{a: 1, b: 2, a: 3}", KUBECTL)) == {"a": 3, "b": 2}


@pytest.mark.parametrize("dialect", [COMPOSE, STRICT])
def test_elsewhere_an_equal_key_is_an_error_that_names_both_places(dialect: Dialect) -> None:
    with pytest.raises(SyntaxInputError, match="stands twice, first in line 1") as caught:
        only("a: 1\nb: 2\na: 3\n", dialect)
    assert caught.value.location is not None
    assert (caught.value.location.line, caught.value.location.column) == (3, 1)


@pytest.mark.parametrize(
    ("text", "kubectl", "compose"),
    [
        ("{a: 1, <<: {a: 2, b: 3}}", {"a": 2, "b": 3}, {"a": 1, "b": 3}),
        ("{<<: {a: 2, b: 3}, a: 1}", {"a": 1, "b": 3}, {"a": 1, "b": 3}),
        ("{<<: [{a: 1}, {a: 2, b: 1}]}", {"a": 1, "b": 1}, {"a": 1, "b": 1}),
        ("{<<: []}", {}, {}),
        ("{'<<': {a: 1}}", {"<<": {"a": 1}}, {"<<": {"a": 1}}),
        ("{!!merge <<: {a: 1}}", {"a": 1}, {"a": 1}),
    ],
)
def test_a_merge_key_brings_in_what_the_tool_would(
    text: str, kubectl: object, compose: object
) -> None:
    assert [plain(only(text, KUBECTL)), plain(only(text, COMPOSE))] == [kubectl, compose]


@pytest.mark.parametrize("text", ["{<<: 3}", "{<<: [1]}", "{<<: null}"])
def test_a_merge_key_takes_mappings(text: str) -> None:
    with pytest.raises(SyntaxInputError, match="<<"):
        only(text, KUBECTL)


def test_only_kubectl_takes_two_merge_keys() -> None:
    text = "{<<: {a: 1}, <<: {a: 2}}"
    assert plain(only(text, KUBECTL)) == {"a": 2}
    with pytest.raises(SyntaxInputError, match="twice"):
        only(text, COMPOSE)


def test_every_key_and_value_knows_its_place() -> None:
    node = only("services:\n  web/a~b:\n  - x\n  - y: 1\n")
    assert isinstance(node, Mapping)
    services = node.get("services")
    assert isinstance(services, Mapping)
    key = services.key("web/a~b")
    assert key is not None
    assert (key.location.line, key.location.column, key.location.pointer) == (2, 3, "/services")
    listed = services.get("web/a~b")
    assert isinstance(listed, Sequence)
    places = [(item.location.line, item.location.column) for item in listed.items]
    assert places == [(3, 5), (4, 5)]
    assert listed.items[1].location.pointer == "/services/web~1a~0b/1"
    assert services.get("other") is services.key("other") is None


def test_an_alias_stands_where_its_anchor_does() -> None:
    node = only("a: &x {b: 1}\nc: *x\n")
    assert isinstance(node, Mapping)
    assert node.get("c") is node.get("a")


def test_documents_are_separate_and_empty_ones_none() -> None:
    text = b"a: &x 1\n---\n# nothing\n---\nb: 2\n"
    assert [plain(node) for node in documents(text, "f", KUBECTL)] == [{"a": 1}, None, {"b": 2}]
    with pytest.raises(SyntaxInputError, match="nothing above is anchored"):
        list(documents(b"a: &x 1\n---\nb: *x\n", "f", KUBECTL))
    assert list(documents(b"", "f", STRICT)) == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_text_is_read_in_the_encodings_of_yaml(encoding: str) -> None:
    mark = "" if encoding in ("utf-8", "utf-8-sig", "utf-16") else "\ufeff"
    assert plain(only((mark + "a: ü\n").encode(encoding))) == {"a": "ü"}


@pytest.mark.parametrize(
    "text",
    [
        '{"a": "\\ud83d\\ude00 \\/ \\\\ud83d \\u0085\\n"}',
        '{\n\t"a":\t["\\u0000", -0.0, 1E5, true, null]}',
        '{"a": "b\u0085c\u2028d\u007f\ufeff"}',
        '{"a": 1, "a": 2}',
    ],
)
def test_json_is_read_as_json(text: str) -> None:
    assert plain(only(text, KUBECTL)) == json.loads(text)


def test_half_a_surrogate_pair_is_the_replacement_character() -> None:
    assert plain(only('{"a": "\\ud83d x"}', KUBECTL)) == {"a": "\ufffd x"}


@given(
    st.dictionaries(
        st.text(max_size=20),
        st.recursive(
            st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
            max_leaves=10,
        ),
    ),
    st.booleans(),
)
def test_what_json_writes_is_read_back(data: dict[str, object], ascii_only: bool) -> None:  # noqa: FBT001  (drawn)
    try:
        text = json.dumps(data, ensure_ascii=ascii_only).encode()
    except UnicodeEncodeError:
        return  # a lone surrogate has no bytes
    expected = json.loads(json.dumps(data).encode("utf-8", "replace"))
    if "\\ud" not in json.dumps(data):
        assert plain(only(text, KUBECTL)) == expected


def bomb(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [
        f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, levels)
    ]
    return "\n".join(lines)


@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "{a: " * 100_000,
        "- " * 65 + "x",
        "? " * 70 + "x",
        bomb(10),
        "a: &a " + "[" * 40 + "]" * 40 + "\nb: " + "[" * 40 + "*a" + "]" * 40,
        "a: &a {" + ", ".join(f"k{n}: 1" for n in range(1000)) + "}\n"
        "b: &b {<<: [" + ", ".join(["*a"] * 1000) + "]}",
        "x" * (yaml.MAX_BYTES + 1),
    ],
    ids=["brackets", "braces", "dashes", "keys", "aliases", "depth by alias", "merges", "long"],
)
def test_a_bomb_reaches_a_limit(text: str, dialect: Dialect) -> None:
    with pytest.raises(LimitError) as caught:
        list(documents(text.encode(), "bomb.yaml", dialect))
    assert caught.value.location is not None


def test_sixty_four_levels_are_read() -> None:
    assert isinstance(only("[" * 64 + "]" * 64), Sequence)


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        (b"a: 1\nb: \x01\n", "not a text", 2),
        (b"a: 1\nb: \xff\xfe\xfd\n", "not a text", 2),
        (b"a: 1\n\tb: 2\n", "not YAML", 2),
        (b"a: b: c\n", "not YAML", 1),
        (b"a: [1\n", "not YAML", 2),
        (b"a: 'x\n", "not YAML", 2),
        (b"a: *nobody\n", "nothing above is anchored", 1),
        (b"a: &a [*a]\n", "contains itself", 1),
        (b"\x7fELF\x02\x01\x01\x00\x00", "not a text", 1),
        (b"%YAML 3.0\n---\na: 1\n", "not YAML", 1),
    ],
)
def test_what_is_not_yaml_is_an_error_with_its_place(text: bytes, message: str, line: int) -> None:
    with pytest.raises(SyntaxInputError, match=message) as caught:
        list(documents(text, "file.yaml", STRICT))
    assert caught.value.location is not None
    assert (caught.value.location.file, caught.value.location.line) == ("file.yaml", line)


YAML_LIKE = st.text("abyno01e_x.:-+{}[],&*!|>'\"#%? \n\t<=~\\u", max_size=60)


def refusal(data: bytes, dialect: Dialect) -> InputError | None:
    try:
        list(documents(data, "any", dialect))
    except (SyntaxInputError, LimitError) as error:
        return error
    return None


@given(st.binary(max_size=200) | st.text().map(str.encode) | YAML_LIKE.map(str.encode), DIALECTS)
def test_any_bytes_are_read_or_refused(data: bytes, dialect: Dialect) -> None:
    refused = refusal(data, dialect)
    assert refused is None or refused.location is not None


@pytest.mark.parametrize(
    "text",
    ['"\\UFFFFFFFF"', '"\\UFFFFFF"', "%YAML 1." + "9" * 5000 + "\n---\na", "a: b: c", "\x01"],
)
def test_without_libyaml_the_errors_are_the_same(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(pyyaml, "CSafeLoader")
    with pytest.raises(SyntaxInputError):
        list(documents(text.encode(), "file.yaml", STRICT))


@given(YAML_LIKE)
def test_without_libyaml_any_text_is_read_or_refused(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(pyyaml, "CSafeLoader")
        refused = refusal(text.encode(), COMPOSE)
    assert refused is None or refused.location is not None


Ask = Callable[[Iterable[str]], list[object]]


@pytest.fixture(scope="session")
def ask_kubectl(tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """Return how the real kubectl reads documents' `v`."""
    folder: Path = tmp_path_factory.mktemp("kubectl")

    def ask(texts: Iterable[str]) -> list[object]:
        head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nv: "
        (folder / "all.yaml").write_text("\n---\n".join(head + text for text in texts))
        run = kubectl.local(folder / "all.yaml", "json")
        run.check_returncode()
        decoder, rest, found = json.JSONDecoder(), run.stdout.strip(), []
        while rest:
            item, end = decoder.raw_decode(rest)
            found.append(item["v"])
            rest = rest[end:].strip()
        return found

    return ask


def test_the_real_kubectl_agrees(ask_kubectl: Ask) -> None:
    # Beyond 2**63 kubectl prints a rounded number.
    texts = [text for text, *_ in SCALARS if not text.startswith("18446744073709551")]
    texts += ["{a: 1, <<: {a: 2, b: 3}}", "{y: 1, 0x10: 2}", "! yes", "!!binary aGk="]
    assert ask_kubectl(texts) == [value(text, KUBECTL) for text in texts]
