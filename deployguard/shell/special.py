"""Variables that a shell sets by itself, whether or not the script does."""

from deployguard.model.evidence import Location, Missing, Reason, Traced
from deployguard.shell.run import Run
from deployguard.shell.state import Kind, State
from deployguard.shell.utilities.accounts import user_number

# bash(1), Shell Variables: what is set at the start, without those that a script seldom reads.
_OF_BASH = frozenset(
    {
        "BASH", "BASHOPTS", "BASHPID", "BASH_SUBSHELL", "BASH_VERSION", "BASH_VERSINFO", "DIRSTACK",
        "EPOCHREALTIME", "EPOCHSECONDS", "EUID", "GROUPS", "HOSTTYPE", "MACHTYPE", "OSTYPE",
        "PIPESTATUS", "RANDOM", "SECONDS", "SHELLOPTS", "SHLVL", "SRANDOM", "UID", "BASH_ARGV",
        "BASH_COMMAND", "BASH_EXECUTION_STRING",
    }
)  # fmt: skip
# Of every shell, or of the container's runtime.
_OF_ALL = frozenset({"HOSTNAME", "PPID", "LINENO", "_"})


def special(run: Run, name: str, state: State, location: Location) -> Traced[str | None] | None:
    """Return the value of a variable that the script and its environment do not set."""
    match name:
        case "PWD":
            return state.cwd
        case "OLDPWD":
            return state.before
        case "IFS":
            return Traced(" \t\n", location)
        case "OPTIND":
            return Traced("1", location)
        case "UID" | "EUID" if run.shell.kind is Kind.BASH:
            number = user_number(run.process.user, state.files)
            if number is not None:
                return Traced(number, location)
        case _:
            pass
    if name in _OF_ALL or (name in _OF_BASH and run.shell.kind is not Kind.DASH):
        return Traced(None, location, missing=(Missing(Reason.VARIABLE, f"the value of {name}"),))
    return None
