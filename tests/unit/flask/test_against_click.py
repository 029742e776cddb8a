"""The model of click against click itself: what a function is handed, or how the command ends.

Each program is run for real with the installed click, and evaluated; both must come to the same.
"""

import importlib.metadata
import io
import os
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployguard.flask.libraries import FlaskLibrary
from deployguard.flask.versions import Stack, parse
from deployguard.model.environment import Environment
from deployguard.model.evidence import Location, Traced
from deployguard.python import (
    Call,
    EffectKind,
    Ending,
    Interpreter,
    Items,
    Known,
    Module,
    Native,
    Value,
    known,
)
from deployguard.python.modules import LOCATION
from tests.support.effort import examples
from tests.support.memory import MemoryFiles

STACK = Stack(
    flask=(3, 1, 0),
    werkzeug=(3, 1, 3),
    click=parse(importlib.metadata.version("click")),
    dotenv=True,
)
SITE = "/venv/lib/python3.13/site-packages"
ENDED = "ended"


def plain(value: Value) -> Any:  # noqa: ANN401
    match value:
        case Known(value=constant):
            return constant
        case Items():
            return [plain(item) for item in value.items]
        case _:
            return f"? {value}"


def listed(value: object) -> object:
    return [listed(item) for item in value] if isinstance(value, tuple | list) else value


@dataclass(frozen=True)
class Library:
    """The models, and the function `note` that records what it is given."""

    models: FlaskLibrary = field(default_factory=lambda: FlaskLibrary(STACK))

    def module(self, run: Interpreter, name: str) -> Module | None:
        if name == "probe":
            return Module(name, {"note": Native("note", self._note)})
        return self.models.module(run, name)

    @staticmethod
    def _note(call: Call) -> Value:
        call.run.emit(EffectKind.LIBRARY, "note", call.location, values=dict(call.keywords))
        return known(None)


def evaluated(text: str, words: Sequence[str], variables: Mapping[str, str]) -> object:
    entries: dict[str, Traced[str | None]] = {
        name: Traced(value, Location("config")) for name, value in variables.items()
    }
    run = Interpreter(
        environment=Environment(entries),
        files=MemoryFiles({f"{SITE}/click/__init__.py": "", f"{SITE}/probe/__init__.py": ""}),
        library=Library(),
        cwd="/srv/app",
        arguments=(known("program"), *(known(word) for word in words)),
        search_path=("/srv/app", SITE),
    )
    module = Module("__main__", {LOCATION: Location("/srv/app/m.py"), "__name__": known("x")})

    def start() -> Module:
        run.execute_text(f"import click\nfrom probe import note\n{text}\ncli()\n", module)
        return module

    outcome = run.run(start, Location("/srv/app/m.py"))
    assert outcome.unseen == ()
    assert outcome.ending is Ending.EXIT, outcome.note
    noted = [
        {name: plain(value) for name, value in effect.values.items()}
        for effect in outcome.effects
        if effect.name == "note" and not effect.conditions
    ]
    return noted or ENDED


def ran(text: str, words: Sequence[str], variables: Mapping[str, str]) -> object:
    import click  # noqa: PLC0415  (the oracle)

    noted: list[dict[str, object]] = []
    names: dict[str, Any] = {"click": click, "note": lambda **given: noted.append(given)}
    exec(compile(text, "program", "exec"), names)  # noqa: S102  (our own text)
    quiet = io.StringIO()
    with (
        patch.dict(os.environ, {"LC_ALL": "C.UTF-8", **variables}, clear=True),
        redirect_stdout(quiet),
        redirect_stderr(quiet),
        pytest.raises(SystemExit),
    ):
        names["cli"].main(args=list(words), prog_name="program")
    return [{k: listed(v) for k, v in one.items()} for one in noted] or ENDED


def agree(text: str, words: Sequence[str], variables: Mapping[str, str]) -> None:
    assert evaluated(text, words, variables) == ran(text, words, variables), (text, words)


@dataclass(frozen=True)
class Declared:
    """A declaration, words that use it, and values of the variables that it reads."""

    text: str
    words: tuple[str, ...]
    variables: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


