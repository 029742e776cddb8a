"""Whole compose projects as hypothesis writes them: files laid over each other, extended, included."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from hypothesis import strategies as st

from tests.support.compose_projects import OUTER, ComposeProject


@dataclass(frozen=True)
class Tagged:
    """A value with a tag of YAML before it."""

    tag: str
    value: "Value"


# What YAML can say, as far as compose files need it.
Value: TypeAlias = Any

VARIABLES = ("OUTER", "EMPTY", "DOLLAR", "NO", "TOP", "SUB")
NAMES = ("A", "B", "C", "OUTER", "TOP", "SUB")
SERVICES = ("a", "b", "c", "d.e")
ENV_FILES = ("a.env", "b.env", "sub/c.env")


def emitted(value: Value) -> str:
    """Return a value as YAML in the flow style."""
    match value:
        case Tagged():
            return f"{value.tag} {emitted(value.value)}"
        case dict():
            pairs = (f"{json.dumps(key)}: {emitted(one)}" for key, one in value.items())
            return f"{{{', '.join(pairs)}}}"
        case list():
            return f"[{', '.join(emitted(one) for one in value)}]"
        case _:
            return json.dumps(value, ensure_ascii=False)


def sparse(fields: Mapping[str, st.SearchStrategy[Value]]) -> st.SearchStrategy[dict[str, Value]]:
    """Write some of the fields."""
    return st.fixed_dictionaries({}, optional=dict(fields))


def _form(name: str, operator: str, given: str) -> str:
    return f"${{{name}{operator}{given}}}"


_PLAIN = st.sampled_from(
    ["x", "flask run", "--debug", "a b", "1", "true", "", "$$", "é", "{a}", "#"]
)
_VARIABLE = st.sampled_from(VARIABLES)
_OPERATORS = st.sampled_from([":-", "-", ":+", "+", ":?", "?"])
_FILLED = st.one_of(
    _VARIABLE.map(lambda name: f"${name}"),
    _VARIABLE.map(lambda name: f"${{{name}}}"),
    st.builds(_form, _VARIABLE, _OPERATORS.filter(lambda sign: "?" not in sign), _PLAIN),
    st.builds(lambda one, other: _form(one, ":-", _form(other, "-", "z")), _VARIABLE, _VARIABLE),
)
_RARE = st.one_of(
    st.builds(_form, _VARIABLE, _OPERATORS, _PLAIN),
    st.sampled_from(["${}", "${A", "$1", "$", "${NO:-a}}", "'", '"', "\\", "a | b", "(", "`x"]),
)
TEXTS = st.lists(st.one_of(_PLAIN, _PLAIN, _FILLED), min_size=1, max_size=3).map("".join)
ODD_TEXTS = st.lists(st.one_of(_PLAIN, _FILLED, _RARE), min_size=1, max_size=3).map("".join)
_ANY_TEXT = st.sampled_from([TEXTS] * 30 + [ODD_TEXTS]).flatmap(lambda texts: texts)
_SCALARS = st.one_of(
    _ANY_TEXT, st.none(), st.booleans(), st.integers(-5, 70000), st.sampled_from([1.5, 1e6, 0.0])
)
_ASSIGNED = st.one_of(
    st.sampled_from(NAMES),
    st.builds(lambda name, text: f"{name}={text}", st.sampled_from(NAMES), _ANY_TEXT),
)
_ENVIRONMENT = st.one_of(
    st.dictionaries(st.sampled_from(NAMES), _SCALARS, max_size=3), st.lists(_ASSIGNED, max_size=3)
)
_COMMAND = st.one_of(_ANY_TEXT, st.lists(_ANY_TEXT, max_size=3), st.none())
_ENV_FILE = st.one_of(
    st.sampled_from(ENV_FILES),
    sparse({
        "required": st.booleans(), "format": st.just("raw"),
    }).flatmap(
        lambda rest: st.sampled_from(ENV_FILES).map(
            lambda path: {**rest, "path": path}
        )
    ),
)  # fmt: skip
_PORT = st.one_of(
    st.sampled_from(["80", "80:80", "127.0.0.1:80:80", "81:80/udp", "90-91:90-91", "${NO:-82}:82"]),
    st.integers(79, 81),
    st.fixed_dictionaries(
        {"target": st.integers(80, 81)}, optional={"published": st.sampled_from(["80", "81"])}
    ),
)
_LABELS = st.one_of(
    st.dictionaries(st.sampled_from(["x", "y"]), _SCALARS, max_size=2),
    st.lists(st.sampled_from(["x=1", "y", "x=$OUTER"]), max_size=2),
)
_HEALTH = sparse({
    "test": st.sampled_from(["x", ["CMD", "x"], ["NONE"]]),
    "retries": st.sampled_from([1, "2", "${NO:-3}"]),
    "disable": st.sampled_from([True, "yes"]),
})  # fmt: skip
FIELDS: Mapping[str, st.SearchStrategy[Value]] = {
    "command": _COMMAND,
    "entrypoint": _COMMAND,
    "environment": _ENVIRONMENT,
    "env_file": st.one_of(st.sampled_from(ENV_FILES), st.lists(_ENV_FILE, max_size=3)),
    "ports": st.lists(_PORT, max_size=3),
    "labels": _LABELS,
    "user": _ANY_TEXT,
    "working_dir": _ANY_TEXT,
    "tty": st.sampled_from([True, False, "yes", "off", "${NO:-true}", "${OUTER:+false}"]),
    "image": st.sampled_from(["shop", "shop:$OUTER", "${NO:-other}"]),
    "profiles": st.lists(st.sampled_from(["p", "q"]), max_size=1),
    "healthcheck": _HEALTH,
    "scale": st.sampled_from([0, 1, "2"]),
}
_WRONG: Mapping[str, st.SearchStrategy[Value]] = {
    "comand": st.just("x"),
    "user": st.just(5),
    "ports": st.just("80"),
    "environment": st.sampled_from([None, "A=1", {"A": [1]}]),
    "tty": st.sampled_from([1, "maybe"]),
    "depends_on": st.just(["gone"]),
    "env_file": st.sampled_from(["gone.env", [{"path": "gone.env", "required": False}]]),
    "x-note": st.just({"any": ["thing"]}),
}


def _in(number: int) -> st.SearchStrategy[bool]:
    """Say yes once in a number of times; hypothesis prefers what comes first."""
    return st.sampled_from([False] * (number - 1) + [True])


@st.composite
def services(
    draw: st.DrawFn, bases: tuple[Value, ...] = (), known: tuple[str, ...] = ()
) -> dict[str, Value]:
    """Write the services of a file.

    `bases` can be extended besides those above in the file; `known` are there already, and what is
    laid over them has tags more often.
    """
    found: dict[str, Value] = {}
    for name in draw(st.lists(st.sampled_from(SERVICES), min_size=1, max_size=3, unique=True)):
        fields = draw(sparse({field: FIELDS[field] for field in draw(_SOME_FIELDS)}))
        if name not in known and not draw(_in(40)):
            fields.setdefault("image", "shop")
        any_service = draw(_in(20))
        others = (*bases, *found, *(SERVICES if any_service else ()))
        extending = draw(_in(2))
        if others and extending:
            fields["extends"] = draw(st.sampled_from(others))
        if draw(_in(6)):
            rest = tuple(one for one in (*known, *found) if one != name)
            depended = SERVICES if any_service else rest
            fields["depends_on"] = [draw(st.sampled_from(depended))] if depended else []
        if draw(_in(40)):
            fields |= draw(sparse(_WRONG))
        if draw(_in(2 if known else 12)):
            fields = {
                key: value if key == "image" else _tagged(draw, value)
                for key, value in fields.items()
            }
        found[name] = fields
    return found


_SOME_FIELDS = st.lists(st.sampled_from(tuple(FIELDS)), min_size=1, max_size=7, unique=True)


def _tagged(draw: st.DrawFn, value: Value) -> Value:
    match draw(st.sampled_from([0, 1, 2, 3, 4, 4])):
        case 0:
            return Tagged("!reset", value)
        case 1:
            return Tagged("!override", value)
        case 2 if isinstance(value, dict):
            return {key: _tagged(draw, one) for key, one in value.items()}
        case 3 if isinstance(value, list):
            return [_tagged(draw, one) for one in value]
        case _:
            return value


_ENV_LINES = st.lists(
    st.one_of(
        st.builds(lambda name, text: f"{name}={text}", st.sampled_from(NAMES), TEXTS),
        st.builds(lambda name, text: f'{name}="{text}"', st.sampled_from(NAMES), TEXTS),
        st.builds(lambda name, text: f"export {name}='{text}' # c", st.sampled_from(NAMES), _PLAIN),
        st.sampled_from(["# c", "", "OUTER", "A: x", "B=a #b", "C=a#b"]),
    ),
    max_size=3,
).map(lambda lines: "".join(f"{line}\n" for line in lines))


_BASES: tuple[tuple[str, ...], ...] = ((), (), ("base.yaml",), ("base.yaml", "sub/base.yaml"))


@st.composite
def projects(draw: st.DrawFn) -> ComposeProject:
    """Write a project of up to five compose files and four env files."""
    files = {name: draw(_ENV_LINES) for name in ENV_FILES}
    files |= {f"sub/{name}": draw(_ENV_LINES) for name in ENV_FILES}
    for name in (".env", "sub/.env"):
        if draw(st.booleans()):
            files[name] = draw(_ENV_LINES)
    bases: tuple[Value, ...] = ()
    tops: dict[str, dict[str, Value]] = {}
    for name in draw(st.sampled_from(_BASES)):
        tops[name] = {"services": draw(services())}
        bases += tuple({"file": name, "service": one} for one in sorted(tops[name]["services"]))
    main: dict[str, Value] = {"services": draw(services(bases))}
    known = tuple(main["services"])
    if draw(_in(3)):
        apart = {f"i{name}": one for name, one in draw(services()).items()}
        for one in apart.values():
            one.pop("depends_on", None)
            one.pop("extends", None)
        tops["sub/inc.yaml"] = {"services": apart}
        long_form = {"path": "sub/inc.yaml", "env_file": ["b.env"]}
        main["include"] = [draw(st.sampled_from(["sub/inc.yaml", long_form]))]
    tops["compose.yaml"] = main
    names: tuple[str, ...] = ()
    match draw(st.integers(0, 3)):
        case 0:
            tops["compose.override.yaml"] = {"services": draw(services(bases, known))}
        case 1:
            tops["two.yaml"] = {"services": draw(services(bases, known))}
            tops["three.yaml"] = {"services": draw(services((), known))}
            names = ("compose.yaml", "two.yaml", "three.yaml")
        case _:
            pass
    files |= {name: f"{emitted(top)}\n" for name, top in tops.items()}
    return ComposeProject(
        files,
        names=names,
        env_files=draw(st.sampled_from([(), (), ("a.env",), ("a.env", "b.env")])),
        profiles=draw(st.sampled_from([(), (), ("p",), ("p", "q"), ("*",)])),
        environ=OUTER,
    )
