"""Installers of Python packages in a RUN: what they install into which Python, and how surely.

pip, uv, Poetry and Pipenv, and the tools that make virtual environments.
"""

import fnmatch
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise

from msgspec import Struct, field

from deployguard.formats import distributions, locks, requirements
from deployguard.formats.distributions import Target, Wanted, normalised
from deployguard.formats.locks import Choice, LockError
from deployguard.inputs.dockerfile import sites
from deployguard.inputs.dockerfile.runner import EXPANSION, NotPlainError, Runner
from deployguard.inputs.dockerfile.sites import Installation
from deployguard.inputs.dockerfile.trees import File, Link, Single, Unknown, clean, text_file
from deployguard.model.evidence import Location
from deployguard.model.filesystem import Absent, Content, Unread
from deployguard.model.structs import replace

_ELF = b"\x7fELF"
_DEEPEST = 10
_MOST_WANTED = 10_000
# A requirement costs as much as so many lookups.
_LINE_EFFORT = 30
_SHARED = re.compile(rb"(?im)^\s*include-system-site-packages\s*=\s*true")
_PYTHON = re.compile(r"python[0-9.]*\Z")
_PIP = re.compile(r"pip[0-9.]*\Z")
_NO_INSTALL = frozenset(
    {"cache", "check", "list", "show", "freeze", "config", "debug", "--version", "-V", "help",
     "index", "hash", "inspect", "lock", "search", "wheel", "download"}
)  # fmt: skip
_PIP_VALUES = frozenset(
    {"-r", "--requirement", "--requirements", "-c", "--constraint", "--constraints", "-e",
     "--editable", "-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--trusted-host",
     "--prefix", "--root", "-t", "--target", "--python-version", "--platform", "--timeout",
     "--retries", "--cache-dir", "--src", "--upgrade-strategy", "--no-binary", "--only-binary",
     "--progress-bar", "--log", "--proxy", "--cert", "--client-cert", "--report", "-C",
     "--config-settings", "--config-setting", "--global-option", "--root-user-action",
     "--use-feature", "--use-deprecated", "--implementation", "--abi", "--python", "-p",
     "--exists-action", "--index", "--default-index", "--link-mode", "--index-strategy",
     "-w", "--wheel-dir", "-d", "--dest",
     "--keyring-provider", "--resolution", "--prerelease", "--color", "--project", "--directory",
     "--extra", "--group", "-b", "--build-constraint", "--torch-backend", "--exclude-newer"}
)  # fmt: skip
_PIP_PLAIN = frozenset(
    {"--no-cache-dir", "--no-cache", "-U", "--upgrade", "--no-deps", "--user", "--pre",
     "--require-hashes", "--no-build-isolation", "--force-reinstall", "-I", "--ignore-installed",
     "--disable-pip-version-check", "--no-input", "--break-system-packages", "--compile",
     "--no-compile", "--no-warn-script-location", "--prefer-binary", "--no-index", "--isolated",
     "--no-python-version-warning", "--use-pep517", "--no-use-pep517", "--system", "--reinstall",
     "--no-warn-conflicts", "--no-clean", "--no-color", "--debug", "--verify-hashes",
     "--compile-bytecode", "--strict", "--offline", "--frozen", "--native-tls", "--quiet",
     "--verbose", "-n", "--no-verify-hashes", "--no-sources", "--exact", "--no-progress"}
)  # fmt: skip
# Places of Poetry's and Pipenv's own virtual environments, whose names are not foreseen.
_HIDDEN = (".cache/pypoetry", ".local/share/virtualenvs")

_PIP_SETTINGS = frozenset(
    {"PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PIP_ROOT", "PIP_CONSTRAINT", "PIP_REQUIREMENT",
     "PIP_NO_DEPS", "PIP_PYTHON", "PIP_CONFIG_FILE", "PYTHONUSERBASE"}
)  # fmt: skip
_UV_SETTINGS = frozenset(
    {"UV_PYTHON", "UV_CONSTRAINT", "UV_OVERRIDE", "UV_PYTHON_INSTALL_DIR", "UV_WORKING_DIRECTORY",
     "UV_PROJECT", "UV_CONFIG_FILE"}
)  # fmt: skip
_OTHER_SETTINGS = frozenset(
    {"POETRY_VIRTUALENVS_PATH", "WORKON_HOME", "PIPENV_PIPFILE", "PIPENV_CUSTOM_VENV_NAME"}
)

