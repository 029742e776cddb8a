"""Programs that change something and then start another: what each does to the process.

Sources: coreutils, util-linux, tini, dumb-init, numactl, runit, daemontools and s6 as they behave.
An option that is not listed leaves what starts open.
"""

import posixpath
import re
import shlex
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from deployguard.effective import search
from deployguard.launch import accounts
from deployguard.launch.options import Read, Syntax, hidden, read, syntax
from deployguard.launch.outcomes import Next, at, becomes, in_folder
from deployguard.launch.shells import Started
from deployguard.launch.waiting import dockerize, is_waiting, wait_for
from deployguard.model.environment import Environment
from deployguard.model.evidence import Evidence, Missing, Reason, Traced
from deployguard.model.filesystem import Filesystem, Stat
from deployguard.model.process import Process, Start, Word
from deployguard.model.structs import replace

_ASSIGNMENT = re.compile(r"([^=]+)=(.*)", re.DOTALL)


class _Plain(Struct, frozen=True):
    """A wrapper that changes nothing a program sees: its options, and the words after them."""

    options: Syntax
    arguments: int = 0


_TINI = _Plain(syntax(flags="-v -s -g -w", values="-p -e", ends="-h --version --license"))
_NOTHING = _Plain(syntax())
_PLAIN: Mapping[str, _Plain] = {
    "exec": _Plain(syntax(flags="-c -l", values="-a", ends="")),
    "command": _Plain(syntax(flags="-p", ends="-v -V")),
    "nohup": _NOTHING,
    "timeout": _Plain(
        syntax(
            flags="--preserve-status --foreground -v --verbose -f -p",
            values="-k --kill-after -s --signal",
            ends="--help --version",
        ),
        arguments=1,
    ),
    "stdbuf": _Plain(syntax(values="-i --input -o --output -e --error")),
    "setsid": _Plain(syntax(flags="-c --ctty -f --fork -w --wait")),
    "ionice": _Plain(
        syntax(flags="-t --ignore", values="-c --class -n --classdata", ends="-p -P -u -h -V")
    ),
    "chrt": _Plain(
        syntax(
            flags="-a --all-tasks -b --batch -d --deadline -e --ext -f --fifo -i --idle -o --other "
            "-r --rr -R --reset-on-fork -v --verbose",
            values="-T --sched-runtime -P --sched-period -D --sched-deadline",
            ends="-m --max -p --pid -h --help -V --version",
        ),
        arguments=1,
    ),
    "taskset": _Plain(syntax(flags="-a --all-tasks -c --cpu-list", ends="-p --pid -h -V"), 1),
    "numactl": _Plain(
        syntax(
            flags="-l --localalloc -b --balancing -a --all",
            values="-i --interleave -w --weighted-interleave -p --preferred -P --preferred-many "
            "-C --physcpubind --cpubind -N --cpunodebind -m --membind",
            ends="-s --show -H --hardware -h --help",
        )
    ),
    "prlimit": _Plain(
        syntax(
            flags="--verbose --raw --noheadings",
            values="-o --output",
            optional="-c --core -d --data -e --nice -f --fsize -i --sigpending -l --memlock -m "
            "--rss -n --nofile -q --msgqueue -r --rtprio -s --stack -t --cpu -u --nproc -v --as "
            "-x --locks -y --rttime",
            ends="-p --pid -h --help -V --version",
        )
    ),
    "tini": _TINI,
    "tini-static": _TINI,
    "docker-init": _TINI,
    "dumb-init": _Plain(
        syntax(flags="-c --single-child -v --verbose", values="-r --rewrite", ends="-h -V --help")
    ),
    "catatonit": _Plain(syntax(flags="-g -L", ends="-P -h -V --version")),
    "time": _Plain(
        syntax(
            flags="-a --append -p --portability -q --quiet -v --verbose",
            values="-f --format -o --output",
        )
    ),
    "softlimit": _Plain(syntax(values="-a -c -d -f -l -m -o -p -r -s -t", ends="")),
    "s6-softlimit": _Plain(
        syntax(flags="-H -h", values="-a -c -d -f -l -m -o -p -r -s -t", ends="")
    ),
    "pgrphack": _NOTHING,
    "fghack": _NOTHING,
    "setlock": _Plain(syntax(flags="-n -N -x -X", ends=""), 1),
    "s6-setsid": _Plain(syntax(flags="-b -f -g -i -I -q -s -d", values="-d", ends="")),
    # The variables that s6-overlay has stored are those the container started with.
    "with-contenv": _NOTHING,
    "chronic": _Plain(syntax(flags="-v -e", ends="")),
    "linux32": _NOTHING,
    "linux64": _NOTHING,
    "catchsegv": _NOTHING,
    "ltrace": _Plain(syntax(flags="-f -c -S", values="-e -o -s -u -n -l -p", ends="-h -V")),
    "strace": _Plain(
        syntax(
            flags="-f -ff -c -C -d -F -q -qq -r -t -tt -ttt -T -v -x -xx -y -yy -D -w -k "
            "--follow-forks",
            values="-e -o -s -S -P -I -O -b -a -X --trace --output",
            ends="-h --help -V --version -p",
        )
    ),
}


