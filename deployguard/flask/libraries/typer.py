"""typer: command lines made of the signatures of functions, on top of click."""

import ast
from typing import Any

from msgspec import Struct, field

from deployguard.flask.libraries import click
from deployguard.flask.libraries.click.contexts import current
from deployguard.flask.libraries.click.declarations import Spec, parameter
from deployguard.flask.libraries.click.functions import function_of, name_of
from deployguard.flask.libraries.effects import harmless
from deployguard.flask.versions import Stack
from deployguard.model.evidence import Answer, Evidence, Missing, Reason
from deployguard.python import (
    Call,
    Function,
    Instance,
    Interpreter,
    Items,
    Known,
    Mapped,
    Native,
    Opaque,
    Value,
    known,
)
from deployguard.python.expressions import evaluate
from deployguard.python.interpreter import Frame
from deployguard.python.signals import RaiseSignal
from deployguard.python.values import truth

_CLICK = (
    "Context", "echo", "secho", "style", "prompt", "confirm", "get_app_dir", "launch", "pause",
    "progressbar", "clear", "edit", "getchar",
)  # fmt: skip
_KEPT = (
    "envvar", "callback", "is_eager", "expose_value", "prompt", "count", "allow_from_autoenv",
    "prompt_required",
)  # fmt: skip


def slots(stack: Stack) -> dict[str, Any]:
    """Return the names of the module typer."""
    model = _Typer(stack)
    names = click.slots(stack)
    own: dict[str, Any] = {name: names[name] for name in _CLICK if name in names}
    return own | {
        "Typer": model.typer,
        "Option": Native("typer.Option", construct=_info),
        "Argument": Native("typer.Argument", construct=_info),
        "run": Native("typer.run", model.run),
        "Exit": harmless("typer.Exit"),
        "Abort": harmless("typer.Abort"),
    }


def _info(call: Call, instance: Instance) -> None:
    """typer.Option and typer.Argument: the default, the names, and the rest."""
    store, slots_ = call.run.store, instance.slots
    default = call.argument(0, "default")
    store(slots_, "default", default if default is not None else known(...))
    store(slots_, "<given>", known(default is not None))
    store(slots_, "names", Items({"items": call.arguments[1:]}, tuple))
    for name in _KEPT:
        if name in call.keywords:
            store(slots_, name, call.keywords[name])
    if call.open is not None:
        store(slots_, "<open>", call.open)


class _Registered(Struct):
    """What was registered: commands, groups and the callback, each with its keywords."""

    commands: tuple[tuple[Value, dict[str, Value], Value | None], ...] = ()
    groups: tuple[tuple[Value, dict[str, Value]], ...] = ()
    callback: tuple[Value, dict[str, Value]] | None = None
    settings: dict[str, Value] = field(default_factory=dict)


def _registered(instance: Instance) -> _Registered:
    found: _Registered = instance.slots["<registered>"]
    return found


