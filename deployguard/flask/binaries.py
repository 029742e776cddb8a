"""Programs that are no Python: when a binary, or an image, is known to run nothing of Flask.

A binary is known where the image's distribution lists it and it neither runs Python inside itself
nor starts what its words or its configuration name. An image is known where it holds no Python.
"""

import posixpath
import re
from collections.abc import Collection, Mapping

from deployguard.effective import search as paths
from deployguard.effective.search import Executable
from deployguard.launch.packages import Owned, Package, installed, owner
from deployguard.model.evidence import Evidence, Missing, Reason
from deployguard.model.filesystem import (
    Absent,
    FileKind,
    Filesystem,
    Searched,
    Stat,
    Unread,
    search,
)
from deployguard.model.process import Process, Program

_ELF = b"\x7fELF"
_PYTHON = re.compile(r"(?:lib)?(?:python|pypy|graalpy)[0-9.]*t?(?:-minimal|-stdlib|-dev)?\Z")
_NEEDS_PYTHON = re.compile(r"(?:so:)?(?:lib)?(?:python|pypy)[0-9.]*(?:\.so.*|-minimal)?\Z")
_VERSION = re.compile(r"[-.0-9]+\Z")

# Binaries that run Python inside themselves or fetch it, with or without a Python beside them.
_HOSTS = frozenset({"apache2", "httpd", "nginx-unit", "unitd", "uv", "uvx",
                    "pex", "scie-pants", "pixi", "conda", "mamba", "micromamba"})  # fmt: skip
# Binaries that start what their configuration, their source or a user's session names. That the
# words of any binary name a program is seen in the words.
_STARTERS: Mapping[str, frozenset[str]] = {
    "supervises what its configuration names": frozenset(
        {"supervisord", "runit", "runsv", "runsvdir", "runit-init", "s6-svscan", "s6-supervise",
         "s6-rc", "s6-linux-init", "svscan", "supervise", "monit", "systemd", "init", "openrc",
         "openrc-init", "dinit", "procd", "circusd", "immortal", "overmind", "hivemind", "forego",
         "goreman", "dockerd", "containerd", "podman", "nomad", "consul"}),
    "starts what its tables or requests name": frozenset(
        {"cron", "crond", "anacron", "atd", "incrond", "supercronic", "inetd", "xinetd",
         "tcpserver", "fcgiwrap", "spawn-fcgi", "lighttpd", "haproxy", "sshd", "dropbear",
         "telegraf", "zabbix_agentd", "nrpe", "collectd", "keepalived", "tmux", "screen",
         "busybox", "toybox"}),
    "runs what its source says": frozenset(
        {"perl", "ruby", "node", "nodejs", "deno", "bun", "php", "php-fpm", "lua", "luajit",
         "tclsh", "wish", "expect", "java", "guile", "Rscript", "R", "julia", "beam.smp", "erl",
         "mono", "dotnet", "gawk", "mawk", "make", "gdb", "vim", "emacs", "fish", "tcsh", "csh"}),
    "starts what follows it": frozenset(
        {"strace", "ltrace", "valgrind", "perf", "unshare", "nsenter", "chroot", "setarch",
         "taskset", "prlimit", "capsh", "bwrap", "fakeroot", "socat", "nc", "ncat", "xargs",
         "parallel", "find", "watch", "entr", "ld.so"}),
}  # fmt: skip

# What a program carries that holds a Python in itself, or that links or loads one. PyInstaller's
# cookie and variable, Nuitka's and PyOxidizer's names, CPython's own entry points, the member that
# makes an archive at the end of a file a program; UPX packs, so that nothing can be told.
_FROZEN = frozenset(
    {b"MEI\x0c\x0b\x0a\x0b\x0e", b"_MEIPASS", b"NUITKA_", b"oxidized_importer", b"Py_Initialize",
     b"Py_BytesMain", b"_frozen_importlib", b"libpython", b"__main__.py", b"UPX!"}
)  # fmt: skip
_FROZEN_SIZE = 1024 * 1024
_SEARCHED = 64
_ENTRIES = 300_000
# Folders of data: what lies there is not executed, and they hold most of an image's names.
_DATA = frozenset({"/proc", "/sys", "/dev", "/usr/share", "/usr/include", "/var/lib/dpkg",
                   "/var/lib/apt", "/var/cache", "/usr/src/linux"})  # fmt: skip
_DISTRIBUTION = re.compile(r"(?:/usr)?/(?:bin|sbin|lib[^/]*)/")
_WORDS = 60
_EXECUTABLE = 0o111


_UWSGI = re.compile(r"uwsgi(?:-core|_python\d*)?\Z")


def is_uwsgi(program: Program) -> bool:
    """Say whether a binary is uWSGI, by its name: a server that runs Python inside itself."""
    return _UWSGI.match(posixpath.basename(program.name)) is not None


