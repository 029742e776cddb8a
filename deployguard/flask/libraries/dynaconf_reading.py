"""One reading of all sources of dynaconf's settings: defaults, files with sections, variables."""

import posixpath
from collections.abc import Iterator

from deployguard.flask.libraries.dotenv import take_file
from deployguard.flask.libraries.dynaconf_values import (
    PLAIN_BOOLEANS,
    file_data,
    from_text,
    merged,
    plain_key,
)
from deployguard.flask.libraries.effects import harmless
from deployguard.flask.libraries.installed import release
from deployguard.flask.libraries.reading import exception, main_folder, raising
from deployguard.model.evidence import Answer, Missing, Reason
from deployguard.model.filesystem import Absent, Content, FileKind, Stat, Unread
from deployguard.python import (
    Call,
    Instance,
    Interpreter,
    Items,
    Known,
    Mapped,
    Module,
    Opaque,
    Value,
    known,
)
from deployguard.python.concrete import none, text_of
from deployguard.python.modules import LOCATION
from deployguard.python.signals import RaiseSignal
from deployguard.python.values import derived, missing_of, truth

EXTENSIONS = ("py", "toml", "tml", "yaml", "yml", "ini", "conf", "properties", "json")
DEFAULT_FILES = tuple(
    f"{name}.{extension}" for name in ("settings", ".secrets") for extension in EXTENSIONS
)
SUFFIX = "_FOR_DYNACONF"
OPTIONS = frozenset(
    {
        "SETTINGS_FILE", "ENVIRONMENTS", "MAIN_ENV", "ENV_SWITCHER", "ENV", "FORCE_ENV",
        "DEFAULT_ENV", "ENVVAR_PREFIX", "MERGE_ENABLED", "NESTED_SEPARATOR", "ENVVAR",
        "ROOT_PATH", "DOTENV_PATH", "DOTENV_OVERRIDE", "SECRETS", "INCLUDES", "PRELOAD",
        "IGNORE_UNKNOWN_ENVVARS", "LOADERS", "CORE_LOADERS", "LOWERCASE_READ",
        "SYSENV_FALLBACK", "VAULT_ENABLED", "REDIS_ENABLED",
    }
)  # fmt: skip
# Options under which what is read cannot be followed, unless they are off.
_BEYOND = (
    "INCLUDES", "PRELOAD", "LOADERS", "CORE_LOADERS", "IGNORE_UNKNOWN_ENVVARS", "VAULT_ENABLED",
    "REDIS_ENABLED", "SYSENV_FALLBACK",
)  # fmt: skip
INVALID = exception("ValidationError", "ValueError")


