"""What changes with the user: wrappers that become another one, and what they do to variables.

Sources: gosu, su-exec, util-linux (su, runuser, setpriv), sudo, OpenDoas, runit's chpst,
daemontools and s6 as their manuals and sources have it.
"""

import re
from collections.abc import Iterator, Sequence

from deployguard.launch.options import Read, hidden, read, syntax
from deployguard.launch.outcomes import Next, at, becomes, in_folder, in_shell
from deployguard.model.environment import Environment, overlay
from deployguard.model.evidence import Evidence, Location, Missing, Reason, Traced
from deployguard.model.filesystem import Absent, Content, Filesystem, Unread
from deployguard.model.process import Process, Word
from deployguard.model.structs import replace

_ROOT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_USER_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games"
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_FIELDS = 7  # of a line of /etc/passwd


def switched(process: Process, user: Word | None, files: Filesystem) -> Process:
    """Return a process under a user, with the home of that user (gosu and su-exec set HOME)."""
    if user is None:
        return process
    home = _home(user, files)
    env = process.env if home is None else process.env.with_entry("HOME", home)
    return replace(process, user=user, env=env)


def _account(user: Word, files: Filesystem) -> list[str] | Absent | Unread:
    """Return the fields of a user's line in /etc/passwd, by name or number."""
    if user.value is None:
        return Unread(hidden(user))
    content = files.read("/etc/passwd")
    if not isinstance(content, Content):
        return content
    name = re.split(r"[:.]", user.value, maxsplit=1)[0]
    for line in content.data.decode("utf-8", "replace").splitlines():
        fields = line.split(":")
        if len(fields) == _FIELDS and name in (fields[0], fields[2]):
            return fields
    return Absent(name)


def _home(user: Word, files: Filesystem) -> Word | None:
    found = _account(user, files)
    match found:
        case Unread(missing=missing):
            return Traced(None, user.location, missing=(missing,))
        case Absent():
            return Traced("/", user.location)
        case fields:
            return Traced(fields[5] or "/", Location("/etc/passwd"))


def unseen_user(process: Process, name: str) -> Process:
    """Return a process under a user that cannot be told."""
    missing = Missing(Reason.COMMAND, f"the user that {name} changes to")
    return replace(process, user=Traced(None, process.args[0].location, missing=(missing,)))


def gosu(process: Process, name: str, words: Sequence[Word], files: Filesystem) -> Next:
    """Follow gosu and su-exec: USER[:GROUP] COMMAND."""
    options = read(name, words, syntax(ends="-h --help -v --version"))
    if not isinstance(options, Read):
        return options
    user, rest = options.rest[:1], options.rest[1:]
    return becomes(switched(process, user[0] if user else None, files), name, rest)


def setuidgid(process: Process, name: str, words: Sequence[Word], files: Filesystem) -> Next:
    """Follow daemontools' and s6's setuidgid: ACCOUNT COMMAND, with no variable changed."""
    del files
    if not words:
        return Evidence(process.location, f"{name} ends without its words")
    return becomes(replace(process, user=words[0]), name, tuple(words[1:]))


_SETPRIV = syntax(
    flags="--clear-groups --keep-groups --init-groups --no-new-privs --nnp --reset-env",
    values="--reuid --ruid --euid --regid --rgid --egid --groups --inh-caps --ambient-caps "
    "--bounding-set --securebits --pdeathsig --selinux-label --apparmor-profile "
    "--landlock-access --landlock-rule --seccomp-filter --ptracer",
    ends="-h --help -V --version -d --dump",
)


def setpriv(process: Process, name: str, words: Sequence[Word], files: Filesystem) -> Next:
    """Follow setpriv, which keeps every variable unless it is told to reset them."""
    options = read(name, words, _SETPRIV)
    if not isinstance(options, Read):
        return options
    user = options.last("--reuid")
    changes = user is not None or options.has("--euid", "--ruid")
    process = unseen_user(process, name) if changes else process
    if options.has("--reset-env"):
        process = _reset(process, user or process.user, options.given[0].word.location, files)
    return becomes(process, name, options.rest)