def hosts_python(program: Program) -> Missing | None:
    """Return what is missing of a program that runs a Python of its own."""
    name = posixpath.basename(program.name)
    return Missing(Reason.PROGRAM, f"what {name} loads") if name in _HOSTS else None


def known_binary(program: Program, files: Filesystem, image: Filesystem) -> Evidence | Missing:
    """Return that a program is a known binary of its distribution, or why it is not.

    `files` are those the program sees, `image` those of the image without what is mounted.
    """
    unknown = Missing(Reason.PROGRAM, f"what the program {program.name} does")
    found = files.stat(program.name)
    if isinstance(found, Unread):
        return found.missing
    if not isinstance(found, Stat) or image.stat(found.path) != found:
        return unknown
    names = {posixpath.basename(program.name), posixpath.basename(found.path)}
    starts = _starts(names)
    if starts is not None:
        return Missing(Reason.PROGRAM, f"what {posixpath.basename(program.name)} runs: it {starts}")
    owned = owner(found.path, image)
    if isinstance(owned, Unread):
        return owned.missing
    if isinstance(owned, Absent):
        return unknown
    starts = _starts({owned.package.name})
    if starts is not None:
        return Missing(Reason.PROGRAM, f"what {owned.package.name} runs: it {starts}")
    tied = _tied(owned.package, image)
    if isinstance(tied, Missing):
        return tied
    named = _named(program, files, image)
    if named is not None:
        return named
    return _listed(program.name, owned)


def _listed(path: str, owned: Owned) -> Evidence:
    package = owned.package
    return Evidence(
        owned.location,
        f"{path} is a program of the distribution's package {package.name} {package.version},"
        " which runs no Python",
    )


def _starts(names: set[str]) -> str | None:
    plain = {form for name in names for form in (name, _VERSION.sub("", name))}
    return next((why for why, starters in _STARTERS.items() if plain & starters), None)


def _tied(package: Package, image: Filesystem) -> Missing | None:
    """Return what ties a package to a Python: it needs one, or another puts one into it."""
    if any(_NEEDS_PYTHON.match(name) for name in package.needs):
        return Missing(Reason.PROGRAM, f"what {package.name} does with the Python it needs")
    known = installed(image)
    if isinstance(known, Unread):
        return known.missing
    for other in known:
        needs_python = any(_NEEDS_PYTHON.match(name) for name in other.needs)
        if needs_python and package.name in other.needs and not _PYTHON.match(other.name):
            return Missing(Reason.PROGRAM, f"what {other.name} brings into {package.name}")
    return None


def _named(program: Program, files: Filesystem, image: Filesystem) -> Missing | None:
    """Return the program that the words of another name, unless it is a known one as well."""
    unknown = Missing(Reason.PROGRAM, f"what the program {program.name} does with its words")
    texts = _texts(program)
    if isinstance(texts, Missing):
        return texts
    for text in texts:
        if _PYTHON.match(posixpath.basename(text)) or text.endswith((".py", ".pyc", ".pyz")):
            return unknown
        found = paths.find(text, program.process.env, program.process.cwd, files)
        if isinstance(found, Executable) and not _harmless(found, image):
            return unknown
    return None


def _texts(program: Program) -> list[str] | Missing:
    """Return the parts of a program's words that may name something to start."""
    texts: list[str] = []
    for word in program.args:
        if word.value is None:
            unseen = Missing(Reason.PROGRAM, f"what the program {program.name} does with its words")
            return word.missing[0] if word.missing else unseen
        parts = re.split(r"[\s=,;'\"]+|:(?!//)", word.value)
        texts.extend(part for part in parts if part and part[0] != "-" and not part.isdigit())
    if len(texts) > _WORDS:
        return Missing(Reason.LIMIT, f"what {program.name} does with more than {_WORDS} words")
    return texts


def _harmless(found: Executable, image: Filesystem) -> bool:
    """Say whether a file that words name is a known binary, or no program at all."""
    content = found.content
    head = search(image, found.real, frozenset())
    if isinstance(content, Unread) and content.missing.reason is not Reason.LIMIT:
        return False
    if isinstance(head, Absent | Unread):
        return False
    if head.head[:2] != b"#!" and not head.head.startswith((_ELF, b"PK")):
        return True
    owned = owner(found.real, image)
    names = {posixpath.basename(found.path), posixpath.basename(found.real)}
    return (
        isinstance(owned, Owned)
        and head.head.startswith(_ELF)
        and _starts(names | {owned.package.name}) is None
        and _tied(owned.package, image) is None
        and not any(_PYTHON.match(name) or name in _SHELLS for name in names)
    )


_SHELLS = frozenset({"sh", "bash", "dash", "ash", "ksh", "zsh", "env", "su", "sudo", "gosu"})


