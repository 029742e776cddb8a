"""The utilities that are followed, by name; anything else is a program that is started."""

from collections.abc import Callable, Mapping

from deployguard.model.process import Word
from deployguard.shell.run import Run
from deployguard.shell.state import State, Ways
from deployguard.shell.utilities import changes, fetching, filters, lookups, printing, running
from deployguard.shell.utilities.common import Step, failed

Utility = Callable[[Run, tuple[Word, ...], int, State], Ways]

# They end, start nothing, print nothing, and succeed where nothing is wrong.
_QUIET = ("chown", "chgrp", "sleep", "usleep", "stty", "sync", "renice", "kill", "pkill",
          "killall", "mkfifo", "setfacl", "sysctl", "logger", "clear", "reset", "locale-gen",
          "update-ca-certificates", "ldconfig", "usermod", "groupmod", "useradd", "adduser",
          "addgroup", "groupadd", "deluser", "passwd", "chpasswd", "mount", "umount")  # fmt: skip
# What they print only the running container knows.
_TELLING = ("date", "uname", "hostname", "nproc", "uptime", "df", "du", "free", "ps", "stat",
            "arch", "getconf", "locale", "tty", "groups", "file", "md5sum", "sha1sum", "sha256sum",
            "sha512sum", "base64", "od", "xxd", "hexdump", "jq", "yq",
            "tput", "yes", "rev", "fold", "fmt", "paste", "nl", "column", "expand", "shuf",
            "strings", "bc", "join", "comm", "ip", "ifconfig", "netstat", "ss", "lsof", "uuidgen",
            "factor", "numfmt")  # fmt: skip
# Their status depends on the world outside.
_ASKING = ("nc", "ncat", "netcat", "pg_isready", "ping", "pgrep", "pidof", "getent", "expr",
           "nslookup", "dig", "host", "mysqladmin", "redis-cli", "psql", "mysql", "mongo",
           "mongosh", "telnet", "sqlite3", "mountpoint")  # fmt: skip
_FETCHING = ("curl", "wget", "openssl", "dpkg", "apk", "rpm", "git")
# They leave files behind that the script does not spell out.
_WRITING = ("tar", "gunzip", "gzip", "unzip", "zip", "bunzip2", "xz", "unxz", "zcat", "rsync", "dd",
            "patch", "split", "cpio", "truncate", "apt-get", "apt")  # fmt: skip

# They leave what files hold, and whether they can be executed, as it is.
UNCHANGING = frozenset(
    {*_QUIET, *_TELLING, "true", "false", "echo", "printf", "cat", "basename", "dirname", "grep",
     "egrep", "fgrep", "head", "tail", "wc", "ls", "touch", "realpath", "readlink"}
)  # fmt: skip


def _once(step: Step) -> Utility:
    def utility(run: Run, words: tuple[Word, ...], line: int, state: State) -> Ways:
        return (step(run, words, line, state),)

    return utility


UTILITIES: Mapping[str, Utility] = {
    **{name: _once(lookups.quiet) for name in _QUIET},
    **{name: _once(lookups.telling) for name in _TELLING},
    **{name: _once(lookups.asking) for name in _ASKING},
    **{name: _once(fetching.fetching) for name in _FETCHING},
    **{name: _once(changes.unpacked) for name in _WRITING},
    "true": _once(lookups.quiet),
    "false": _once(lambda _, __, ___, state: failed(state)),
    "echo": _once(printing.echo),
    "printf": _once(printing.printf),
    "cat": _once(printing.cat),
    "seq": _once(printing.seq),
    "basename": _once(printing.basename),
    "dirname": _once(printing.dirname),
    "pwd": _once(printing.pwd),
    "printenv": _once(printing.printenv),
    "envsubst": _once(printing.envsubst),
    "grep": _once(filters.grep),
    "egrep": _once(filters.grep),
    "fgrep": _once(filters.grep),
    "sed": _once(filters.sed),
    "cut": _once(filters.cut),
    "tr": _once(filters.tr),
    "head": _once(filters.head),
    "tail": _once(filters.tail),
    "sort": _once(filters.sort),
    "uniq": _once(filters.uniq),
    "wc": _once(filters.wc),
    "tac": _once(filters.tac),
    "diff": _once(filters.same_files),
    "cmp": _once(filters.same_files),
    **{name: _once(lookups.program_text) for name in ("awk", "gawk", "mawk", "nawk")},
    "id": _once(lookups.identity),
    "whoami": _once(lookups.identity),
    "find": _once(lookups.find),
    "ls": _once(lookups.ls),
    "realpath": _once(lookups.realpath),
    "readlink": _once(lookups.realpath),
    "mkdir": _once(changes.mkdir),
    "rmdir": _once(changes.rmdir),
    "touch": _once(changes.touch),
    "rm": _once(changes.rm),
    "unlink": _once(changes.rm),
    "cp": _once(changes.cp),
    "mv": _once(changes.mv),
    "install": _once(changes.install),
    "ln": _once(changes.ln),
    "chmod": _once(changes.chmod),
    "tee": _once(changes.tee),
    "mktemp": _once(changes.mktemp),
    "xargs": running.xargs,
    "run-parts": running.run_parts,
    "env": running.environment,
}