Installer = Callable[[Runner, list[str]], None]


class _Asked(Struct):
    """What a pip command line asks for."""

    wanted: list[Wanted] = field(default_factory=list)
    constraints: dict[str, Wanted] = field(default_factory=dict)
    unclear: bool = False
    hashed: bool = True
    plain: bool = True  # nothing but names of distributions: no path, URL or extra
    options: dict[str, str] = field(default_factory=dict)
    flags: set[str] = field(default_factory=set)
    extras: list[str] = field(default_factory=list)
    files: set[tuple[str, bool]] = field(default_factory=set)


class _Python(Struct, frozen=True):
    """A Python that packages go to: its prefix, its "3.12" ("3" where not known), its program."""

    prefix: str
    release: str
    interpreter: str

    @property
    def target(self) -> Target:
        return Target(self.release if "." in self.release else None)


def find(words: list[str]) -> Installer | None:
    """Return what follows a command that installs Python packages, None for another command."""
    name = posixpath.basename(words[0])
    if _PYTHON.match(name):
        rest = _without_options(words[1:])
        if rest[:1] == ["-m"] and len(rest) > 1:
            return _MODULES.get(rest[1])
        return None
    if _PIP.match(name):
        return _pip
    return _TOOLS.get(name)


def _without_options(words: list[str]) -> list[str]:
    """Take options of Python that change nothing here off the front."""
    while words and re.fullmatch(r"-[uBIEsSqOv]+", words[0]):
        words = words[1:]
    return words


def _pip(runner: Runner, words: list[str]) -> None:
    name = posixpath.basename(words[0])
    rest = words[1:]
    if _PYTHON.match(name):
        rest = _without_options(rest)[2:]
    while rest and rest[0].startswith("-") and rest[0] not in {"-V", "--version"}:
        value = rest[0] in _PIP_VALUES
        rest = rest[1 + value :]
    if rest[:1] and rest[0] in _NO_INSTALL:
        if rest[0] == "lock":
            raise NotPlainError
        if rest[0] in {"wheel", "download"}:
            _fetch(runner, words[0], rest[1:])
        return
    if rest[:1] == ["uninstall"]:
        _uninstall(runner, _python(runner, words[0]), rest[1:])
        return
    if rest[:1] != ["install"]:
        raise NotPlainError
    _refuse_settings(runner, _PIP_SETTINGS)
    asked = _command_line(runner, rest[1:], _target(runner, words[0]))
    if "--dry-run" in asked.flags:
        return
    _install(runner, _place(runner, words[0], asked), asked)


def _fetch(runner: Runner, program: str, words: list[str]) -> None:
    """Follow `pip wheel` and `pip download`: a folder of wheels."""
    asked = _command_line(runner, words, _target(runner, program))
    keys = ("-w", "--wheel-dir", "-d", "--dest")
    folder = runner.path(next((asked.options[key] for key in keys if key in asked.options), "."))
    wanted = sites.merged(asked.wanted, asked.constraints)
    certain = tuple(one for one in wanted if not one.perhaps and one.pin is not None)
    only = "--no-deps" in asked.flags and not asked.unclear and len(certain) == len(wanted)
    place, names = runner.view.place(folder), sites.wheel_names(certain)
    if not only:
        runner.write(place, sites.Wheels(names, runner.missing))
        return
    for name in names:
        runner.write(posixpath.join(place, name), Unknown(runner.missing))


def _refuse_settings(runner: Runner, names: frozenset[str]) -> None:
    """Give up where a variable changes what is installed, or where to."""
    if names & set(runner.variables):
        raise NotPlainError


