"""Python tools that run another Python program in their own interpreter: profilers, debuggers.

Sources: the command lines of CPython's cProfile, trace, pdb, runpy and timeit, of coverage 7,
debugpy 1.8, pyinstrument 5, viztracer 1, memray 1, scalene 2 and line_profiler 5.
"""

from collections.abc import Callable, Mapping, Sequence

from deployguard.effective import search
from deployguard.effective.search import Executable
from deployguard.launch.options import Read, Syntax, hidden, read, syntax
from deployguard.launch.outcomes import Call, Debugged, Next, at
from deployguard.launch.shells import Started
from deployguard.model.evidence import Evidence, Missing
from deployguard.model.filesystem import Absent, FileKind, Stat, Unread
from deployguard.model.process import Process, RemoteDebugger, Start, Word
from deployguard.model.structs import replace


def _program(call: Call, options: Read, *, on_path: bool = False) -> Next:
    """Return the program after a tool's options: `-m MODULE`, `-c CODE` or a file, with words.

    `-m` and `-c` may take the name with them, or only say what the first plain word is. A tool that
    looks for a file `on_path` takes the name of a command too.
    """
    for option, letter in (("-m", "-m"), ("--module", "-m"), ("-c", "-c"), ("--cmd_string", "-c")):
        if options.has(option):
            name = options.last(option)
            taken = () if name is None else (name,)
            rest = (*taken, *options.rest)
            if not rest:
                return call.ends(f"ends: {option} names nothing")
            return call.runs_python(at(letter, rest[0].location), *rest)
    if not options.rest:
        return call.ends("ends: it is given no program")
    script = options.rest[0]
    if on_path and script.value is not None:
        found = _on_path(call, script)
        if isinstance(found, Missing):
            return found
        script = found
    return call.runs_python(script, *options.rest[1:])


def _on_path(call: Call, script: Word) -> Word | Missing:
    """Return a script as it is given, or where PATH has it."""
    place = search.absolute(script.value or "", call.process.cwd)
    here = call.files.stat(place) if isinstance(place, str) else place
    if isinstance(here, Stat) and here.kind is FileKind.FILE:
        return script
    process = call.process
    found = search.find(script.value or "", process.env, process.cwd, call.files)
    match found:
        case Executable(path=path):
            return replace(script, value=path)
        case Unread(missing=missing):
            return missing
        case Absent():
            return script


def _simple(known: Syntax, *, on_path: bool = False) -> Callable[[Call], Next]:
    """Return a tool that has options, and then a program."""

    def run(call: Call) -> Next:
        options = read(call.name, call.words, known)
        if not isinstance(options, Read):
            return options
        return _program(call, options, on_path=on_path)

    return run


_PROFILE = syntax(flags="-m", values="-o --outfile -s --sort", ends="-h --help")
_TRACE = syntax(
    flags="-c --count -t --trace -l --listfuncs -T --trackcalls -R --no-report -m --missing -s "
    "--summary -g --timing --module",
    values="-f --file -C --coverdir --ignore-module --ignore-dir",
    ends="-h --help --version -r --report",
)
_COVERAGE_RUN = syntax(
    flags="-a --append --branch -L --pylib -p --parallel-mode --timid -m --module",
    values="--concurrency --context --data-file --debug -d --include --omit --rcfile "
    "--save-signal --source",
)
_PYINSTRUMENT = syntax(
    flags="--html -t --timeline --show-all --unicode --no-unicode --color --no-color "
    "--use-timing-thread --from-path",
    values="-m -c -o --outfile -r --renderer -p --render-option --target-description --hide "
    "--hide-regex --show --show-regex -i --interval",
    ends="-h --help -V --version --load --load-prev",
)
_VIZTRACER = syntax(
    flags="-u --unique_output_file --file_info --quiet --trace_self --ignore_c_function "
    "--ignore_frozen --log_exit --log_func_retval --log_func_with_objprint --log_print "
    "--log_sparse --log_func_args --log_gc --log_torch --log_exception --log_subprocess "
    "--dump_raw --sanitize_function_name --log_multiprocess --log_async --ignore_multiprocess "
    "--magic_comment --minimize_memory --pid_suffix --open",
    values="-m --module -c --cmd_string --rcfile --tracer_entries --output_file -o --output_dir "
    "--max_stack_depth --min_duration -t",
    ends="-h --help --version --compress --decompress --combine --align_combine --attach "
    "--attach_installed --uninstall",
)
_KERNPROF = syntax(
    flags="-l --line-by-line -b --builtin -v --view -q -r --rich -u -z --skip-zero --summarize "
    "--prof-imports --no-config --no-line-by-line --no-builtin --no-view --no-rich --no-skip-zero "
    "--no-summarize --no-prof-imports --preimports --no-preimports",
    values="-o --outfile -s --setup -p --prof-mod -i --output-interval --config -m -c",
)
_MEMRAY_RUN = syntax(
    flags="--aggregate --native --follow-fork --trace-python-allocators -q --quiet -f --force "
    "--buffered-file-io --compress-on-exit --no-compress --live --live-remote",
    values="-o --output -p --live-port -m -c",
    ends="-h --help",
)
_SCALENE_RUN = syntax(
    flags="--cpu --cpu-only --gpu --memory --profile-all --stacks --no-stacks --async --no-async "
    "--use-virtual-time --memory-leak-detector --profile-system-libraries --use-legacy-tracer "
    "--use-python-callback --disable-jit --on --cli --html --json --web --no-browser --viewer "
    "--reduced-profile --no-memory --no-cpu --no-gpu --column-width",
    values="-o --outfile -c --config --profile-only --profile-exclude --profile-interval "
    "--cpu-percent-threshold --cpu-sampling-rate --allocation-sampling-window --malloc-threshold "
    "--program-path -m",
    ends="-h --help --help-advanced --version --ipython --pid --off",
)


