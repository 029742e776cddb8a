"""aiohttp-wsgi-serve (aiohttp_wsgi.__main__)."""

from deployguard.flask.application import Setting
from deployguard.flask.judged import Judged
from deployguard.flask.servers.loading import Style, loaded, named
from deployguard.flask.servers.places import EVERYWHERE, at, unix
from deployguard.flask.servers.serving import Behaviour, ends, not_told, refused, served
from deployguard.flask.servers.words import read, syntax
from deployguard.flask.servers.worlds import first_on_path
from deployguard.python import Interpreter, Value

_SYNTAX = syntax(
    values="""
    --host -p|--port --unix-socket --unix-socket-perms --backlog --static --static-cors
    --script-name --url-scheme --threads --inbuf-overflow --max-request-body-size
    --shutdown-timeout
    """,
    flags="-v|--verbose -q|--quiet --version -h|--help",
)


def judge(setting: Setting) -> Judged:
    """Return what aiohttp-wsgi does with its words, under one stack."""
    words = read(setting.program.args, _SYNTAX)
    if words.unseen:
        return not_told(setting, "aiohttp", words.unseen)
    if words.refused is not None:
        return refused(setting, words.refused)
    stop = words.last("help", "version")
    if stop is not None:
        return ends(setting, stop.location, "aiohttp-wsgi prints and ends")
    place = setting.program.location
    if len(words.arguments) != 1:
        return ends(setting, place, "aiohttp-wsgi wants one application, and ends")
    name = words.arguments[0]
    if name.value is None:
        return not_told(setting, "aiohttp", name.missing)
    text = name.value

    def load(run: Interpreter) -> Value:
        if run.cwd is not None:
            first_on_path(run, run.cwd)
        return named(run, text, "application", Style.DOTTED, name.location)

    host, port, path = words.last("host"), words.last("port"), words.last("unix-socket")
    listener = at(
        EVERYWHERE if host is None else host.value,
        8080 if port is None else port.value,
        place if host is None else host.location,
        () if host is None else host.missing,
        default=host is None,
    )
    return served(
        setting,
        "aiohttp",
        Behaviour(binds_first=False),
        loaded(setting, load),
        (listener if path is None else unix(path),),
        place=name.location,
    )