def _place(runner: Runner, program: str, asked: _Asked) -> _Python | None:
    """Return where pip puts packages; None where packages go is not known."""
    options = asked.options
    if runner.setting.unseen:
        return None
    if {"--root", "-t", "--target", "--platform"} & set(options):
        folder = options.get("-t") or options.get("--target")
        if folder is None or "--root" in options:
            return None
        # Nobody looks for packages there unless told to: what lies there stays unread.
        runner.write(runner.view.place(runner.path(folder)), Unknown(runner.missing))
        return _NOWHERE
    python = _python(runner, program)
    if python is None:
        return None
    if "--prefix" in options:
        return replace(python, prefix=runner.path(options["--prefix"]))
    settings = runner.read(f"{python.prefix}/pyvenv.cfg")
    in_venv = isinstance(settings, Content)
    # One that shares the packages of the system takes the user's own as well.
    shared = isinstance(settings, Content) and _SHARED.search(settings.data) is not None
    ordinary = runner.setting.user is None or runner.setting.user.partition(":")[0] in {
        "", "root", "0",
    }  # fmt: skip
    own = "--user" in asked.flags
    if (own and shared) or (not in_venv and (own or not ordinary)):
        home = _home(runner)
        return None if home is None else replace(python, prefix=posixpath.join(home, ".local"))
    return python


_NOWHERE = _Python("", "", "")


def _home(runner: Runner) -> str | None:
    given = runner.value("HOME")
    if given is not None:
        return given
    user = (runner.setting.user or "0").partition(":")[0] or "0"
    accounts = runner.read("/etc/passwd")
    if not isinstance(accounts, Content):
        return "/root" if user in {"0", "root"} else None
    for line in accounts.data.decode("utf-8", "replace").splitlines():
        fields = line.split(":")
        if len(fields) > 5 and user in fields[0:3:2]:  # noqa: PLR2004  (passwd(5))
            return clean(fields[5])
    return None


def _target(runner: Runner, program: str) -> Target:
    python = _python(runner, program)
    return python.target if python is not None else Target(None)


def _python(runner: Runner, program: str) -> _Python | None:
    """Return the Python that a program belongs to, by where it lies."""
    path = program if "/" in program else runner.program(program)
    if path is None:
        return None
    folder = posixpath.dirname(runner.path(path))
    if posixpath.basename(folder) != "bin":
        return None
    return at_prefix(runner, posixpath.dirname(folder))


def at_prefix(runner: Runner, prefix: str) -> _Python | None:
    """Return the Python of a prefix, None where none is known there."""
    names = runner.listing(f"{prefix}/lib")
    listed = names if isinstance(names, tuple) else names.seen if isinstance(names, Unread) else ()
    found = [name for name in listed if re.fullmatch(r"python\d(\.\d+)?", name)]
    usable = [name for name in found if not isinstance(
        runner.entry(f"{prefix}/lib/{name}/site-packages")[1], Absent | Unread)]  # fmt: skip
    if len(usable) != 1:
        return None
    return _Python(prefix, usable[0].removeprefix("python"), f"{prefix}/bin/{usable[0]}")


def _install(runner: Runner, python: _Python | None, asked: _Asked, *, exact: bool = False) -> None:
    """Write what an installation leaves; where it goes not being known, it may be anywhere."""
    if python is _NOWHERE:
        return
    if python is None:
        raise NotPlainError
    wanted = sites.merged(asked.wanted, asked.constraints)
    certain = [one for one in wanted if not one.perhaps]
    names = frozenset(one.name for one in wanted)
    light = asked.plain and not any(one.extras for one in wanted)
    closed = (
        exact
        or "--no-deps" in asked.flags
        or (bool(asked.wanted) and (asked.hashed or "--require-hashes" in asked.flags))
    )
    certain.extend(_brought(certain, asked))
    family = light and names <= sites.LIGHT | sites.FLASK_FAMILY
    complete = not asked.unclear and (closed or family)
    upgrade = bool({"-U", "--upgrade", "--force-reinstall", "--reinstall"} & asked.flags)
    what = Installation(
        tuple(certain),
        (names if closed else sites.brought(names)) if complete else None,
        runner.missing,
        upgrade=upgrade,
        own=asked.unclear or not asked.plain,
    )
    _write(runner, python, what)


def _write(runner: Runner, python: _Python, what: Installation) -> None:
    for place, tree in sites.install(
        runner.view, python.prefix, python.release, python.interpreter, what
    ):
        runner.write(runner.view.place(place), tree, instead=type(tree))


def _brought(certain: list[Wanted], asked: _Asked) -> Iterator[Wanted]:
    """Yield what certainly comes along with Flask: its own dependencies, and [dotenv]."""
    flask = next((one for one in certain if one.name == "flask"), None)
    if flask is None or "--no-deps" in asked.flags:
        return
    names = {one.name for one in certain}
    needed = ["werkzeug", "click", *(["python-dotenv"] if "dotenv" in flask.extras else ())]
    for name in needed:
        limit = asked.constraints.get(name)
        if name in names:
            continue
        if limit is not None:
            yield limit
        elif name == "python-dotenv":
            yield Wanted(name, "", flask.location)


