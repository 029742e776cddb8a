"""waitress-serve (waitress.runner, waitress.adjustments)."""

from deployguard.flask.application import Setting
from deployguard.flask.judged import Judged
from deployguard.flask.servers.loading import Style, loaded, named
from deployguard.flask.servers.places import at, bound, unix
from deployguard.flask.servers.serving import Behaviour, ends, not_told, refused, served
from deployguard.flask.servers.words import Words, read, syntax
from deployguard.model.evidence import Location, Traced
from deployguard.model.facts import Listener
from deployguard.model.process import Word
from deployguard.python import Interpreter, Value, known
from deployguard.python.signals import RaiseSignal

_PORT = 8080
_SWITCHES = ("expose-tracebacks", "log-socket-errors", "ipv4", "ipv6", "asyncore-use-poll",
             "log-untrusted-proxy-headers", "clear-untrusted-proxy-headers")  # fmt: skip
# Adjustments.parse_args hands these to getopt: no short options, and options before the argument.
_SYNTAX = syntax(
    values="""
    --host --port --listen --threads --trusted-proxy --trusted-proxy-count --trusted-proxy-headers
    --url-scheme --url-prefix --backlog --recv-bytes --send-bytes --outbuf-overflow
    --outbuf-high-watermark --inbuf-overflow --connection-limit --cleanup-interval
    --channel-timeout --max-request-header-size --max-request-body-size --ident
    --asyncore-loop-timeout --channel-request-lookahead --server-name --unix-socket
    --unix-socket-perms --map --socket-options --sockets
    """,
    flags=" ".join(f"--{name} --no-{name}" for name in _SWITCHES) + " --help --call",
    permuted=False,
)


def judge(setting: Setting) -> Judged:
    """Return what waitress does with its words, under one stack."""
    place = setting.program.location
    words = read(setting.program.args, _SYNTAX)
    if words.unseen:
        return not_told(setting, "waitress", words.unseen)
    if words.refused is not None:
        return refused(setting, words.refused)
    stop = words.last("help")
    if stop is not None:
        return ends(setting, stop.location, f"waitress {stop.value} prints and ends")
    if len(words.arguments) != 1:
        return ends(setting, place, "waitress wants one application and nothing after it, and ends")
    name = words.arguments[0]
    if name.value is None:
        return not_told(setting, "waitress", name.missing)
    text, called = name.value, words.last("call") is not None

    def load(run: Interpreter) -> Value:
        folder = setting.cwd or "/"
        run.store(run.path.slots, "items", (*run.path.items, known(folder)))
        made = _resolved(run, text, name.location)
        return run.call(made, (), {}, name.location) if called else made

    imported = loaded(setting, load)
    return served(
        setting,
        "waitress",
        Behaviour(binds_first=False),
        imported,
        listeners(words, place),
        place=name.location,
    )


def _resolved(run: Interpreter, text: str, place: Location) -> Value:
    """pkgutil.resolve_name: "module:attributes", or a dotted name imported as far as it goes."""
    if ":" in text:
        module, _, attributes = text.partition(":")
        if not attributes:
            return run.import_module(module, place)
        return named(run, text, "", Style.DOTTED, place)
    head, *steps = text.split(".")
    value = run.import_module(head, place)
    name = head
    for position, step in enumerate(steps):
        name = f"{name}.{step}"
        try:
            value = run.import_module(name, place)
        except RaiseSignal:
            for rest in steps[position:]:
                value = run.attribute(value, rest, place)
            break
    return value


def listeners(words: Words, place: Location) -> tuple[Listener, ...]:
    """Return where it listens: a socket of a path, each --listen, else host and port."""
    path = words.last("unix-socket")
    if path is not None:
        return (unix(path),)
    if words.all("listen"):
        return tuple(item for word in words.all("listen") for item in _listened(word))
    host, port = words.last("host"), words.last("port")
    number = None if port is None else port.value
    where = host or port
    return (
        at(
            "0.0.0.0" if host is None else host.value,  # noqa: S104  (waitress's default)
            number or (_PORT if port is None else None),
            where.location if where is not None else place,
            host.missing if host is not None else (),
        ),
    )


def _listened(word: Word) -> tuple[Listener, ...]:
    """Return the addresses of one --listen, which stand apart by blanks."""
    if word.value is None:
        return (bound(word, _PORT),)
    return tuple(bound(Traced(part, word.location), _PORT) for part in word.value.split())