class Reading:
    """One reading of all sources."""

    def __init__(self, call: Call, options: Mapped) -> None:
        self.call = call
        self.run = call.run
        self.options = options
        self.store = Mapped({}, options.rest, "settings")
        self.folders: list[str] = []
        self.fixes = _fixes_booleans(call.run)

    def read(self) -> Mapped:
        """Read defaults, files, variables, and what validators add."""
        self._defaults()
        if truth(self.options.slots.get("LOAD_DOTENV", known(value=False))) is not Answer.NO:
            self._dotenv()
        for name in _BEYOND:
            value = self._option(name)
            if value is not None and truth(value) is not Answer.NO:
                self._hide(Missing(Reason.SOURCE, f"what dynaconf does with {name.lower()}"))
        if self._option("NESTED_SEPARATOR") not in (None, known("__")):
            self._hide(Missing(Reason.SOURCE, "how dynaconf takes names of variables apart"))
        for place in self._files():
            if isinstance(place, Missing):
                self._hide(place)
            else:
                self._file(place)
        self._variables()
        self.validate()
        return self.store

    def _hide(self, *missing: Missing) -> None:
        rest = Opaque(missing, "settings", harmless=True)
        for name in tuple(self.store.slots):
            self.store.slots[name] = rest
        self.store.rest = rest

    def _defaults(self) -> None:
        for name, value in self.options.slots.items():
            if name not in OPTIONS:
                self._set(str(name), value)

    def _option(self, name: str) -> Value | None:
        """Return an option: a variable of its name before the argument."""
        environ = self.run.environ
        value = environ.slots.get(f"{name}{SUFFIX}")
        if value is not None:
            return from_text(value, as_toml=True, fix=self.fixes)
        return self.options.slots.get(name)

    def environment(self) -> Value:
        """Return the name of the environment whose sections count."""
        forced = self._option("FORCE_ENV")
        if forced is not None and not none(forced):
            return forced
        switch = text_of(self._option("ENV_SWITCHER") or known(f"ENV{SUFFIX}"))
        environ = self.run.environ
        value = environ.slots.get(switch) if switch is not None else harmless("the environment")
        if value is None and environ.rest is not None:
            return derived("the environment", environ.rest)
        return value or self.options.slots.get("ENV") or known("DEVELOPMENT")

    def separated(self) -> Answer:
        """Say whether files hold a section for each environment."""
        return truth(self._option("ENVIRONMENTS") or known(value=False))

    def _search(self) -> tuple[str, ...] | None:
        """Return the folders that files are looked for in (dynaconf.utils.files.find_file)."""
        cwd = self.run.cwd
        if cwd is None:
            return None
        root = self._option("ROOT_PATH")
        first = self.folders[0] if self.folders else None
        if root is not None and not none(root):
            first = text_of(root)
            if first is None:
                return None
            first = posixpath.normpath(posixpath.join(cwd, first))
        found: list[str] = []
        found.extend(_upwards(first, cwd) if first is not None else ())
        main = main_folder(self.run)
        found.extend(_upwards(main, None) if main is not None else ())
        found.extend(_upwards(cwd, None))
        return tuple(dict.fromkeys(found))

    def _find(self, name: str) -> str | Absent | Unread:
        if name.startswith("/"):
            return self._place(name)
        folders = self._search()
        if folders is None:
            return Unread(Missing(Reason.IMAGE, "the working directory"))
        for folder in folders:
            place = self._place(posixpath.normpath(posixpath.join(folder, name)))
            if not isinstance(place, Absent):
                return place
        return Absent(name)

    def _place(self, path: str) -> str | Absent | Unread:
        found = self.run.files.stat(path)
        return (
            path
            if isinstance(found, Stat) and found.kind is FileKind.FILE
            else (found if isinstance(found, Unread) else Absent(path))
        )

    def _dotenv(self) -> None:
        named = self._option("DOTENV_PATH")
        name = ".env" if named is None or none(named) else text_of(named)
        place = (
            Unread(Missing(Reason.FILE, "which .env file is read"))
            if name is None
            else (self._find(name))
        )
        content = self.run.files.read(place) if isinstance(place, str) else place
        over = truth(self._option("DOTENV_OVERRIDE") or known(value=False)) is not Answer.NO
        take_file(self.call, content, override=over)

    def _names(self) -> tuple[str, ...] | None:
        variable = text_of(self._option("ENVVAR") or known(f"SETTINGS_FILE{SUFFIX}"))
        set_outside = self.run.environ.slots.get(variable) if variable is not None else None
        value = self._option("SETTINGS_FILE")
        if set_outside is not None:
            value = from_text(set_outside, as_toml=True, fix=self.fixes)
        defaults = self.options.slots.get("DEFAULT_SETTINGS_PATHS")
        found = _listed(value)
        if found == () and defaults is not None:
            found = _listed(defaults)
        secrets = _listed(self._option("SECRETS"))
        return None if found is None or secrets is None else (*found, *secrets)

    def _files(self) -> Iterator[str | Missing]:
        """Give the settings files that are there, and then their `.local.` siblings.

        A file that is not known stands in its turn: it replaces what the ones before it set.
        """
        names = self._names()
        if names is None or any(mark in name for name in names for mark in "*?["):
            yield Missing(Reason.SOURCE, "which settings files are read")
            return
        found: list[str | Missing] = []
        for name in names:
            if not name.endswith(tuple(f".{extension}" for extension in EXTENSIONS)):
                found.append(Missing(Reason.SOURCE, f"the settings module {name}"))
                continue
            place = self._find(name)
            match place:
                case str():
                    found.append(place)
                    self.folders.append(posixpath.dirname(place))
                case Unread(missing=missing):
                    found.append(missing)
                case Absent():
                    continue
        yield from found
        for path in found:
            if isinstance(path, Missing):
                continue
            stem, _, extension = path.rpartition(".")
            if ".local." not in path:
                yield f"{stem}.local.{extension}"

    def _file(self, path: str) -> None:
        content = self.run.files.read(path)
        match content:
            case Absent():
                return
            case Unread(missing=missing):
                self._hide(missing)
            case Content() if path.endswith(".py"):
                self._python(path, content)
            case Content():
                self._data(content)
        hooks = self.run.files.stat(posixpath.join(posixpath.dirname(path), "dynaconf_hooks.py"))
        if not isinstance(hooks, Absent):
            self._hide(Missing(Reason.SOURCE, "what dynaconf_hooks.py adds to the settings"))

    def _data(self, content: Content) -> None:
        data = file_data(content)
        if isinstance(data, RaiseSignal):
            raise data
        if data is None or data.rest is not None:
            self._hide(
                *(missing_of(data) if data is not None else ()),
                Missing(Reason.FILE, f"the settings in {content.location.file}"),
            )
            return
        separated = self.separated()
        if separated is Answer.UNKNOWN:
            self._hide(Missing(Reason.SOURCE, "whether settings stand in sections"))
        elif separated is Answer.NO:
            self._take(data)
        else:
            self._sections(data)

    def _sections(self, data: Mapped) -> None:
        lower = {str(name).lower(): value for name, value in data.slots.items()}
        default = text_of(self._option("DEFAULT_ENV") or known("default")) or "default"
        prefix = text_of(self._option("ENVVAR_PREFIX") or known("dynaconf")) or "dynaconf"
        chosen = self.environment()
        text = text_of(chosen)
        if text is None:
            missing = missing_of(chosen) or (Missing(Reason.VARIABLE, "the environment"),)
            self._hide(*missing)
            return
        names = [default.lower(), prefix.lower(), *text.lower().split(","), "global"]
        for name in dict.fromkeys(part.strip() for part in names):
            section = lower.get(name)
            if isinstance(section, Mapped):
                self._take(section)

    def _take(self, data: Mapped) -> None:
        merge = data.slots.get("dynaconf_merge", data.slots.get("DYNACONF_MERGE"))
        for name, value in data.slots.items():
            if str(name).lower() != "dynaconf_merge":
                whole = merge is not None and truth(merge) is not Answer.NO
                self._set(str(name), from_text(value, as_toml=False, fix=self.fixes), merge=whole)

    def _python(self, path: str, content: Content) -> None:
        """Read a Python file, and those of the environment beside it (py_loader)."""
        self._executed(content)
        folder, name = posixpath.split(path)
        text = text_of(self.environment()) if self.separated() is not Answer.NO else "main"
        if text is None or self.separated() is Answer.UNKNOWN:
            self._hide(Missing(Reason.VARIABLE, "the environment"))
            return
        for prefix in (*text.lower().split(","), "global"):
            beside = self.run.files.read(posixpath.join(folder, f"{prefix.strip()}_{name}"))
            if isinstance(beside, Content):
                self._executed(beside)
            elif isinstance(beside, Unread):
                self._hide(beside.missing)

    def _executed(self, content: Content) -> None:
        module = Module(
            "settings",
            {LOCATION: content.location, "__file__": known(content.location.file)},
        )
        self.run.execute_text(content.data, module)
        for name, value in tuple(module.slots.items()):
            if isinstance(name, str) and name.split("__")[0].isupper():
                self._set(name, from_text(value, as_toml=False, fix=self.fixes))

    def _variables(self) -> None:
        """Read the variables of a prefix (env_loader); those of DYNACONF_ come before others."""
        given = self._option("ENVVAR_PREFIX")
        if given is not None and none(given):
            return
        whole = isinstance(given, Known) and given.value is False
        text = "" if whole else text_of(given or known("DYNACONF"))
        if text is None:
            self._hide(Missing(Reason.SOURCE, "the prefix of the variables that are settings"))
            return
        prefixes = [f"{part.upper()}_" for part in text.split(",")] if text else [""]
        environ = self.run.environ
        for prefix in dict.fromkeys(("DYNACONF_", *prefixes)):
            for name in tuple(environ.slots):
                if str(name).startswith(prefix):
                    value = from_text(environ.slots[name], as_toml=True, fix=self.fixes)
                    self._set(str(name).removeprefix(prefix), value)
        if environ.rest is not None:
            self._hide(*environ.rest.missing)

    def _set(self, name: str, value: Value, *, merge: bool = False) -> None:
        """Set a name; `__` in it leads into dictionaries."""
        first, *steps = name.split("__")
        key = plain_key(first)
        old = self.store.slots.get(key)
        whole = merge or truth(self._option("MERGE_ENABLED") or known(value=False)) is Answer.YES
        self.store.slots[key] = merged(old, steps, value, merge=whole)

    def validate(self) -> None:
        """Take defaults of validators, and end the program where a setting is not there."""
        validators = self.options.slots.get("VALIDATORS")
        if validators is None:
            return
        for one in validators.items if isinstance(validators, Items) else ():
            names = one.slots.get("names") if isinstance(one, Instance) else None
            if not isinstance(one, Instance) or not isinstance(names, Items):
                continue
            for name in names.items:
                self._checked(one, text_of(name))

    def _checked(self, validator: Instance, name: str | None) -> None:
        if name is None or "." in name or plain_key(name) in self.store.slots:
            return
        default = validator.slots.get("default")
        if default is not None:
            self._set(name, default)
        elif self.store.rest is None and "when" not in validator.slots:
            required = validator.slots.get("must_exist", validator.slots.get("required"))
            if required is not None and truth(required) is Answer.YES:
                raise raising(self.call, INVALID, f"{name} is required in settings")


def _listed(value: Value | None) -> tuple[str, ...] | None:
    """Return names of files: a list of them, or a text with commas or semicolons in between."""
    if value is None or none(value):
        return ()
    text = text_of(value)
    if text is not None:
        return tuple(part.strip() for part in text.replace(";", ",").split(",") if part.strip())
    if not isinstance(value, Items):
        return None
    found = [text_of(item) for item in value.items]
    return None if None in found else tuple(name for name in found if name is not None)


def _upwards(folder: str, last: str | None) -> Iterator[str]:
    """Give a folder and those above it, each with its folder `config` (_walk_to_root)."""
    current = folder
    while True:
        yield current
        yield posixpath.join(current, "config")
        parent = posixpath.dirname(current)
        if current in {last, parent}:
            return
        current = parent


def _fixes_booleans(run: Interpreter) -> bool | None:
    """Say whether True and False in variables are booleans; None where the release is not known."""
    version = release(run, "dynaconf")
    return None if version is None else version >= PLAIN_BOOLEANS