def _command_line(runner: Runner, words: list[str], target: Target) -> _Asked:
    asked = _Asked()
    files: list[tuple[str, bool]] = []
    pending = list(words)
    while pending:
        word = pending.pop(0)
        if not word.startswith("-") or word == "-":
            _requested(runner, word, asked, target)
            continue
        name, equals, value = word.partition("=")
        if re.match(r"-[rcetifp][^-=]", word):
            name, equals, value = word[:2], "=", word[2:]
        if name in _PIP_VALUES:
            if not equals and not pending:
                raise NotPlainError
            value = value if equals else pending.pop(0)
            if name in {"-r", "--requirement", "--requirements"}:
                files.append((value, False))
            elif name in {"-c", "--constraint", "--constraints"}:
                files.append((value, True))
            elif name in {"-e", "--editable"}:
                _requested(runner, value, asked, target)
            elif name == "--group":
                asked.unclear = True
            elif name == "--extra":
                asked.extras.append(normalised(value))
            else:
                asked.options[name] = value
        elif name in _PIP_PLAIN or re.fullmatch(r"-[qvUIn]+", word) or name == "--dry-run":
            asked.flags.update({name} if name.startswith("--") else {f"-{c}" for c in word[1:]})
        else:
            asked.unclear = True
    for path, constraint in files:
        _file(runner, runner.path(path), asked, target, constraint=constraint, depth=0)
    return asked


def _requested(runner: Runner, text: str, asked: _Asked, target: Target) -> None:
    """Take one thing from a command line: a requirement, a path or an URL."""
    asked.hashed = False
    _taken(runner, text, asked, target, runner.location, runner.cwd)


def _taken(
    runner: Runner, text: str, asked: _Asked, target: Target, location: Location, folder: str
) -> None:
    archive = distributions.wheel(text.partition("[")[0].partition("#")[0])
    if archive is not None and "@" not in text:
        asked.wanted.append(Wanted(archive[0], f"=={archive[1]}", location))
        asked.plain = False
    elif re.match(r"(git|hg|svn|bzr)\+|[a-z]+://", text):
        asked.plain = False
        named = re.search(r"[#&]egg=([A-Za-z0-9._-]+)", text)
        if named is None:
            asked.unclear = True
        else:
            asked.wanted.append(Wanted(normalised(named[1]), None, location))
    elif EXPANSION.search(text.partition("[")[0]) and "/" in text:
        asked.plain = False
        _wheels(runner, text, asked, location, folder)
    elif text.startswith((".", "/", "file:")) or "/" in text.partition(";")[0].partition("@")[0]:
        asked.plain = False
        _project(runner, text, asked, target, folder)
    else:
        try:
            found = distributions.requirement(text, location, target)
        except ValueError:
            asked.unclear = True
            return
        if found is not None:
            asked.wanted.append(found)
            asked.plain = asked.plain and found.specifier is not None


def _wheels(runner: Runner, text: str, asked: _Asked, location: Location, folder: str) -> None:
    """Take the wheels that a path with wildcards stands for."""
    above, pattern = posixpath.split(clean(posixpath.join(folder, text)))
    names = runner.listing(above)
    if not isinstance(names, tuple):
        asked.unclear = True
    seen = names if isinstance(names, tuple) else names.seen if isinstance(names, Unread) else ()
    for name in seen:
        archive = distributions.wheel(name)
        if not fnmatch.fnmatchcase(name, pattern):
            continue
        if archive is None:
            asked.unclear = True
        else:
            asked.wanted.append(Wanted(archive[0], f"=={archive[1]}", location))


def _project(runner: Runner, text: str, asked: _Asked, target: Target, folder: str) -> None:
    """Take a project of the build: what its pyproject.toml or setup.cfg says it depends on."""
    path, _, extras = text.removesuffix("]").partition("[")
    place = clean(posixpath.join(folder, path.removeprefix("file://")))
    declared = _declared(runner, place)
    if declared is None or declared.requirements is None:
        asked.unclear = True
        return
    wanted = {normalised(extra) for extra in extras.split(",") if extra.strip()}
    wanted.update(asked.extras)
    texts = list(declared.requirements)
    for extra in wanted:
        texts.extend(declared.extras.get(extra, ()))
    for requirement, location in texts:
        _taken(runner, requirement, asked, target, location, place)