def _coverage(call: Call) -> Next:
    """Follow `coverage run`, whose program may stand in its settings (command_line)."""
    if not call.words or call.words[0].value != "run":
        return call.ends("reports and ends")
    options = read(call.name, call.words[1:], _COVERAGE_RUN)
    if isinstance(options, Read) and not options.rest:
        return call.missing("the program that the settings of coverage name (command_line)")
    return options if not isinstance(options, Read) else _program(call, options)


def _memray(call: Call) -> Next:
    """Follow `memray run`; with --live-remote the program waits until somebody looks."""
    if not call.words or call.words[0].value != "run":
        return call.ends("reports and ends")
    options = read(call.name, call.words[1:], _MEMRAY_RUN)
    if not isinstance(options, Read):
        return options
    inner = _program(call, options)
    if not options.has("--live-remote") or not isinstance(inner, Process):
        return inner
    missing = call.missing("whether somebody attaches to memray")
    return Started(processes=(Start(process=inner, certain=False, missing=(missing,)),))


def _scalene(call: Call) -> Next:
    """Follow `scalene [run] [OPTIONS] PROGRAM [---] [WORDS]`."""
    words = list(call.words)
    if words and words[0].value == "view":
        return call.ends("shows a profile")
    if words and words[0].value == "run":
        words.pop(0)
    plain = tuple(word for word in words if word.value != "---")
    options = read(call.name, plain, _SCALENE_RUN)
    return options if not isinstance(options, Read) else _program(call, options)


# Commands of pdb that let the program go on, and those that only show something. Any other (a
# breakpoint, a step, a statement of Python) leaves it open how far the program gets.
_PDB_GOES = frozenset({"c", "cont", "continue"})
_PDB_STAYS = frozenset(
    {"a", "args", "h", "help", "l", "list", "ll", "longlist", "p", "pp", "w", "where", "bt",
     "whatis", "source", "u", "up", "d", "down", "q", "quit", "exit"}
)  # fmt: skip