def unwrap(name: str, process: Process, files: Filesystem) -> Next | None:
    """Return what a wrapper of this name starts, or None where it is no wrapper."""
    words = process.args[1:]
    plain = _PLAIN.get(name)
    if plain is not None:
        return _after(process, name, words, plain)
    special = _SPECIAL.get(name)
    return None if special is None else special(process, name, words, files)


def _after(process: Process, name: str, words: Sequence[Word], plain: _Plain) -> Next:
    options = read(name, words, plain.options)
    if not isinstance(options, Read):
        return options
    return becomes(process, name, options.rest[plain.arguments :])


def _nice(process: Process, name: str, words: Sequence[Word], files: Filesystem) -> Next:
    """Follow nice, which also takes the adjustment as an option of its own: nice -5, nice --5."""
    del files
    old = words and re.fullmatch(r"-{1,2}\+?\d+", words[0].value or "") is not None
    rest = words[1:] if old else words
    return _after(process, name, rest, _Plain(syntax(values="-n --adjustment")))


_ENV = syntax(
    flags="-i --ignore-environment -v --debug --list-signal-handling",
    values="-u --unset -C --chdir -S --split-string -a --argv0 -P",
    optional="--block-signal --default-signal --ignore-signal",
    ends="--help --version -0 --null",
)


def _env(process: Process, name: str, words: Sequence[Word], files: Filesystem) -> Next:
    """env: -i empties the environment, -u takes a name out, NAME=VALUE sets one."""
    options = read(name, words, _ENV)
    if not isinstance(options, Read):
        return options
    env = process.env
    rest = list(options.rest)
    for given in options.given:
        value = given.value
        match given.name:
            case "-i" | "--ignore-environment":
                env = Environment(location=given.word.location)
            case "-u" | "--unset" if value is not None:
                if value.value is None:
                    return hidden(value)
                env = env.without(value.value, given.word.location)
            case "-C" | "--chdir" if value is not None:
                process = in_folder(process, value)
            case "-P":
                return Missing(Reason.COMMAND, f"where the option -P of {name} looks")
            case "-S" | "--split-string" if value is not None:
                if value.value is None:
                    return hidden(value)
                inner = _split(value, env)
                if isinstance(inner, Missing):
                    return inner
                # What is split may begin with options of env again.
                start = replace(process, env=env)
                return _env(start, name, (*inner, *rest), files)
            case _:
                pass
    if rest and rest[0].value == "-" and not options.separated:
        env = Environment(location=rest.pop(0).location)
    while rest and (match := _ASSIGNMENT.fullmatch(rest[0].value or "")) is not None:
        word = rest.pop(0)
        env = env.with_entry(match[1], Traced(match[2], word.location))
    if rest and rest[0].value is None:
        return hidden(rest[0])
    if not rest:
        return Evidence(process.location, f"{name} prints the environment and ends")
    return becomes(replace(process, env=env), name, tuple(rest))


_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def _split(word: Word, env: Environment) -> tuple[Word, ...] | Missing:
    """Split a text as env -S does: quotes, and ${NAME} outside of single ones."""
    text = word.value or ""
    for name in _VARIABLE.findall(text):
        entry = env.get(name)
        if entry is not None and entry.value is None:
            return hidden(entry)
        text = text.replace(f"${{{name}}}", (entry.value or "") if entry is not None else "")
    try:
        return tuple(replace(word, value=part) for part in shlex.split(text))
    except ValueError:
        return Missing(Reason.COMMAND, f"how env splits {text!r}")


_SCRIPT = syntax(
    flags="-a --append -e --return -f --flush --force -q --quiet",
    values="-c --command -E --echo -I --log-in -O --log-out -B --log-io -T --log-timing -m "
    "--logging-format -o --output-limit",
    optional="-t --timing",
    interleaved=True,
)


def _script(process: Process, name: str, words: Sequence[Word], files: Filesystem) -> Next:
    """Follow script -c COMMAND, which runs it in a shell, on a terminal of its own."""
    del files
    options = read(name, words, _SCRIPT)
    if not isinstance(options, Read):
        return options
    place = process.args[0].location
    terminal = Traced(True, place)  # noqa: FBT003  (a plain value)
    inside = replace(process, terminal=terminal)
    command = options.last("-c", "--command")
    if command is not None:
        return accounts.text_in_shell(inside, name, command)
    if options.separated:
        # Words after "--" are the command, the one before it the file (util-linux 2.40).
        return Missing(Reason.COMMAND, f"which of its words {name} runs")
    return Missing(Reason.INPUT, f"what {name} reads from its terminal")


