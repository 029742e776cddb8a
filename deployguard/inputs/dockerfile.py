"""The image that a Dockerfile and its context would make, as far as can be told without building.

What a RUN writes is not known unless the step is plain: then only the places it writes are open.
"""

import fnmatch
import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from deployguard.errors import NotFoundError, SyntaxInputError, UnreadableError, UnsupportedError
from deployguard.formats import dockerfile as syntax
from deployguard.formats.dockerfile import Instruction
from deployguard.inputs.folder import FolderFiles
from deployguard.model.environment import Environment
from deployguard.model.evidence import Location, Missing, Reason, Traced
from deployguard.model.filesystem import (
    Absent,
    Content,
    FileKind,
    Filesystem,
    Stat,
    Unread,
    UnreadFilesystem,
)
from deployguard.model.image import Image, ImageConfig, ImageOrigin
from deployguard.model.objects import ImageSource

_PYTHON_PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ELF = b"\x7fELF"
# Where packages of the system are installed; never where an application lies.
_SYSTEM = ("/usr", "/etc", "/var", "/lib", "/lib64", "/bin", "/sbin", "/run", "/tmp")  # noqa: S108
_PLAIN = frozenset(
    {"mkdir", "chown", "chmod", "useradd", "adduser", "addgroup", "groupadd", "true"}
)
_PACKAGES = {"apt-get": {"update", "install", "clean", "upgrade", "autoremove", "purge"},
             "apt": {"update", "install", "clean"},
             "apk": {"add", "update", "del"}}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Layered:
    """Files written over others: `place` and below come from `above`, or are not known."""

    below: Filesystem
    place: str
    above: Filesystem | Unread

    def _inside(self, path: str) -> str | None:
        whole = posixpath.normpath("/" + path.lstrip("/"))
        if self.place == "/":
            return whole
        if whole == self.place:
            return "/"
        prefix = self.place + "/"
        return "/" + whole[len(prefix) :] if whole.startswith(prefix) else None

    def read(self, path: str) -> Content | Absent | Unread:
        """Return a file's content."""
        inner = self._inside(path)
        if inner is not None:
            if isinstance(self.above, Unread):
                return self.above
            found = self.above.read(inner)
            if not isinstance(found, Absent):
                return found
        return self.below.read(path)

    def list(self, path: str) -> tuple[str, ...] | Absent | Unread:
        """Return the names in a directory, of both."""
        inner = self._inside(path)
        names = self.below.list(path)
        if inner is not None:
            if isinstance(self.above, Unread):
                return self.above
            above = self.above.list(inner)
            if isinstance(above, tuple):
                return tuple(sorted({*above, *(names if isinstance(names, tuple) else ())}))
            return names
        whole = posixpath.normpath("/" + path.lstrip("/"))
        prefix = whole.rstrip("/") + "/"
        if self.place.startswith(prefix) and not isinstance(names, Unread):
            step = self.place[len(prefix) :].partition("/")[0]
            return tuple(sorted({step, *(names if isinstance(names, tuple) else ())}))
        return names

    def stat(self, path: str) -> Stat | Absent | Unread:
        """Return what lies at a path."""
        inner = self._inside(path)
        if inner is not None:
            if isinstance(self.above, Unread):
                return self.above
            found = self.above.stat(inner)
            if isinstance(found, Stat):
                return replace(found, path=posixpath.normpath("/" + path.lstrip("/")))
            if isinstance(found, Unread):
                return found
        below = self.below.stat(path)
        whole = posixpath.normpath("/" + path.lstrip("/"))
        if isinstance(below, Absent) and self.place.startswith(whole.rstrip("/") + "/"):
            return Stat(FileKind.DIRECTORY, whole, 0o755, 0, Location(whole))
        return below


# Files of these names run at every start of Python; packages do not bring them.
_START_UP = frozenset(
    name + ending for name in ("sitecustomize", "usercustomize") for ending in ("", ".py", ".pyc")
)


