"""Applications and servers that a file of Paste Deploy names (paste.deploy.loadwsgi)."""

import posixpath

from deployguard.flask.application import Setting
from deployguard.flask.judged import Judged
from deployguard.flask.servers.loading import Style, loaded, named
from deployguard.flask.servers.places import EVERYWHERE, at, bound
from deployguard.flask.servers.serving import Behaviour, ends, not_told, refused, served
from deployguard.flask.servers.words import read, syntax
from deployguard.formats import ini
from deployguard.model.evidence import Evidence, Location, Missing, Reason, Traced
from deployguard.model.facts import Listener
from deployguard.model.filesystem import Absent, Content, Unread
from deployguard.model.structs import replace
from deployguard.python import Interpreter, Mapped, Value, known
from deployguard.python.signals import RaiseSignal
from deployguard.python.standard import absolute

_DIALECT = ini.Dialect(cased=True)
# pyramid.scripts.pserve.
_SYNTAX = syntax(
    values="-n|--app-name -s|--server --server-name --reload-interval",
    flags="-h|--help --reload -b|--browser -v|--verbose -q|--quiet",
)
_SERVERS = {
    "egg:waitress": ("waitress", EVERYWHERE, 8080),
    "egg:gunicorn": ("gunicorn", "127.0.0.1", 8000),
}


def application(run: Interpreter, text: str | None, place: Location, name: str = "") -> Value:
    """Load the application of "FILE#NAME"."""
    if text is None:
        return run.unseen("which application the file of Paste Deploy names", place)
    file, _, section = text.removeprefix("config:").partition("#")
    sections = _sections(run, file, place)
    if isinstance(sections, Missing):
        return run.unseen_import("the application", (sections,), place)
    return _application(run, sections, f"app:{name or section or 'main'}", place)


Sections = dict[str, dict[str, Traced[str]]]


def _sections(run: Interpreter, file: str, place: Location) -> Sections | Missing:
    path = absolute(run, file)
    if path is None:
        return Missing(Reason.IMAGE, "the working directory")
    match run.files.read(path):
        case Absent():
            raise RaiseSignal("ConfigError", Evidence(place, f"{file} is not there"))
        case Unread(missing=missing):
            return missing
        case Content() as content:
            found = ini.parse(content, _DIALECT)
            if found is None:
                raise RaiseSignal("ConfigError", Evidence(content.location, "it does not parse"))
            return found


def _application(run: Interpreter, sections: Sections, name: str, place: Location) -> Value:
    """ConfigLoader.get_context: a factory that is named, called with the section's settings."""
    section = sections.get(name)
    if section is None:
        return run.unseen(f"what the section {name} loads", place)
    factory, use = section.get("paste.app_factory"), section.get("use")
    source = factory or use
    text = source.value if source is not None else ""
    if factory is None and use is not None and use.value.startswith("call:"):
        text = use.value.removeprefix("call:")
    elif (
        factory is None
        and use is not None
        and use.value in {entry.removeprefix("app:") for entry in sections}
    ):
        return _application(run, sections, f"app:{use.value}", place)
    elif factory is None:
        return run.unseen(f"what the section {name} loads", source.location if source else place)
    where = source.location if source is not None else place
    made = named(run, text, "", Style.DOTTED, where)
    settings = {
        key: known(value.value, Evidence(value.location, f"{key} is set here"))
        for key, value in section.items()
        if key not in {"use", "paste.app_factory"}
    }
    return run.call(made, (Mapped({}, None, "global_conf"),), settings, where)


def judge(setting: Setting) -> Judged:
    """Return what pserve does with its words, under one stack."""
    words = read(setting.program.args, _SYNTAX)
    if words.unseen:
        return not_told(setting, "pserve", words.unseen)
    if words.refused is not None:
        return refused(setting, words.refused)
    stop = words.last("help")
    if stop is not None:
        return ends(setting, stop.location, "pserve prints its help and ends")
    if not words.arguments or words.arguments[0].value is None:
        missing = Missing(Reason.COMMAND, "the file that pserve is given")
        return not_told(setting, "pserve", (missing,))
    file, name = words.arguments[0], words.last("app-name")
    listeners: list[Listener] = []
    server = "unknown"

    def load(run: Interpreter) -> Value:
        nonlocal server
        path = (file.value or "").partition("#")[0]
        sections = _sections(run, path, file.location)
        if isinstance(sections, Missing):
            return run.unseen_import("the application", (sections,), file.location)
        chosen = words.last("server-name")
        given = sections.get(f"server:{chosen.value if chosen is not None else 'main'}", {})
        server = _server(run, given, listeners, file.location)
        return _application(
            run, sections, f"app:{name.value if name is not None else 'main'}", file.location
        )

    imported = loaded(setting, load)
    return served(
        replace(setting, cwd=setting.cwd and posixpath.normpath(setting.cwd)),
        server,
        Behaviour(binds_first=False),
        imported,
        tuple(listeners),
        place=file.location,
    )


def _server(
    run: Interpreter, given: dict[str, Traced[str]], listeners: list[Listener], place: Location
) -> str:
    use = given.get("use")
    found = _SERVERS.get(use.value.partition("#")[0]) if use is not None else None
    if found is None:
        run.unseen("which server the file of Paste Deploy starts", place)
        return "unknown"
    server, host, port = found
    if "listen" in given:
        where = given["listen"].location
        words = given["listen"].value.split()
        listeners.extend(bound(Traced(word, where), port) for word in words)
        return server
    where = given["host"].location if "host" in given else place
    text = given["host"].value if "host" in given else host
    listeners.append(at(text, given["port"].value if "port" in given else port, where))
    return server