BOOLEAN = ("1", "0", "on", "off", " yes ", "", "x", "TRUE", "n")
SHOP_DEBUG = {"SHOP_DEBUG": BOOLEAN}
DEBUGS = [
    Declared('"--debug/--no-debug"', ("--debug", "--no-debug"), SHOP_DEBUG),
    Declared('"--debug/--no-debug", default=True', ("--debug", "--no-debug"), SHOP_DEBUG),
    Declared(
        '"--debug/--no-debug", default=None, envvar="APP_DEBUG"',
        ("--debug", "--debug=1"),
        {"APP_DEBUG": BOOLEAN, "SHOP_DEBUG": BOOLEAN},
    ),
    Declared('"--debug", is_flag=True, default=True', ("--debug", "--no-debug"), SHOP_DEBUG),
    Declared(
        '"-d", "--debug", is_flag=True, envvar=["A", "APP_DEBUG"]',
        ("-d", "--debug", "-dd"),
        {"A": BOOLEAN, "APP_DEBUG": BOOLEAN},
    ),
    Declared(
        '"--debug", type=bool, default="no", envvar="APP_DEBUG"',
        ("--debug yes", "--debug=off", "--debug Y", "--debug=", "--debug what"),
        {"APP_DEBUG": BOOLEAN},
    ),
    Declared('"--debug", default=False', ("--debug True", "--debug f", "--debug"), SHOP_DEBUG),
    Declared('"-d/-D", "debug", default=True', ("-d", "-D", "-dD"), SHOP_DEBUG),
    Declared(
        '"--debug", callback=lambda c, p, v: [p.name, v, c.info_name], default=3',
        ("--debug 4", "--debug x"),
    ),
]
MODES = [
    Declared(
        '"--mode", type=click.Choice(["dev", "prod"]), default="dev"',
        ("--mode prod", "--mode=PROD", "--mode x"),
        {"SHOP_MODE": ("prod", "Dev", "")},
    ),
    Declared(
        '"--mode", type=click.Choice(["dev", "prod"], case_sensitive=False)',
        ("--mode prod", "--mode=PROD", "--mode x"),
        {"SHOP_MODE": ("prod", "Dev", "")},
    ),
    Declared(
        '"--mode", is_flag=False, flag_value="dev", default="prod"',
        ("--mode", "--mode test", "--mode=x"),
        {"SHOP_MODE": ("test", "")},
    ),
    Declared(
        '"--dev", "mode", flag_value="dev", default=True)\n'
        '@click.option("--prod", "mode", flag_value="prod"',
        ("--dev", "--prod"),
        {"SHOP_MODE": ("dev", "prod", "1", "0", "x")},
    ),
    Declared(
        '"--dev", "mode", flag_value="dev")\n'
        '@click.option("--prod", "mode", flag_value="prod", default=True',
        ("--dev", "--prod"),
        {"SHOP_MODE": ("dev", "prod", "1", "0", "x")},
    ),
    Declared(
        '"-v", "--verbose", count=True',
        ("-v", "-vvv", "--verbose", "-vx"),
        {"SHOP_VERBOSE": ("2", "x", "")},
    ),
]
OTHERS = [
    Declared(
        '"--port", "-p", default=5000',
        ("--port 80", "-p81", "-p 82", "--port x", "-p"),
        {"SHOP_PORT": ("7", "x", "")},
    ),
    Declared(
        '"--port", "-p", type=int, envvar="PORT"',
        ("--port=80", "-p=1", "-p 82"),
        {"PORT": ("7", " 8 ", "x", ""), "SHOP_PORT": ("9",)},
    ),
    Declared(
        '"--port", type=click.IntRange(1, 80, clamp=True), default=8',
        ("--port 0", "--port 81", "--port 7"),
    ),
    Declared('"--port", type=click.IntRange(1, 80), default=8', ("--port 0", "--port 80")),
    Declared(
        '"--host", "-h", default="127.0.0.1", envvar="HOST"',
        ("--host x", "-hx", "--host="),
        {"HOST": ("0.0.0.0", "")},
    ),
    Declared('"--host", required=True', ("--host x", "--host"), {"SHOP_HOST": ("y", "")}),
    Declared('"--host", default=lambda: "made", show_default=True', ("--host x",)),
    Declared(
        '"--set", "items", multiple=True, envvar="ITEMS"',
        ("--set a", "--set=b", "--set"),
        {"ITEMS": ("a b", "", " c ")},
    ),
    Declared(
        '"--pair", type=(str, int)',
        ("--pair a 1", "--pair a", "--pair a b"),
        {"SHOP_PAIR": ("a 1", "a", "a b c")},
    ),
    Declared('"--rate", type=float, default=0.5', ("--rate 1.5", "--rate 1e3", "--rate x")),
]
ARGUMENTS = [
    Declared("", ("x", "")),
    Declared('@click.argument("name")', ("x", "y")),
    Declared('@click.argument("name", default="x", envvar="NAME")', ("z",), {"NAME": ("q", "")}),
    Declared('@click.argument("names", nargs=-1)', ("x", "y z")),
    Declared('@click.argument("names", nargs=-1, required=True)', ("x",)),
    Declared('@click.argument("two", nargs=2)', ("x y", "z")),
    Declared(
        '@click.argument("first")\n@click.argument("names", nargs=-1)\n@click.argument("last")',
        ("a b", "c", "d e f"),
    ),
    Declared('@click.argument("level", type=int)', ("3", "x")),
]
SETTINGS = st.sampled_from(
    [
        "",
        '"ignore_unknown_options": True',
        '"allow_extra_args": True',
        '"allow_interspersed_args": False',
        '"help_option_names": ["-?", "--help"]',
        '"auto_envvar_prefix": "shop"',
        '"auto_envvar_prefix": "SHOP", "token_normalize_func": lambda text: text.lower()',
        '"default_map": {"debug": True, "port": 7, "mode": "prod", "host": "mapped"}',
    ]
)
NOISE = st.sampled_from([*[""] * 12, "--", "--help", "-?", "--unknown", "--debu", "-x", "--DEBUG"])


