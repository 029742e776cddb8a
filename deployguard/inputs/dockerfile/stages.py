"""The stages of a Dockerfile, each followed to its config and files as BuildKit builds them.

Source: moby/buildkit frontend/dockerfile/dockerfile2llb/convert.go.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping

from msgspec import Struct, field

from deployguard.errors import LimitError, NotFoundError, SyntaxInputError
from deployguard.formats import build_words
from deployguard.formats import dockerfile as syntax
from deployguard.formats.build_words import SubstitutionError, UnseenError, Value
from deployguard.formats.dockerfile import Instruction
from deployguard.inputs.dockerfile import bases, copying, run
from deployguard.inputs.dockerfile.copying import Copying, expanded
from deployguard.inputs.dockerfile.runner import Setting
from deployguard.inputs.dockerfile.trees import (
    Below,
    Effort,
    Folder,
    ImageTree,
    Layers,
    Single,
    Texts,
    Tree,
    Unknown,
    View,
    clean,
)
from deployguard.model.environment import Environment, overlay
from deployguard.model.evidence import Location, Missing, Reason, Traced
from deployguard.model.filesystem import Absent, Unread
from deployguard.model.image import Image, ImageConfig
from deployguard.model.objects import ImageSource
from deployguard.model.structs import replace

_SHELL = ("/bin/sh", "-c")
_MOST_PORTS = 65_536
_PORTS_READ = 1_000_000
_MOST_STAGES = 1_000
_STEPS = 20_000
_HISTORY = 20
# execve takes no more than about this for arguments and environment together (execve(2)).
_VARIABLES = 2 * 1024 * 1024
_PORT = re.compile(r"(?:.*:)?(\d{1,5})(?:-(\d{1,5}))?(?:/([A-Za-z]*))?\Z", re.DOTALL)
# What BuildKit predefines for FROM, and for stages that name it in an ARG (defaultArgs).
_PLATFORMS = ("BUILDPLATFORM", "BUILDOS", "BUILDARCH", "BUILDVARIANT")


class NamedContext(Struct, frozen=True):
    """An additional context: files, an image of another name, or an image as it was found."""

    files: Tree | None = None
    image: str | None = None
    found: Image | Unread | None = None


def familiar(name: str) -> str:
    """Return a name as contexts are looked up by it (buildx build.go parseContextNames)."""
    short = name
    for prefix in ("docker.io/library/", "index.docker.io/library/", "docker.io/"):
        short = short.removeprefix(prefix)
    return short.removesuffix(":latest").lower()


class Inputs(Struct, frozen=True, kw_only=True):
    """What a build is given: its context, arguments, images and platform."""

    source: str
    context: Tree
    arguments: Mapping[str, str]
    images: ImageSource
    platform: str | None
    named: Mapping[str, NamedContext] = field(default_factory=dict)


class Stage(Struct, kw_only=True):
    """What a stage has come to so far.

    `variables` are those of ENV and ARG together, as words see them; `unseen` says that a base
    that is not known may have set any other. `triggers` are the ONBUILDs it hands on.
    """

    number: int
    name: str | None
    location: Location
    config: ImageConfig
    files: Layers
    shell: tuple[str, ...]
    variables: dict[str, Value]
    unseen: bool = False
    own_cmd: bool = False
    triggers: tuple[str, ...] = ()
    tools: dict[str, Value] = field(default_factory=dict)
    room: int = _VARIABLES

    def kept(self, text: str | None) -> Value:
        """Return a value to be set; none is known any more where they are too many together."""
        self.room -= len(text or "")
        return Value(text if self.room > 0 else None)

    def lookup(self, name: str) -> Value | None:
        """Return a variable as the words of the stage see it."""
        found = self.variables.get(name)
        if found is None and self.unseen:
            raise UnseenError
        return found

    @property
    def directory(self) -> str | None:
        """Return the directory that steps run in, None where it cannot be told."""
        given = self.config.working_dir
        if given is None:
            return None if self.config.unseen else "/"
        return given.value


class Build:
    """One Dockerfile with what it is built from; stages are followed when they are asked for."""

    def __init__(self, dockerfile: syntax.Dockerfile, inputs: Inputs) -> None:
        self._inputs = inputs
        self._escape = dockerfile.escape
        self._effort = Effort()
        self._ports = 0
        self._steps = 0
        self._first: dict[str, Value] = {}
        self._heads: list[Instruction] = []
        self._bodies: list[list[Instruction]] = []
        self._done: dict[int, Stage] = {}
        leading: list[Instruction] = []
        for step in dockerfile.instructions:
            if step.keyword == "FROM":
                self._heads.append(step)
                self._bodies.append([])
            elif self._bodies:
                self._bodies[-1].append(step)
            elif step.keyword == "ARG":
                leading.append(step)
            else:
                raise SyntaxInputError("no build stage in current context", location=step.location)
        if len(self._heads) > _MOST_STAGES:
            raise LimitError(
                f"more than {_MOST_STAGES} stages", location=self._heads[_MOST_STAGES].location
            )
        if not self._heads:
            raise SyntaxInputError(f"{inputs.source} has no FROM", location=Location(inputs.source))
        self._names = [self._name(head) for head in self._heads]
        self._leading = leading

    @staticmethod
    def _name(head: Instruction) -> str | None:
        return head.arguments[2].lower() if len(head.arguments) > 1 else None

    def numbers(self) -> range:
        """Return the numbers of all stages."""
        return range(len(self._heads))

    def number(self, target: str | None) -> int:
        """Return the number of the stage that a target names; the last one for None."""
        if target is None:
            return len(self._heads) - 1
        found = self._by_name(target, len(self._heads))
        if found is None and target.isdecimal() and int(target) < len(self._heads):
            return int(target)
        if found is None:
            names = [name or str(number) for number, name in enumerate(self._names)]
            raise NotFoundError(
                f"{self._inputs.source} has no stage {target}",
                location=Location(self._inputs.source),
                hint=f"it has {', '.join(names[:20])}",
            )
        return found

    def _by_name(self, name: str, before: int) -> int | None:
        wanted = name.lower()
        return next((n for n in reversed(range(before)) if self._names[n] == wanted), None)

    def stage(self, target: int) -> Stage:
        """Return what a stage comes to; stages that it does not need are not looked at."""
        self._first = dict(self._defaults(target))
        for step in self._leading:
            self._leading_argument(step)
        for number in sorted(self._needed(target)):
            if number not in self._done:
                self._done[number] = self._follow(number)
        return self._done[target]

    def _needed(self, target: int) -> set[int]:
        """Return the stages that a stage is made of, itself among them."""
        needed: set[int] = set()
        pending = [target]
        while pending:
            number = pending.pop()
            if number in needed:
                continue
            needed.add(number)
            base = self._base_name(number)
            named = [base] if base is not None else []
            for step in self._bodies[number]:
                named.extend(_sources(step))
            for one in named:
                found = self._earlier(one, number)
                if found is not None:
                    pending.append(found)
        return needed

    def _earlier(self, name: str, before: int) -> int | None:
        if name.isdecimal():
            return int(name) if int(name) < before else None
        return self._by_name(name, before)

    def _base_name(self, number: int) -> str | None:
        head = self._heads[number]
        return expanded(head.arguments[0], self._first.get, self._escape, head)

    def _defaults(self, target: int) -> Iterator[tuple[str, Value]]:
        """Yield the arguments that BuildKit predefines; the building machine is not known."""
        for name in _PLATFORMS:
            given = self._inputs.arguments.get(name)
            yield name, Value(given)
        parts = (self._inputs.platform or "").split("/")
        known = self._inputs.platform is not None
        values = {
            "TARGETPLATFORM": self._inputs.platform,
            "TARGETOS": parts[0],
            "TARGETARCH": parts[1] if len(parts) > 1 else None,
            "TARGETVARIANT": parts[2] if len(parts) > len(("os", "arch")) else "",
        }
        for name, value in values.items():
            yield name, Value(self._inputs.arguments.get(name, value if known else None))
        yield "TARGETSTAGE", Value(self._names[target] or "default")

    def _leading_argument(self, step: Instruction) -> None:
        for word in step.arguments:
            name, equals, default = word.partition("=")
            given = self._inputs.arguments.get(name)
            if given is not None:
                self._first[name] = Value(given)
            elif equals:
                text = expanded(default, self._first.get, self._escape, step)
                self._first[name] = Value(text)

    def _follow(self, number: int) -> Stage:
        head = self._heads[number]
        stage = self._from(number, head)
        for expression in stage.triggers:
            step = syntax.trigger(expression, self._escape, head.location)
            self._apply(stage, step)
        stage.triggers = ()
        for step in self._bodies[number]:
            self._apply(stage, step)
        return stage

    def _from(self, number: int, head: Instruction) -> Stage:
        name = self._base_name(number)
        platform = head.flag("platform")
        if platform is not None:
            expanded(platform, self._first.get, self._escape, head)
        own = self._names[number]
        location = head.location
        if name == "":
            raise SyntaxInputError(
                f"base name ({head.arguments[0]}) should not be blank", location=location
            )
        named = self._context(own)
        if named is None and name is not None:
            earlier = self._by_name(name, number)
            if earlier is not None:
                return self._continued(number, self._done[earlier], location)
            named = self._context(name)
        if named is not None:
            if named.files is not None:
                config = ImageConfig(location=location)
                return self._started(number, config, named.files, location)
            if isinstance(named.found, Image):
                files = ImageTree(named.found.files)
                return self._started(number, named.found.config, files, location)
            if named.found is not None:
                return self._unknown(number, named.found.missing, location)
            name = named.image
        return self._based(number, name, location)

    def _context(self, name: str | None) -> NamedContext | None:
        return None if name is None else self._inputs.named.get(familiar(name))

    def _based(self, number: int, name: str | None, location: Location) -> Stage:
        if name == "scratch":
            nothing = Texts({}, Location("scratch", image="scratch"))
            return self._started(number, ImageConfig(location=location), nothing, location)
        if name is None:
            missing = Missing(Reason.IMAGE, "the base image, whose name cannot be told")
            return self._unknown(number, missing, location)
        found = self._inputs.images.find(Traced(name, location))
        if isinstance(found, Image):
            return self._started(number, found.config, ImageTree(found.files), location)
        known = bases.well_known(name, location)
        if known is not None:
            return self._started(number, known.config, known.files, location)
        return self._unknown(number, found.missing, location)

    def _unknown(self, number: int, missing: Missing, location: Location) -> Stage:
        config = ImageConfig(
            location=location,
            env=Environment(unseen=(missing,), location=location),
            unseen=(missing,),
        )
        return self._started(number, config, Unknown(missing), location)

    def _started(self, number: int, config: ImageConfig, files: Tree, location: Location) -> Stage:
        variables = {key: Value(entry.value) for key, entry in config.env.entries.items()}
        if "PATH" not in variables and not config.unseen:
            # BuildKit makes sure that PATH is always set.
            entry = Traced[str | None](bases.SYSTEM_PATH, location)
            config = replace(config, env=config.env.with_entry("PATH", entry))
            variables["PATH"] = Value(bases.SYSTEM_PATH)
        return Stage(
            number=number,
            name=self._names[number],
            location=location,
            config=replace(config, on_build=()),
            files=Layers(files, self._effort),
            shell=config.shell or _SHELL,
            variables=variables,
            unseen=bool(config.unseen),
            triggers=config.on_build,
        )

    def _continued(self, number: int, earlier: Stage, location: Location) -> Stage:
        """Go on from an earlier stage: its ONBUILDs run now, its arguments stay in scope."""
        return replace(
            earlier,
            number=number,
            name=self._names[number],
            location=location,
            config=replace(earlier.config, on_build=()),
            files=earlier.files.copy(),
            variables=dict(earlier.variables),
            own_cmd=False,
            triggers=earlier.config.on_build,
            tools=dict(earlier.tools),
        )

    def _apply(self, stage: Stage, step: Instruction) -> None:
        self._steps += 1
        if self._steps > _STEPS:
            # Every stage runs the ONBUILDs of what it stands on.
            raise LimitError(f"more than {_STEPS} steps", location=step.location)
        match step.keyword:
            case "ARG":
                self._argument(stage, step)
            case "ENV":
                self._env(stage, step)
            case "WORKDIR":
                self._workdir(stage, step)
            case "USER":
                stage.config = replace(stage.config, user=self._text(stage, step))
            case "CMD":
                stage.config = replace(stage.config, cmd=_command(stage, step))
                stage.own_cmd = True
            case "ENTRYPOINT":
                # A new entrypoint drops the cmd of the base, not one of its own stage.
                cmd = stage.config.cmd if stage.own_cmd else None
                entrypoint = _command(stage, step) or Traced((), step.location)
                stage.config = replace(stage.config, entrypoint=entrypoint, cmd=cmd)
            case "SHELL":
                stage.shell = step.words or stage.shell
            case "COPY" | "ADD":
                self._copy(stage, step)
            case "RUN":
                self._run(stage, step)
            case "EXPOSE":
                self._expose(stage, step)
            case "ONBUILD":
                kept = (*stage.config.on_build, _expression(step))
                stage.config = replace(stage.config, on_build=kept)
            case "LABEL":
                self._label(stage, step)
            case "VOLUME":
                self._volume(stage, step)
            case _:
                # HEALTHCHECK, STOPSIGNAL and MAINTAINER change neither process nor files.
                return

    def _text(self, stage: Stage, step: Instruction) -> Traced[str | None]:
        text = expanded(step.text, stage.lookup, self._escape, step)
        missing = Missing(Reason.VARIABLE, f"what {step.keyword} at {_place(step)} says")
        return Traced(text, step.location, missing=() if text is not None else (missing,))

    def _argument(self, stage: Stage, step: Instruction) -> None:
        """ARG: the value given to the build, else the default, else the one from before FROM."""
        for word in step.arguments:
            name, equals, default = word.partition("=")
            given = self._inputs.arguments.get(name)
            value: Value | None
            if given is not None:
                value = Value(given)
            elif equals:
                value = stage.kept(expanded(default, stage.lookup, self._escape, step))
            else:
                value = self._first.get(name)
            if value is None:
                continue
            set_by_env = stage.config.env.get(name)
            if set_by_env is not None and set_by_env.value != value.text:
                # ENV wins as documented; newer releases of BuildKit let the later ARG win.
                value = Value(None)
            stage.variables[name] = value

    def _env(self, stage: Stage, step: Instruction) -> None:
        words = [expanded(word, stage.lookup, self._escape, step) for word in step.arguments]
        environment = stage.config.env
        entries = dict(environment.entries)
        for name, given in zip(words[::2], words[1::2], strict=True):
            if name is None:
                self._hide_all(stage, step, entries)
                environment = stage.config.env
                continue
            value = stage.kept(given)
            lacking = (
                ()
                if value.text is not None
                else (Missing(Reason.VARIABLE, f"the value of {name}"),)
            )
            below = _shortened(entries.get(name))
            entries[name] = Traced(value.text, step.location, replaced=below, missing=lacking)
            stage.variables[name] = value
        stage.config = replace(stage.config, env=replace(environment, entries=entries))

    @staticmethod
    def _hide_all(stage: Stage, step: Instruction, entries: dict[str, Traced[str | None]]) -> None:
        """Follow an ENV whose name is not known: any variable may have changed."""
        missing = (Missing(Reason.VARIABLE, f"the name that ENV at {_place(step)} sets"),)
        environment = overlay(
            (
                replace(stage.config.env, entries=entries),
                Environment(unseen=missing, location=step.location),
            )
        )
        stage.config = replace(stage.config, env=environment)
        stage.unseen = True
        stage.variables = {key: Value(None) for key in stage.variables}
        entries.clear()
        entries.update(environment.entries)

    def _workdir(self, stage: Stage, step: Instruction) -> None:
        given = self._text(stage, step)
        here = stage.directory
        path = None
        if given.value is not None and given.value.startswith("/"):
            path = clean(given.value)
        elif given.value is not None and here is not None:
            path = clean(posixpath.join(here, given.value))
        missing = given.missing or (() if path is not None else stage.config.unseen)
        place: Traced[str | None] = Traced(path, step.location, missing=missing)
        stage.config = replace(stage.config, working_dir=place)
        if path is not None:
            where, found = View(stage.files).entry(path)
            if isinstance(found, Absent):
                stage.files.put(where, Single(Folder(0o755, step.location)))

    def _expose(self, stage: Stage, step: Instruction) -> None:
        ports: list[Traced[str]] = list(stage.config.exposed_ports)
        known = {port.value for port in ports}
        for word in step.arguments:
            try:
                texts = build_words.expand_words(word, stage.lookup, self._escape)
            except SubstitutionError as error:
                raise SyntaxInputError(f"EXPOSE: {error}", location=step.location) from error
            for text in texts or ():
                ports_of = _ports(text, step)
                self._ports += len(ports_of)
                if self._ports > _PORTS_READ:
                    raise LimitError("too many ports", location=step.location)
                for port in ports_of:
                    if port not in known and len(ports) < _MOST_PORTS:
                        known.add(port)
                        ports.append(Traced(port, step.location))
        stage.config = replace(stage.config, exposed_ports=tuple(ports))

    def _label(self, stage: Stage, step: Instruction) -> None:
        words = [expanded(word, stage.lookup, self._escape, step) for word in step.arguments]
        known = {
            name: value
            for name, value in zip(words[::2], words[1::2], strict=True)
            if name is not None and value is not None
        }
        stage.config = replace(stage.config, labels={**stage.config.labels, **known})

    def _volume(self, stage: Stage, step: Instruction) -> None:
        """VOLUME: what a container lays over its image there is filled from the image itself."""
        paths = [expanded(word, stage.lookup, self._escape, step) for word in step.arguments]
        known = {volume.value: volume for volume in stage.config.volumes}
        known |= {path: Traced(path, step.location) for path in paths if path}
        stage.config = replace(stage.config, volumes=tuple(known.values()))

    def _copy(self, stage: Stage, step: Instruction) -> None:
        origin = step.flag("from")
        what = "the build context" if origin is None else origin
        copying.copy(
            stage.files,
            step,
            Copying(
                self._origin(stage, origin, step),
                stage.directory if stage.directory is not None else "/",
                stage.lookup,
                self._escape,
                what,
            ),
        )
        if stage.directory is None and not step.arguments[-1].startswith("/"):
            missing = Missing(Reason.RUN, f"where {step.keyword} at {_place(step)} copies to")
            stage.files.put("/", Unknown(missing))

    def _origin(self, stage: Stage, origin: str | None, step: Instruction) -> Tree:
        """Return the files of the context, an earlier stage, a named context or an image."""
        if origin is None:
            return self._inputs.context
        named = self._context(origin)
        if named is None and origin.lower() == stage.name:
            raise SyntaxInputError(
                f"circular dependency detected on stage: {stage.name}", location=step.location
            )
        if named is None and origin.isdecimal():
            if int(origin) >= stage.number:
                raise SyntaxInputError(
                    f"invalid stage index {origin}, which is no earlier stage",
                    location=step.location,
                )
        elif named is not None and named.files is not None:
            return named.files
        elif named is not None and named.found is not None:
            found = named.found
            return ImageTree(found.files) if isinstance(found, Image) else Unknown(found.missing)
        number = self._earlier(origin, stage.number) if named is None else None
        if number is not None:
            if number not in self._done:
                # Only an ONBUILD of a base that was not read before FROM names it.
                self._done[number] = self._follow(number)
            return self._done[number].files
        reference = named.image if named is not None and named.image is not None else origin
        found = self._inputs.images.find(Traced(reference, step.location))
        if isinstance(found, Image):
            return ImageTree(found.files)
        known = bases.well_known(reference, step.location)
        return known.files if known is not None else Unknown(found.missing)

    def _run(self, stage: Stage, step: Instruction) -> None:
        user = stage.config.user
        setting = Setting(
            shell=stage.shell,
            cwd=stage.directory,
            user=user.value if user is not None else None,
            variables={**stage.variables, **stage.tools},
            unseen=stage.unseen or (user is not None and user.value is None),
            mounts=tuple(self._mounts(stage, step)),
        )
        stage.tools.update(run.run(stage.files, step, setting))

    def _mounts(self, stage: Stage, step: Instruction) -> Iterator[tuple[str, Tree]]:
        unread = Missing(Reason.RUN, f"what is mounted for RUN at {_place(step)}")
        for text in step.values("mount"):
            whole = expanded(text, stage.lookup, self._escape, step)
            if whole is None:
                yield "/", Unknown(unread)
                continue
            fields = dict(part.partition("=")[::2] for part in whole.split(","))
            keys = ("target", "dst", "destination")
            target = next((fields[key] for key in keys if key in fields), None)
            if target is None and fields.get("type") in {"secret", "ssh"}:
                continue
            place = clean(posixpath.join(stage.directory or "/", target or "/"))
            if fields.get("type", "bind") != "bind":
                empty = fields.get("type") == "tmpfs"
                tree: Tree = Single(Folder(0o755, step.location)) if empty else Unknown(unread)
                yield place, tree
                continue
            origin = self._origin(stage, fields.get("from"), step)
            source = clean(fields.get("source", fields.get("src", "/")))
            real, found = View(origin).entry(source)
            if isinstance(found, Unread | Absent):
                yield place, Unknown(unread)
            else:
                yield place, Below(origin, real)


def _shortened(entry: Traced[str | None] | None) -> Traced[str | None] | None:
    """Return an entry with what it replaced, so far back as anybody reads."""
    depth, older = 0, entry
    while older is not None and depth < _HISTORY:
        depth, older = depth + 1, older.replaced
    return entry if older is None or entry is None else replace(entry, replaced=None)


def _sources(step: Instruction) -> Iterator[str]:
    """Yield the names of stages or images that an instruction takes files from."""
    origin = step.flag("from")
    if origin is not None:
        yield origin
    for text in step.values("mount"):
        match = re.search(r"(?:\A|,)from=([^,]+)", text)
        if match is not None:
            yield match[1]
    if step.keyword == "ONBUILD":
        yield from re.findall(r"(?:--from=|[=,]from=)([^\s,]+)", step.text)


def _place(step: Instruction) -> str:
    return f"{step.location.file}:{step.location.line}"


def _command(stage: Stage, step: Instruction) -> Traced[tuple[str, ...]] | None:
    """Return the words of CMD or ENTRYPOINT: JSON as it stands, else a text for the shell."""
    words = step.words
    if words is None:
        words = (*stage.shell, step.text)
    return Traced(words, step.location) if words else None


def _expression(step: Instruction) -> str:
    """Return what an ONBUILD hands on (parseOnBuild): here documents go along."""
    text = re.sub(r"(?i)\A\s*ONBUILD\s*", "", step.original)
    return text + "".join(f"\n{one.text}{one.name}" for one in step.heredocs)


def _ports(text: str, step: Instruction) -> tuple[str, ...]:
    """Return "port/protocol" of a port or a range (convert_expose.go)."""
    match = _PORT.match(text)
    protocol = ((match[3] if match else "") or "tcp").lower()
    if match is None or protocol not in {"tcp", "udp", "sctp"}:
        raise SyntaxInputError(
            f"invalid containerPort: {text[:40]}",
            location=step.location,
            hint="docker build refuses it as well",
        )
    first, last = int(match[1]), int(match[2] or match[1])
    if last < first or last >= _MOST_PORTS:
        raise SyntaxInputError(
            f"invalid range specified for port: {text[:40]}", location=step.location
        )
    return tuple(f"{port}/{protocol}" for port in range(first, last + 1))
