"""Arguments as argparse declares them, for libraries that stand on it."""

from collections.abc import Sequence

from msgspec import Struct

from deployguard.flask.libraries.click.conversion import Site, convert
from deployguard.flask.options import Argument, Given, Option, Parsed
from deployguard.model.evidence import Answer, Evidence, Missing, Reason
from deployguard.python import Call, Items, Known, Opaque, Value, known
from deployguard.python.signals import ExitSignal, RaiseSignal
from deployguard.python.values import missing_of, truth


class Declared(Struct, frozen=True, kw_only=True):
    """An argument of ArgumentParser.add_argument; without names it is a positional one.

    `takes` is how many words it takes, -1 for any number, None for one or none.
    """

    names: tuple[str, ...]
    dest: str
    action: str = "store"
    takes: int | None = 1
    default: Value | None = None
    constant: Value | None = None
    kind: Value | None = None
    choices: Value | None = None
    required: bool = False
    doubt: tuple[Missing, ...] = ()

    @staticmethod
    def help(*names: str) -> "Declared":
        """Return the option that prints the help and ends."""
        return Declared(names=names, dest="<help>", action="help")

    @staticmethod
    def grammar(
        declarations: Sequence["Declared"],
    ) -> tuple[dict[str, Option], list[Argument]]:
        """Return options by their names, abbreviations included, and the positional arguments."""
        exact: dict[str, Option] = {}
        arguments: list[Argument] = []
        for one in declarations:
            if not one.names:
                arguments.append(
                    Argument(one.dest, -1 if one.takes in {None, -1} else one.takes or 1)
                )
                continue
            for name in one.names:
                exact[name] = one.option()
        short: dict[str, set[str]] = {}
        for name in exact:
            for length in range(3, len(name)) if name.startswith("--") else ():
                short.setdefault(name[:length], set()).add(name)
        unique = {
            text: exact[next(iter(names))] for text, names in short.items() if len(names) == 1
        }
        return {**unique, **exact}, arguments

    def option(self) -> Option:
        """Return the option as the parser of words knows it."""
        if self.action in {"store", "append"}:
            return Option(self.dest, 1 if self.takes is None else max(self.takes, 1))
        constants = {"store_true": known(value=True), "store_false": known(value=False)}
        return Option(self.dest, 0, constants.get(self.action, self.constant or known(None)))


def declared(call: Call) -> Declared:
    """Read the arguments of add_argument() or of what hands them on to it."""
    keywords = call.keywords
    texts = [v.value for v in call.arguments if isinstance(v, Known) and isinstance(v.value, str)]
    doubt = list(call.open.missing) if call.open is not None else []
    if len(texts) != len(call.arguments):
        doubt.append(Missing(Reason.SOURCE, "the names of an option"))
    names = tuple(text for text in texts if text.startswith("-"))
    longest = next((text for text in names if text.startswith("--")), names[0] if names else "")
    dest = _text(keywords.get("dest")) or (longest or (texts or [""])[0]).lstrip("-")
    action = _text(keywords.get("action")) or "store"
    if action not in {"store", "append", "store_true", "store_false", "store_const", "count"}:
        doubt.append(Missing(Reason.SOURCE, f"what the action of the option {dest} does"))
    default = keywords.get("default")
    if default is None and action in {"store_true", "store_false"}:
        default = known(action == "store_false")
    return Declared(
        names=names,
        dest=dest if "dest" in keywords else dest.replace("-", "_"),
        action=action,
        takes=_takes(keywords.get("nargs")),
        default=default,
        constant=keywords.get("const"),
        kind=keywords.get("type"),
        choices=keywords.get("choices"),
        required=truth(keywords.get("required", known(not names))) is Answer.YES,
        doubt=tuple(doubt),
    )


def _text(value: Value | None) -> str:
    return value.value if isinstance(value, Known) and isinstance(value.value, str) else ""


def _takes(value: Value | None) -> int | None:
    match value:
        case Known(value=int() as number):
            return number
        case Known(value="?"):
            return None
        case Known(value="*" | "+"):
            return -1
        case _:
            return 1


def values_of(site: Site, declarations: Sequence[Declared], parsed: Parsed) -> dict[str, Value]:
    """Return what argparse makes of the words, by destination; a wrong word ends the program."""
    if "<help>" in parsed.given:
        raise ExitSignal(Evidence(parsed.given["<help>"][-1].place, "the help is printed"))
    found: dict[str, Value] = {}
    for one in declarations:
        given = parsed.given.get(one.dest)
        if one.doubt:
            found[one.dest] = Opaque(one.doubt, one.dest, harmless=True)
        elif given:
            found[one.dest] = _given(site, one, given)
        elif one.required:
            raise ExitSignal(Evidence(site.location, f"{one.dest} is required: the program ends"))
        elif one.dest not in found:
            found[one.dest] = _default(site, one)
    return found


def _default(site: Site, one: Declared) -> Value:
    default = one.default or known(None)
    if isinstance(default, Known) and isinstance(default.value, str) and one.kind is not None:
        # argparse passes a default through its type only where it is a text.
        return _converted(site, one, default)
    return default


def _given(site: Site, one: Declared, given: Sequence[Given]) -> Value:
    if one.action == "count":
        return known(len(given))
    if one.action == "append":
        values = [_one(site, one, occurrence) for occurrence in given]
        return Items({"items": tuple(values)})
    return _one(site, one, given[-1])


def _one(site: Site, one: Declared, given: Given) -> Value:
    values = given.values or ()
    if one.names and one.action not in {"store", "append"}:
        return values[0] if values else one.constant or known(value=True)
    made = tuple(_converted(site, one, value) for value in values)
    single = one.takes is None or (one.takes == 1)
    return made[0] if single and made else Items({"items": made})


def _converted(site: Site, one: Declared, value: Value) -> Value:
    made = value
    if one.kind is not None:
        try:
            made = convert(site, one.kind, value)
        except RaiseSignal as error:
            raise ExitSignal(error.note) from None
    if isinstance(one.choices, Items) and isinstance(made, Known):
        plain = [c.value for c in one.choices.items if isinstance(c, Known)]
        if len(plain) == len(one.choices.items) and made.value not in plain:
            raise ExitSignal(Evidence(site.location, f"{made.value!r} is none of the choices"))
    if isinstance(made, Opaque) and not made.missing:
        return Opaque(missing_of(value), one.dest, harmless=True)
    return made