def _declared(runner: Runner, place: str) -> locks.Declared | None:
    project = runner.read(f"{place}/pyproject.toml")
    try:
        if isinstance(project, Content):
            found = locks.pyproject(project.data, project.location.file)
            if found.requirements is not None:
                return found
        elif isinstance(project, Unread):
            return None
        setup = runner.read(f"{place}/setup.cfg")
        script = runner.read(f"{place}/setup.py")
        if isinstance(setup, Content) and _inert(script):
            return locks.setup_cfg(setup.data, setup.location.file)
    except LockError:
        return None
    return None


def _inert(script: Content | Absent | Unread) -> bool:
    """Say whether a setup.py leaves the dependencies to setup.cfg."""
    if isinstance(script, Absent):
        return True
    return isinstance(script, Content) and b"install_requires" not in script.data


def _file(
    runner: Runner, path: str, asked: _Asked, target: Target, *, constraint: bool, depth: int
) -> None:
    """Take a requirements or constraints file, and those that it names."""
    if (path, constraint) in asked.files:
        return
    asked.files.add((path, constraint))
    content = runner.read(path)
    if not isinstance(content, Content) or depth > _DEEPEST or len(asked.wanted) > _MOST_WANTED:
        asked.unclear = True
        return
    folder = posixpath.dirname(path)

    def variable(name: str) -> str | None:
        value = runner.variables.get(name)
        return value.text if value is not None else None

    for entry in requirements.parse(content.data, content.location.file, variable):
        if runner.files.effort.spent(_LINE_EFFORT):
            raise NotPlainError
        match entry:
            case requirements.Include(path=named, constraint=limits):
                inner = clean(posixpath.join(folder, named))
                _file(runner, inner, asked, target, constraint=constraint or limits,
                      depth=depth + 1)  # fmt: skip
            case requirements.Line(text=text, location=location) if constraint:
                _constrained(text, location, asked, target)
            case requirements.Line(text=text, hashed=hashed, location=location):
                asked.hashed = asked.hashed and hashed
                _taken(runner, text, asked, target, location, runner.cwd)
            case requirements.Editable(text=text, location=location):
                asked.hashed = False
                _taken(runner, text if re.match(r"[a-z+]+:", text) else f"./{text}"
                       if not text.startswith(("/", ".")) else text,
                       asked, target, location, runner.cwd)  # fmt: skip
            case requirements.Option(name=name):
                asked.flags.add(name)
            case requirements.Unclear():
                asked.unclear = True


def _constrained(text: str, location: Location, asked: _Asked, target: Target) -> None:
    try:
        found = distributions.requirement(text, location, target)
    except ValueError:
        asked.unclear = True
        return
    if found is not None and not found.perhaps:
        before = asked.constraints.get(found.name)
        asked.constraints[found.name] = (
            found
            if before is None
            else replace(found, specifier=distributions.both(before.specifier, found.specifier))
        )
    elif found is not None:
        asked.constraints[found.name] = replace(found, specifier=None)


def _uninstall(runner: Runner, python: _Python | None, words: list[str]) -> None:
    names = [word for word in words if not word.startswith("-")]
    if python is None or any(word in {"-r", "--requirement"} for word in words):
        raise NotPlainError
    gone = tuple(Wanted(normalised(name), "", runner.location, perhaps=True) for name in names)
    what = Installation((), frozenset(one.name for one in gone), runner.missing, exact=True)
    _write(runner, python, what)


def _venv(runner: Runner, words: list[str]) -> None:
    """`python -m venv DIR`, `virtualenv DIR`, `uv venv [DIR]`."""
    rest = words[1:]
    name = posixpath.basename(words[0])
    if _PYTHON.match(name):
        rest = _without_options(rest)[2:]
    values = {"-p", "--python", "--prompt", "--seed", "--cache-dir", "--link-mode"}
    operands: list[str] = []
    pending = rest
    while pending:
        word, *pending = pending
        if word in values and pending:
            pending = pending[1:]
        elif not word.startswith("-"):
            operands.append(word)
    default = [".venv"] if name == "uv" else []
    shared = "--system-site-packages" in rest
    for operand in operands or default:
        make_environment(runner, runner.path(operand), _base_of(runner, words), shared=shared)
    if not operands and not default:
        raise NotPlainError