@dataclass(frozen=True, slots=True)
class Installed:
    """Files after packages were installed into a folder: it may hold any package."""

    below: Filesystem
    folder: str
    unread: Unread

    def _hidden(self, path: str) -> bool:
        whole = posixpath.normpath("/" + path.lstrip("/"))
        if not whole.startswith(self.folder + "/"):
            return whole == self.folder
        return whole[len(self.folder) + 1 :].partition("/")[0] not in _START_UP

    def read(self, path: str) -> Content | Absent | Unread:
        """Return a file's content."""
        return self.unread if self._hidden(path) else self.below.read(path)

    def list(self, path: str) -> tuple[str, ...] | Absent | Unread:
        """Return the names in a directory."""
        return self.unread if self._hidden(path) else self.below.list(path)

    def stat(self, path: str) -> Stat | Absent | Unread:
        """Return what lies at a path."""
        return self.unread if self._hidden(path) else self.below.stat(path)


@dataclass(frozen=True, slots=True)
class Texts:
    """Files given as bytes, by absolute path; everything else is absent."""

    contents: Mapping[str, bytes]
    source: str

    def read(self, path: str) -> Content | Absent | Unread:
        """Return a file's content."""
        whole = posixpath.normpath("/" + path.lstrip("/"))
        data = self.contents.get(whole)
        return Absent(path) if data is None else Content(data, Location(whole, image=self.source))

    def list(self, path: str) -> tuple[str, ...] | Absent | Unread:
        """Return the names in a directory."""
        prefix = posixpath.normpath("/" + path.lstrip("/")).rstrip("/") + "/"
        names = {
            name[len(prefix) :].partition("/")[0]
            for name in self.contents
            if name.startswith(prefix)
        }
        return tuple(sorted(names)) if names else Absent(path)

    def stat(self, path: str) -> Stat | Absent | Unread:
        """Return what lies at a path."""
        whole = posixpath.normpath("/" + path.lstrip("/"))
        place = Location(whole, image=self.source)
        data = self.contents.get(whole)
        if data is not None:
            return Stat(FileKind.FILE, whole, 0o755, len(data), place)
        if isinstance(self.list(path), tuple):
            return Stat(FileKind.DIRECTORY, whole, 0o755, 0, place)
        return Absent(path)


@dataclass(frozen=True, slots=True)
class _Context:
    """The files of a build context that .dockerignore leaves in; `prefix` is a folder in it."""

    files: FolderFiles
    ignored: tuple[str, ...]
    prefix: str = "/"

    def _kept(self, path: str) -> str | None:
        whole = posixpath.normpath(posixpath.join(self.prefix, path.lstrip("/")))
        return None if _ignored(whole.lstrip("/"), self.ignored) else whole

    def read(self, path: str) -> Content | Absent | Unread:
        """Return a file's content."""
        whole = self._kept(path)
        return Absent(path) if whole is None else self.files.read(whole)

    def list(self, path: str) -> tuple[str, ...] | Absent | Unread:
        """Return the names in a folder."""
        whole = self._kept(path)
        names = Absent(path) if whole is None else self.files.list(whole)
        if not isinstance(names, tuple):
            return names
        return tuple(name for name in names if self._kept(posixpath.join(path, name)))

    def stat(self, path: str) -> Stat | Absent | Unread:
        """Return what lies at a path."""
        whole = self._kept(path)
        return Absent(path) if whole is None else self.files.stat(whole)


def _ignored(path: str, patterns: tuple[str, ...]) -> bool:
    """Match .dockerignore (moby patternmatcher): the last pattern that fits decides."""
    ignored = False
    parts = path.split("/")
    above = ["/".join(parts[: n + 1]) for n in range(len(parts))]
    for pattern in patterns:
        negated = pattern.startswith("!")
        plain = pattern.lstrip("!").strip("/").removeprefix("./")
        if any(_fits(place, plain) for place in above):
            ignored = not negated
    return ignored


