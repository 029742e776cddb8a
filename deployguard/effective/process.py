"""Join what is declared for a container with its image's config, as the engines do."""

import posixpath
from collections.abc import Iterable

from deployguard.effective.mounts import files
from deployguard.formats.words import spelled
from deployguard.model.container import ContainerSpec
from deployguard.model.environment import Environment, overlay
from deployguard.model.evidence import Evidence, Location, Missing, Reason, Traced
from deployguard.model.filesystem import Content, Filesystem, Unread
from deployguard.model.image import ImageConfig
from deployguard.model.process import Process, Word
from deployguard.model.structs import replace

# moby oci/defaults.go DefaultPathEnv, containerd oci.WithDefaultPathEnv: for images without a PATH.
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ENGINE = Location("container engine")


def process(spec: ContainerSpec) -> Process:
    """Return the process a runtime starts for a container; never raises.

    Where the image was not read, `missing` says so if the words depend on it, and `args` holds the
    declared words alone; the environment may then hold any variable, and the directory is unseen.
    """
    if isinstance(spec.image, Unread):
        return _without_image(spec, spec.image.missing)
    config = spec.image.config
    entrypoint, cmd = _words(spec, config)
    words = (*(entrypoint.value if entrypoint else ()), *(cmd.value if cmd else ()))
    user = spec.user or config.user
    if user is None and config.unseen:
        user = Traced(None, config.location, missing=config.unseen)
    # Where nothing starts, nobody asks for a home, and the layers need not be read for it.
    defaults = _defaults(user, files(spec)) if words else Environment(location=_ENGINE)
    return Process(
        args=words,
        env=overlay((defaults, config.env, spec.env)),
        cwd=_directory(spec.working_dir or config.working_dir, config),
        user=user,
        terminal=spec.terminal or Traced(False, spec.location),  # noqa: FBT003  (a plain value)
        location=words[0].location if words else spec.location,
        missing=_unseen(spec, config),
        trail=_trail(("entrypoint", entrypoint), ("command", cmd)),
    )


def hooks(spec: ContainerSpec, main: Process) -> tuple[Process, ...]:
    """Return the processes that are started in a container beside its own.

    They have its environment, directory and user, and no terminal (ExecSync of the CRI).
    """
    return tuple(
        replace(
            main,
            args=words.value,
            terminal=Traced(False, words.location),  # noqa: FBT003  (a plain value)
            location=words.location,
            missing=(),
            trail=_trail(("hook after the start", words)),
        )
        for words in spec.hooks
    )


def _unseen(spec: ContainerSpec, config: ImageConfig) -> tuple[Missing, ...]:
    """Return what hides an entrypoint or cmd that a base which is not known may have set."""
    cleared = spec.entrypoint is not None and not spec.entrypoint.value
    replaced = spec.entrypoint is not None and bool(spec.entrypoint.value)
    entrypoint = replaced or cleared or config.entrypoint is not None
    # A new entrypoint drops the cmd of what lies below it.
    cmd = replaced or spec.cmd or config.cmd or config.entrypoint is not None
    return () if entrypoint and cmd else config.unseen


def _without_image(spec: ContainerSpec, image: Missing) -> Process:
    cleared = spec.entrypoint is not None and not spec.entrypoint.value
    replaced = spec.entrypoint is not None and bool(spec.entrypoint.value)
    complete = replaced or (cleared and spec.cmd is not None)
    words = (
        *(spec.entrypoint.value if spec.entrypoint else ()),
        *(spec.cmd.value if spec.cmd else ()),
    )
    image_place = spec.image_reference.location if spec.image_reference else spec.location
    unseen = Traced[str | None](None, image_place, missing=(image,))
    user = spec.user or unseen
    return Process(
        args=words,
        env=overlay(
            (
                _defaults(user, files(spec)),
                Environment(unseen=(image,), location=image_place),
                spec.env,
            )
        ),
        cwd=spec.working_dir or unseen,
        user=user,
        terminal=spec.terminal or Traced(False, spec.location),  # noqa: FBT003  (a plain value)
        location=words[0].location if words else spec.location,
        missing=() if complete else (image,),
        trail=_trail(("entrypoint", spec.entrypoint), ("command", spec.cmd)),
    )


_Words = Traced[tuple[Word, ...]]


def _words(spec: ContainerSpec, config: ImageConfig) -> tuple[_Words | None, _Words | None]:
    """Return entrypoint and cmd: a new entrypoint drops the image's cmd, an empty one keeps it.

    Source: moby daemon/commit.go `merge` and the container's create; Kubernetes hands `command`
    and `args` to the runtime in the same places.
    """
    image_cmd = _seen(config.cmd)
    if spec.entrypoint is None:
        return _seen(config.entrypoint), spec.cmd or image_cmd
    if not spec.entrypoint.value:
        return None, spec.cmd or image_cmd
    return spec.entrypoint, spec.cmd


def _seen(words: Traced[tuple[str, ...]] | None) -> _Words | None:
    if words is None:
        return None
    return Traced(tuple(Traced(word, words.location) for word in words.value), words.location)


def _trail(*parts: tuple[str, _Words | None]) -> tuple[Evidence, ...]:
    return tuple(
        Evidence(words.location, f"the {name} is {spelled(words.value)}")
        for name, words in parts
        if words is not None and words.value
    )


def _directory(declared: Traced[str | None] | None, config: ImageConfig) -> Traced[str | None]:
    if declared is None and config.unseen:
        return Traced(None, config.location, missing=config.unseen)
    if declared is None or declared.value == "":
        return Traced("/", config.location)
    if declared.value is None:
        return Traced(None, declared.location, missing=declared.missing)
    return Traced(posixpath.normpath("/" + declared.value.lstrip("/")), declared.location)


def _defaults(user: Traced[str | None] | None, filesystem: Filesystem) -> Environment:
    """Return what an engine sets where neither image nor container does: PATH, HOSTNAME, HOME."""
    hostname = Missing(Reason.RUNNING, "the value of HOSTNAME, given when the container starts")
    entries: dict[str, Traced[str | None]] = {
        "PATH": Traced(_DEFAULT_PATH, _ENGINE),
        "HOSTNAME": Traced(None, _ENGINE, missing=(hostname,)),
        "HOME": _home(user, filesystem),
    }
    return Environment(entries, location=_ENGINE)


def _home(user: Traced[str | None] | None, filesystem: Filesystem) -> Traced[str | None]:
    """Return the home directory of a user, "/" where the image has no such account.

    Source: runc libcontainer/user GetExecUser, whose default home is "/".
    """
    if user is not None and user.value is None:
        return Traced(None, user.location, missing=user.missing)
    name = (user.value if user is not None and user.value else "0").partition(":")[0]
    accounts = filesystem.read("/etc/passwd")
    if isinstance(accounts, Unread):
        return Traced(None, _ENGINE, missing=(accounts.missing,))
    if not isinstance(accounts, Content):
        return Traced("/", _ENGINE)
    text = accounts.data.decode(errors="replace")
    return Traced(_home_of(name, text.splitlines()), accounts.location)


def _home_of(name: str, accounts: Iterable[str]) -> str:
    for account in accounts:
        fields = account.split(":")
        if len(fields) > 5 and name in (fields[0], fields[2]):  # noqa: PLR2004  (passwd(5))
            return fields[5] or "/"
    return "/"
