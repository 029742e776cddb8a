"""Tools that start a program beside themselves or in their place: agents, and those that restart.

Sources: newrelic 10 (admin/run_program.py), ddtrace 3 (commands/ddtrace_run.py),
opentelemetry-instrumentation 0.50 (auto_instrumentation), watchdog 6 (watchmedo.py), watchfiles 1,
hupper 1, nodemon 3, py-spy 0.4. What an agent adds to PYTHONPATH only loads the agent.
"""

import shlex
from collections.abc import Callable, Mapping

from deployguard.launch.options import Read, hidden, read, syntax
from deployguard.launch.outcomes import Call, Next, at, becomes, in_shell
from deployguard.launch.shells import Started
from deployguard.model.evidence import Traced
from deployguard.model.process import Start
from deployguard.model.structs import replace

_DDTRACE = syntax(flags="-d --debug -p --profiling -nc --colorless", ends="-h --help -i --info -v")
_AUTO_RESTART = syntax(
    flags="-D --ignore-directories -R --recursive --debug-force-polling -q --quiet -v --verbose "
    "--no-restart-on-command-exit --restart-on-command-exit --no-no-restart-on-command-exit",
    values="-d --directory -p --pattern --patterns -i --ignore-pattern --ignore-patterns "
    "--interval --timeout --signal --kill-after --debounce-interval",
    ends="-h --help",
    interleaved=True,
)
_SHELL_COMMAND = syntax(
    flags="-R --recursive -w --wait -W --drop -D --ignore-directories --debug-force-polling "
    "-q --quiet -v --verbose",
    values="-c --command -p --pattern --patterns -i --ignore-pattern --ignore-patterns "
    "--interval --timeout",
    ends="-h --help",
    interleaved=True,
)


def _newrelic(call: Call) -> Next:
    """Follow newrelic-admin run-program COMMAND and run-python WORDS."""
    if not call.words:
        return call.ends("prints its help and ends")
    command, rest = call.words[0], call.words[1:]
    match command.value:
        case "run-program":
            return becomes(call.process, call.name, rest)
        case "run-python":
            # The interpreter beside it, without the options it was started with itself.
            return becomes(call.process, call.name, (*call.python[:1], *rest))
        case None:
            return hidden(command)
        case _:
            return call.ends(f"{command.value} does its work and ends")


def _ddtrace(call: Call) -> Next:
    options = read(call.name, call.words, _DDTRACE)
    return becomes(call.process, call.name, options.rest) if isinstance(options, Read) else options


def _opentelemetry(call: Call) -> Next:
    """Follow opentelemetry-instrument [--NAME VALUE...] COMMAND: the folder joins PYTHONPATH."""
    pending = list(call.words)
    while pending and (pending[0].value or "").startswith("--"):
        option = pending.pop(0).value or ""
        if option == "--":
            break
        if option in {"--help", "--version"}:
            return call.ends(f"{option} prints and ends")
        if "=" not in option and pending:
            pending.pop(0)
    process = call.process
    path, cwd = process.env.get("PYTHONPATH"), process.cwd
    if path is not None and path.value is None:
        return becomes(process, call.name, tuple(pending))
    parts = [part for part in (path.value or "").split(":") if part] if path is not None else []
    if cwd.value is not None and cwd.value not in parts:
        entry = Traced[str | None](":".join((cwd.value, *parts)), call.place)
        process = replace(process, env=process.env.with_entry("PYTHONPATH", entry))
    return becomes(process, call.name, tuple(pending))


def _plain(call: Call) -> Next:
    """Follow a tool without options of its own: elasticapm-run, splunk-py-trace."""
    words = call.words[1:] if call.words and call.words[0].value == "--" else call.words
    if words and (words[0].value or "").startswith("-"):
        return call.missing(f"what the option {words[0].value} of {call.name} does")
    return becomes(call.process, call.name, words)


def _watchmedo(call: Call) -> Next:
    """Follow watchmedo auto-restart, which starts at once; shell-command only where files change.

    Options may stand among its words, but not behind "--".
    """
    words = call.words
    while words and words[0].value in {"-q", "--quiet", "-v", "--verbose"}:
        words = words[1:]
    if not words:
        return call.ends("prints its help and ends")
    match words[0].value:
        case "auto-restart":
            options = read(call.name, words[1:], _AUTO_RESTART)
            if not isinstance(options, Read):
                return options
            return becomes(call.process, call.name, options.rest)
        case "shell-command":
            options = read(call.name, words[1:], _SHELL_COMMAND)
            if not isinstance(options, Read):
                return options
            text = options.last("-c", "--command")
            if text is None:
                return call.ends("prints what changes")
            missing = call.missing("whether a file that watchmedo watches changes")
            inner = in_shell(call.process, call.name, text)
            start = Start(process=inner, certain=False, missing=(missing,))
            return Started(processes=(start,))
        case None:
            return hidden(words[0])
        case "tricks" | "tricks-from" | "tricks-generate-yaml" | "log":
            return call.missing("what the tricks of watchmedo start")
        case _:
            return call.ends("prints its help and ends")


