"""What value a parameter of click takes: of the words, of variables, of defaults.

In order: the command line, variables, the default map, the default (click.core.Parameter).
"""

from collections.abc import Sequence

from deployguard.flask.libraries.click.conversion import Site, convert
from deployguard.flask.libraries.click.declarations import Spec, Taken
from deployguard.flask.options import Given, Option, Parsed, boolean
from deployguard.model.evidence import Answer, Evidence, Missing, Reason
from deployguard.python import (
    Class,
    Function,
    Instance,
    Items,
    Known,
    Mapped,
    Module,
    Native,
    Opaque,
    Value,
    known,
)
from deployguard.python.interpreter import Frame
from deployguard.python.signals import RaiseSignal
from deployguard.python.values import derived, missing_of, truth


def grammar_of(specs: Sequence[Spec]) -> dict[str, Option]:
    """Return the options of parameters by their names; those of one name share what is given."""
    found: dict[str, Option] = {}
    for spec in specs:
        if spec.argument:
            continue
        for name in spec.names:
            constant = known(value=True) if spec.boolean and spec.others else spec.flag_value
            flag = spec.flag or spec.count
            found[name] = (
                Option(spec.name, 0, constant)
                if flag
                else Option(spec.name, spec.takes, optional=spec.optional)
            )
        for name in spec.others:
            found[name] = Option(spec.name, 0, known(value=False))
    return found


def consume(
    site: Site, spec: Spec, occurrences: Sequence[Given], context: Instance, specs: Sequence[Spec]
) -> Taken:
    """Return the raw value of a parameter and its source (click.core.Parameter.consume_value)."""
    if occurrences:
        return Taken(_from_words(spec, occurrences), "COMMANDLINE")
    variable = _from_environment(site, spec, context)
    if variable is not None and not _open(variable):
        return Taken(variable, "ENVIRONMENT")
    other = _from_defaults(site, spec, context, specs)
    if variable is not None:
        # Whether the variable is set cannot be told.
        return Taken(Opaque(missing_of(variable), spec.name, harmless=True), "ENVIRONMENT")
    return other


def _open(value: Value) -> bool:
    return isinstance(value, Opaque) and value.name == _UNREAD


_UNREAD = "a variable that may be set"


def _from_defaults(site: Site, spec: Spec, context: Instance, specs: Sequence[Spec]) -> Taken:
    mapped = context.slots.get("default_map")
    if isinstance(mapped, Mapped):
        if spec.name in mapped.slots:
            return Taken(_called(site, mapped.slots[spec.name]), "DEFAULT_MAP")
        if mapped.rest is not None:
            return Taken(derived(spec.name, mapped.rest), "DEFAULT_MAP")
    elif isinstance(mapped, Opaque):
        return Taken(derived(spec.name, mapped), "DEFAULT_MAP")
    default = spec.default
    if site.stack.click < (8, 3) and spec.flag and not spec.boolean:
        chosen = (
            one.flag_value
            for one in specs
            if one.name == spec.name
            and one.default is not None
            and truth(one.default) is Answer.YES
        )
        default = next(chosen, None)
    return Taken(known(None) if default is None else _called(site, default), "DEFAULT")


def _called(site: Site, value: Value) -> Value:
    if isinstance(value, Function | Class) or (isinstance(value, Native) and value.call):
        return site.run.call(value, (), {}, site.location)
    return value


def _from_words(spec: Spec, occurrences: Sequence[Given]) -> Value:
    if spec.count:
        return known(len(occurrences), Evidence(occurrences[-1].place, f"{spec.name} is given"))
    if spec.argument:
        values = occurrences[-1].values or ()
        return values[0] if spec.takes == 1 else Items({"items": values}, tuple)
    made = [_occurrence(spec, given) for given in occurrences]
    return Items({"items": tuple(made)}, tuple) if spec.multiple else made[-1]


def _occurrence(spec: Spec, given: Given) -> Value:
    if given.values is None:
        return spec.flag_value or known(value=True)
    if spec.flag or spec.takes == 1:
        return given.values[0] if given.values else spec.flag_value or known(value=True)
    return Items({"items": given.values}, tuple)