def _unbuffer(process: Process, name: str, words: Sequence[Word], files: Filesystem) -> Next:
    """Follow expect's unbuffer, which starts a program on a terminal of its own."""
    del files
    options = read(name, words, syntax(flags="-p", ends=""))
    if not isinstance(options, Read):
        return options
    terminal = Traced(True, process.args[0].location)  # noqa: FBT003  (a plain value)
    return becomes(replace(process, terminal=terminal), name, options.rest)


_FLOCK = syntax(
    flags="-s --shared -x -e --exclusive -n --nb --nonblock -u --unlock -o --close -F --no-fork "
    "--verbose",
    values="-w --wait --timeout -E --conflict-exit-code",
)


def _flock(process: Process, name: str, words: Sequence[Word], files: Filesystem) -> Next:
    """Follow flock FILE COMMAND, or flock FILE -c TEXT for a shell."""
    del files
    options = read(name, words, _FLOCK)
    if not isinstance(options, Read):
        return options
    rest = options.rest[1:]
    if len(rest) == 2 and rest[0].value in {"-c", "--command"}:  # noqa: PLR2004 (option, text)
        return accounts.text_in_shell(process, name, rest[1])
    if not rest:
        return Evidence(process.location, f"{name} locks an open file and ends")
    return becomes(process, name, rest)


_WATCH = syntax(
    flags="-b --beep -c --color -C --no-color -e --errexit -f --follow -g --chgexit -p --precise "
    "-r --no-rerun -t --no-title -w --no-wrap -x --exec",
    values="-n --interval -q --equexit -s --shotsdir",
    optional="-d --differences",
    ends="-h --help -v --version",
)


def _watch(process: Process, name: str, words: Sequence[Word], files: Filesystem) -> Next:
    """Follow watch, which runs its words as one text in a shell, on a terminal it must have."""
    del files
    options = read(name, words, _WATCH)
    if not isinstance(options, Read):
        return options
    unseen = next((word for word in options.rest if word.value is None), None)
    if unseen is not None:
        return hidden(unseen)
    if not options.rest:
        return Evidence(process.location, f"{name} ends without a command")
    if options.has("-x", "--exec"):
        inner: Process | Evidence = becomes(process, name, options.rest)
    else:
        text = " ".join(word.value or "" for word in options.rest)
        inner = becomes(
            process,
            name,
            tuple(replace(options.rest[0], value=one) for one in ("/bin/sh", "-c", text)),
        )
    if isinstance(inner, Evidence):
        return inner
    missing = Missing(Reason.RUNNING, "whether watch finds a terminal")
    return Started(processes=(Start(process=inner, certain=False, missing=(missing,)),))


_UNSHARE = syntax(
    flags="-f --fork -r --map-root-user -c --map-current-user --keep-caps --map-auto",
    values="--propagation --setgroups -R --root -w --wd -S --setuid -G --setgid --map-user "
    "--map-group --map-users --map-groups --monotonic --boottime -l --load-interp",
    optional="-m --mount -u --uts -i --ipc -n --net -p --pid -U --user -C --cgroup -T --time "
    "--mount-proc --mount-binfmt --kill-child",
)


def _unshare(process: Process, name: str, words: Sequence[Word], files: Filesystem) -> Next:
    """Follow unshare; with a network of its own what it starts may still be reached from within."""
    del files
    options = read(name, words, _UNSHARE)
    if not isinstance(options, Read):
        return options
    if options.has("-R", "--root"):
        return Missing(Reason.COMMAND, f"the files below the new root of {name}")
    folder = options.last("-w", "--wd")
    return becomes(process if folder is None else in_folder(process, folder), name, options.rest)


def _chroot(process: Process, name: str, words: Sequence[Word], files: Filesystem) -> Next:
    """Follow chroot where the new root is the old one."""
    del files
    options = read(name, words, syntax(flags="--skip-chdir", values="--userspec --groups -u -g"))
    if not isinstance(options, Read):
        return options
    if not options.rest:
        return Evidence(process.location, f"{name} ends without a new root")
    root, rest = options.rest[0], options.rest[1:]
    if root.value is None or posixpath.normpath(root.value) not in {"/", "//"}:
        return Missing(Reason.COMMAND, f"the files below the new root of {name}")
    if not options.has("--skip-chdir"):
        process = in_folder(process, replace(root, value="/"))
    if options.has("--userspec", "-u"):
        process = accounts.unseen_user(process, name)
    return becomes(process, name, rest)