def program(parts: Sequence[Declared], argument: Declared, setting: str) -> str:
    lines = [f"@click.command(context_settings={{{setting}}})"]
    lines += [f"@click.option({part.text})" for part in parts]
    return "\n".join([*lines, argument.text, "def cli(**given):", "    note(**given)"])


@settings(max_examples=examples(150, 3_000), deadline=None)
@given(st.data())
def test_a_command_is_handed_what_click_hands_it(data: st.DataObject) -> None:
    draw = data.draw
    tables = draw(st.sets(st.sampled_from(range(3))))
    parts = [draw(st.sampled_from((DEBUGS, MODES, OTHERS)[one])) for one in sorted(tables)]
    argument = draw(st.sampled_from(ARGUMENTS))
    used = draw(st.lists(st.sampled_from([*parts, argument]), max_size=4))
    words = [word for part in used for word in draw(st.sampled_from(part.words)).split()]
    words += draw(NOISE).split()
    variables = {
        name: draw(st.sampled_from(values))
        for part in (*parts, argument)
        for name, values in part.variables.items()
        if draw(st.booleans())
    }
    agree(program(parts, argument, draw(SETTINGS)), words, variables)


GROUPS = st.sampled_from(
    [
        "@click.group()",
        "@click.group(invoke_without_command=True)",
        "@click.group(chain=True)",
        "@click.group(no_args_is_help=False)",
        '@click.group(context_settings={"auto_envvar_prefix": "SHOP"})',
        '@click.group(context_settings={"default_map": {"serve": {"debug": True}}})',
    ]
)
COMMANDS = """
@click.option("--debug/--no-debug")
@click.pass_context
def cli(ctx, debug):
    ctx.obj = {"debug": debug}
    note(at="group", debug=debug, sub=ctx.invoked_subcommand)

@cli.command()
@click.option("--debug/--no-debug")
@click.pass_obj
def serve(obj, debug):
    note(at="serve", debug=debug, above=obj["debug"])

@cli.command()
@click.option("--debug/--no-debug", default=True)
@click.pass_context
def dev(ctx, debug):
    ctx.forward(serve)

@cli.command("up")
@click.argument("names", nargs=-1)
@click.pass_context
def up_command(ctx, names):
    ctx.invoke(serve, debug=len(names) > 1)

@cli.command()
def clean_up_cmd():
    note(at="clean")
"""
# A group in chain mode takes no groups.
NESTED = """
@cli.group()
def inner():
    pass

@inner.command()
@click.pass_context
def leave(ctx):
    ctx.exit(3)

@inner.command()
@click.option("--port", type=int, default=1)
def stay(port):
    note(at="stay", port=port)
"""
GROUP_WORDS = st.lists(
    st.sampled_from(
        ["serve", "dev", "up", "up-command", "clean-up", "clean-up-cmd", "inner", "leave", "stay",
         "--debug", "--no-debug", "--port", "2", "x", "--help", "--unknown", "--"]
    ),
    max_size=5,
)  # fmt: skip
GROUP_VARIABLES = st.dictionaries(
    st.sampled_from(
        ["SHOP_DEBUG", "SHOP_SERVE_DEBUG", "SHOP_INNER_STAY_PORT", "SHOP_DEV_DEBUG", "DEBUG"]
    ),
    st.sampled_from(["1", "0", "off", "", "x"]),
    max_size=2,
)


@settings(max_examples=examples(100, 2_000), deadline=None)
@given(GROUPS, GROUP_WORDS, GROUP_VARIABLES)
def test_a_group_runs_the_commands_that_click_runs(
    group: str, words: list[str], variables: dict[str, str]
) -> None:
    agree(group + COMMANDS + ("" if "chain" in group else NESTED), words, variables)