def _pdb(call: Call) -> Next:
    """Follow pdb: the program goes on only where a command says so, for nobody sits there.

    At the end of its input pdb quits (Lib/pdb.py, do_EOF).
    """
    options = read(
        call.name,
        call.words,
        syntax(flags="-m", values="-c --command -p --pid", ends="-h --help"),
    )
    if not isinstance(options, Read):
        return options
    if options.has("-p", "--pid"):
        return call.ends("attaches to another process")
    commands = [word.value for word in options.all("-c", "--command")]
    verbs = [(text or "").strip().partition(" ")[0] for text in commands]
    module = options.has("-m")
    if not options.rest:
        return call.ends("ends: it is given no program")
    home = call.process.env.get("HOME")
    folders = [call.process.cwd, *([home] if home is not None and home.value != "" else [])]
    places = [search.absolute(".pdbrc", folder) for folder in folders]
    settings = [call.files.stat(one) if isinstance(one, str) else one for one in places]
    if not all(isinstance(one, Absent) for one in settings):
        return call.missing("what pdb is told by .pdbrc")
    if None in commands or any(verb not in _PDB_STAYS | _PDB_GOES for verb in verbs):
        return call.missing("how far the commands of pdb let the program go")
    if not any(verb in _PDB_GOES for verb in verbs):
        if call.process.stdin is not None and call.process.stdin.value != "":
            return call.missing("what pdb reads from its standard input")
        if call.process.terminal.value is not False:
            return call.missing("whether somebody at the terminal lets the program go on")
        return call.ends("stops before the first line, and quits at the end of its input")
    first = (at("-m", call.place),) if module else ()
    return call.runs_python(*first, *options.rest)


def _runpy(call: Call) -> Next:
    """Follow `python -m runpy MODULE [WORDS]`."""
    if not call.words:
        return call.ends("ends: it is given no module")
    return call.runs_python(at("-m", call.place), *call.words)


def _timeit(call: Call) -> Next:
    """Follow timeit: its setup, then its statement, many times."""
    known = syntax(
        flags="-p --process -v --verbose",
        values="-n --number -r --repeat -s --setup -u --unit",
        ends="-h --help",
    )
    options = read(call.name, call.words, known)
    if not isinstance(options, Read):
        return options
    words = (*options.all("-s", "--setup"), *options.rest)
    unseen = next((word for word in words if word.value is None), None)
    if unseen is not None:
        return hidden(unseen)
    text = "\n".join(word.value or "" for word in words)
    return call.runs_python(at("-c", call.place), at(text, call.place))


_DEBUGPY_VALUES = frozenset({"--log-to", "--parent-session-pid", "--adapter-access-token"})
_DEBUGPY_FLAGS = frozenset(
    {"--log-to-stderr", "--wait-for-client", "--disable-sys-remote-exec",
     "--linux-attach-prefer-lldb"}
)  # fmt: skip
_LOOPBACK, _ANY = "127.0.0.1", "0.0.0.0"  # noqa: S104  (what an address means, nothing is bound)


def _debugpy(call: Call) -> Next:
    """Follow debugpy (debugpy.server.cli): --listen or --connect, and a program.

    What the command line does not say, DEBUGPY_EXTRA_ARGV may say.
    """
    given: dict[str, Word | None] = {}
    left = _switches(call, list(call.words), given)
    if isinstance(left, Missing | Evidence):
        return left
    extra = call.process.env.get("DEBUGPY_EXTRA_ARGV")
    if extra is not None and extra.value is None:
        return hidden(extra)
    if extra is not None and extra.value:
        more: dict[str, Word | None] = {}
        words = [replace(extra, value=one) for one in extra.value.split()]
        refused = _switches(call, words, more)
        if isinstance(refused, Missing | Evidence):
            return refused
        given = more | given
    if not left or ("-m" in given and "-c" in given):
        return call.ends("ends: it is given no program")
    remote = _address(call, given)
    if not isinstance(remote, RemoteDebugger):
        return remote
    letter = next((one for one in ("-m", "-c") if one in given), None)
    first = () if letter is None else (at(letter, left[0].location),)
    process = call.runs_python(*first, *left)
    if isinstance(process, Evidence):
        return process
    running = process.env.get("DEBUGPY_RUNNING")
    if running is not None and running.value is None:
        return hidden(running)
    if running is not None and running.value == "true":
        return process
    entry = at("true", call.place)
    return Debugged(replace(process, env=process.env.with_entry("DEBUGPY_RUNNING", entry)), remote)