def _fits(place: str, pattern: str) -> bool:
    if pattern.startswith("**/"):
        tails = place.split("/")
        return any(_fits("/".join(tails[n:]), pattern[3:]) for n in range(len(tails)))
    return place.count("/") == pattern.count("/") and fnmatch.fnmatchcase(place, pattern)


@dataclass(slots=True)
class _Stage:
    """What a stage has come to so far."""

    config: ImageConfig
    files: Filesystem
    shell: tuple[str, ...] = ("/bin/sh", "-c")
    variables: dict[str, str | None] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class _Build:
    context: Path
    images: ImageSource
    arguments: Mapping[str, str]
    source: str
    ignored: tuple[str, ...]
    stages: dict[str, _Stage] = field(default_factory=dict)
    first: dict[str, str | None] = field(default_factory=dict)


def build(
    context: str,
    dockerfile: str | None,
    *,
    target: str | None,
    arguments: Mapping[str, str],
    images: ImageSource,
    inline: bytes | None = None,
) -> Image:
    """Return the image that the last stage, or the one named, would become.

    Raises NotFoundError, UnreadableError for the file, SyntaxInputError for its text and
    NotFoundError for a stage that it does not have.
    """
    folder = Path(context)
    path = folder / (dockerfile or "Dockerfile")
    data = inline if inline is not None else _read(path)
    state = _Build(
        context=folder,
        images=images,
        arguments=arguments,
        source=str(path),
        ignored=_patterns(folder),
    )
    stage = _follow(state, syntax.parse(data, str(path)), target)
    name = folder.resolve().name or "image"
    return Image(
        reference=str(path),
        name=name.lower(),
        origin=ImageOrigin.BUILD,
        config=stage.config,
        files=stage.files,
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise NotFoundError(
            f"there is no Dockerfile {path}",
            location=Location(str(path)),
            hint="check the context and the name",
        ) from error
    except OSError as error:
        raise UnreadableError(
            f"cannot read {path}: {error.strerror}", location=Location(str(path))
        ) from error


def _patterns(folder: Path) -> tuple[str, ...]:
    try:
        text = (folder / ".dockerignore").read_text("utf-8-sig")
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableError(f"cannot read {folder / '.dockerignore'}") from error
    lines = (line.strip() for line in text.splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


def _follow(state: _Build, steps: tuple[Instruction, ...], target: str | None) -> _Stage:
    stage: _Stage | None = None
    for step in steps:
        if step.keyword == "FROM":
            if stage is not None and target is not None and target in _names(state, stage):
                return stage
            stage = _from(state, step)
        elif stage is None:
            if step.keyword != "ARG":
                raise SyntaxInputError("no build stage in current context", location=step.location)
            _argument(state, None, step)
        else:
            _apply(state, stage, step)
    if stage is None:
        raise SyntaxInputError(f"{state.source} has no FROM", location=Location(state.source))
    if target is not None and target not in _names(state, stage):
        raise NotFoundError(
            f"{state.source} has no stage {target}",
            location=Location(state.source),
            hint=f"it has {', '.join(state.stages)}",
        )
    return stage


def _names(state: _Build, stage: _Stage) -> set[str]:
    return {name for name, one in state.stages.items() if one is stage}


def _from(state: _Build, step: Instruction) -> _Stage:
    words = syntax.words(step.text)
    if not words:
        raise SyntaxInputError("FROM without an image", location=step.location)
    named = len(words) == len(("image", "AS", "name")) and words[1].upper() == "AS"
    base = syntax.expand(words[0], state.first.get)
    stage = _base(state, base, step.location)
    state.stages[str(sum(name.isdigit() for name in state.stages))] = stage
    if named:
        state.stages[words[2].lower()] = stage
    return stage


def _base(state: _Build, name: str | None, location: Location) -> _Stage:
    if name is not None and name.lower() in state.stages:
        earlier = state.stages[name.lower()]
        return _Stage(earlier.config, earlier.files, earlier.shell, dict(earlier.variables))
    if name == "scratch":
        return _Stage(ImageConfig(location=location), Texts({}, "scratch"))
    if name is None:
        missing = Missing(Reason.IMAGE, "the base image, whose name cannot be told")
        return _unknown_base(missing, location)
    found = state.images.find(Traced(name, location))
    if isinstance(found, Image):
        variables = {key: entry.value for key, entry in found.config.env.entries.items()}
        return _Stage(found.config, found.files, variables=variables)
    return _official(name, location) or _unknown_base(found.missing, location)


def _unknown_base(missing: Missing, location: Location) -> _Stage:
    config = ImageConfig(location=location, env=Environment(unseen=(missing,), location=location))
    return _Stage(config, UnreadFilesystem(missing))


_OFFICIAL = re.compile(
    r"(?:docker\.io/)?(?:library/)?(?P<name>python|debian|ubuntu|alpine)"
    r"(?::(?P<tag>[A-Za-z0-9_.-]+))?\Z"
)


def _official(name: str, location: Location) -> _Stage | None:
    """Return a well-known base by its name: what its published Dockerfile says of it."""
    match = _OFFICIAL.match(name.partition("@")[0])
    if match is None:
        return None
    contents = {f"/bin/{tool}": _ELF for tool in ("sh", "env", "cat", "sleep")}
    contents |= {f"/usr/bin/{tool}": _ELF for tool in ("env", "sh")}
    if match["name"] != "alpine":
        contents |= {"/bin/bash": _ELF, "/usr/bin/bash": _ELF}
    contents["/etc/passwd"] = b"root:x:0:0:root:/root:/bin/sh\n"
    values: dict[str, str | None] = {"PATH": _SYSTEM_PATH}
    command: tuple[str, ...] = ("/bin/sh",) if match["name"] == "alpine" else ("bash",)
    if match["name"] == "python":
        version = re.match(r"3\.\d{1,2}", match["tag"] or "")
        release = version[0] if version else "3"
        contents |= {
            f"/usr/local/bin/{python}": _ELF for python in ("python", "python3", f"python{release}")
        }
        contents[f"/usr/local/lib/python{release}/os.py"] = b""
        contents[f"/usr/local/lib/python{release}/site-packages/README.txt"] = b""
        values = {"PATH": _PYTHON_PATH, "LANG": "C.UTF-8", "GPG_KEY": None,
                  "PYTHON_VERSION": None, "PYTHON_SHA256": None}  # fmt: skip
        command = ("python3",)
    missing = (Missing(Reason.IMAGE, f"the image {name}"),)
    entries: dict[str, Traced[str | None]] = {
        key: Traced(value, location, missing=() if value is not None else missing)
        for key, value in values.items()
    }
    config = ImageConfig(
        location=location,
        cmd=Traced(command, location),
        env=Environment(entries, location=location),
    )
    return _Stage(config, Texts(contents, name), variables=dict(values))


def _argument(state: _Build, stage: _Stage | None, step: Instruction) -> None:
    """ARG: the value given to the build, else the default, else the one from before FROM."""
    for word in syntax.words(step.text):
        name, equals, default = word.partition("=")
        known = state.first if stage is None else stage.variables
        value: str | None = state.arguments.get(name)
        if value is None and equals:
            value = syntax.expand(default, known.get)
        if value is None and stage is not None:
            value = state.first.get(name)
        if stage is None:
            state.first[name] = value
        elif name not in stage.config.env.entries:
            stage.variables[name] = value if value is not None else ""


def _apply(state: _Build, stage: _Stage, step: Instruction) -> None:
    match step.keyword:
        case "ARG":
            _argument(state, stage, step)
        case "ENV":
            _env(stage, step)
        case "WORKDIR":
            here = stage.config.working_dir.value if stage.config.working_dir else "/"
            path = syntax.expand(step.text, stage.variables.get)
            if path is None:
                raise _cannot(step, "the directory")
            whole = posixpath.normpath(posixpath.join(here, path))
            stage.config = replace(stage.config, working_dir=Traced(whole, step.location))
        case "USER":
            user = syntax.expand(step.text, stage.variables.get)
            if user is not None:
                stage.config = replace(stage.config, user=Traced(user, step.location))
        case "CMD":
            stage.config = replace(stage.config, cmd=_command(stage, step))
        case "ENTRYPOINT":
            # A new entrypoint drops the cmd that came with the base (moby builder dispatchers.go).
            own = stage.config.cmd is not None and (
                stage.config.cmd.location.file == step.location.file
            )
            kept = stage.config.cmd if own else None
            stage.config = replace(stage.config, entrypoint=_command(stage, step), cmd=kept)
        case "SHELL":
            stage.shell = step.words or stage.shell
        case "COPY" | "ADD":
            _copy(state, stage, step)
        case "RUN":
            _run(stage, step)
        case "EXPOSE":
            ports = tuple(Traced(word, step.location) for word in step.text.split())
            stage.config = replace(
                stage.config, exposed_ports=(*stage.config.exposed_ports, *ports)
            )
        case _:
            return


def _cannot(step: Instruction, what: str) -> UnsupportedError:
    return UnsupportedError(
        f"{what} of this {step.keyword} cannot be told without building",
        location=step.location,
        hint="build the image and scan it: docker build, then deployguard scan IMAGE",
    )


def _command(stage: _Stage, step: Instruction) -> Traced[tuple[str, ...]] | None:
    words = step.words
    if words is None:
        words = (*stage.shell, step.text) if step.text else ()
    return Traced(words, step.location) if words else None


def _env(stage: _Stage, step: Instruction) -> None:
    words = syntax.words(step.text)
    if not words:
        raise SyntaxInputError("ENV without a name", location=step.location)
    if "=" in words[0]:
        pairs = [word.partition("=")[::2] for word in words]
    else:
        # The old form: one name, and everything after it.
        name, _, rest = step.text.partition(" ")
        pairs = [(name, rest.strip())]
    given = {name: syntax.expand(value, stage.variables.get) for name, value in pairs}
    environment = stage.config.env
    for name, value in given.items():
        missing = () if value is not None else (Missing(Reason.VARIABLE, f"the value of {name}"),)
        environment = environment.with_entry(name, Traced(value, step.location, missing=missing))
        stage.variables[name] = value
    stage.config = replace(stage.config, env=environment)


def _copy(state: _Build, stage: _Stage, step: Instruction) -> None:
    words = step.words or syntax.words(step.text)
    expanded = [syntax.expand(word, stage.variables.get) for word in words]
    names = [word for word in expanded if word is not None]
    unread = Unread(Missing(Reason.RUN, f"what {step.keyword} at {_place(step)} brings"))
    if len(names) < 2 or len(names) != len(words) or step.bodies:  # noqa: PLR2004  (source, target)
        stage.files = Layered(stage.files, "/", unread)
        return
    *sources, target = names
    here = stage.config.working_dir.value if stage.config.working_dir else "/"
    folder = target.endswith("/") or target == "." or len(sources) > 1
    place = posixpath.normpath(posixpath.join(here, target))
    origin = step.flag("from")
    for source in sources:
        files = _origin(state, origin)
        remote = "://" in source or source.startswith("git@")
        packed = step.keyword == "ADD" and re.search(r"\.(tar|tgz|gz|xz|bz2)", source)
        if files is None or remote or packed or any(sign in source for sign in "*?["):
            stage.files = Layered(stage.files, place, unread)
            continue
        stage.files = _copied(stage.files, files, source, place, folder=folder)


def _origin(state: _Build, origin: str | None) -> Filesystem | None:
    if origin is None:
        return _Context(FolderFiles(state.context), state.ignored)
    earlier = state.stages.get(origin.lower())
    return earlier.files if earlier is not None else None


def _copied(
    below: Filesystem, files: Filesystem, source: str, place: str, *, folder: bool
) -> Filesystem:
    """COPY: a folder's content goes into the target, a file under its name or as the target."""
    path = posixpath.normpath("/" + source.lstrip("/"))
    found = files.stat(path)
    if isinstance(found, Unread):
        return Layered(below, place, found)
    if isinstance(found, Absent):
        missing = Missing(Reason.FILE, f"the file {source} of the build context")
        return Layered(below, place, Unread(missing))
    if found.kind is not FileKind.DIRECTORY:
        if folder:
            place = posixpath.join(place, posixpath.basename(path))
        return Layered(below, place, _Below(files, path))
    return Layered(below, place, _Below(files, path))


@dataclass(frozen=True, slots=True)
class _Below:
    """The files below a path of others; the path itself is "/"."""

    files: Filesystem
    path: str

    def _whole(self, path: str) -> str:
        inner = path.strip("/")
        return posixpath.join(self.path, inner) if inner else self.path

    def read(self, path: str) -> Content | Absent | Unread:
        """Return a file's content."""
        return self.files.read(self._whole(path))

    def list(self, path: str) -> tuple[str, ...] | Absent | Unread:
        """Return the names in a directory."""
        return self.files.list(self._whole(path))

    def stat(self, path: str) -> Stat | Absent | Unread:
        """Return what lies at a path."""
        return self.files.stat(self._whole(path))


def _place(step: Instruction) -> str:
    return f"{step.location.file}:{step.location.line}"


def _run(stage: _Stage, step: Instruction) -> None:
    """Mark what a RUN writes as not known: everywhere, unless every command in it is plain."""
    unread = Unread(Missing(Reason.RUN, f"what RUN at {_place(step)} leaves behind"))
    places: list[str] = []
    for written in _written(step, stage):
        if written is None:
            stage.files = Layered(stage.files, "/", unread)
            return
        places.extend(written)
    for place in dict.fromkeys(places):
        packages = place.endswith("/site-packages")
        stage.files = (
            Installed(stage.files, place, unread)
            if packages
            else Layered(stage.files, place, unread)
        )


def _written(step: Instruction, stage: _Stage) -> Iterator[tuple[str, ...] | None]:
    """Yield the places that each command writes, None for one that is not plain."""
    if step.bodies:
        yield None
        return
    text = shlex.join(step.words) if step.words is not None else step.text
    if re.search(r"[|<>`$(){}*]|(?<!&)&(?!&)", text):
        yield None
        return
    for command in re.split(r"&&|;", text):
        try:
            words = shlex.split(command)
        except ValueError:
            yield None
            continue
        if words:
            yield _places(words, stage)


def _places(words: list[str], stage: _Stage) -> tuple[str, ...] | None:
    name = posixpath.basename(words[0])
    if name in {"python", "python3"} and words[1:3] == ["-m", "pip"]:
        name, words = "pip", words[2:]
    if re.fullmatch(r"pip[0-9.]*", name) and "install" in words:
        return _pip_places(words, stage)
    actions = _PACKAGES.get(name)
    if actions is not None and actions & set(words[1:]):
        return _SYSTEM
    if name in _PLAIN:
        return ()
    if name == "rm":
        gone = [word for word in words[1:] if not word.startswith("-")]
        return () if all(place.startswith(_SYSTEM) for place in gone) else None
    return None


def _pip_places(words: list[str], stage: _Stage) -> tuple[str, ...] | None:
    """Follow pip install: packages and commands go below the prefix of the Python that runs it."""
    options = {"-t", "--target", "--prefix", "--root", "-e", "--editable", "--user", "."}
    if any(word in options or word.startswith(("./", "--target=", "--prefix=")) for word in words):
        return None
    names = stage.files.list("/usr/local/lib")
    pythons = [n for n in names if n.startswith("python")] if isinstance(names, tuple) else []
    if not pythons:
        return None
    return (
        "/usr/local/bin",
        *(f"/usr/local/lib/{name}/site-packages" for name in pythons),
    )