def _capsh(process: Process, name: str, words: Sequence[Word], files: Filesystem) -> Next:
    """Follow capsh [--OPTION=VALUE...] -- [WORDS]: /bin/bash, or --shell, gets the words."""
    del files
    shell = at("/bin/bash", process.args[0].location)
    pending = list(words)
    while pending:
        word = pending.pop(0)
        if word.value is None:
            return hidden(word)
        option, _, value = word.value.partition("=")
        if option in {"--", "-+"}:
            return becomes(process, name, (shell, *pending))
        if option == "--shell":
            shell = replace(word, value=value)
        elif option in {"--chroot", "==", "=+", "--exec"} or not option.startswith("--"):
            return Missing(Reason.COMMAND, f"what the option {word.value} of {name} does")
        elif option in {"--user", "--uid"}:
            process = accounts.unseen_user(process, name)
    return Evidence(process.location, f"{name} ends: no word of it starts anything")


def known_script(name: str, data: bytes, process: Process, files: Filesystem) -> Next | None:
    """Return what a well-known script starts: one that waits for others, or expect's unbuffer."""
    words = process.args[1:]
    if is_waiting(name, data) and any(word.value == "--" for word in words):
        return wait_for(process, name, words, files)
    if name == "unbuffer" and b"spawn" in data:
        return _unbuffer(process, name, process.args[1:], files)
    return None


def _ends(process: Process, name: str, words: Sequence[Word], files: Filesystem) -> Next:
    del words, files
    return Evidence(process.location, f"{name} does its work and starts nothing")


def _open(process: Process, name: str, words: Sequence[Word], files: Filesystem) -> Next:
    del process, words, files
    return Missing(Reason.COMMAND, f"what {name} starts")


_RECIPES: Mapping[str, tuple[str, ...]] = {
    "just": ("justfile", ".justfile", "Justfile"),
    "task": ("Taskfile.yml", "Taskfile.yaml", "taskfile.yml"),
    "go-task": ("Taskfile.yml", "Taskfile.yaml", "taskfile.yml"),
    "ninja": ("build.ninja",),
    "rake": ("Rakefile",),
    "bmake": ("Makefile",),
    "remake": ("Makefile",),
    "mise": ("mise.toml",),
}


def _recipe(process: Process, name: str, words: Sequence[Word], files: Filesystem) -> Next:
    """Name what a runner of recipes would run, which is not read here."""
    goals = [word.value or "?" for word in words if not (word.value or "").startswith("-")]
    place = next(
        (
            where
            for one in _RECIPES[name]
            if isinstance(where := search.absolute(one, process.cwd), str)
            and isinstance(files.stat(where), Stat)
        ),
        _RECIPES[name][0],
    )
    return Missing(Reason.COMMAND, f"what {' '.join((name, *goals))} runs of {place}")


def _xargs(process: Process, name: str, words: Sequence[Word], files: Filesystem) -> Next:
    """Follow xargs with what it reads; the command it makes reads nothing."""
    del files
    from deployguard.shell.utilities import running  # noqa: PLC0415  (loaded where xargs runs)

    made = running.batches((process.args[0], *words))
    text = "" if process.stdin is None else process.stdin.value
    lines: list[tuple[Word, ...]] | None = None
    if made is not None and made.command and text is not None:
        lines = running.commands(made, text)
    if not lines or len(lines) > 1:
        return Missing(Reason.INPUT, f"what {name} reads from its standard input")
    empty: Word = Traced("", process.location)
    return becomes(replace(process, stdin=empty), name, lines[0])


Special = Callable[[Process, str, Sequence[Word], Filesystem], Next]

_SPECIAL: Mapping[str, Special] = {
    "env": _env,
    "nice": _nice,
    "script": _script,
    "unbuffer": _unbuffer,
    "flock": _flock,
    "watch": _watch,
    "unshare": _unshare,
    "chroot": _chroot,
    "capsh": _capsh,
    "dockerize": dockerize,
    "wait-for-it": wait_for,
    "wait-for-it.sh": wait_for,
    "wait-for": wait_for,
    "gosu": accounts.gosu,
    "su-exec": accounts.gosu,
    "setuidgid": accounts.setuidgid,
    "s6-setuidgid": accounts.setuidgid,
    "setpriv": accounts.setpriv,
    "su": accounts.su,
    "runuser": accounts.su,
    "sudo": accounts.sudo,
    "doas": accounts.doas,
    "chpst": accounts.chpst,
    "envdir": accounts.envdir,
    "s6-envdir": accounts.envdir,
    "envsubst": _ends,
    "xargs": _xargs,
    **dict.fromkeys(_RECIPES, _recipe),
    "parallel": _open,
    "nsenter": _open,
}


def basename(path: str) -> str:
    """Return the last part of a path."""
    return posixpath.basename(path.rstrip("/"))