_WATCHFILES = syntax(
    flags="--verbose --non-recursive --ignore-permission-denied",
    values="--ignore-paths --target-type --filter --args --verbosity --sigint-timeout "
    "--grace-period --sigkill-timeout",
    ends="-h --help --version -V",
    interleaved=True,
)


def _watchfiles(call: Call) -> Next:
    """Follow watchfiles: a command, split as a shell would but run without one."""
    options = read(call.name, call.words, _WATCHFILES)
    if not isinstance(options, Read):
        return options
    if not options.rest:
        return call.ends("ends: it is given nothing to run")
    target = options.rest[0]
    if target.value is None:
        return hidden(target)
    sort = options.last("--target-type")
    kind = sort.value if sort is not None else "auto"
    # watchfiles.run.detect_target_type: a dotted name is a function, but not a script's.
    dotted = target.value.replace(".", "").replace("_", "").isalnum() and "." in target.value
    file = target.value.endswith((".py", ".sh"))
    if kind == "function" or (kind == "auto" and dotted and not file):
        return call.missing(f"what the function {target.value} does, which watchfiles calls")
    try:
        words = shlex.split(target.value)
    except ValueError:
        return call.ends(f"ends: {target.value} does not split into words")
    return becomes(call.process, call.name, tuple(replace(target, value=word) for word in words))


_HUPPER = syntax(flags="-v", values="-m -w -x --shutdown-interval", ends="-h --help")


def _hupper(call: Call) -> Next:
    options = read(call.name, call.words, _HUPPER)
    if not isinstance(options, Read):
        return options
    module = options.last("-m")
    if module is not None:
        return call.runs_python(at("-m", call.place), module, *options.rest)
    return call.runs_python(*options.rest)


_NODEMON = syntax(
    flags="-q --quiet -V --verbose -I --no-stdin -C --on-change-only -L --legacy-watch "
    "--no-colours --exitcrash --no-update-notifier",
    values="-x --exec -w --watch -e --ext -i --ignore -s --signal -d --delay --cwd --config -P "
    "--polling-interval",
    ends="-h --help -v --version --dump",
)


def _nodemon(call: Call) -> Next:
    """Follow nodemon --exec "COMMAND" [SCRIPT], and nodemon SCRIPT.py."""
    options = read(call.name, call.words, _NODEMON)
    if not isinstance(options, Read):
        return options
    text = options.last("-x", "--exec")
    if options.has("--config", "--cwd", "-C", "--on-change-only"):
        return call.missing("what the settings of nodemon start")
    if text is None and options.rest and (options.rest[0].value or "").endswith(".py"):
        return becomes(call.process, call.name, (at("python", call.place), *options.rest))
    if text is None or text.value is None or any(word.value is None for word in options.rest):
        return call.missing("what the settings of nodemon start")
    line = " ".join((text.value, *(word.value or "" for word in options.rest)))
    return in_shell(call.process, call.name, replace(text, value=line))


_PY_SPY = syntax(
    flags="-s --subprocesses -n --native -i --idle -F --function -t --threads --full-filenames "
    "--nolineno --nonblocking -g --gil -c",
    values="-p --pid -o --output -f --format -d --duration -r --rate --delay -l --locals",
    ends="-h --help -V --version",
)


def _py_spy(call: Call) -> Next:
    """Follow py-spy record and top with a command after "--"."""
    if not call.words or call.words[0].value not in {"record", "top"}:
        return call.ends("looks at another process and ends")
    options = read(call.name, call.words[1:], _PY_SPY)
    if not isinstance(options, Read):
        return options
    if options.has("-p", "--pid"):
        return call.ends("looks at another process")
    return becomes(call.process, call.name, options.rest)


def _gevent(call: Call) -> Next:
    """Follow python -m gevent.monkey [--NAME...] [--module] PROGRAM."""
    words = list(call.words)
    module = False
    while words and (words[0].value or "").startswith("--"):
        module = module or words[0].value == "--module"
        words.pop(0)
    if not words:
        return call.ends("prints its help and ends")
    return call.runs_python(*((at("-m", call.place),) if module else ()), *words)


_WAIT = syntax(
    flags="-q --quiet -p --parallel",
    values="-s --service -t --timeout",
    ends="-h --help -v --version",
)


def _wait(call: Call) -> Next:
    """Follow the wait-for-it of PyPI: services, then a command."""
    options = read(call.name, call.words, _WAIT)
    if not isinstance(options, Read):
        return options
    if not options.rest:
        return call.ends("waits and ends: it is given no command")
    return becomes(call.process, call.name, options.rest)


TOOLS: Mapping[str, Callable[[Call], Next]] = {
    "newrelic-admin": _newrelic,
    "ddtrace-run": _ddtrace,
    "opentelemetry-instrument": _opentelemetry,
    "elasticapm-run": _plain,
    "splunk-py-trace": _plain,
    "watchmedo": _watchmedo,
    "watchfiles": _watchfiles,
    "hupper": _hupper,
    "nodemon": _nodemon,
    "py-spy": _py_spy,
    "gevent.monkey": _gevent,
    "wait-for-it": _wait,
}
