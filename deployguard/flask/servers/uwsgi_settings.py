"""How uWSGI gathers its options: variables, words, and files of several forms.

core/uwsgi.c and core/config.c: every option is kept in the order in which it is met; those that
name a file bring in its options at once; then $(VARIABLE), @(FILE) and %(OPTION) are put in.
"""

import json
import posixpath
import re
from collections.abc import Iterator
from xml.sax.saxutils import unescape

from msgspec import Struct, field

from deployguard.flask.servers.uwsgi_options import SYNTAX
from deployguard.flask.servers.words import Takes, read
from deployguard.model.environment import Environment
from deployguard.model.evidence import Evidence, Location, Missing, Reason, Traced
from deployguard.model.filesystem import Absent, Content, FileKind, Filesystem, Stat, Unread
from deployguard.model.process import Word
from deployguard.model.structs import replace

# Spellings of one option, by the one that is used here.
_ALIASES = {
    "wsgi": "module", "file": "wsgi-file", "virtualenv": "home", "venv": "home", "pyhome": "home",
    "python-path": "pythonpath", "pp": "pythonpath", "pyimport": "import", "py-import": "import",
    "python-import": "import", "shared-import": "import", "shared-pyimport": "import",
    "shared-py-import": "import", "shared-python-import": "import", "uwsgi-socket": "socket",
    "ini-paste": "paste", "ini-paste-logged": "paste", "protocol": "socket-protocol",
    "python": "pyrun", "py": "pyrun", "httprouter": "http", "usage": "help",
}  # fmt: skip
_FILES = {"ini": "ini", "xml": "xml", "xmlconfig": "xml", "yaml": "yaml", "yml": "yaml",
          "json": "json", "js": "json"}  # fmt: skip
_BY_ENDING = frozenset({"include", "inherit", "config"})
_CONDITIONS = {"env": "env", "exists": "exists", "file": "file", "dir": "dir", "directory": "dir"}
_IF = re.compile(r"if-?(not-)?(env|exists|file|dir|directory)\Z")
_ENDIF = frozenset({"endif", "end-if", "endfor", "end-for", "end"})
_LOGIC = re.compile(r"(?:if|for)(?:-|\Z)|ifplugin\Z")
_OWN_VARIABLES = re.compile(
    r"UWSGI_(?:RELOADS|VASSALS_DIR|EMPEROR_FD|BROODLORD_NUM|EMPEROR_FD_CONFIG|EMPEROR_PROXY"
    r"|JAIL_PID|ORIGINAL_PROC_NAME)\Z"
)
# What %x stands for that only the running machine knows (core/uwsgi.c, the magic table).
_RUNNING = frozenset("hHtTkuUgGijIJrRwWvVzZmMaAfF")
_DEPTH = 10
_OPTIONS = 10_000


class Settings(Struct):
    """The options of one uWSGI in order; `refused` and `missing` say why there are no more.

    `doubt` names what would have to be known of the program itself.
    """

    options: list[tuple[str, Word]] = field(default_factory=list)
    refused: Evidence | None = None
    missing: tuple[Missing, ...] = ()
    doubt: tuple[Missing, ...] = ()

    def last(self, *keys: str) -> Word | None:
        """Return the last value of an option."""
        return next((word for key, word in reversed(self.options) if key in keys), None)

    def all(self, *keys: str) -> tuple[Word, ...]:
        """Return every value of some options, in order."""
        return tuple(word for key, word in self.options if key in keys)

    def on(self, key: str) -> bool:
        """Say whether a switch is on (uwsgi_opt_true)."""
        word = self.last(key)
        return word is not None and (word.value or "").lower() not in {"false", "off", "no", "0"}


def settings(
    words: tuple[Word, ...], environment: Environment, files: Filesystem, cwd: str | None
) -> Settings:
    """Return the options of a uWSGI that is started with words, variables and a folder."""
    reader = _Reader(environment, files, cwd)
    for name, entry in environment.entries.items():
        if name.startswith("UWSGI_") and not _OWN_VARIABLES.match(name):
            reader.take(name.removeprefix("UWSGI_").lower().replace("_", "-"), entry, 0)
    given = read(words, SYNTAX)
    if given.unseen:
        reader.made.missing = given.unseen
    reader.made.refused = reader.made.refused or given.refused
    for key, word in given.order:
        flag = SYNTAX.options.get(f"--{key}", ("", Takes.VALUE))[1] is not Takes.VALUE
        plain = flag and (word.value or "").startswith("-")
        reader.take(key, replace(word, value="") if plain else word, 0)
    for word in given.arguments:
        if word.value is None:
            reader.made.missing = word.missing
        elif not word.value.startswith("["):
            reader.load(word, 0)
    _strict(reader.made)
    reader.put_in()
    return reader.made


def _strict(made: Settings) -> None:
    """With `strict` an option that is none ends the start; else it is only a placeholder."""
    if not made.on("strict"):
        return
    for key, word in made.options:
        if f"--{key}" not in SYNTAX.options:
            note = f"strict is set and there is no option {key}, so uWSGI ends"
            made.refused = made.refused or Evidence(word.location, note)


