"""Supervisors of service directories: runit, daemontools, s6 and s6-overlay, my_init.

Sources: runsvdir(8), svscan, s6-svscan, the README of s6-overlay 2 and 3, baseimage-docker.
"""

import shlex
from collections.abc import Callable, Iterator, Mapping

from deployguard.effective import search
from deployguard.launch import accounts
from deployguard.launch.options import Read, read, syntax
from deployguard.launch.outcomes import Call, Next, at, becomes, in_folder, started
from deployguard.launch.shells import Started
from deployguard.model.environment import Environment, overlay
from deployguard.model.evidence import Evidence, Location, Missing, Reason, Traced
from deployguard.model.filesystem import Absent, Content, FileKind, Stat, Unread
from deployguard.model.process import Process, Start
from deployguard.model.structs import replace

# What a service of s6-overlay sees of the environment without with-contenv.
_S6_RC = "/etc/s6-overlay/s6-rc.d"
_S6_PATH = "/command:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class _UnreadError(Exception):
    def __init__(self, missing: Missing) -> None:
        super().__init__()
        self.missing = missing


def directory(call: Call) -> Next:
    """Follow runsvdir, svscan and s6-svscan: the run file of each directory in the one given."""
    flags = syntax(
        flags="-P -S -s -X",
        values="-t -c -C -L -d -b" if call.name.startswith("s6") else "",
        ends="-h",
    )
    options = read(call.name, call.words, flags)
    if not isinstance(options, Read):
        return options
    folder = options.rest[0] if options.rest else at(".", call.place)
    place = search.absolute(folder.value or "", call.process.cwd)
    if isinstance(place, Unread):
        return place.missing
    try:
        starts = tuple(_services(call, place, call.process))
    except _UnreadError as error:
        return error.missing
    return Started(processes=starts) if starts else call.ends(f"finds nothing to start in {place}")


def service(call: Call) -> Next:
    """Follow runsv, supervise and s6-supervise: the run file of one directory."""
    if not call.words or call.words[0].value is None:
        return call.missing(f"the directory of {call.name}")
    place = search.absolute(call.words[0].value, call.process.cwd)
    if isinstance(place, Unread):
        return place.missing
    try:
        starts = tuple(_service(call, place, call.process))
    except _UnreadError as error:
        return error.missing
    return Started(processes=starts) if starts else call.ends(f"finds nothing to start in {place}")


def _names(call: Call, place: str) -> tuple[str, ...]:
    names = call.files.list(place)
    if isinstance(names, Unread):
        raise _UnreadError(names.missing)
    return names if isinstance(names, tuple) else ()


def _services(call: Call, place: str, process: Process) -> Iterator[Start]:
    for name in _names(call, place):
        if not name.startswith("."):
            yield from _service(call, f"{place}/{name}", process)


def _service(call: Call, place: str, process: Process) -> Iterator[Start]:
    """Yield a service's run file, unless a file named down keeps it from starting."""
    if isinstance(call.files.stat(f"{place}/down"), Stat):
        return
    run = f"{place}/run"
    there = call.files.stat(run)
    if isinstance(there, Unread):
        raise _UnreadError(there.missing)
    if not isinstance(there, Stat) or there.kind is not FileKind.FILE:
        return
    inside = in_folder(process, at(place, there.location))
    step = Evidence(there.location, f"{call.name} starts this service")
    yield Start(process=started(inside, (at(run, there.location),), step))


def overlay_init(call: Call) -> Next:
    """Follow s6-overlay's /init: initial scripts, services of either form, then its words.

    The variables of the container reach a script only by with-contenv, or with S6_KEEP_ENV.
    """
    kept = call.process.env.get("S6_KEEP_ENV")
    keeps = kept is not None and kept.value not in {None, "", "0"}
    try:
        container = _container(call)
        bare = Environment({"PATH": Traced(_S6_PATH, call.place)}, location=call.place)
        call = replace(call, process=container)
        reset = call.process if keeps else replace(call.process, env=bare, cwd=at("/", call.place))
        starts = [
            *_scripts(call, "/etc/cont-init.d", reset),
            *_compiled(call, reset),
            *(_with_container(call, one) for one in _services(call, "/etc/services.d", reset)),
        ]
    except _UnreadError as error:
        return error.missing
    prefix = call.process.env.get("S6_CMD_ARG0")
    before = () if prefix is None or not prefix.value else (prefix,)
    if call.words or before:
        own = becomes(call.process, call.name, (*before, *call.words))
        if isinstance(own, Evidence):
            return own
        starts.append(Start(process=own))
    return Started(processes=tuple(starts)) if starts else call.ends("finds no service to start")


def _container(call: Call) -> Process:
    """Return the process under the variables that with-contenv restores.

    The first scripts may write some into the folder they are kept in.
    """
    words = call.process.env.get("S6_CMD_ARG0")
    process = call.process
    if words is not None and words.value is None:
        raise _UnreadError(words.missing[0])
    for folder in ("/etc/cont-init.d", *(f"{_S6_RC}/{name}" for name in _names(call, _S6_RC))):
        for name in _names(call, folder):
            content = call.files.read(f"{folder}/{name}")
            if isinstance(content, Content) and b"container_environment" in content.data:
                what = f"what {folder}/{name} writes to the container's environment"
                unseen = Environment(
                    unseen=(Missing(Reason.SCRIPT, what),), location=content.location
                )
                process = replace(process, env=overlay((process.env, unseen)))
    return process


