"""Folders of installed packages of which the distributions are known and the files are not.

A distribution shows as in an image, by its `NAME-VERSION.dist-info`; where only a range of
versions is known, the specifier stands in the place of the version. Commands of well-known
distributions have the few lines that installers write.
"""

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct

from deployguard.formats.distributions import Wanted, admits, both, normalised
from deployguard.inputs.dockerfile.trees import (
    File,
    Folder,
    Found,
    Layers,
    View,
    text_file,
)
from deployguard.launch.console import KNOWN_COMMANDS
from deployguard.model.evidence import Location, Missing
from deployguard.model.filesystem import Absent, Stat, Unread
from deployguard.model.structs import replace

# Files of these names run at every start of Python; packages do not bring them.
START_UP = frozenset(
    name + ending for name in ("sitecustomize", "usercustomize") for ending in ("", ".py", ".pyc")
)
# The distributions whose commands and modules are known; the others bring any name.
_COMMANDS: Mapping[str, str] = {
    "python-dotenv": "dotenv",
    "supervisor": "supervisord",
    "waitress": "waitress-serve",
    **{name: name for name in KNOWN_COMMANDS if name not in {"dotenv", "supervisord",
                                                             "waitress-serve"}},
}  # fmt: skip
_MODULES: Mapping[str, str] = {
    "dotenv": "python-dotenv",
    **{name: name for name in ("flask", "werkzeug", "click", "gunicorn", "waitress", "debugpy")},
}
# Modules that `flask run` looks for; projects have them, libraries of an index do not.
_APPLICATIONS = frozenset({"wsgi", "app"})
# Distributions that depend on none of those that decide how Flask behaves, so that installing
# them later changes nothing of these (their metadata, as published).
LIGHT = frozenset(
    {
        "asgiref", "attrs", "bcrypt", "beautifulsoup4", "boto3", "cffi", "cryptography", "cython",
        "debugpy", "dnspython", "docutils", "eventlet", "gevent", "greenlet", "gunicorn",
        "httplib2", "itsdangerous", "jinja2", "jmespath", "lxml", "markupsafe", "meinheld",
        "mysqlclient", "numpy", "orjson", "packaging", "pandas", "pillow", "pip", "poetry-core",
        "psutil", "psycopg", "psycopg2", "psycopg2-binary", "pycparser", "pyjwt", "pymongo",
        "pymysql", "python-dateutil", "pytz", "pyyaml", "redis", "requests", "ruamel-yaml",
        "scipy", "sentry-sdk", "setproctitle", "setuptools", "simplejson", "six", "sqlalchemy",
        "supervisor", "tzdata", "ujson", "urllib3", "uv", "uwsgi", "virtualenv", "waitress",
        "wheel", "wtforms",
    }
)  # fmt: skip
# Distributions that need Flask, what comes with it, and light ones: nothing else comes of them.
FLASK_FAMILY = frozenset(
    {
        "flask", "flask-bcrypt", "flask-cors", "flask-jwt-extended", "flask-login", "flask-mail",
        "flask-marshmallow", "flask-restful", "flask-sqlalchemy", "flask-wtf", "marshmallow",
        "aniso8601", "werkzeug", "click", "blinker",
    }
)  # fmt: skip
_WITH_FLASK = frozenset(
    {
        "werkzeug", "click", "jinja2", "markupsafe", "itsdangerous", "blinker", "colorama",
        "importlib-metadata", "zipp", "typing-extensions",
    }
)  # fmt: skip
_DISTRIBUTION = re.compile(r"(?P<name>[A-Za-z0-9._]+)-(?P<version>[^/]+?)\.(?:dist|egg)-info\Z")


class Installation(Struct, frozen=True):
    """What one command installs: `certain` certainly, `brings` at the most (None: anything).

    `exact` says that what it names replaces what was there of that name; `own` that a project of
    the user's may be among it, which may bring modules of any name.
    """

    certain: tuple[Wanted, ...]
    brings: frozenset[str] | None
    missing: Missing
    upgrade: bool = False
    exact: bool = False
    own: bool = False