class _Typer:
    """The class typer.Typer under one stack of versions."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.click = click.commands(stack)
        self.typer = self.click.native("typer.Typer", self._construct, self._attribute)

    @staticmethod
    def _construct(call: Call, instance: Instance) -> None:
        callback = call.keywords.get("callback")
        none = callback is None or (isinstance(callback, Known) and callback.value is None)
        made = _Registered(
            settings=dict(call.keywords),
            callback=None if none or callback is None else (callback, {}),
        )
        call.run.store(instance.slots, "<registered>", made)

    def _attribute(self, run: Interpreter, instance: Instance, name: str) -> Value | None:
        del run
        match name:
            case "command":
                return Native("Typer.command", lambda call: self._command(call, instance))
            case "callback":
                return Native("Typer.callback", lambda call: self._callback(call, instance))
            case "add_typer":
                return Native("Typer.add_typer", lambda call: self._add(call, instance))
            case "__call__":
                return Native("Typer.__call__", lambda call: self._call(call, instance))
            case "registered_commands" | "registered_groups":
                return harmless(f"typer.{name}")
            case _:
                return None

    @staticmethod
    def _command(call: Call, instance: Instance) -> Value:
        name, options = call.argument(0, "name"), dict(call.keywords)

        def decorate(inner: Call) -> Value:
            before = _registered(instance)
            entry = (inner.arguments[0], options, name)
            made = _Registered(
                (*before.commands, entry), before.groups, before.callback, before.settings
            )
            inner.run.store(instance.slots, "<registered>", made)
            return inner.arguments[0]

        return Native("Typer.command()", decorate)

    @staticmethod
    def _callback(call: Call, instance: Instance) -> Value:
        options = dict(call.keywords)

        def decorate(inner: Call) -> Value:
            before = _registered(instance)
            entry = (inner.arguments[0], options)
            made = _Registered(before.commands, before.groups, entry, before.settings)
            inner.run.store(instance.slots, "<registered>", made)
            return inner.arguments[0]

        return Native("Typer.callback()", decorate)

    @staticmethod
    def _add(call: Call, instance: Instance) -> Value:
        before = _registered(instance)
        inner = call.argument(0, "typer_instance") or known(None)
        groups = (*before.groups, (inner, dict(call.keywords)))
        made = _Registered(before.commands, groups, before.callback, before.settings)
        call.run.store(instance.slots, "<registered>", made)
        return known(None)

    def run(self, call: Call) -> Value:
        """typer.run: a command of one function."""
        function = call.argument(0, "function") or known(None)
        command = self._made(call, function, {}, None)
        return self.click.method(call, command, "main")

    def _call(self, call: Call, instance: Instance) -> Value:
        """Typer.__call__: one command alone is the program itself."""
        before = _registered(instance)
        if before.callback or before.groups or len(before.commands) > 1:
            command = self._group(call, instance, {})
        elif before.commands:
            function, options, name = before.commands[0]
            command = self._made(call, function, options, name)
        else:
            raise RaiseSignal("RuntimeError", Evidence(call.location, "there is no command"))
        if isinstance(command, Instance):
            spec = Spec(
                name="<completion>", names=("--install-completion", "--show-completion"), flag=True,
                boolean=True, eager=True, exposed=False, flag_value=known(value=True),
                ends="the completion of a shell is shown",
            )  # fmt: skip
            params = command.slots["params"]
            extra = parameter(spec, self.click.declarations.option)
            call.run.store(command.slots, "params", Items({"items": (*params.items, extra)}))
        run = call.run
        main = run.attribute(command, "main", call.location)
        return run.call(main, call.arguments, call.keywords, call.location, call.open)

    def _group(self, call: Call, instance: Instance, given: dict[str, Value]) -> Value:
        before = _registered(instance)
        callback, options = before.callback or (known(None), {})
        settings = {**before.settings, **options, **given}
        commands: dict[Any, Value] = {}
        for function, keywords, name in before.commands:
            made = self._made(call, function, keywords, name)
            commands[_title(made)] = made
        rest: Opaque | None = None
        for inner, keywords in before.groups:
            if not isinstance(inner, Instance) or "<registered>" not in inner.slots:
                missing = (Missing(Reason.SOURCE, "a group of commands"),)
                rest = Opaque(missing, "a command", harmless=False)
                continue
            made = self._group(call, inner, keywords)
            if _title(made):
                commands[_title(made)] = made
            elif isinstance(made, Instance):
                commands |= made.slots["commands"].slots
        plain = isinstance(callback, Known)
        keywords = {
            "name": settings.get("name", known("")),
            "commands": Mapped(commands, rest),
            "callback": known(None) if plain else self._handed(callback),
            "params": Items({"items": () if plain else self._params(call, callback)}),
            "invoke_without_command": settings.get("invoke_without_command", known(value=False)),
            "no_args_is_help": settings.get("no_args_is_help", known(value=False)),
            "chain": settings.get("chain", known(value=False)),
            "context_settings": settings.get("context_settings", known(None)),
        }
        return call.run.call(self.click.group, (), keywords, call.location)

    def _made(
        self, call: Call, function: Value, options: dict[str, Value], name: Value | None
    ) -> Value:
        title = name if name is not None and truth(name) is not Answer.NO else None
        if title is None:
            title = known(name_of(function).lower().replace("_", "-"))
        keywords = {
            "name": title,
            "callback": self._handed(function),
            "params": Items({"items": self._params(call, function)}),
            "no_args_is_help": options.get("no_args_is_help", known(value=False)),
            "context_settings": options.get("context_settings", known(None)),
        }
        return call.run.call(self.click.command, (), keywords, call.location)

    @staticmethod
    def _handed(function: Value) -> Value:
        """Return the function as it is called: a parameter of the type Context gets the context."""
        inner = function_of(function)
        wants = _context_parameter(inner)
        if wants is None:
            return inner

        def model(call: Call) -> Value:
            context = current(call.run) or harmless("the context of typer")
            keywords = {**call.keywords, wants: context}
            return call.run.call(inner, call.arguments, keywords, call.location, call.open)

        return Native("a command of typer", model)

    # Parameters

    def _params(self, call: Call, function: Value) -> tuple[Value, ...]:
        inner = function_of(function)
        if not isinstance(inner, Function):
            return ()
        arguments = inner.node.args
        parameters = [*arguments.posonlyargs, *arguments.args]
        plain = len(parameters) - len(inner.defaults)
        found: list[Value] = []
        for position, one in enumerate(parameters):
            default = inner.defaults[position - plain] if position >= plain else None
            if one.arg != _context_parameter(inner):
                found.append(self._param(call, inner, one, default))
        found.extend(
            self._param(call, inner, one, inner.keyword_defaults.get(one.arg))
            for one in arguments.kwonlyargs
        )
        return tuple(found)

    def _param(self, call: Call, function: Function, one: ast.arg, default: Value | None) -> Value:
        """typer.main.get_click_param."""
        annotation, info = _annotated(call, function, one.annotation)
        names: tuple[Value, ...] = ()
        if info is None and _is_info(default):
            info = default if isinstance(default, Instance) else None
            default = info.slots["default"] if info is not None else None
            names = info.slots["names"].items if info is not None else ()
        elif info is not None:
            # In Annotated the first argument is a name as well.
            first = (info.slots["default"],) if truth(info.slots["<given>"]) is Answer.YES else ()
            names = (*first, *info.slots["names"].items)
        if isinstance(default, Known) and default.value is ...:
            default = None
        option = info is not None and info.native is not None and info.native.name == "typer.Option"
        option = option or (info is None and default is not None)
        kind, several = _kind(call, function, annotation, default)
        keywords: dict[str, Value] = {"type": kind}
        if info is not None:
            keywords |= {name: info.slots[name] for name in _KEPT if name in info.slots}
        if default is None:
            keywords["required"] = known(value=True)
        elif not (several and isinstance(default, Known) and default.value is None):
            keywords["default"] = default
        if not option:
            keywords |= {"nargs": known(-1)} if several else {}
            return self._declared(
                call, self.click.declarations.argument, (known(one.arg),), keywords
            )
        return self._option(call, one.arg, names, keywords, several=several)

    def _option(
        self,
        call: Call,
        name: str,
        names: tuple[Value, ...],
        keywords: dict[str, Value],
        *,
        several: bool,
    ) -> Value:
        title = name.replace("_", "-")
        flag = isinstance(keywords["type"], Native) and keywords["type"].name == "bool"
        if flag and "count" not in keywords:
            keywords["is_flag"] = known(value=True)
        if not names:
            names = (known(f"--{title}/--no-{title}" if flag else f"--{title}"),)
        if several:
            keywords["multiple"] = known(value=True)
        return self._declared(call, self.click.declarations.option, (known(name), *names), keywords)

    @staticmethod
    def _declared(
        call: Call, cls: Native, names: tuple[Value, ...], keywords: dict[str, Value]
    ) -> Value:
        return call.run.call(cls, (Items({"items": names}),), keywords, call.location)


def _title(command: Value) -> str:
    name = command.slots.get("name") if isinstance(command, Instance) else None
    return str(name.value or "") if isinstance(name, Known) else ""


def _is_info(value: Value | None) -> bool:
    return (
        isinstance(value, Instance)
        and value.native is not None
        and value.native.name in {"typer.Option", "typer.Argument"}
    )


def _context_parameter(function: Value) -> str | None:
    if not isinstance(function, Function):
        return None
    arguments = function.node.args
    for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
        text = "" if one.annotation is None else ast.unparse(one.annotation).strip("'\"")
        if text.rpartition(".")[2] in {"Context", "CallbackParam"}:
            return one.arg
    return None


def _annotated(
    call: Call, function: Function, node: ast.expr | None
) -> tuple[ast.expr | None, Instance | None]:
    """Split Annotated[TYPE, typer.Option(...)] into the type and what is said of it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        try:
            node = ast.parse(node.value, mode="eval").body
        except SyntaxError:
            return None, None
    if not isinstance(node, ast.Subscript) or not isinstance(node.slice, ast.Tuple):
        return node, None
    if ast.unparse(node.value).rpartition(".")[2] != "Annotated":
        return node, None
    inner, *notes = node.slice.elts
    for note in notes:
        value = _evaluated(call, function, note)
        if isinstance(value, Instance) and _is_info(value):
            return inner, value
    return inner, None


def _evaluated(call: Call, function: Function, node: ast.expr) -> Value:
    frame = Frame(function.scopes or (function.module.slots,), function.module)
    return evaluate(call.run, node, frame)


def _kind(
    call: Call, function: Function, node: ast.expr | None, default: Value | None
) -> tuple[Value, bool]:
    """Return the type of a parameter, and whether it takes several values."""
    match node:
        case None:
            return _of_default(default), False
        case ast.Subscript(value=outer, slice=inner):
            name = ast.unparse(outer).rpartition(".")[2]
            if name == "Optional":
                return _kind(call, function, inner, default)
            if name in {"List", "list", "Sequence"}:
                return _kind(call, function, inner, None)[0], True
            if name == "Union" and isinstance(inner, ast.Tuple):
                return _kind(call, function, inner.elts[0], default)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            chosen = right if isinstance(left, ast.Constant) else left
            return _kind(call, function, chosen, default)
        case _:
            pass
    return _evaluated(call, function, node), False


def _of_default(default: Value | None) -> Value:
    match default:
        case Known(value=bool()):
            return Native("bool")
        case Known(value=int()):
            return Native("int")
        case Known(value=float()):
            return Native("float")
        case _:
            return Native("str")