_PLACEHOLDER = re.compile(r"([$@%])\(([^()]*)\)")
_MAGIC = re.compile(r"%([A-Za-z0-9])")


class _Reader:
    """Gathers options; `_logic` is the condition that options stand under at this moment."""

    def __init__(self, environment: Environment, files: Filesystem, cwd: str | None) -> None:
        self.made = Settings()
        self._environment = environment
        self._files = files
        self._cwd = cwd
        self._logic: tuple[bool, str] | None = None
        self._last_file = ""

    def take(self, key: str, word: Word, depth: int) -> None:
        """Take one option (add_exported_option)."""
        if self.made.missing or self.made.refused or len(self.made.options) > _OPTIONS:
            return
        if key in _ENDIF:
            self._logic = None
            return
        if self._logic is not None:
            holds, shown = self._logic
            if not holds:
                return
            if word.value is not None:
                word = replace(word, value=word.value.replace("%(_)", shown))
        condition = _IF.match(key)
        if condition is not None:
            self._logic = self._condition(condition, word)
        elif _LOGIC.match(key):
            self._open(f"the options under {key}", word)
        elif key in _FILES or key in _BY_ENDING:
            self.load(word, depth, _FILES.get(key))
        elif key in {"set", "set-placeholder", "set-ph"} and word.value is not None:
            name, _, value = word.value.partition("=")
            self.take(name, replace(word, value=value), depth)
        elif key in {"envdir", "early-envdir", "vassal-set", "vassals-set", "extract"}:
            self._open(f"what {key} brings in", word)
        else:
            self.made.options.append((_ALIASES.get(key, key), word))

    def _open(self, what: str, word: Word) -> None:
        self.made.missing = word.missing or (Missing(Reason.FILE, f"{what} of uWSGI"),)

    def _condition(self, condition: re.Match[str], word: Word) -> tuple[bool, str] | None:
        text = word.value
        if text is None:
            self._open("a condition", word)
            return None
        shown, holds = text, False
        match _CONDITIONS[condition[2]]:
            case "env":
                name, equals, value = text.partition("=")
                entry = self._environment.get(name)
                if entry is not None and entry.value is None:
                    self._open(f"the value of {name}", entry)
                    return None
                holds = entry is not None and (not equals or entry.value == value)
                shown = (entry.value or "") if entry is not None else ""
            case kind:
                found = self._files.stat(self._absolute(text))
                if isinstance(found, Unread):
                    self.made.missing = (found.missing,)
                    return None
                wanted = {"file": FileKind.FILE, "dir": FileKind.DIRECTORY}.get(kind)
                holds = isinstance(found, Stat) and wanted in {None, found.kind}
        return holds is not bool(condition[1]), shown

    def _absolute(self, path: str) -> str:
        return posixpath.normpath(posixpath.join(self._cwd or "/", path))

    def load(self, word: Word, depth: int, form: str | None = None) -> None:
        """Load a file of options: "FILE", "FILE:SECTION" or ":SECTION" of the last file."""
        text = word.value
        if text is None or "://" in text or text == "-" or self._cwd is None or depth > _DEPTH:
            self._open(f"the options in {text}", word)
            return
        path, _, section = text.partition(":")
        path = path or self._last_file
        ending = posixpath.splitext(path)[1].removeprefix(".")
        form = form or _FILES.get(ending)
        if form is None:
            note = f"uWSGI cannot load a configuration from {text}, so it ends"
            self.made.refused = Evidence(word.location, note)
            return
        self._last_file = path
        content = self._files.read(self._absolute(path))
        match content:
            case Absent():
                note = f"there is no file {path}, so uWSGI ends"
                self.made.refused = Evidence(word.location, note)
            case Unread(missing=missing):
                self.made.missing = (missing,)
            case Content():
                options = self._parsed(form, content, section or "uwsgi")
                for key, value in options:
                    self.take(key, self._magic(value, content.location, path, section), depth + 1)

    def _parsed(self, form: str, content: Content, section: str) -> list[tuple[str, Word]]:
        try:
            return list(_FORMS[form](content, section))
        except (ValueError, RecursionError):
            note = f"{content.location.file} cannot be read as {form}, so uWSGI ends"
            self.made.refused = Evidence(content.location, note)
            return []
        finally:
            if form == "json":
                what = "whether this uWSGI was built to read JSON"
                self.made.doubt = (Missing(Reason.PROGRAM, what),)

    def _magic(self, word: Word, place: Location, path: str, section: str) -> Word:
        """Put in what %x says of the file (config_magic_table_fill)."""
        if word.value is None or "%" not in word.value:
            return word
        full = self._absolute(path)
        folder, name = posixpath.split(full)
        stem, ending = posixpath.splitext(name)
        known = {
            "p": full, "s": name, "d": folder.rstrip("/") + "/", "n": stem,
            "e": ending.removeprefix("."), "c": posixpath.basename(folder), "x": section, "o": path,
        }  # fmt: skip
        known |= {str(place): part for place, part in enumerate(folder.split("/")[1:11])}
        known |= {letter.upper(): value for letter, value in known.items()}
        open_ones = [name for name in _MAGIC.findall(word.value) if name in _RUNNING]
        if open_ones:
            missing = Missing(Reason.FILE, f"what %{open_ones[0]} stands for in {place.file}")
            return replace(word, value=None, missing=(missing,))
        text = _MAGIC.sub(lambda match: known.get(match[1], match[0]), word.value)
        return replace(word, value=text)

    def put_in(self) -> None:
        """Put in variables, then files, then other options (uwsgi_apply_config_pass)."""
        for symbol in "$@%":
            self.made.options = [
                (key, self._filled(word, symbol)) for key, word in self.made.options
            ]

    def _filled(self, word: Word, symbol: str) -> Word:
        if word.value is None or f"{symbol}(" not in word.value:
            return word
        missing: list[Missing] = []

        def value(match: re.Match[str]) -> str:
            if match[1] != symbol:
                return match[0]
            found = self._lookup(symbol, match[2])
            if isinstance(found, Missing):
                missing.append(found)
                return ""
            return match[0] if found is None else found

        text = _PLACEHOLDER.sub(value, word.value)
        if missing:
            return replace(word, value=None, missing=tuple(missing))
        return replace(word, value=text)

    def _lookup(self, symbol: str, name: str) -> str | Missing | None:
        match symbol:
            case "$":
                entry = self._environment.get(name)
                if entry is None:
                    return None
                if entry.value is None:
                    return next(iter(entry.missing), Missing(Reason.VARIABLE, name))
                return entry.value
            case "@":
                content = self._files.read(self._absolute(name))
                if isinstance(content, Unread):
                    return content.missing
                if isinstance(content, Absent):
                    return None
                return content.data.decode("utf-8", "replace").rstrip("\r\n")
            case _ if " " in name:
                return Missing(Reason.FILE, f"what %({name}) makes")
            case _:
                found = next((w for key, w in self.made.options if key == name), None)
                if found is None:
                    return None
                return found.value if found.value is not None else Missing(Reason.FILE, name)