def _reset(process: Process, user: Word | None, place: Location, files: Filesystem) -> Process:
    """Return a process with the few variables of a login and none of those it had."""
    named = user if user is not None else Traced[str | None]("root", place)
    root = named.value in {"0", "root"}
    term = process.env.get("TERM")
    entries: dict[str, Traced[str | None]] = {
        "PATH": Traced(_ROOT_PATH if root else _USER_PATH, place),
        **({"TERM": term} if term is not None else {}),
    }
    home = _home(named, files)
    if home is not None:
        entries["HOME"] = home
    return replace(process, env=Environment(entries, location=place))


_SU = replace(
    syntax(
        flags="-l --login -m -p --preserve-environment -f --fast -P --pty -T --no-pty",
        values="-c --command --session-command -C -s --shell -g --group -G --supp-group "
        "-w --whitelist-environment -u --user",
        ends="-h --help -V --version",
        interleaved=True,
    ),
    complete=True,
)


def su(process: Process, name: str, words: Sequence[Word], files: Filesystem) -> Next:
    """Follow su and runuser: a shell runs the text of -c, a login shell in a new environment.

    `su [-] USER [WORDS]` hands words to the shell; `runuser -u USER COMMAND` starts no shell.
    """
    plain = [word for word in words if word.value != "-"]
    if name == "runuser" and any((word.value or "")[:2] in {"-u", "--"} for word in words[:1]):
        # Words that begin with a dash are options of its own, unless "--" stands before them.
        options = read(name, plain, _SU)
        if not isinstance(options, Read):
            return options
        if options.has("-u", "--user"):
            user = options.last("-u", "--user")
            return becomes(switched(process, user, files), name, options.rest)
    options = read(name, plain, _SU)
    if not isinstance(options, Read):
        return options
    place = process.args[0].location
    user = options.rest[0] if options.rest else at("root", place)
    login = len(plain) < len(words) or options.has("-l", "--login")
    account = _account(user, files)
    kept = options.last("-w", "--whitelist-environment")
    if login:
        outer = process.env
        process = _reset(process, user, place, files)
        if kept is not None and kept.value is not None:
            entries = {one: outer.get(one) for one in kept.value.split(",")}
            found = {one: entry for one, entry in entries.items() if entry is not None}
            process = replace(process, env=overlay((process.env, Environment(found))))
        home = process.env.get("HOME")
        process = process if home is None else replace(process, cwd=home)
    elif not options.has("-m", "-p", "--preserve-environment"):
        process = switched(process, user, files)
    process = replace(process, user=user)
    shell = options.last("-s", "--shell")
    if shell is None and not login and options.has("-m", "-p", "--preserve-environment"):
        shell = process.env.get("SHELL")
    if shell is None:
        named = account[6] if isinstance(account, list) and account[6] else "/bin/sh"
        shell = at(named, place)
    command = options.last("-c", "--command", "--session-command")
    if (shell.value or "").endswith(("/nologin", "/false")):
        return Evidence(place, f"the shell of {user.value} is {shell.value}, which ends at once")
    words_after = options.rest[1:]
    dash = (at("-l", place),) if login else ()
    if command is None:
        return becomes(process, name, (shell, *dash, *words_after)) if words_after else _stdin(name)
    # A login shell reads profiles, which set PATH anew.
    return becomes(process, name, (shell, *dash, at("-c", place), command, *words_after))


def _stdin(name: str) -> Missing:
    return Missing(Reason.INPUT, f"what {name} reads from its standard input")


_SUDO = syntax(
    flags="-A --askpass -b --background -B --bell -E -H --set-home -i --login -k "
    "--reset-timestamp -n --non-interactive -N --no-update -P --preserve-groups -S --stdin -s "
    "--shell",
    values="-u --user -g --group -p --prompt -C --close-from -D --chdir -R --chroot -T "
    "--command-timeout -r --role -t --type -a --auth-type -c --login-class",
    optional="--preserve-env",
    ends="-h --help -V --version -l --list -v --validate -K --remove-timestamp -e --edit",
)
_SUDOERS = ("/etc/sudoers", "/etc/sudoers.d")
_KEEPING = re.compile(
    rb"^\s*Defaults.*?(env_keep|!\s*env_reset|env_file|env_delete|setenv)", re.MULTILINE
)
_SECURE = re.compile(rb'^\s*Defaults\s+secure_path\s*=\s*"?([^"\n]+)', re.MULTILINE)
# What a sudo without any setting of its own keeps or sets (sudoers(5), "Command environment").
_SUDO_KEEPS = ("TERM", "PATH", "LANG", "LC_ALL", "DISPLAY", "COLORS", "HOSTNAME", "PS1", "TZ")


