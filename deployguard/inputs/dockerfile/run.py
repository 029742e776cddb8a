"""What a RUN leaves behind, where every command in it is plain; else anything, anywhere."""

import fnmatch
import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from deployguard.effective import search
from deployguard.effective.search import Executable
from deployguard.formats.build_words import Value
from deployguard.formats.dockerfile import Instruction
from deployguard.inputs.dockerfile.trees import (
    Below,
    File,
    Folder,
    Found,
    Gone,
    Layers,
    Link,
    Single,
    Tree,
    Unknown,
    View,
    WithMode,
    clean,
    text_file,
)
from deployguard.model.environment import Environment
from deployguard.model.evidence import Location, Missing, Reason, Traced
from deployguard.model.filesystem import Absent, Content, Unread
from deployguard.shell import parsing
from deployguard.shell.syntax import (
    AndOr,
    Group,
    Join,
    Literal,
    Parameter,
    Redirect,
    Script,
    Simple,
    Statement,
    Word,
)

# Where packages of the system are installed; never where an application lies.
_SYSTEM = ("/usr", "/etc", "/var", "/lib", "/lib64", "/bin", "/sbin", "/run", "/tmp")  # noqa: S108
_PACKAGES: Mapping[str, frozenset[str]] = {
    "apt-get": frozenset({"update", "install", "clean", "upgrade", "dist-upgrade", "autoremove",
                          "autoclean", "remove", "purge"}),
    "apt": frozenset({"update", "install", "clean", "upgrade", "autoremove", "remove", "purge"}),
    "apt-mark": frozenset({"auto", "manual", "hold", "showmanual"}),
    "apk": frozenset({"add", "update", "upgrade", "del", "fix"}),
    "dnf": frozenset({"install", "update", "upgrade", "clean", "remove"}),
    "microdnf": frozenset({"install", "update", "clean", "remove"}),
    "yum": frozenset({"install", "update", "clean", "remove"}),
}  # fmt: skip
_SYSTEM_TOOLS = frozenset(
    {"ldconfig", "locale-gen", "update-ca-certificates", "update-locale", "dpkg-reconfigure",
     "fc-cache"}
)  # fmt: skip
# What these leave behind is nothing, or owners and groups of files.
_NOTHING = frozenset(
    {"true", ":", "set", "echo", "printf", "cat", "ls", "test", "[", "sleep", "date", "uname", "id",
     "whoami", "which", "type", "pwd", "env", "chown", "chgrp", "groupadd", "addgroup", "usermod",
     "umask", "hash", "grep", "head", "tail", "wc", "du", "df", "stat", "sync", "getent"}
)  # fmt: skip
_SHELLS = frozenset({"sh", "bash", "ash", "dash"})
_EXPANSION = re.compile(r"[*?\[]")


class NotPlainError(Exception):
    """A command whose effects are not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Under what a RUN runs: its shell, directory, user, variables, and what is mounted."""

    shell: tuple[str, ...]
    cwd: str | None
    user: str | None
    variables: Mapping[str, Value]
    unseen: bool = False  # variables of a base that is not known
    mounts: tuple[tuple[str, Tree], ...] = ()


def run(files: Layers, step: Instruction, setting: Setting) -> Mapping[str, Value]:
    """Write on the files of a stage what a RUN leaves behind.

    Returns the settings of tools that count for what runs later.
    """
    place = f"{step.location.file}:{step.location.line}"
    missing = Missing(Reason.RUN, f"what RUN at {place} leaves behind")
    runner = Runner(files, setting, step.location, missing)
    try:
        runner.start(step)
    except (NotPlainError, RecursionError):
        files.put("/", Unknown(missing))
    return runner.kept


Command = Callable[["Runner", list[str]], None]