class SitePackages(Struct, frozen=True):
    """A folder of packages: known distributions, modules that are not there, and the unknown."""

    distributions: tuple[Wanted, ...]
    lacking: frozenset[str]
    missing: Missing

    def entry(self, path: str) -> Found:
        """Return what lies at a path."""
        if path == "/":
            return Folder(0o755, Location("/"))
        first, _, rest = path[1:].partition("/")
        if first in START_UP or first.partition(".")[0] in self.lacking:
            return Absent(path)
        for one in self.distributions:
            if first == _information(one):
                if not rest:
                    return Folder(0o755, one.location)
                if rest == "METADATA":
                    text = f"Name: {one.name}\nVersion: {one.pin or ''}\n"
                    return text_file(text.encode(), one.location)
        return Unread(self.missing)

    def names(self, path: str) -> tuple[str, ...] | Absent | Unread:
        """Return the distributions that are known; more lies beside them."""
        if path != "/":
            return Unread(self.missing)
        return Unread(self.missing, tuple(sorted(_information(one) for one in self.distributions)))


class Wheels(Struct, frozen=True):
    """A folder that `pip wheel` fills: what is known lies in it, and more beside it."""

    known: tuple[str, ...]
    missing: Missing

    def entry(self, path: str) -> Found:
        """Return what lies at a path; what is in a wheel is not known."""
        return Folder(0o755, Location("/")) if path == "/" else Unread(self.missing)

    def names(self, path: str) -> tuple[str, ...] | Absent | Unread:
        """Return the wheels that are known to be there."""
        return Unread(self.missing, self.known if path == "/" else ())


def wheel_names(wanted: Iterable[Wanted]) -> tuple[str, ...]:
    """Return the names of the wheels of pinned distributions, of whatever tags they are."""
    return tuple(
        sorted(
            f"{one.name.replace('-', '_')}-{one.pin}-py3-none-any.whl"
            for one in wanted
            if one.pin is not None
        )
    )


def _information(one: Wanted) -> str:
    name = one.name.replace("-", "_")
    return f"{name}-{one.pin or one.specifier or '>=0'}.dist-info"


# What packages do not bring, or bring as the same: installing over a base leaves its Python.
_INTERPRETER = re.compile(r"(?:python|pip)[0-9.]*")


class Scripts(Struct, frozen=True):
    """The folder of commands beside packages: what was there stays, others may have come."""

    known: Mapping[str, tuple[str, Location]]
    there: frozenset[str]
    interpreter: str
    missing: Missing

    def entry(self, path: str) -> Found:
        """Return what lies at a path."""
        if path == "/":
            return Folder(0o755, Location("/"))
        name = path[1:]
        if name in self.known:
            target, location = self.known[name]
            return text_file(_script(self.interpreter, target), location, 0o755)
        # The grammar of entry points has no name that begins with a bracket.
        stays = name in self.there or _INTERPRETER.fullmatch(name) or name.startswith("[")
        return Absent(path) if stays else Unread(self.missing)

    def names(self, path: str) -> tuple[str, ...] | Absent | Unread:
        """Return the commands that are known; more may lie beside them."""
        return Unread(self.missing, tuple(sorted(self.known))) if path == "/" else Absent(path)


def _script(interpreter: str, target: str) -> bytes:
    module, _, function = target.partition(":")
    return (
        f"#!{interpreter}\nimport sys\nfrom {module} import {function}\n"
        f"if __name__ == '__main__':\n    sys.exit({function}())\n"
    ).encode()