def sudo(process: Process, name: str, words: Sequence[Word], files: Filesystem) -> Next:
    """Follow sudo, which empties the environment unless it or its settings are told to keep it."""
    options = read(name, words, _SUDO)
    if not isinstance(options, Read):
        return options
    user = options.last("-u", "--user") or at("root", process.args[0].location)
    keeps = options.has("-E") or any(
        one.name == "--preserve-env" and one.value is None for one in options.given
    )
    outer = process.env
    if not keeps:
        process = replace(process, env=_after_sudo(process, options, files))
    process = switched(process, user, files)
    if options.has("-R", "--chroot"):
        return Missing(Reason.COMMAND, f"the files below the new root of {name}")
    folder = options.last("-D", "--chdir")
    process = process if folder is None else in_folder(process, folder)
    rest = list(options.rest)
    env = process.env
    while rest and (match := _ASSIGNMENT.fullmatch(rest[0].value or "")) is not None:
        env = env.with_entry(match[1], replace(rest.pop(0), value=match[2]))
    process = replace(process, env=env)
    if options.has("-i", "--login", "-s", "--shell"):
        return _sudo_shell(process, name, options, tuple(rest), outer)
    return becomes(process, name, tuple(rest))


def _sudo_shell(
    process: Process, name: str, options: Read, rest: tuple[Word, ...], outer: Environment
) -> Next:
    """Return the shell of -s and -i, which gets its words as one text with special signs quoted."""
    if not rest:
        return _stdin(name)
    shell = None if options.has("-i", "--login") else outer.get("SHELL")
    texts = [re.sub(r"([^A-Za-z0-9_\-$])", r"\\\1", word.value or "") for word in rest]
    unseen = next((word for word in rest if word.value is None), None)
    if unseen is not None:
        return hidden(unseen)
    text = replace(rest[0], value=" ".join(texts))
    dash = (at("-l", text.location),) if options.has("-i", "--login") else ()
    first = shell or at("/bin/sh", text.location)
    return becomes(process, name, (first, *dash, at("-c", text.location), text))


def _after_sudo(process: Process, options: Read, files: Filesystem) -> Environment:
    place = process.args[0].location
    settings = tuple(_sudoers(files))
    unread = tuple(one for one in settings if isinstance(one, Missing))
    texts = b"\n".join(one for one in settings if isinstance(one, bytes))
    kept = [one for word in options.all("--preserve-env") for one in (word.value or "").split(",")]
    names = (*_SUDO_KEEPS, *kept)
    found = {one: entry for one in names if (entry := process.env.get(one)) is not None}
    secure = _SECURE.search(texts)
    if secure is not None:
        found["PATH"] = Traced(secure[1].decode("utf-8", "replace").strip(), Location(_SUDOERS[0]))
    if _KEEPING.search(texts):
        unread = (*unread, Missing(Reason.COMMAND, "which variables the settings of sudo keep"))
    return Environment(found, unseen=unread, location=place)


def _sudoers(files: Filesystem) -> Iterator[bytes | Missing]:
    """Yield the texts of sudo's settings, and what could not be read of them."""
    names = files.list(_SUDOERS[1])
    if isinstance(names, Unread):
        yield names.missing
    inner = names if isinstance(names, tuple) else ()
    found = False
    for path in (_SUDOERS[0], *(f"{_SUDOERS[1]}/{one}" for one in inner)):
        content = files.read(path)
        if isinstance(content, Content):
            found = True
            yield content.data
        elif isinstance(content, Unread):
            yield content.missing
    if not found:
        yield Missing(Reason.COMMAND, "which variables sudo keeps")