def _base_of(runner: Runner, words: list[str]) -> _Python | None:
    program = words[0] if _PYTHON.match(posixpath.basename(words[0])) else "python3"
    return _python(runner, program)


def make_environment(
    runner: Runner, path: str, base: _Python | None, *, shared: bool = False
) -> _Python:
    """Write a new virtual environment: its settings, its Python, and no packages but pip."""
    release = base.release if base is not None else "3"
    place = runner.view.place(path)
    made = _Python(place, release, f"{place}/bin/python{release}")
    there = runner.entry(f"{place}/pyvenv.cfg")[1]
    if isinstance(there, File):
        return at_prefix(runner, place) or made
    location = runner.location
    settings = f"include-system-site-packages = {'true' if shared else 'false'}\n".encode()
    runner.write(f"{place}/pyvenv.cfg", Single(text_file(settings, location)))
    python: File | Link = text_file(_ELF, location, 0o755)
    if base is not None:
        python = Link(f"{base.prefix}/bin/python{release}", location)
    for name in dict.fromkeys(("python", "python3", f"python{release}")):
        runner.write(f"{place}/bin/{name}", Single(python))
    script = text_file(f"#!{place}/bin/python\n".encode(), location, 0o755)
    for name in ("pip", "pip3"):
        runner.write(f"{place}/bin/{name}", Single(script))
    readme = text_file(b"", location)
    runner.write(f"{place}/lib/python{release}/site-packages/README.txt", Single(readme))
    return made


def _uv(runner: Runner, words: list[str]) -> None:
    rest = words[1:]
    while rest and rest[0] in {"--quiet", "-q", "--verbose", "-v", "--no-cache", "--no-progress"}:
        rest = rest[1:]
    _refuse_settings(runner, _UV_SETTINGS)
    match rest[:2]:
        case ["venv", *_]:
            _venv(runner, ["uv", *rest[1:]])
        case ["pip", "install" | "sync"]:
            _uv_pip(runner, rest[2:], sync=rest[1] == "sync")
        case ["sync", *_]:
            _uv_sync(runner, rest[1:])
        case ["pip", "check" | "list" | "show" | "freeze" | "tree"]:
            return
        case ["cache" | "version" | "--version" | "self", *_]:
            return
        case _:
            raise NotPlainError


def _uv_pip(runner: Runner, words: list[str], *, sync: bool) -> None:
    system = "--system" in words or runner.value("UV_SYSTEM_PYTHON") in {"1", "true"}
    python = _uv_python(runner, words, system=system)
    asked = _command_line(
        runner,
        [word for word in words if not (sync and not word.startswith("-"))],
        python.target if python is not None else Target(None),
    )
    if "--target" in asked.options or "--prefix" in asked.options:
        python = _place(runner, "python3", asked)
    if sync:
        for word in words:
            if not word.startswith("-"):
                _file(runner, runner.path(word), asked, Target(None), constraint=False, depth=0)
    _install(runner, python, asked, exact=sync)


def _uv_python(runner: Runner, words: list[str], *, system: bool) -> _Python | None:
    named = next(
        (after for word, after in pairwise(words)
         if word in {"-p", "--python"}), None,
    )  # fmt: skip
    if named is not None and "/" in named:
        path = runner.path(named)
        inner = posixpath.dirname(posixpath.dirname(path)) if "/bin/" in path else path
        return at_prefix(runner, inner)
    if system:
        return _python(runner, "python3")
    environment = runner.value("VIRTUAL_ENV")
    return at_prefix(runner, runner.path(environment or ".venv"))