def without_python(
    program: Program, files: Filesystem, image: Filesystem
) -> Evidence | Missing | None:
    """Return that an image holds no Python at all, why that cannot be told, or None where it does.

    No interpreter, library or packages of one lie anywhere, and no program outside of what the
    distribution brought carries one in itself. `files` are the container's; a program that lies in
    what is mounted over the image is not the image's.
    """
    if _on_path(program.process, image):
        return None
    if files is not image:
        outside = _leads_out(program, files, image)
        if outside is not None:
            return outside
    programs = _walked(image)
    if not isinstance(programs, list):
        return programs
    known = installed(image)
    if isinstance(known, Unread):
        return known.missing
    found = image.stat(program.name)
    own = found.path if isinstance(found, Stat) and found.kind is FileKind.FILE else None
    brought = [path for path in programs if not (known and _DISTRIBUTION.match(path))]
    carried = _frozen(dict.fromkeys((*((own,) if own else ()), *brought)), image)
    if carried is not None:
        return carried
    root = image.stat("/")
    place = root.location if isinstance(root, Stat) else program.location
    return Evidence(place, "the image holds no Python: no interpreter, no library, no packages")


def _leads_out(program: Program, files: Filesystem, image: Filesystem) -> Missing | None:
    """Return the word of a program that leads to something mounted over the image."""
    texts = _texts(program)
    if isinstance(texts, Missing):
        return texts
    environment, cwd = program.process.env, program.process.cwd
    for text in (program.name, *texts):
        if not text:
            continue
        there = paths.find(text, environment, cwd, files)
        here = paths.find(text, environment, cwd, image)
        if isinstance(there, Unread) and there != here:
            return there.missing
        if there != here:
            return Missing(Reason.PROGRAM, f"what {text} does, which is mounted")
    return None


def _walked(image: Filesystem) -> list[str] | Missing | None:
    """Return the programs that may carry something in themselves, None where a Python is met."""
    programs: list[str] = []
    pending = ["/"]
    seen = 0
    while pending:
        folder = pending.pop()
        names = image.list(folder)
        if isinstance(names, Unread):
            return names.missing
        for path in (
            posixpath.join(folder, name) for name in (() if isinstance(names, Absent) else names)
        ):
            seen += 1
            found = image.stat(path)
            if isinstance(found, Unread):
                return found.missing
            # What a link leads to lies in the image as well and is met there.
            if isinstance(found, Absent) or found.path != path:
                continue
            if _is_python(path, found, image):
                return None
            if found.kind is FileKind.DIRECTORY and path not in _DATA:
                pending.append(path)
            elif _may_carry(found):
                programs.append(path)
        if seen > _ENTRIES:
            return Missing(Reason.LIMIT, f"whether a Python lies among more than {_ENTRIES} files")
    return programs


def _on_path(process: Process, image: Filesystem) -> bool:
    """Say whether PATH leads to a Python: the quick answer for most images that hold one."""
    return any(
        isinstance(paths.find(name, process.env, process.cwd, image), Executable)
        for name in ("python3", "python")
    )


def _may_carry(found: Stat) -> bool:
    executable = found.kind is FileKind.FILE and found.mode & _EXECUTABLE
    return bool(executable) and found.size >= _FROZEN_SIZE


_FOLDERS = frozenset({"site-packages", "dist-packages"})
_INTERPRETER = re.compile(r"(?:python|pypy|graalpy)[0-9.]*t?\Z")
_LIBRARY = re.compile(r"(?:libpython|libpypy).*\.so|python[0-9]{2,3}\.zip\Z")
_STANDARD = re.compile(r"(?:python|pypy)[0-9]\.[0-9]+t?\Z")


def _is_python(path: str, found: Stat, image: Filesystem) -> bool:
    name = posixpath.basename(path)
    if found.kind is FileKind.DIRECTORY:
        if _STANDARD.match(name):
            inside = image.list(path)
            return isinstance(inside, Unread) or (
                isinstance(inside, tuple) and bool({"os.py", "encodings"} & set(inside))
            )
        return name in _FOLDERS
    executable = found.kind is FileKind.FILE and found.mode & _EXECUTABLE
    return _LIBRARY.match(name) is not None or bool(executable and _INTERPRETER.match(name))


def _frozen(programs: Collection[str], image: Filesystem) -> Missing | None:
    """Return the first program that carries a Python in itself, or that could not be searched."""
    if len(programs) > _SEARCHED:
        return Missing(Reason.LIMIT, f"whether a Python is in one of {len(programs)} programs")
    for path in programs:
        found = search(image, path, _FROZEN)
        if isinstance(found, Unread):
            return found.missing
        if isinstance(found, Searched) and found.head.startswith(_ELF) and found.found:
            return Missing(Reason.PROGRAM, f"what {path} does with the Python it carries")
    return None
