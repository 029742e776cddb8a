"""click.Option and click.Argument: how a parameter is declared (click.core)."""

from collections.abc import Callable, Sequence
from functools import partial

from msgspec import Struct

from deployguard.flask.libraries.click.conversion import PLAIN, Site, guessed
from deployguard.flask.options import split
from deployguard.flask.versions import Stack
from deployguard.model.evidence import Answer, Missing, Reason
from deployguard.python import (
    Call,
    Instance,
    Interpreter,
    Items,
    Known,
    Native,
    Value,
    known,
)
from deployguard.python.values import derived, missing_of, truth

SPEC = "<spec>"


class Spec(Struct, frozen=True, kw_only=True):
    """A declared parameter.

    `ends` says what one does that ends the command, such as --help. `explicit` says that it names
    its default, `doubt` what would have to be known of the declaration itself.
    """

    name: str
    names: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    argument: bool = False
    takes: int = 1
    multiple: bool = False
    count: bool = False
    required: bool = False
    eager: bool = False
    exposed: bool = True
    flag: bool = False
    boolean: bool = False
    prompt: bool = False
    optional: bool = False
    default: Value | None = None
    flag_value: Value | None = None
    kind: Value | None = None
    envvar: Value | None = None
    automatic: bool = True
    callback: Value | None = None
    ends: str | None = None
    explicit: bool = False
    doubt: tuple[Missing, ...] = ()


# The members of click.core.ParameterSource, the most explicit first.
SOURCES = ("PROMPT", "COMMANDLINE", "ENVIRONMENT", "DEFAULT_MAP", "DEFAULT")


class Taken(Struct, frozen=True):
    """A parameter's value and where it comes from, by the names of click.core.ParameterSource."""

    value: Value
    source: str


class Declarations:
    """The classes click.Option and click.Argument under one stack of versions."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.option = _native("click.Option", self._option, stack)
        self.argument = _native("click.Argument", self._argument, stack)

    def _option(self, call: Call, instance: Instance) -> None:
        _keep(call, instance, option_spec(call, self.stack))

    def _argument(self, call: Call, instance: Instance) -> None:
        _keep(call, instance, _argument_spec(call, self.stack))


def _native(name: str, construct: Callable[[Call, Instance], None], stack: Stack) -> Native:
    return Native(
        name,
        construct=construct,
        attribute=partial(_attribute, stack=stack),
        specials=frozenset({"__init__"}),
    )


def _keep(call: Call, instance: Instance, spec: Spec) -> None:
    store = call.run.store
    store(instance.slots, SPEC, spec)
    store(instance.slots, "name", known(spec.name))
    store(instance.slots, "default", spec.default or known(None))
    store(instance.slots, "required", known(spec.required))
    store(instance.slots, "opts", Items({"items": tuple(known(n) for n in spec.names)}))
    store(instance.slots, "param_type_name", known("argument" if spec.argument else "option"))


def parameter(spec: Spec, native: Native) -> Instance:
    """Return a parameter that a library declares itself."""
    return Instance(None, native, {SPEC: spec, "name": known(spec.name)})


def spec_of(value: Value) -> Spec | None:
    """Return the declaration of a parameter, None for anything else."""
    spec = value.slots.get(SPEC) if isinstance(value, Instance) else None
    return spec if isinstance(spec, Spec) else None


def _attribute(run: Interpreter, instance: Instance, name: str, *, stack: Stack) -> Value | None:
    del run
    if name == "__init__":
        construct = instance.native.construct if instance.native is not None else None
        return None if construct is None else _initializer(instance, construct)
    if name == "process_value":
        return Native("Parameter.process_value", lambda call: _process(call, instance, stack))
    return None


def _process(call: Call, instance: Instance, stack: Stack) -> Value:
    """Parameter.process_value, which a class of the program calls with super()."""
    spec = spec_of(instance)
    value = call.argument(1, "value") or known(None)
    if spec is None:
        return value
    from deployguard.flask.libraries.click.parameters import processed  # noqa: PLC0415  (mutual)

    site = Site(call.run, call.location, stack)
    context = call.argument(0, "ctx") or known(None)
    return processed(site, spec, Taken(value, "COMMANDLINE"), (instance, context))


def _initializer(instance: Instance, construct: Callable[[Call, Instance], None]) -> Native:
    def model(call: Call) -> Value:
        construct(call, instance)
        return known(None)

    return Native("__init__", model)


class _Keywords:
    """The keywords of a declaration; what cannot be told of them is collected."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.doubt: list[Missing] = list(call.open.missing) if call.open is not None else []

    def flag(self, name: str, *, default: bool = False) -> bool:
        given = self.call.keywords.get(name)
        if given is None:
            return default
        answer = truth(given)
        if answer is Answer.UNKNOWN:
            self.doubt.extend(
                missing_of(given) or (Missing(Reason.SOURCE, f"{name} of an option"),)
            )
        return answer is not Answer.NO

    def given(self, name: str) -> Value | None:
        value = self.call.keywords.get(name)
        return None if isinstance(value, Known) and value.value is None else value

    def number(self, name: str, default: int) -> int:
        value = self.given(name)
        if value is None:
            return default
        if isinstance(value, Known) and isinstance(value.value, int):
            return value.value
        self.doubt.extend(missing_of(value) or (Missing(Reason.SOURCE, f"{name} of an option"),))
        return default

    def declared(self) -> list[str]:
        """Return the texts that declare the names: one list, or the arguments themselves."""
        values: Sequence[Value] = self.call.arguments
        listed = self.call.argument(0, "param_decls")
        if isinstance(listed, Items):
            values = listed.items
        texts = [v.value for v in values if isinstance(v, Known) and isinstance(v.value, str)]
        if len(texts) != len(values):
            self.doubt.append(Missing(Reason.SOURCE, "the names of an option"))
        return texts