@dataclass(slots=True)
class Runner:
    """Follows the commands of one RUN over the files of its stage.

    `view` are the files that the commands see: those of the stage, and what is mounted.
    """

    files: Layers
    setting: Setting
    location: Location
    missing: Missing
    view: Layers = field(init=False)
    variables: dict[str, Value] = field(init=False)
    cwd: str = field(init=False)
    kept: dict[str, Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.view = self.files.copy()
        for target, tree in self.setting.mounts:
            self.view.put(self.view.place(target), tree)
        self.variables = dict(self.setting.variables)
        self.cwd = self.setting.cwd or "/"

    def start(self, step: Instruction) -> None:
        """Follow the whole instruction: the shell form, a script in a heredoc, or plain words."""
        if self.setting.cwd is None:
            raise NotPlainError
        if step.words is not None:
            self.command(list(step.words), ())
            return
        shell = self.setting.shell
        if posixpath.basename(shell[0]) not in _SHELLS or not shell[-1].endswith("c"):
            raise NotPlainError
        self.script(parsing.parse(_script_text(step)))

    def script(self, script: Script) -> None:
        """Follow statements in order."""
        if script.broken is not None:
            raise NotPlainError
        for statement in script.statements:
            self.statement(statement)

    def statement(self, statement: Statement) -> None:
        """Follow one statement."""
        match statement:
            case Simple():
                self._simple(statement)
            case AndOr(left=left, join=Join.AND, right=right):
                self.statement(left)
                self.statement(right)
            case AndOr(left=left, join=Join.OR, right=right):
                self._alternative(left, right)
            case Group(body=body, subshell=subshell):
                kept = dict(self.variables), self.cwd
                self.script(body)
                if subshell:
                    self.variables, self.cwd = kept
            case _:
                raise NotPlainError

    def _alternative(self, left: Statement, right: Statement) -> None:
        """`left || exit 1` must have done left; `left || true` only where left leaves nothing."""
        words = _static(right)
        if words[:1] == ["exit"] and words[1:] not in ([], ["0"]):
            self.statement(left)
            return
        if words[:1] not in (["true"], [":"], ["echo"]) or not _harmless(_static(left)):
            raise NotPlainError

    def _simple(self, statement: Simple) -> None:
        assigned: dict[str, Value] = {}
        for one in statement.assignments:
            words = self._expanded(one.value, split=False)
            if one.append or len(words) > 1:
                raise NotPlainError
            assigned[one.name] = Value(words[0] if words else "")
        words = [text for word in statement.words for text in self._expanded(word, split=True)]
        if not words:
            if statement.redirects:
                raise NotPlainError
            self.variables |= assigned
            return
        outer = self.variables
        self.variables = {**outer, **assigned}
        before = dict(self.variables)
        self.command(words, statement.redirects)
        # What the command itself exports stays; what stands before it does not.
        changed = {key: value for key, value in self.variables.items() if before.get(key) != value}
        self.variables = {**outer, **changed}

    def _expanded(self, word: Word, *, split: bool) -> list[str]:
        """Expand a word of literals and plain variables, names with wildcards left as they are."""
        pieces: list[tuple[str, bool]] = []
        for part in word.parts:
            match part:
                case Literal(text=text, quoted=quoted):
                    pieces.append((text, quoted))
                case Parameter(name=name, operator="", quoted=quoted):
                    value = self.variables.get(name, Value(None if self.setting.unseen else ""))
                    if value.text is None or not re.fullmatch(r"[A-Za-z_]\w*", name):
                        raise NotPlainError
                    pieces.append((value.text, quoted or not split))
                case _:
                    raise NotPlainError
        if all(
            quoted or isinstance(part, Literal)
            for (_, quoted), part in zip(pieces, word.parts, strict=True)
        ):
            return ["".join(text for text, _ in pieces)]
        return _fields(pieces, [isinstance(part, Literal) for part in word.parts])

    def command(self, words: list[str], redirects: tuple[Redirect, ...]) -> None:
        """Follow one command with its redirections."""
        # Imported here, because installers are commands of this runner themselves.
        from deployguard.inputs.dockerfile import installers  # noqa: PLC0415

        name = posixpath.basename(words[0])
        if redirects:
            if not _harmless(words) and installers.find(words) is None:
                raise NotPlainError
            self._redirected(words, redirects)
            return
        installer = installers.find(words)
        if installer is not None:
            installer(self, words)
            return
        handler = _COMMANDS.get(name)
        actions = _PACKAGES.get(name)
        if handler is not None:
            handler(self, words)
        elif (actions is not None and actions & set(words[1:])) or name in _SYSTEM_TOOLS:
            for place in _SYSTEM:
                self.spoil_around(place)
        elif not _harmless(words):
            raise NotPlainError

    def spoil_around(self, place: str) -> None:
        """Mark a directory of the system as written to by its packages.

        What lay there and is a known file stays what it is: packages of the system bring no
        second Python into /usr/local, and no application.
        """
        self.write(place, SystemPackages(Below(self.view.copy(), place), place, self.missing))

    def _redirected(self, words: list[str], redirects: tuple[Redirect, ...]) -> None:
        text: str | None = None
        targets: list[tuple[str, bool]] = []
        for one in redirects:
            target = "".join(self._expanded(one.target, split=False))
            match one.operator:
                case "<<" | "<<-":
                    text = target
                case ">" | ">>" | ">|" if one.descriptor in {None, 1}:
                    if target != "/dev/null":
                        targets.append((target, one.operator == ">>"))
                case ">" | ">>" | ">&" | "&>" if target in {"/dev/null", "1", "2"}:
                    continue
                case _:
                    raise NotPlainError
        if not targets:
            self.command(words, ())
            return
        output = _output(words, text)
        for target, append in targets:
            self._store(self.path(target), output, append=append)

    def _store(self, place: str, output: str | None, *, append: bool) -> None:
        place = self.view.place(place)
        if output is None:
            self.write(place, Unknown(self.missing))
            return
        data = output.encode()
        mode = 0o644
        if append:
            before = View(self.view).read(place)
            if isinstance(before, Unread):
                self.write(place, Unknown(self.missing))
                return
            data = (before.data if isinstance(before, Content) else b"") + data
            found = self.view.entry(place)
            mode = found.mode if isinstance(found, File) else mode
        self.write(place, Single(text_file(data, self.location, mode)))

    def path(self, text: str) -> str:
        """Return a path as seen from where the commands stand."""
        return clean(posixpath.join(self.cwd, text))

    def write(self, place: str, tree: Tree, *, instead: type | None = None) -> None:
        """Lay files over what is at a place; what is mounted does not stay."""
        self.view.put(place, tree, instead=instead)
        if not any(_within(place, target) for target, _ in self.setting.mounts):
            self.files.put(place, tree, instead=instead)

    def entry(self, path: str) -> tuple[str, Found]:
        """Return where a path leads to, and what lies there."""
        return View(self.view).entry(path)

    def value(self, name: str) -> str | None:
        """Return a variable's value; raises NotPlainError where it is set but not known."""
        value = self.variables.get(name)
        if value is not None and value.text is None:
            raise NotPlainError
        return value.text if value is not None else None

    def read(self, path: str) -> Content | Absent | Unread:
        """Return a file's content as the commands see it."""
        return View(self.view).read(path)

    def listing(self, path: str) -> tuple[str, ...] | Absent | Unread:
        """Return the names in a directory as the commands see it."""
        return View(self.view).list(path)

    def keep(self, name: str, value: str) -> None:
        """Set what counts for the later RUNs of the stage as well, such as a tool's settings."""
        self.variables[name] = Value(value)
        self.kept[name] = Value(value)

    def program(self, name: str) -> str | None:
        """Return the path of a command, None where it is not there or not known."""
        entries = {
            key: Traced[str | None](value.text, self.location)
            for key, value in self.variables.items()
        }
        cwd = Traced[str | None](self.cwd, self.location)
        found = search.find(name, Environment(entries), cwd, View(self.view))
        return found.path if isinstance(found, Executable) else None

    def listed(self, path: str) -> list[str]:
        """Return the paths that a last component with wildcards stands for."""
        folder, pattern = posixpath.split(self.path(path))
        if not _EXPANSION.search(path):
            return [self.path(path)]
        if _EXPANSION.search(folder):
            raise NotPlainError
        names = View(self.view).list(folder)
        if isinstance(names, Unread):
            self.write(self.view.place(folder), Unknown(self.missing))
            return []
        found = names if isinstance(names, tuple) else ()
        hidden = pattern.startswith(".")
        return [
            posixpath.join(folder, name)
            for name in found
            if fnmatch.fnmatchcase(name, pattern) and (hidden or not name.startswith("."))
        ]


@dataclass(frozen=True, slots=True)
class SystemPackages:
    """A directory of the system after its packages were installed.

    What an application or pip put below /usr/local stays, and so do start-up modules and other
    files that packages never touch; all else may have come or changed.
    """

    before: Tree
    place: str
    missing: Missing

    def _kept(self, path: str) -> bool:
        whole = clean(self.place + path)
        name = posixpath.basename(whole)
        return (
            whole.startswith("/usr/local/")
            or whole in {"/usr", "/usr/local", "/etc/passwd"}
            or name in {".env", ".flaskenv", "pyvenv.cfg"}
        )

    def entry(self, path: str) -> Found:
        """Return what lies at a path."""
        found = self.before.entry(path)
        if self._kept(path) or isinstance(found, Folder | Link):
            return found
        return Unread(self.missing)

    def names(self, path: str) -> tuple[str, ...] | Absent | Unread:
        """Return the names in a directory."""
        whole = clean(self.place + path)
        names = self.before.names(path)
        if whole.startswith("/usr/local/") or whole == "/usr/local":
            return names
        seen = names if isinstance(names, tuple) else ()
        return Unread(self.missing, seen)


def _within(place: str, folder: str) -> bool:
    return place == folder or place.startswith(folder.rstrip("/") + "/")


def _script_text(step: Instruction) -> str:
    """Return the text that the shell gets (dispatchRun): a lone heredoc is the script itself."""
    if not step.heredocs:
        return step.text
    if len(step.heredocs) == 1 and re.fullmatch(r"\d*<<-?[^<\s]+", step.text):
        text = step.heredocs[0].text
        if text.startswith("#!") and re.match(
            r"#![ \t]*(/usr)?/bin/(env[ \t]+)?(ba|da)?sh\b", text
        ):
            return text
        if text.startswith("#!"):
            raise NotPlainError
        return text
    bodies = "".join(f"\n{one.text}{one.name}" for one in step.heredocs)
    return step.text + bodies


def _static(statement: Statement) -> list[str]:
    """Return the words of a simple command that expands nothing and redirects nothing."""
    if not isinstance(statement, Simple) or statement.assignments:
        return []
    words = []
    for word in statement.words:
        if not all(isinstance(part, Literal) for part in word.parts):
            return []
        words.append("".join(part.text for part in word.parts if isinstance(part, Literal)))
    return words


def _harmless(words: list[str]) -> bool:
    """Say whether a command leaves nothing behind."""
    if not words:
        return False
    name = posixpath.basename(words[0])
    if name in _NOTHING:
        return name != "env" or len(words) == 1
    if name in {"python", "python3", "pip", "pip3", "uv", "poetry", "node", "npm", "flask"}:
        return words[1:] in (["--version"], ["-V"], ["version"])
    return name in {"command", "exit"} or (name == "find" and not _changes(words))


def _changes(words: list[str]) -> bool:
    """Say whether a find does more than print."""
    return any(word.startswith(("-delete", "-exec", "-ok", "-fprint", "-fls")) for word in words)


def _output(words: list[str], text: str | None) -> str | None:
    """Return what a command prints, None where that is not known."""
    name, *rest = words
    if (
        name == "echo"
        and not (rest and rest[0].startswith("-"))
        and not any("\\" in word for word in rest)
    ):
        return " ".join(rest) + "\n"
    if name == "echo" and rest[:1] == ["-n"] and not any("\\" in word for word in rest):
        return " ".join(rest[1:])
    if name == "printf" and len(rest) == 1 and "%" not in rest[0]:
        return _escaped(rest[0])
    if name == "printf" and len(rest) > 1 and rest[0] in {"%s\\n", "%s"}:
        return "".join(rest[0].replace("%s", word).replace("\\n", "\n") for word in rest[1:])
    if name == "cat" and not rest:
        return text
    if name == ":" and not rest:
        return ""
    return None


def _escaped(text: str) -> str | None:
    plain = re.sub(r"\\([nt\\])", lambda m: {"n": "\n", "t": "\t", "\\": "\0"}[m[1]], text)
    return None if "\\" in plain else plain.replace("\0", "\\")


def _fields(pieces: list[tuple[str, bool]], literal: list[bool]) -> list[str]:
    """Split what unquoted variables hold (POSIX, field splitting with the usual IFS)."""
    fields: list[str] = []
    current: list[str] | None = None
    for (text, quoted), written in zip(pieces, literal, strict=True):
        if quoted or written:
            current = [*(current or ()), text]
            continue
        if _EXPANSION.search(text):
            raise NotPlainError
        words = text.split()
        if text[:1].isspace() and current is not None:
            fields.append("".join(current))
            current = None
        for index, word in enumerate(words):
            if index and current is not None:
                fields.append("".join(current))
                current = None
            current = [*(current or ()), word]
        if text[-1:].isspace() and current is not None and words:
            fields.append("".join(current))
            current = None
    if current is not None:
        fields.append("".join(current))
    return fields


def _flagged(words: list[str], allowed: str) -> tuple[set[str], list[str]]:
    """Split short flags from operands; raises NotPlainError for a flag that is not allowed."""
    flags: set[str] = set()
    operands: list[str] = []
    for index, word in enumerate(words):
        if word == "--":
            operands.extend(words[index + 1 :])
            break
        if word.startswith("--") or (word.startswith("-") and not set(word[1:]) <= set(allowed)):
            raise NotPlainError
        if word.startswith("-") and len(word) > 1:
            flags.update(word[1:])
        else:
            operands.append(word)
    return flags, operands


def _cd(runner: Runner, words: list[str]) -> None:
    if len(words) != 2 or words[1].startswith("-"):  # noqa: PLR2004  (the directory)
        raise NotPlainError
    runner.cwd = runner.path(words[1])


def _export(runner: Runner, words: list[str]) -> None:
    for word in words[1:]:
        name, equals, value = word.partition("=")
        if word.startswith("-"):
            raise NotPlainError
        if equals:
            runner.variables[name] = Value(value)


def _mkdir(runner: Runner, words: list[str]) -> None:
    operands = _without_mode(words[1:])
    _, operands = _flagged(operands, "pv")
    for path in operands:
        if _EXPANSION.search(path) or "{" in path:
            raise NotPlainError
        place, found = runner.entry(runner.path(path))
        if isinstance(found, Absent):
            runner.write(place, Single(Folder(0o755, runner.location)))


def _without_mode(words: list[str]) -> list[str]:
    kept: list[str] = []
    pending = list(words)
    while pending:
        word = pending.pop(0)
        if word in {"-m", "--mode"} and pending:
            pending.pop(0)
        elif not word.startswith(("--mode=", "--parents", "--verbose")):
            kept.append(word)
        elif word == "--parents":
            kept.append("-p")
    return kept


def _touch(runner: Runner, words: list[str]) -> None:
    _, operands = _flagged(words[1:], "acm")
    for path in operands:
        place, found = runner.entry(runner.path(path))
        if isinstance(found, Absent):
            runner.write(place, Single(text_file(b"", runner.location)))


def _rm(runner: Runner, words: list[str]) -> None:
    _, operands = _flagged(words[1:], "rRfvd")
    for operand in operands:
        for path in runner.listed(operand):
            folder, name = posixpath.split(path)
            place = posixpath.join(runner.view.place(folder), name)
            if isinstance(runner.view.entry(place), Absent):
                continue
            runner.write(place, Single(Gone()))


def _ln(runner: Runner, words: list[str]) -> None:
    flags, operands = _flagged(
        [w for w in words[1:] if w not in {"--symbolic", "--force"}], "sfnvT"
    )
    if len(operands) != 2 or _EXPANSION.search("".join(operands)):  # noqa: PLR2004
        raise NotPlainError
    target, name = operands
    symbolic = "s" in flags or "--symbolic" in words
    path = runner.path(name)
    place, found = runner.entry(path)
    if isinstance(found, Folder) and not flags & {"n", "T"}:
        place = posixpath.join(place, posixpath.basename(target))
    elif "n" in flags or "T" in flags:
        place = posixpath.join(runner.view.place(posixpath.dirname(path)), posixpath.basename(path))
    if symbolic:
        runner.write(place, Single(Link(target, runner.location)))
        return
    _, linked = runner.entry(runner.path(target))
    runner.write(place, _copied(linked))


def _copied(found: Found) -> Tree:
    match found:
        case File() | Link():
            return Single(found)
        case Unread(missing=missing):
            return Unknown(missing)
        case _:
            raise NotPlainError


def _cp(runner: Runner, words: list[str]) -> None:
    flags, operands = _flagged(words[1:], "rRapfvLPTd")
    *sources, target = operands or [""]
    _transfer(runner, sources, target, whole="T" in flags)


def _mv(runner: Runner, words: list[str]) -> None:
    flags, operands = _flagged(words[1:], "fvT")
    *sources, target = operands or [""]
    for place in _transfer(runner, sources, target, whole="T" in flags):
        runner.write(place, Single(Gone()))


def _transfer(runner: Runner, sources: list[str], target: str, *, whole: bool) -> list[str]:
    """Copy files and folders; a folder that is there takes them in."""
    if not sources or _EXPANSION.search(target):
        raise NotPlainError
    done: list[str] = []
    snapshot = runner.view.copy()
    for source in sources:
        for path in runner.listed(source):
            place, found = runner.entry(path)
            into, there = runner.entry(runner.path(target))
            if isinstance(there, Unread) and not target.endswith("/"):
                # Whether it is a folder is not known: both places may have been written.
                runner.write(into, Unknown(runner.missing))
                done.append(place)
                continue
            inside = (isinstance(there, Folder) and not whole) or target.endswith("/")
            if inside and not source.endswith("/."):
                into = posixpath.join(into, posixpath.basename(path))
            tree = Below(snapshot, place) if isinstance(found, Folder) else _copied(found)
            runner.write(into, tree)
            done.append(place)
    return done


def _chmod(runner: Runner, words: list[str]) -> None:
    operands = [w for w in words[1:] if w not in {"-R", "--recursive", "-v", "-f", "-c"}]
    recursive = len(operands) < len(words) - 1 and any(w in {"-R", "--recursive"} for w in words)
    if len(operands) < 2 or operands[0].startswith("--"):  # noqa: PLR2004  (mode and file)
        raise NotPlainError
    change = mode_change(operands[0])
    if change is None:
        raise NotPlainError
    snapshot = runner.view.copy()
    for operand in operands[1:]:
        for path in runner.listed(operand):
            place, found = runner.entry(path)
            if isinstance(found, File):
                runner.write(place, WithMode(Single(found), change))
            elif isinstance(found, Folder) and recursive:
                runner.write(place, WithMode(Below(snapshot, place), change))


_CLAUSE = re.compile(r"([ugoa]*)([-+=])([rwxXst]*)\Z")


def mode_change(text: str) -> Callable[[int, bool], int] | None:
    """Return what chmod does to a mode: octal, or clauses such as u+x,g-w. None if unclear."""
    if re.fullmatch(r"[0-7]{1,4}", text):
        octal = int(text, 8)
        return lambda _mode, _folder: octal
    clauses = [_CLAUSE.match(clause) for clause in text.split(",")]
    if not all(clauses):
        return None
    parsed = [(m[1], m[2], m[3]) for m in clauses if m is not None]

    def change(mode: int, folder: bool) -> int:  # noqa: FBT001  (the protocol's)
        for who, operator, what in parsed:
            mode = _clause(mode, who, operator, what, folder=folder)
        return mode

    return change


def _clause(mode: int, who: str, operator: str, what: str, *, folder: bool) -> int:
    bits = 0
    for sign in what:
        if sign == "X":
            bits |= 0o111 if folder or mode & 0o111 else 0
        else:
            bits |= {"r": 0o444, "w": 0o222, "x": 0o111}.get(sign, 0)
    people = {"u": 0o700, "g": 0o070, "o": 0o007}
    mask = 0o777 if not who or "a" in who else sum(people[one] for one in set(who))
    if not who:
        # Without a class the umask of a build counts, which is 022.
        mask &= ~(bits & 0o022)
    match operator:
        case "+":
            return mode | (bits & mask)
        case "-":
            return mode & ~(bits & mask)
        case _:
            return (mode & ~mask) | (bits & mask)


def _sed(runner: Runner, words: list[str]) -> None:
    if not any(re.match(r"-[A-Za-z]*i|--in-place", word) for word in words[1:]):
        return
    scripts = {"-e", "-f", "--expression", "--file"} & set(words)
    operands: list[str] = []
    pending = words[1:]
    while pending:
        word = pending.pop(0)
        if word in {"-e", "-f", "--expression", "--file"} and pending:
            pending.pop(0)
        elif not word.startswith("-"):
            operands.append(word)
    for operand in operands if scripts else operands[1:]:
        for path in runner.listed(operand):
            place, _ = runner.entry(path)
            runner.write(place, Unknown(runner.missing))


_ACCOUNT_VALUES = {
    "-u": "uid", "--uid": "uid", "-d": "home", "--home": "home", "-h": "home", "--home-dir": "home",
    "-g": "", "--gid": "", "-G": "", "--groups": "", "-s": "", "--shell": "", "-c": "",
    "--comment": "", "--gecos": "", "--ingroup": "", "-k": "", "-b": "", "-p": "", "--group": "",
}  # fmt: skip


def _account(runner: Runner, words: list[str]) -> None:
    """Follow useradd and adduser: an account of that name, with its home."""
    values: dict[str, str] = {}
    names: list[str] = []
    busybox = posixpath.basename(words[0]) == "adduser"
    pending = words[1:]
    while pending:
        word = pending.pop(0)
        option, equals, given = word.partition("=")
        if option in {"--group", "-G"} and busybox and option == "--group":
            continue
        if option in _ACCOUNT_VALUES:
            if not equals and not pending:
                raise NotPlainError
            values[_ACCOUNT_VALUES[option]] = given if equals else pending.pop(0)
        elif re.fullmatch(r"-[A-Za-z]*u", word) and pending:
            values["uid"] = pending.pop(0)
        elif not word.startswith("-"):
            names.append(word)
    if not names:
        raise NotPlainError
    home = values.get("home") or f"/home/{names[0]}"
    uid = values.get("uid", "")
    before = runner.read("/etc/passwd")
    place = runner.view.place("/etc/passwd")
    if isinstance(before, Content):
        line = f"{names[0]}:x:{uid}:{uid}::{home}:/bin/sh\n".encode()
        data = before.data + line
        runner.write(place, Single(text_file(data, runner.location)))
    else:
        runner.write(place, Unknown(runner.missing))
    where, found = runner.entry(clean(home))
    if isinstance(found, Absent):
        runner.write(where, Single(Folder(0o755, runner.location)))


def _source(runner: Runner, words: list[str]) -> None:
    """`. VENV/bin/activate` puts the commands of a virtual environment first."""
    path = runner.path(words[1]) if len(words) == 2 else ""  # noqa: PLR2004  (the script)
    folder, name = posixpath.split(path)
    if name != "activate" or not isinstance(
        runner.entry(posixpath.join(posixpath.dirname(folder), "pyvenv.cfg"))[1], File
    ):
        raise NotPlainError
    runner.variables["PATH"] = Value(f"{folder}:{runner.value('PATH') or ''}")
    runner.variables["VIRTUAL_ENV"] = Value(posixpath.dirname(folder))


def _shell(runner: Runner, words: list[str]) -> None:
    """`sh -c TEXT`, with options that change nothing of what is run."""
    if len(words) < 3 or not re.fullmatch(r"-[eux]*l?c", words[1]):  # noqa: PLR2004
        raise NotPlainError
    if len(words) > 3:  # noqa: PLR2004  (positional parameters)
        raise NotPlainError
    kept = dict(runner.variables), runner.cwd
    runner.script(parsing.parse(words[2]))
    runner.variables, runner.cwd = kept


_COMMANDS: Mapping[str, Command] = {
    "cd": _cd,
    "export": _export,
    "mkdir": _mkdir,
    "touch": _touch,
    "rm": _rm,
    "ln": _ln,
    "cp": _cp,
    "mv": _mv,
    "chmod": _chmod,
    "sed": _sed,
    "useradd": _account,
    "adduser": _account,
    ".": _source,
    "source": _source,
    **dict.fromkeys(_SHELLS, _shell),
}