def _from_environment(site: Site, spec: Spec, context: Instance) -> Value | None:
    """Return a variable's value, split where several are wanted; None where none is set."""
    value = _variable(site, spec, context)
    if value is None or not isinstance(value, Known) or not isinstance(value.value, str):
        return value
    if spec.flag and not spec.boolean and site.stack.click >= (8, 3):
        if isinstance(spec.flag_value, Known) and spec.flag_value.value == value.value:
            return spec.flag_value
        flag = boolean(value.value, site.stack)
        if flag is None:
            return None
        return spec.flag_value if flag else known(False, *value.trail)  # noqa: FBT003
    if spec.multiple or spec.takes != 1:
        named = spec.kind.native if isinstance(spec.kind, Instance) else None
        paths = named is not None and named.name in {"click.Path", "click.File"}
        parts = tuple(
            known(part, *value.trail) for part in value.value.split(":" if paths else None)
        )
        return Items({"items": parts}, tuple)
    return value


def _variable(site: Site, spec: Spec, context: Instance) -> Value | None:
    """click.core.Option.resolve_envvar_value: the named variables, then the prefixed one."""
    names = spec.envvar
    listed = isinstance(names, Items)
    for name in names.items if isinstance(names, Items) else (names,) if names is not None else ():
        empty = site.stack.click < (8,) and listed
        found = _lookup(site, name, empty=empty)
        if found is not None:
            return _set_by_presence(site, spec, found)
    prefix = context.slots.get("auto_envvar_prefix")
    if not spec.automatic or prefix is None or not spec.name:
        return None
    if not isinstance(prefix, Known):
        return Opaque(missing_of(prefix), _UNREAD, harmless=True)
    if prefix.value is None:
        return None
    name = known(f"{prefix.value}_{spec.name.upper()}")
    # Before 8.1 the empty text counted here.
    return _lookup(site, name, empty=site.stack.click < (8, 1))


def _set_by_presence(site: Site, spec: Spec, found: Value) -> Value:
    """In click 8.2.0 and 8.2.1 a named variable sets a flag whatever its value is."""
    value = spec.flag_value
    if (8, 2) <= site.stack.click < (8, 2, 2) and spec.flag and isinstance(value, Known):
        trail = found.trail if isinstance(found, Known | Opaque) else ()
        return known(str(value.value), *trail) if value.value else found
    return found


def _lookup(site: Site, name: Value, *, empty: bool) -> Value | None:
    environ = site.run.environ
    if not isinstance(name, Known):
        return derived("a variable", name)
    value = environ.slots.get(name.value)
    if value is None:
        if environ.rest is None:
            return None
        return Opaque(environ.rest.missing, _UNREAD, harmless=True)
    if isinstance(value, Known) and value.value == "" and not empty:
        return None
    return value


def processed(site: Site, spec: Spec, taken: Taken, handed: tuple[Value, ...]) -> Value:
    """Return a parameter's value as its type makes it; raises errors of usage of the program."""
    value = taken.value
    absent = isinstance(value, Known) and value.value is None
    if absent and (spec.multiple or spec.takes == -1):
        value, absent = Items({"items": ()}, tuple), False
    missing = absent or (isinstance(value, Items) and not value.items and spec.takes != 1)
    if spec.required and (
        missing or (spec.multiple and isinstance(value, Items) and not value.items)
    ):
        note = f"{spec.names[0] if spec.names else spec.name} is required, so the command ends"
        raise RaiseSignal("MissingParameter", Evidence(site.location, note))
    return value if absent else _cast(site, spec, value, handed)


def _cast(site: Site, spec: Spec, value: Value, handed: tuple[Value, ...]) -> Value:
    if isinstance(value, Opaque):
        return value
    depth = int(spec.multiple) + int(spec.takes != 1 and not isinstance(spec.kind, Items))

    def inner(one: Value, left: int) -> Value:
        if left and isinstance(one, Items):
            return Items({"items": tuple(inner(item, left - 1) for item in one.items)}, tuple)
        return convert(site, spec.kind, one, handed)

    return inner(value, depth)


def prompted(site: Site, spec: Spec) -> Value:
    """Return what is answered to a prompt: nobody answers in most containers, and it ends."""
    missing = (Missing(Reason.INPUT, f"what is answered to the prompt for {spec.name}"),)
    aborted = RaiseSignal("Abort", Evidence(site.location, "nobody answers the prompt"))

    def abort() -> None:
        raise aborted

    frame = Frame((), site.run.current or Module("?", {}))
    site.run.branch(frame, missing, (abort, lambda: None))
    return Opaque(missing, spec.name, harmless=True)


def in_order(parsed: Parsed, specs: Sequence[Spec]) -> list[int]:
    """Return the places of parameters as click handles them: eager ones first, then as given."""
    first = {key: position for position, key in reversed(list(enumerate(parsed.order)))}

    def rank(position: int) -> tuple[bool, float]:
        spec = specs[position]
        return not spec.eager, first.get(spec.name, float("inf"))

    return sorted(range(len(specs)), key=rank)