def _ini(content: Content, section: str) -> Iterator[tuple[str, Word]]:
    """core/ini.c: sections, comments of whole lines, everything else is "key = value"."""
    current = ""
    for number, raw in enumerate(content.data.decode("utf-8", "replace").split("\n"), start=1):
        line = raw.strip(" \t\r")
        if line.startswith("["):
            current = line[1:-1]
        elif line and not line.startswith((";", "#")) and current == section:
            key, _, value = line.partition("=")
            place = replace(content.location, line=number)
            yield key.rstrip(" \t\r"), Traced(value.strip(" \t\r"), place)


_YAML_LINE = re.compile(
    r"(?P<indent>[ \t]*)(?:(?P<key>[A-Za-z0-9_-]+)[ \t]*:|-)(?:[ \t]+(?P<value>.*))?"
)
_YAML_COMMENT = re.compile(r"(?:\A|[ \t])#.*")


def _yaml(content: Content, section: str) -> Iterator[tuple[str, Word]]:
    """core/yaml.c: pairs below the section, in which one key may stand several times."""
    inside, last = False, ""
    for number, raw in enumerate(content.data.decode("utf-8", "replace").splitlines(), start=1):
        line = _YAML_LINE.fullmatch(_YAML_COMMENT.sub("", raw).rstrip())
        if line is None:
            continue
        if not line["indent"] and line["key"] is not None:
            inside = line["key"] == section
            continue
        last = line["key"] or last
        value = (line["value"] or "").strip()
        if inside and last and (value or line["key"] is None):
            place = replace(content.location, line=number)
            yield last, Traced(_unquoted(value), place)


def _unquoted(text: str) -> str:
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1] if quoted else text


def _json(content: Content, section: str) -> Iterator[tuple[str, Word]]:
    found = json.loads(content.data)
    options = found.get(section) if isinstance(found, dict) else None
    for key, value in options.items() if isinstance(options, dict) else ():
        for item in value if isinstance(value, list) else (value,):
            text = str(item).lower() if isinstance(item, bool) else str(item)
            yield key, Traced(text, content.location)


_STANZA = re.compile(r"<uwsgi(?:\s+id\s*=\s*[\"']([^\"']*)[\"'])?\s*>(.*?)</uwsgi\s*>", re.DOTALL)
_ELEMENT = re.compile(r"<([A-Za-z0-9_-]+)\s*(?:/>|>([^<]*)</\1\s*>)")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


def _xml(content: Content, section: str) -> Iterator[tuple[str, Word]]:
    text = _COMMENT.sub("", content.data.decode("utf-8", "replace"))
    for stanza in _STANZA.finditer(text):
        if section not in {"uwsgi", stanza[1]}:
            continue
        for element in _ELEMENT.finditer(stanza[2]):
            value = unescape((element[2] or "").strip())
            yield element[1], Traced(value, content.location)
        return


_FORMS = {"ini": _ini, "yaml": _yaml, "json": _json, "xml": _xml}
