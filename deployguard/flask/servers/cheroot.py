"""The command cheroot (cheroot.cli)."""

import re

from deployguard.flask.application import Setting
from deployguard.flask.judged import Judged
from deployguard.flask.servers.loading import Style, loaded, named, with_folders
from deployguard.flask.servers.places import at, bound, unix
from deployguard.flask.servers.serving import Behaviour, ends, not_told, refused, served
from deployguard.flask.servers.words import read, syntax
from deployguard.model.facts import Listener
from deployguard.model.process import ProgramKind, Word
from deployguard.python import Interpreter, Value
from deployguard.python.standard import absolute

_SYNTAX = syntax(
    values="""
    --bind --chdir --server-name --threads --max-threads --timeout --shutdown-timeout
    --request-queue-size --accepted-queue-size --accepted-queue-timeout
    """,
    flags="-h|--help",
)


def judge(setting: Setting) -> Judged:
    """Return what cheroot does with its words, under one stack."""
    words = read(setting.program.args, _SYNTAX)
    if words.unseen:
        return not_told(setting, "cheroot", words.unseen)
    if words.refused is not None:
        return refused(setting, words.refused)
    stop = words.last("help")
    if stop is not None:
        return ends(setting, stop.location, "cheroot prints its help and ends")
    if len(words.arguments) != 1:
        place = setting.program.location
        return ends(setting, place, "cheroot wants one application, and ends")
    name, folder = words.arguments[0], words.last("chdir")
    for word in (name, folder):
        if word is not None and word.value is None:
            return not_told(setting, "cheroot", word.missing)

    def load(run: Interpreter) -> Value:
        # The words are handled in their order: --chdir counts where it stands before the name.
        if folder is not None and folder.value is not None and _before(folder, name, setting):
            run.cwd = absolute(run, folder.value)
        return named(run, name.value or "", "application", Style.CALL, name.location)

    # The application is imported before the folder of the process is put on sys.path: run as a
    # console script, cheroot finds only what is installed or on PYTHONPATH.
    by_module = setting.program.kind is ProgramKind.MODULE
    if by_module and setting.cwd is not None:
        setting = with_folders(setting, setting.cwd)
    word = words.last("bind")
    if word is not None and word.value is not None and _portless(word.value):
        return ends(setting, word.location, "cheroot is given an address without a port, and ends")
    imported = loaded(setting, load)
    listeners = (at("::1", 8000, setting.program.location, default=True),)
    if word is not None:
        listeners = (_bound(word),)
    return served(
        setting, "cheroot", Behaviour(binds_first=False), imported, listeners, place=name.location
    )


def _before(one: Word, other: Word, setting: Setting) -> bool:
    words = list(setting.program.args)
    return words.index(other) > next(
        (place for place, word in enumerate(words) if (word.value or "").endswith(one.value or "")),
        len(words),
    )


def _portless(text: str) -> bool:
    """Say whether a text is a host alone: whatever is no path, abstract socket or "HOST:PORT"."""
    return not text.startswith(("/", "@")) and not _PORT.search(text)


_PORT = re.compile(r":\d+\Z")


def _bound(word: Word) -> Listener:
    """cheroot.cli.parse_wsgi_bind_addr: a path, an abstract socket after "@", else host and port.

    It is read as the place of a URL, so that only what begins with a slash is a path.
    """
    if word.value is not None and word.value.startswith(("/", "@")):
        return unix(word)
    return bound(word, 80)