def option_spec(call: Call, stack: Stack) -> Spec:
    """Read the declaration of an option (click.core.Option.__init__)."""
    words = _Keywords(call)
    name, names, others = _names(words.declared())
    default = call.keywords.get("default")
    if stack.click < (8, 3) and isinstance(default, Known) and default.value is None:
        # Before 8.3 nothing tells a default of None from none, but for flags.
        default = default if others else None
    flag_value, kind = words.given("flag_value"), words.given("type")
    prompt = words.given("prompt") is not None and words.flag("prompt")
    optional = prompt and not words.flag("prompt_required", default=True)
    asked = words.given("is_flag")
    if asked is None:
        flag = flag_value is not None or (not optional and bool(others))
    else:
        flag = words.flag("is_flag")
        optional = optional or (not flag and _goes_without(flag_value, default, stack))
    count, multiple = words.flag("count"), words.flag("multiple")
    required = words.flag("required")
    is_boolean = flag and (
        _is_boolean(kind)
        if kind is not None
        else flag_value is None
        or (isinstance(flag_value, Known) and isinstance(flag_value.value, bool))
    )
    if kind is None:
        kind = _kind(
            default, flag_value, flag=flag, is_boolean=is_boolean, count=count, stack=stack
        )
    if is_boolean and default is None and not required:
        default = Items({"items": ()}, tuple) if multiple else known(value=False)
    if count and default is None:
        default = known(0)
    if flag and flag_value is None:
        flag_value = _flag_value(default, stack)
    if stack.click >= (8, 3) and flag and not is_boolean and default is not None:
        default = flag_value if isinstance(default, Known) and default.value is True else default
    return Spec(
        name=name,
        names=names,
        others=others,
        takes=words.number("nargs", _arity(kind)),
        multiple=multiple,
        count=count,
        required=required,
        eager=words.flag("is_eager"),
        exposed=words.flag("expose_value", default=True),
        flag=flag,
        boolean=is_boolean,
        prompt=prompt,
        optional=optional,
        default=default,
        flag_value=flag_value,
        kind=kind,
        envvar=words.given("envvar"),
        automatic=words.flag("allow_from_autoenv", default=True),
        callback=words.given("callback"),
        explicit="default" in call.keywords,
        doubt=tuple(words.doubt),
    )


def _goes_without(flag_value: Value | None, default: Value | None, stack: Stack) -> bool:
    """Say whether what is expressly no flag may be given without its value.

    Since click 8 where it has a value for that, in 8.3.0 and 8.3.1 where it has no default instead,
    and since then in either case.
    """
    if stack.click < (8, 3):
        return flag_value is not None and stack.click >= (8,)
    without = default is None
    return without if stack.click < (8, 3, 2) else without or flag_value is not None


def _is_boolean(kind: Value) -> bool:
    return isinstance(kind, Native) and kind.name in {"bool", "click.BOOL"}


def _kind(
    default: Value | None,
    flag_value: Value | None,
    *,
    flag: bool,
    is_boolean: bool,
    count: bool,
    stack: Stack,
) -> Value | None:
    if count:
        return PLAIN["INT"]
    if is_boolean:
        return PLAIN["BOOL"]
    if flag:
        return guessed(flag_value, stack) or PLAIN["UNPROCESSED"]
    if isinstance(default, Items) and default.items:
        return guessed(default.items[0], stack)
    return guessed(default, stack)


def _flag_value(default: Value | None, stack: Stack) -> Value:
    """Return what a flag sets that says nothing of it: before 8.3 the opposite of its default."""
    if default is None or stack.click >= (8, 3):
        return known(value=True)
    answer = truth(default)
    if answer is Answer.UNKNOWN:
        return derived("the opposite of a default", default)
    return known(answer is Answer.NO)


def _arity(kind: Value | None) -> int:
    match kind:
        case Items():
            return len(kind.items)
        case Instance(native=Native(name="click.Tuple"), slots=slots):
            types = slots["types"]
            return len(types.items) if isinstance(types, Items) else 1
        case _:
            return 1


def _argument_spec(call: Call, stack: Stack) -> Spec:
    """Read the declaration of an argument (click.core.Argument.__init__)."""
    words = _Keywords(call)
    declared = words.declared()
    default, kind = words.given("default"), words.given("type")
    takes = words.number("nargs", _arity(kind))
    return Spec(
        name=declared[0].replace("-", "_").lower() if declared else "",
        argument=True,
        takes=takes,
        required=words.flag("required", default=default is None and takes > 0),
        eager=words.flag("is_eager"),
        exposed=words.flag("expose_value", default=True),
        default=default,
        kind=kind if kind is not None else guessed(default, stack),
        envvar=words.given("envvar"),
        automatic=False,
        callback=words.given("callback"),
        doubt=tuple(words.doubt),
    )


def _names(declared: Sequence[str]) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Return the name, the options and the opposite ones (click.core.Option._parse_decls)."""
    name: str | None = None
    options: list[str] = []
    others: list[str] = []
    possible: list[tuple[str, str]] = []
    for text in declared:
        if text.isidentifier():
            name = text
            continue
        mark = ";" if text[:1] == "/" else "/"
        first, _, second = text.partition(mark)
        if first.strip():
            options.append(first.strip())
            possible.append(split(first.strip()))
        if second.strip():
            others.append(second.strip())
    if name is None and possible:
        possible.sort(key=lambda pair: -len(pair[0]))
        name = possible[0][1].replace("-", "_").lower()
    return name or "", tuple(options), tuple(others)