def _uv_sync(runner: Runner, words: list[str]) -> None:
    values = {"--group", "--extra", "--no-group", "--only-group", "-p", "--python", "--project",
              "--directory", "--package", "--link-mode", "--cache-dir", "--index-url",
              "--no-install-package", "--index", "--default-index", "--no-extra"}  # fmt: skip
    given, flags = _options(words, values)
    if {"--package", "--all-packages", "--no-install-package"} & (set(given) | flags):
        raise NotPlainError
    folder = runner.path((given.get("--project") or given.get("--directory") or ["."])[-1])
    place = runner.value("UV_PROJECT_ENVIRONMENT") or posixpath.join(folder, ".venv")
    no_dev = {"--no-dev"} & flags or runner.value("UV_NO_DEV") in {"1", "true"}
    only = frozenset(map(normalised, given.get("--only-group", ())))
    if "--only-dev" in flags:
        only |= {"dev"}
    choice = Choice(
        main=not only,
        default=not only and "--no-default-groups" not in flags,
        with_groups=only | frozenset(map(normalised, given.get("--group", ())))
        | (frozenset({"dev"}) if "--dev" in flags else frozenset()),
        without_groups=frozenset(map(normalised, given.get("--no-group", ())))
        | (frozenset({"dev"}) if no_dev else frozenset()),
        all_groups="--all-groups" in flags,
        extras=frozenset(map(normalised, given.get("--extra", ()))),
        all_extras="--all-extras" in flags,
    )  # fmt: skip
    base = _python(runner, "python3")
    python = at_prefix(runner, runner.path(place)) or make_environment(
        runner, runner.path(place), base
    )

    def read(lock: Content, project: Content) -> locks.Locked:
        defaults = locks.uv_defaults(project.data)
        chosen = (
            replace(choice, defaults=defaults)
            if defaults is not None
            else replace(choice, all_groups=choice.default or choice.all_groups)
        )
        return locks.uv(lock.data, lock.location.file, chosen, python.target)

    own = not {"--no-install-project", "--no-install-workspace"} & flags
    _locked(runner, python, folder, "uv.lock", read, own=own)


def _locked(
    runner: Runner,
    python: _Python,
    folder: str,
    name: str,
    read: Callable[[Content, Content], locks.Locked],
    project_name: str = "pyproject.toml",
    *,
    own: bool = False,
) -> None:
    """Install what a lock says; without a lock that can be read, anything."""
    lock = runner.read(posixpath.join(folder, name))
    project = runner.read(posixpath.join(folder, project_name))
    what = Installation((), None, runner.missing, own=True)
    if isinstance(lock, Content) and isinstance(project, Content):
        try:
            found = read(lock, project)
        except LockError:
            found = None
        if found is not None:
            names = frozenset(one.name for one in found.certain) | found.perhaps
            what = Installation(found.certain, names, runner.missing, exact=True, own=own)
    _write(runner, python, what)


def _options(words: list[str], values: set[str]) -> tuple[dict[str, list[str]], set[str]]:
    given: dict[str, list[str]] = {}
    flags: set[str] = set()
    pending = list(words)
    while pending:
        word = pending.pop(0)
        name, equals, value = word.partition("=")
        if name in values:
            if not equals and not pending:
                raise NotPlainError
            given.setdefault(name, []).append(value if equals else pending.pop(0))
        elif word.startswith("-"):
            flags.add(word)
        else:
            raise NotPlainError
    return given, flags


def _poetry(runner: Runner, words: list[str]) -> None:
    rest = [word for word in words[1:] if word not in {"-n", "--no-interaction", "--no-ansi", "-q",
                                                       "-v", "-vv", "-vvv", "--ansi"}]  # fmt: skip
    match rest[:1]:
        case ["config"]:
            if rest[1:3] == ["virtualenvs.create", "false"]:
                runner.keep("POETRY_VIRTUALENVS_CREATE", "false")
            elif rest[1:3] == ["virtualenvs.in-project", "true"]:
                runner.keep("POETRY_VIRTUALENVS_IN_PROJECT", "true")
            elif not rest[1:2] or rest[1].startswith("virtualenvs.path"):
                raise NotPlainError
        case ["check" | "--version" | "cache" | "about" | "version"]:
            return
        case ["install" | "sync"]:
            _poetry_install(runner, rest[1:])
        case _:
            raise NotPlainError