def doas(process: Process, name: str, words: Sequence[Word], files: Filesystem) -> Next:
    """Follow doas, whose rules say which variables stay (doas.conf(5): keepenv, setenv)."""
    options = read(name, words, syntax(flags="-L -n -s", values="-a -C -u", ends=""))
    if not isinstance(options, Read):
        return options
    rules = files.read("/etc/doas.conf")
    missing = Missing(Reason.COMMAND, "which variables doas keeps")
    env = Environment(unseen=(missing,), location=process.location)
    if isinstance(rules, Content):
        lines = [line.split(b"#")[0].split() for line in rules.data.splitlines()]
        permits = [line for line in lines if line[:1] == [b"permit"]]
        if permits and all(b"keepenv" in line for line in permits) and b"setenv" not in rules.data:
            env = process.env
    user = options.last("-u") or at("root", process.args[0].location)
    if options.has("-s"):
        return _stdin(name)
    return becomes(switched(replace(process, env=env), user, files), name, options.rest)


_CHPST = syntax(
    flags="-v -V -P -0 -1 -2",
    values="-u -U -b -e -/ -C -n -l -L -m -d -o -p -f -c -r -t -s -a",
    ends="",
    abbreviated=False,
)


def chpst(process: Process, name: str, words: Sequence[Word], files: Filesystem) -> Next:
    """Follow runit's chpst: its user, directory of variables and folder."""
    options = read(name, words, _CHPST)
    if not isinstance(options, Read):
        return options
    if options.has("-/"):
        return Missing(Reason.COMMAND, f"the files below the new root of {name}")
    user = options.last("-u")
    process = process if user is None else replace(process, user=user)
    folder = options.last("-C")
    process = process if folder is None else in_folder(process, folder)
    variables = options.last("-e")
    if variables is not None:
        env = variables_of(variables, process, files)
        process = replace(process, env=overlay((process.env, env)))
    return becomes(process, name, options.rest)


def envdir(process: Process, name: str, words: Sequence[Word], files: Filesystem) -> Next:
    """Follow envdir DIRECTORY COMMAND: each file of the directory is a variable."""
    options = read(name, words, syntax(flags="-f -i -I -n", values="-L -c -C", ends="-h --help"))
    if not isinstance(options, Read):
        return options
    if options.has("-C", "-c", "-n"):
        return Missing(Reason.COMMAND, f"how {name} reads its files")
    if not options.rest:
        return Evidence(process.location, f"{name} ends without its words")
    env = variables_of(options.rest[0], process, files)
    return becomes(replace(process, env=overlay((process.env, env))), name, options.rest[1:])


def variables_of(folder: Word, process: Process, files: Filesystem) -> Environment:
    """Return what a directory of variables sets: the first line of each file; an empty one unsets.

    Source: daemontools' envdir: trailing blanks go, NUL stands for a line break.
    """
    place = in_folder(process, folder).cwd
    if place.value is None:
        return Environment(unseen=(hidden(place),), location=folder.location)
    names = files.list(place.value)
    if isinstance(names, Unread):
        return Environment(unseen=(names.missing,), location=folder.location)
    entries: dict[str, Traced[str | None]] = {}
    removed: dict[str, Location] = {}
    for one in names if isinstance(names, tuple) else ():
        content = files.read(f"{place.value.rstrip('/')}/{one}")
        if one.startswith(".") or isinstance(content, Absent):
            continue
        if isinstance(content, Unread):
            entries[one] = Traced(None, folder.location, missing=(content.missing,))
        elif not content.data:
            removed[one] = content.location
        else:
            line = content.data.split(b"\n", 1)[0].rstrip(b" \t").replace(b"\0", b"\n")
            entries[one] = Traced(line.decode("utf-8", "replace"), content.location)
    return Environment(entries, removed, location=folder.location)


def text_in_shell(process: Process, name: str, text: Word) -> Process:
    """Return the shell that SHELL names, or /bin/sh, with a text to run (script, flock, watch)."""
    shell = process.env.get("SHELL")
    return in_shell(process, name, text, shell=shell if shell is not None and shell.value else None)