def install(
    files: Layers, prefix: str, release: str, interpreter: str, what: Installation
) -> list[tuple[str, SitePackages | Scripts]]:
    """Return what installing leaves below the prefix of a Python, by place."""
    folder = f"{prefix}/lib/python{release}/site-packages"
    view = View(files)
    before = {one.name: one for one in _installed(view, folder)}
    brings = what.brings
    kept: dict[str, Wanted] = {}
    lacking = _lacking(view, folder) - (_APPLICATIONS if what.own else frozenset())
    if brings is not None:
        # Nothing but what is named comes, so that all else stays as it was.
        kept = {name: one for name, one in before.items() if name not in brings}
        lacking -= _modules_of(brings)
    else:
        lacking &= _APPLICATIONS
    for one in what.certain:
        kept[one.name] = _joined(before.get(one.name), one, upgrade=what.upgrade or what.exact)
    distributions = tuple(kept[name] for name in sorted(kept))
    site = SitePackages(distributions, lacking, what.missing)
    known = {
        _COMMANDS[one.name]: (KNOWN_COMMANDS[_COMMANDS[one.name]], one.location)
        for one in distributions
        if one.name in _COMMANDS
    }
    bin_folder = f"{prefix}/bin"
    there = view.list(bin_folder)
    names = there if isinstance(there, tuple) else there.seen if isinstance(there, Unread) else ()
    for name in names:
        # A command that was written before stays, whatever its distribution comes to.
        _, found = view.entry(f"{bin_folder}/{name}")
        if name in KNOWN_COMMANDS and name not in known and isinstance(found, File):
            known[name] = (KNOWN_COMMANDS[name], found.location)
    stay = frozenset(name for name in names if name not in known)
    return [(folder, site), (bin_folder, Scripts(known, stay, interpreter, what.missing))]


def _joined(before: Wanted | None, wanted: Wanted, *, upgrade: bool) -> Wanted:
    """Return what is installed after: what fits stays, unless an upgrade is asked for."""
    if before is None or upgrade or wanted.pin is not None or wanted.specifier is None:
        return wanted
    if before.pin is not None and admits(wanted.specifier, before.pin):
        return before
    return wanted


def _modules_of(names: Iterable[str]) -> frozenset[str]:
    wanted = frozenset(names)
    return frozenset(module for module, name in _MODULES.items() if name in wanted)


def _lacking(view: View, folder: str) -> frozenset[str]:
    """Return the modules of the table that are certainly not there."""
    return frozenset(
        module
        for module in (*_MODULES, *_APPLICATIONS)
        if isinstance(view.stat(f"{folder}/{module}/__init__.py"), Absent)
        and isinstance(view.stat(f"{folder}/{module}.py"), Absent)
    )


def _installed(view: View, folder: str) -> Iterable[Wanted]:
    names = view.list(folder)
    seen = names if isinstance(names, tuple) else names.seen if isinstance(names, Unread) else ()
    for name in seen:
        match = _DISTRIBUTION.match(name)
        if match is None:
            continue
        version = match["version"]
        found = view.stat(f"{folder}/{name}")
        place = found.location if isinstance(found, Stat) else Location(f"{folder}/{name}")
        exact = version[:1].isdigit()
        yield Wanted(normalised(match["name"]), f"=={version}" if exact else version, place)


def brought(names: frozenset[str]) -> frozenset[str]:
    """Return what distributions of Flask's family bring at the most, themselves among it."""
    family = FLASK_FAMILY - {"werkzeug", "click", "blinker"}
    return names | _WITH_FLASK | {"flask"} if names & family else names


def merged(wanted: Iterable[Wanted], constraints: Mapping[str, Wanted]) -> tuple[Wanted, ...]:
    """Join what is asked for several times, and hold it to the constraints."""
    found: dict[str, Wanted] = {}
    for one in wanted:
        before = found.get(one.name)
        found[one.name] = (
            one
            if before is None
            else replace(
                before if before.pin is not None else one,
                specifier=both(before.specifier, one.specifier),
                extras=before.extras | one.extras,
                perhaps=before.perhaps and one.perhaps,
            )
        )
    for name, limit in constraints.items():
        if name in found and found[name].pin is None:
            one = found[name]
            joined = both(one.specifier, limit.specifier)
            found[name] = replace(limit, specifier=limit.specifier if limit.pin else joined,
                                  extras=one.extras, perhaps=one.perhaps)  # fmt: skip
    return tuple(found.values())