def _poetry_install(runner: Runner, words: list[str]) -> None:
    _refuse_settings(runner, _OTHER_SETTINGS)
    values = {"--only", "--without", "--with", "-E", "--extras", "-C", "--directory", "-P",
              "--project"}  # fmt: skip
    given, flags = _options(words, values)
    folder = runner.path(
        (given.get("-C") or given.get("--directory") or given.get("-P")
         or given.get("--project") or ["."])[-1]
    )  # fmt: skip
    only = _names(given.get("--only", ()))
    choice = Choice(
        main=not only or "main" in only,
        default=not only and not {"--no-dev", "--only-root"} & flags,
        with_groups=(only - {"main"}) | _names(given.get("--with", ())),
        without_groups=_names(given.get("--without", ())),
        all_groups="--all-groups" in flags,
        extras=_names([*given.get("-E", ()), *given.get("--extras", ())]),
        all_extras="--all-extras" in flags,
    )
    python = _poetry_python(runner, folder)
    if python is None:
        return

    def read(lock: Content, project: Content) -> locks.Locked:
        return locks.poetry(lock.data, project.data, lock.location.file, choice, python.target)

    _locked(runner, python, folder, "poetry.lock", read, own="--no-root" not in flags)


def _poetry_python(runner: Runner, folder: str) -> _Python | None:
    """Return where Poetry installs: the environment that is active, one in the project, or none."""
    active = runner.value("VIRTUAL_ENV")
    if active is not None:
        return at_prefix(runner, active)
    if (runner.value("POETRY_VIRTUALENVS_CREATE") or "").lower() in {"false", "0"}:
        python = _python(runner, "python3")
        if python is None:
            raise NotPlainError
        return python
    if (runner.value("POETRY_VIRTUALENVS_IN_PROJECT") or "").lower() in {"true", "1"}:
        return make_environment(runner, posixpath.join(folder, ".venv"), _python(runner, "python3"))
    _hidden(runner)
    return None


def _hidden(runner: Runner) -> None:
    """Mark the home's places of environments whose names are hashes."""
    home = _home(runner)
    if home is None:
        raise NotPlainError
    for name in _HIDDEN:
        runner.write(runner.view.place(f"{home}/{name}"), Unknown(runner.missing))


def _names(values: Mapping[str, str] | list[str] | tuple[str, ...]) -> frozenset[str]:
    return frozenset(
        normalised(name) for value in values for name in re.split(r"[ ,]+", value) if name
    )


def _pipenv(runner: Runner, words: list[str]) -> None:
    rest = words[1:]
    if rest[:1] and rest[0] in {"--version", "check", "graph", "verify"}:
        return
    if rest[:1] not in (["install"], ["sync"]):
        raise NotPlainError
    _refuse_settings(runner, _OTHER_SETTINGS)
    given, flags = _options(
        rest[1:], {"--python", "--categories", "--extra-pip-args", "-i", "--index", "--pypi-mirror"}
    )
    fixed = rest[0] == "sync" or {"--deploy", "--ignore-pipfile"} & flags
    if "--categories" in given:
        raise NotPlainError
    if "--system" in flags or runner.value("PIPENV_SYSTEM") == "1":
        python = _python(runner, "python3")
    elif (runner.value("PIPENV_VENV_IN_PROJECT") or "").lower() in {"1", "true", "enabled"}:
        python = make_environment(runner, runner.path(".venv"), _python(runner, "python3"))
    elif runner.value("VIRTUAL_ENV"):
        python = at_prefix(runner, runner.value("VIRTUAL_ENV") or "")
    else:
        _hidden(runner)
        return
    if python is None:
        raise NotPlainError
    target = python.target

    def read(lock: Content, _project: Content) -> locks.Locked:
        if not fixed:
            raise LockError("pipenv may make a new lock")
        develop = bool({"--dev", "-d"} & flags)
        return locks.pipfile(lock.data, lock.location.file, develop=develop, target=target)

    _locked(runner, python, runner.cwd, "Pipfile.lock", read, "Pipfile.lock")


def _nothing(runner: Runner, words: list[str]) -> None:
    """Compile what is there: nothing that was not there before runs."""


_MODULES: Mapping[str, Installer] = {
    "pip": _pip,
    "venv": _venv,
    "virtualenv": _venv,
    "ensurepip": _nothing,
    "compileall": _nothing,
    "uv": lambda runner, words: _uv(runner, ["uv", *_without_options(words[1:])[2:]]),
    "poetry": lambda runner, words: _poetry(runner, ["poetry", *_without_options(words[1:])[2:]]),
    "pipenv": lambda runner, words: _pipenv(runner, ["pipenv", *_without_options(words[1:])[2:]]),
}
_TOOLS: Mapping[str, Installer] = {
    "uv": _uv,
    "poetry": _poetry,
    "pipenv": _pipenv,
    "virtualenv": _venv,
}
