"""Where pydantic's settings come from: variables, .env files and secrets, strongest first."""

import posixpath
from collections.abc import Mapping
from typing import Any

from deployguard.flask.libraries.annotations import (
    InvalidValue,
    Kind,
    Type,
    from_json,
    is_complex,
    is_model,
)
from deployguard.flask.libraries.dotenv import environment, values
from deployguard.flask.libraries.pydantic_fields import (
    INVALID,
    UNREADABLE,
    Field,
    Settings,
    fields_of,
)
from deployguard.flask.libraries.reading import raising
from deployguard.model.evidence import Missing, Reason
from deployguard.model.filesystem import Absent, Content, Unread
from deployguard.python import (
    Call,
    Class,
    Known,
    Mapped,
    Opaque,
    Value,
    known,
)
from deployguard.python.concrete import Unplain, plain
from deployguard.python.standard import absolute
from deployguard.python.values import (
    derived,
    laid_over,
)


class Sources:
    """The variables and files that settings are read from, strongest first."""

    def __init__(
        self, call: Call, cls: Class, fields: tuple[Field, ...], settings: Settings, *, old: bool
    ) -> None:
        self.call = call
        self.fields = fields
        self.settings = settings
        self.old = old
        self.folds = not self._option("_case_sensitive", settings.options.get("case_sensitive"))
        self.prefix = str(self._option("_env_prefix", settings.text("env_prefix")) or "")
        self.delimiter = str(
            self._option("_env_nested_delimiter", settings.text("env_nested_delimiter")) or ""
        )
        self.ignores_empty = bool(
            self._option("_env_ignore_empty", settings.on("env_ignore_empty"))
        )
        self.extra = str(settings.options.get("extra", "forbid"))
        environ = call.run.environ
        self.environ = self._folded(environ.slots)
        self.rest = environ.rest
        self.file_rest: Opaque | None = None
        self.file = self._file(self._option("_env_file", settings.options.get("env_file")))
        self.secrets = self._option("_secrets_dir", settings.options.get("secrets_dir"))
        self.cls = cls

    def _option(self, name: str, configured: object) -> object:
        value = self.call.keywords.get(name)
        if value is None:
            return configured
        try:
            return plain(value)
        except Unplain:
            return _HIDDEN

    def _folded(self, entries: Mapping[Any, Value]) -> dict[str, Value]:
        found: dict[str, Value] = {}
        for key, value in entries.items():
            name = str(key).lower() if self.folds else str(key)
            if self.ignores_empty and isinstance(value, Known) and value.value == "":
                continue
            if name in found and found[name] != value:
                missing = Missing(Reason.VARIABLE, f"which spelling of {name} comes last")
                found[name] = Opaque((missing,), name, harmless=True)
            else:
                found[name] = value
        return found

    def _file(self, given: object) -> dict[str, Value]:
        """Return what .env files set, the later ones over the earlier ones."""
        found: dict[str, Value] = {}
        if given is None:
            return found
        names = list(given) if isinstance(given, list | tuple) else [given]
        for name in names:
            path = None if name is _HIDDEN else absolute(self.call.run, str(name))
            missing = Missing(Reason.FILE, "which .env file settings are read from")
            content = Unread(missing) if path is None else self.call.run.files.read(path)
            match content:
                case Content():
                    entries = environment(self.call.run, content, override=True)
                    found |= self._folded(dict(values(entries)))
                    if entries.unseen:
                        self.file_rest = Opaque(entries.unseen, "a .env file", harmless=True)
                case Unread(missing=hidden):
                    self.file_rest = Opaque((hidden,), "a .env file", harmless=True)
                case Absent():
                    continue
        return found

    def names(self, entry: Field) -> tuple[str, ...]:
        """Return the variables of a field; a name of its own knows no prefix."""
        named = self._configured(entry) or entry.variables if self.old else entry.aliases
        found = named or (f"{self.prefix}{entry.name}",)
        return tuple(name.lower() if self.folds else name for name in found)

    def _configured(self, entry: Field) -> tuple[str, ...]:
        """Return the variables that Config.fields of pydantic 1 gives a field."""
        fields = self.settings.options.get("fields")
        own = fields.get(entry.name) if isinstance(fields, dict) else None
        names = own.get("env") if isinstance(own, dict) else None
        listed = [names] if isinstance(names, str) else names
        return tuple(map(str, listed)) if isinstance(listed, list | tuple | set) else ()

    def value(self, entry: Field) -> Value | None:
        """Return what a field is set to, None where nothing sets it."""
        names = self.names(entry)
        parts: list[Value] = []
        for entries, rest in ((self.environ, self.rest), (self.file, self.file_rest)):
            whole = next((entries[name] for name in names if name in entries), rest)
            found = self._read(entry, whole)
            nested = self._nested(entry, entries, names)
            if nested is not None and not isinstance(found, Opaque):
                found = _merged(found, nested)
            if found is not None:
                parts.append(found)
        secret = self._secret(names)
        if secret is not None:
            parts.append(secret)
        return _first(parts)

    def _read(self, entry: Field, whole: Value | None) -> Value | None:
        if not isinstance(whole, Known) or not is_complex(entry.type):
            return whole
        try:
            return from_json(whole)
        except InvalidValue:
            if entry.type.kind is Kind.UNION:
                return whole
            note = f"the setting {entry.name} is not JSON"
            raise raising(self.call, UNREADABLE, note) from None

    def _nested(
        self, entry: Field, entries: dict[str, Value], names: tuple[str, ...]
    ) -> Mapped | None:
        """Return what variables such as SERVER__DEBUG set of a field that is a model."""
        if not self.delimiter or not is_complex(entry.type):
            return None
        made = Mapped({})
        delimiter = self.delimiter.lower() if self.folds else self.delimiter
        for key, value in entries.items():
            start = next((n for n in names if key.startswith(f"{n}{delimiter}")), None)
            if start is not None:
                steps = key.removeprefix(f"{start}{delimiter}").split(delimiter)
                self._put(made, entry.type, steps, value)
        return made if made.slots else None

    def _put(self, made: Mapped, kind: Type, steps: list[str], value: Value) -> None:
        step, *rest = steps
        inner = self._inner(kind, step)
        name = inner.name if inner is not None else step
        if not rest:
            read = value if inner is None else self._read(inner, value)
            made.slots[name] = value if read is None else read
            return
        below = made.slots.setdefault(name, Mapped({}))
        if isinstance(below, Mapped):
            self._put(below, Type(Kind.OTHER) if inner is None else inner.type, rest, value)

    def _inner(self, kind: Type, step: str) -> Field | None:
        models = [
            one for one in (kind, *kind.inner) if one.kind is Kind.CLASS and is_model(one.cls)
        ]
        for one in models:
            for entry in fields_of(self.call.run, one.cls) if one.cls is not None else ():
                if entry.name == step or (self.folds and entry.name.lower() == step):
                    return entry
        return None

    def _secret(self, names: tuple[str, ...]) -> Value | None:
        """Return a file of the folder of secrets that is named as the field is."""
        if self.secrets is None:
            return None
        path = None if self.secrets is _HIDDEN else absolute(self.call.run, str(self.secrets))
        listed = None if path is None else self.call.run.files.list(path)
        if isinstance(listed, Absent):
            return None
        if not isinstance(listed, tuple) or path is None:
            missing = Missing(Reason.FILE, "the secrets that settings are read from")
            return Opaque((missing,), "a secret", harmless=True)
        for name in listed:
            if (name.lower() if self.folds else name) in names:
                content = self.call.run.files.read(posixpath.join(path, name))
                if isinstance(content, Content):
                    return known(content.data.decode("utf-8", "replace").strip())
        return None

    def refuse_others(self) -> None:
        """Raise where a .env file sets what no field reads, unless the class allows it."""
        if self.extra != "forbid":
            return
        names = [name for entry in self.fields for name in self.names(entry)]
        bare = {entry.name for entry in self.fields}
        for key, value in self.file.items():
            used = any(key.startswith(name) for name in names) or (self.prefix and key in bare)
            if not used and isinstance(value, Known) and value.value:
                note = f"a .env file sets {key}, which is no setting of {self.cls.name}"
                raise raising(self.call, INVALID, note)


_HIDDEN = object()


def _first(parts: list[Value]) -> Value | None:
    """Return the strongest value; of dictionaries, what the weaker ones add."""
    if not parts:
        return None
    first, *others = parts
    for other in others:
        if isinstance(first, Mapped) and isinstance(other, Mapped):
            first = _merged(other, first)
        elif isinstance(first, Opaque):
            # It may be that nothing sets it there, and then the weaker one counts.
            return derived("a setting", first, other)
        else:
            break
    return first


def _merged(under: Value | None, over: Mapped) -> Mapped:
    if not isinstance(under, Mapped):
        return over
    made = laid_over(under, Mapped({}, over.rest))
    for key, value in over.slots.items():
        below = made.slots.get(key)
        made.slots[key] = _merged(below, value) if isinstance(value, Mapped) else value
    return made