def _switches(
    call: Call, pending: list[Word], given: dict[str, Word | None]
) -> tuple[Word, ...] | Missing | Evidence:
    """Read debugpy's switches into `given`; return the program and its words."""
    while pending:
        word = pending.pop(0)
        text = word.value
        if text is None:
            return hidden(word)
        if not text.startswith("-"):
            return (word, *pending)
        if text in {"-?", "-h", "--help", "-V", "--version"}:
            return call.ends(f"{text} prints and ends")
        if text in given or (text in {"--listen", "--connect"} and given.keys() & _ADDRESSES):
            return call.ends(f"ends: {text} is given twice, or beside its opposite")
        if text in {"-m", "-c"}:
            given[text] = None
            return tuple(pending) or call.ends(f"ends: {text} names nothing")
        if text == "--pid":
            return call.ends("attaches to another process")
        if text in _DEBUGPY_FLAGS:
            given[text] = None
        elif text in _DEBUGPY_VALUES | _ADDRESSES or text.startswith("--configure-"):
            if not pending:
                return call.ends(f"ends: {text} lacks its value")
            given[text] = pending.pop(0)
        else:
            return call.ends(f"ends: it knows no switch {text}")
    return ()


_ADDRESSES = frozenset({"--listen", "--connect"})


def _address(call: Call, given: Mapping[str, Word | None]) -> RemoteDebugger | Next:
    """Return the debugger that [HOST:]PORT describes; a port alone is on loopback."""
    option = next((one for one in ("--listen", "--connect") if one in given), None)
    word = given[option] if option is not None else None
    if option is None or word is None:
        return call.ends("ends: it needs --listen or --connect")
    host, port = None, None
    if word.value is not None:
        host, colon, number = word.value.rpartition(":")
        if not number.isdigit():
            return call.ends(f"ends: {word.value} is no address")
        # An empty host binds every address.
        host = (host.strip("[]") or _ANY) if colon else _LOOPBACK
        port = int(number)
    return RemoteDebugger(
        name="debugpy",
        address=host,
        port=port,
        location=word.location,
        connects=option == "--connect",
        waits="--wait-for-client" in given,
    )


def _pydevd(call: Call) -> Next:
    """Follow pydevd: --server waits at its port for a client, --client seeks one; then --file."""
    flags = frozenset(
        {"--server", "--multiproc", "--multiprocess", "--save-signatures", "--save-threading",
         "--save-asyncio", "--print-in-debugger-startup", "--cmd-line", "--skip-notify-stdin",
         "--continue", "--json-dap", "--json-dap-http", "--module", "--DEBUG"}
    )  # fmt: skip
    values = frozenset({"--port", "--client", "--ppid", "--vm_type", "--qt-support", "--log-file",
                        "--log-level", "--debug-mode", "--access-token",
                        "--client-access-token", "--preimport"})  # fmt: skip
    given: dict[str, Word | None] = {}
    pending = list(call.words)
    while pending:
        word = pending.pop(0)
        option, equals, value = (word.value or "").partition("=")
        if option == "--file":
            rest = [replace(word, value=value), *pending] if equals else pending
            return _under_pydevd(call, given, tuple(rest))
        if option in flags:
            given[option] = None
        elif option in values and (equals or pending):
            given[option] = replace(word, value=value) if equals else pending.pop(0)
        else:
            return call.missing(f"what the option {word.value} of {call.name} does")
    return call.ends("ends: it is given no file")


def _under_pydevd(call: Call, given: Mapping[str, Word | None], words: Sequence[Word]) -> Next:
    first = (at("-m", call.place),) if "--module" in given else ()
    process = call.runs_python(*first, *words)
    if isinstance(process, Evidence):
        return process
    port, client = given.get("--port"), given.get("--client")
    number = port.value if port is not None else "0"
    remote = RemoteDebugger(
        name="pydevd",
        # A server is bound to every address (pydevd_comm.start_server).
        address=client.value if client is not None else _ANY,
        port=int(number) if number is not None and number.isdigit() else None,
        location=call.place,
        connects="--server" not in given,
        waits="--server" in given,
    )
    return Debugged(process, remote)


TOOLS: Mapping[str, Callable[[Call], Next]] = {
    "cProfile": _simple(_PROFILE),
    "profile": _simple(_PROFILE),
    "profiling.tracing": _simple(_PROFILE),
    "trace": _simple(_TRACE),
    "pdb": _pdb,
    "runpy": _runpy,
    "timeit": _timeit,
    "coverage": _coverage,
    "debugpy": _debugpy,
    "pydevd": _pydevd,
    "pyinstrument": _simple(_PYINSTRUMENT, on_path=True),
    "viztracer": _simple(_VIZTRACER, on_path=True),
    "kernprof": _simple(_KERNPROF, on_path=True),
    "memray": _memray,
    "scalene": _scalene,
}