def _scripts(call: Call, place: str, process: Process) -> Iterator[Start]:
    """Yield the scripts of a directory in the order of their names."""
    for name in _names(call, place):
        path = f"{place}/{name}"
        step = Evidence(Location(path), f"{call.name} runs this first")
        yield _with_container(call, Start(process=started(process, (at(path, call.place),), step)))


def _with_container(call: Call, start: Start) -> Start:
    """Give a script whose first line names with-contenv the variables of the container."""
    content = call.files.read(start.process.args[0].value or "")
    first = content.data.split(b"\n", 1)[0] if isinstance(content, Content) else b""
    if b"with-contenv" not in first:
        return _execline(call, start, content)
    process = replace(start.process, env=call.process.env)
    words = first.decode("utf-8", "replace").split()
    # The interpreter follows it: #!/usr/bin/with-contenv bash
    inner = [word for word in words[1:] if "with-contenv" not in word]
    if words[0].endswith("with-contenv") and inner:
        place = process.args[0].location
        process = replace(process, args=(*(at(word, place) for word in inner), *process.args))
    return replace(start, process=process)


def _execline(call: Call, start: Start, content: Content | Absent | Unread) -> Start:
    """Unroll a script of execlineb that only chains programs; another is not known."""
    if not isinstance(content, Content) or b"execlineb" not in content.data.split(b"\n", 1)[0]:
        return start
    unknown = Missing(Reason.SCRIPT, f"what the execline script {content.location.file} does")
    process = start.process
    try:
        words = shlex.split(content.data.decode("utf-8", "replace"), comments=True)
    except ValueError:
        words = ["{"]
    if any(word in {"{", "}"} or "$" in word for word in words):
        return replace(start, process=replace(process, missing=(unknown,)))
    while words:
        match words:
            case ["with-contenv" | "/usr/bin/with-contenv" | "/command/with-contenv", *rest]:
                process, words = replace(process, env=call.process.env), rest
            case ["exec", *rest] | ["fdmove", "-c", _, _, *rest]:
                words = rest
            case ["cd", folder, *rest]:
                process, words = in_folder(process, at(folder, content.location)), rest
            case ["export", name, value, *rest]:
                entry = Traced[str | None](value, content.location)
                process, words = replace(process, env=process.env.with_entry(name, entry)), rest
            case _:
                break
    args = tuple(at(word, content.location) for word in words)
    return replace(start, process=replace(process, args=args))


def _compiled(call: Call, process: Process) -> Iterator[Start]:
    """Yield the services of the bundle "user", and all that they need (s6-rc source format)."""
    root = _S6_RC
    pending = [*_names(call, f"{root}/user/contents.d"), *_names(call, f"{root}/user2/contents.d")]
    met: set[str] = set()
    while pending:
        name = pending.pop(0)
        if name in met:
            continue
        met.add(name)
        place = f"{root}/{name}"
        pending.extend(_names(call, f"{place}/contents.d"))
        pending.extend(_names(call, f"{place}/dependencies.d"))
        up = call.files.read(f"{place}/up")
        if isinstance(up, Unread):
            raise _UnreadError(up.missing)
        if isinstance(up, Content):
            # A oneshot's `up` is one command line of execline.
            line = replace(up, data=b"#!execlineb\n" + up.data)
            step = Evidence(up.location, f"{call.name} runs this once")
            begun = Start(process=started(process, (at(f"{place}/up", up.location),), step))
            yield _execline(call, begun, line)
        for one in _service(call, place, process):
            yield _with_container(call, one)


def my_init(call: Call) -> Next:
    """Follow baseimage-docker's my_init: its variables, first scripts, runit, and its words."""
    options = read(
        call.name,
        call.words,
        syntax(
            flags="--quiet --skip-startup-files --skip-runit --no-kill-all-on-exit "
            "--no-main-command --enable-insecure-key",
            ends="-h --help",
        ),
    )
    if not isinstance(options, Read):
        return options
    folder = at("/etc/container_environment", call.place)
    own = accounts.variables_of(folder, call.process, call.files)
    process = replace(call.process, env=overlay((own, call.process.env)))
    starts: list[Start] = []
    try:
        if not options.has("--skip-startup-files"):
            for name in (*(f"/etc/my_init.d/{one}" for one in _names(call, "/etc/my_init.d")),
                         "/etc/rc.local"):  # fmt: skip
                content = call.files.read(name)
                if isinstance(content, Content) and b"container_environment" in content.data:
                    return call.missing(f"what {name} writes to the container's environment")
                if isinstance(content, Unread):
                    return content.missing
                if isinstance(content, Content):
                    step = Evidence(Location(name), f"{call.name} runs this first")
                    begun = started(process, (at(name, call.place),), step)
                    starts.append(Start(process=begun))
        if not options.has("--skip-runit"):
            starts.extend(_services(call, "/etc/service", process))
    except _UnreadError as error:
        return error.missing
    if options.rest:
        main = becomes(process, call.name, options.rest)
        if isinstance(main, Evidence):
            return main
        starts.append(Start(process=main))
    return Started(processes=tuple(starts)) if starts else call.ends("finds nothing to start")


TOOLS: Mapping[str, Callable[[Call], Next]] = {
    "runsvdir": directory,
    "svscan": directory,
    "s6-svscan": directory,
    "runsv": service,
    "supervise": service,
    "s6-supervise": service,
    "my_init": my_init,
    "s6-overlay": overlay_init,
}
