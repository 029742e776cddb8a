"""What a RUN leaves behind, where every command in it is plain; else anything, anywhere."""

import fnmatch
import posixpath
import re
from collections.abc import Mapping
from contextlib import suppress
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
    Layers,
    Link,
    Single,
    Tree,
    Unknown,
    View,
    clean,
    text_file,
)
from deployguard.model.environment import Environment
from deployguard.model.evidence import Location, Missing, Reason, Traced
from deployguard.model.filesystem import Absent, Content, Unread
from deployguard.shell import conditions, parsing, patterns
from deployguard.shell.syntax import (
    AndOr,
    Case,
    For,
    Group,
    If,
    Join,
    Literal,
    Parameter,
    Pipeline,
    Redirect,
    Redirected,
    Script,
    Simple,
    Statement,
    Substitution,
    Word,
)
from deployguard.shell.utilities import printing

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
SHELLS = frozenset({"sh", "bash", "ash", "dash"})
EXPANSION = re.compile(r"[*?\[]")


# What a shell or the runtime sets, whatever the Dockerfile says.
_OF_SHELLS = frozenset(
    {"HOME", "HOSTNAME", "OLDPWD", "UID", "EUID", "PPID", "RANDOM", "SHLVL", "SHELL", "USER",
     "LOGNAME", "TERM", "IFS", "SECONDS", "BASH", "BASH_VERSION", "HOSTTYPE", "OSTYPE", "OPTIND",
     "LINENO", "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"}
)  # fmt: skip
_ASKING = frozenset({"grep", "command", "which", "type", "id", "getent", "ls", "find", "hash"})
# What does not fail for the root that builds, as long as it is given something sensible.
_SUCCEEDING = frozenset({"echo", "printf", "touch"})
_TESTS = frozenset({"[", "test", "true", ":", "false"})
_ROUNDS = 1_000


class NotPlainError(Exception):
    """A command whose effects are not known."""


class UndecidedError(NotPlainError):
    """A condition of which it is not known whether it holds."""


class ExitedError(Exception):
    """The script ends here, successfully."""


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
    except ExitedError:
        pass
    except (NotPlainError, RecursionError):
        files.put("/", Unknown(missing))
    return runner.kept


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
        if posixpath.basename(shell[0]) not in SHELLS or not shell[-1].endswith("c"):
            raise NotPlainError
        self.script(parsing.parse(_script_text(step)))

    def script(self, script: Script) -> bool:
        """Follow statements in order, and return whether the last one succeeds."""
        if script.broken is not None:
            raise NotPlainError
        status = True
        for statement in script.statements:
            if statement is not script.statements[-1] and _asks(statement):
                raise NotPlainError
            status = self.statement(statement)
        return status

    def statement(self, statement: Statement) -> bool:
        """Follow one statement, and return whether it succeeds.

        A command is taken to succeed: where it does not, there is no image.
        """
        match statement:
            case Simple():
                return self._simple(statement)
            case AndOr(left=left, join=Join.AND, right=right):
                return self.statement(left) and self.statement(right)
            case AndOr(left=left, join=Join.OR, right=right):
                return self._alternative(left, right)
            case Group(body=body, subshell=subshell):
                return self._grouped(body, subshell=subshell)
            case If(branches=branches, otherwise=otherwise):
                for condition, body in branches:
                    if self._decided(condition):
                        return self.script(body)
                return self.script(otherwise)
            case For(name=name, words=tuple() as words, body=body):
                return self._each(name, words, body)
            case Case():
                return self._chosen(statement)
            case Pipeline(commands=(only,), negated=True):
                return not self._decided(Script((only,)))
            case Redirected(body=Group(body=body), redirects=redirects):
                self._printed(body, redirects)
                return True
            case _:
                raise NotPlainError

    def _grouped(self, body: Script, *, subshell: bool) -> bool:
        if not subshell:
            return self.script(body)
        kept = dict(self.variables), self.cwd
        try:
            return self.script(body)
        except ExitedError:
            return True
        finally:
            self.variables, self.cwd = kept

    def _alternative(self, left: Statement, right: Statement) -> bool:
        """`left || exit 1` must have done left; `left || true` only where left leaves nothing."""
        if _is_test(left):
            with suppress(UndecidedError):
                return self._decided(Script((left,))) or self.statement(right)
        if isinstance(left, AndOr) and left.join is Join.AND and _is_test(left.left):
            if not self._decided(Script((left.left,))):
                return self.statement(right)
            return self._alternative(left.right, right)
        if isinstance(left, Simple) and left.words and left.words[0].plain in _SUCCEEDING:
            return self.statement(left)
        words = _static(right)
        if words[:1] == ["exit"] and words[1:] not in ([], ["0"]):
            with suppress(UndecidedError):
                self.statement(left)
            return True
        if words[:1] not in (["true"], [":"], ["echo"]) or not _harmless(_static(left)):
            raise NotPlainError
        return True

    def _decided(self, condition: Script) -> bool:
        """Return whether a condition holds. Raises UndecidedError where it cannot be told."""
        if not all(map(_is_test, condition.statements)):
            raise UndecidedError
        return self.script(condition)

    def _each(self, name: str, words: tuple[Word, ...], body: Script) -> bool:
        values = [text for word in words for text in self._expanded(word, split=True)]
        named = [one for value in values for one in (self._names(value))]
        if len(named) > _ROUNDS:
            raise NotPlainError
        status = True
        for value in named:
            self.variables[name] = Value(value)
            status = self.script(body)
        return status

    def _names(self, text: str) -> list[str]:
        """Return the names that a word with wildcards stands for, as they are written."""
        if not EXPANSION.search(text):
            return [text]
        found = self.listed(text)
        folder = posixpath.dirname(text)
        return [posixpath.join(folder, posixpath.basename(path)) for path in found] or [text]

    def _chosen(self, statement: Case) -> bool:
        subject = "".join(self._expanded(statement.subject, split=False))
        for item in statement.items:
            if item.end != ";;":
                raise NotPlainError
            texts = ["".join(self._expanded(one, split=False)) for one in item.patterns]
            if any(patterns.matches(text, subject) for text in texts):
                return self.script(item.body)
        return True

    def _printed(self, body: Script, redirects: tuple[Redirect, ...]) -> None:
        """Follow `{ echo ...; echo ...; } > file`: what is printed together goes into the file."""
        lines: list[str] = []
        for statement in body.statements:
            if not isinstance(statement, Simple) or statement.redirects or statement.assignments:
                raise NotPlainError
            words = [text for word in statement.words for text in self._expanded(word, split=True)]
            printed = _output(words, None) if words else None
            if printed is None:
                raise NotPlainError
            lines.append(printed)
        self._redirected(["cat"], redirects, "".join(lines))

    def _simple(self, statement: Simple) -> bool:
        if _prints_hidden(statement):
            self._written(statement.redirects)
            return True
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
            return True
        outer = self.variables
        self.variables = {**outer, **assigned}
        before = dict(self.variables)
        if words[0] == "exit":
            if words[1:] not in ([], ["0"]):
                raise NotPlainError
            raise ExitedError
        if words[0] in _TESTS:
            return self._tested(words)
        self.command(words, statement.redirects)
        # What the command itself exports stays; what stands before it does not.
        changed = {key: value for key, value in self.variables.items() if before.get(key) != value}
        self.variables = {**outer, **changed}
        return True

    def _written(self, redirects: tuple[Redirect, ...]) -> None:
        """Mark the files that an unknown text goes to."""
        for one in redirects:
            if one.operator not in {">", ">>", ">|"}:
                raise NotPlainError
            place = self.path("".join(self._expanded(one.target, split=False)))
            if place != "/dev/null":
                self.write(self.view.place(place), Unknown(self.missing))

    def _tested(self, words: list[str]) -> bool:
        """Return what `test` says. Raises UndecidedError where that cannot be told."""
        name, *rest = words
        if name in {"true", ":", "false"}:
            return name != "false"
        if name == "[":
            *rest, end = rest or [""]
            if end != "]":
                raise NotPlainError
        user = (self.setting.user or "root").partition(":")[0]
        outlook = conditions.Outlook(
            stat=lambda path: View(self.view).stat(self.path(path)),
            is_link=lambda path: isinstance(
                View(self.view).entry(self.path(path), follow=False)[1], Link
            ),
            terminal=lambda _: False,
            is_set=lambda variable: variable in self.variables,
            is_root=user in {"root", "0"},
            is_bash=None,
        )
        decision = conditions.decide(rest, outlook)
        if not isinstance(decision, bool):
            raise UndecidedError
        return decision

    def _expanded(self, word: Word, *, split: bool) -> list[str]:
        """Expand a word of literals and plain variables, names with wildcards left as they are."""
        pieces: list[tuple[str, bool]] = []
        for part in word.parts:
            match part:
                case Literal(text=text, quoted=quoted):
                    pieces.append((text, quoted))
                case Parameter(quoted=quoted):
                    pieces.append((self._parameter(part), quoted or not split))
                case _:
                    raise NotPlainError
        if all(
            quoted or isinstance(part, Literal)
            for (_, quoted), part in zip(pieces, word.parts, strict=True)
        ):
            return ["".join(text for text, _ in pieces)]
        return _fields(pieces, [isinstance(part, Literal) for part in word.parts])

    def _parameter(self, part: Parameter) -> str:
        """Return a variable's value, or what stands for one that is unset (POSIX XCU 2.6.2)."""
        if not re.fullmatch(r"[A-Za-z_]\w*", part.name) or part.index is not None:
            raise NotPlainError
        value = self._variable(part.name)
        operator = part.operator
        if operator not in {"", "-", ":-", "+", ":+"}:
            raise NotPlainError
        unset = value is None or (operator.startswith(":") and value == "")
        if operator.endswith("+"):
            return "" if unset else "".join(self._expanded(part.argument, split=False))
        if operator and unset:
            return "".join(self._expanded(part.argument, split=False))
        return value or ""

    def _variable(self, name: str) -> str | None:
        """Return a variable, None for one that is unset. Raises NotPlainError if not known."""
        value = self.variables.get(name)
        if value is None and name == "PWD":
            return self.cwd
        if value is None and name not in _OF_SHELLS and not self.setting.unseen:
            return None
        if value is None or value.text is None:
            raise NotPlainError
        return value.text

    def command(self, words: list[str], redirects: tuple[Redirect, ...]) -> None:
        """Follow one command with its redirections."""
        # Imported here, because commands are written against this runner.
        from deployguard.inputs.dockerfile import commands, installers  # noqa: PLC0415

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
        handler = commands.COMMANDS.get(name)
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

    def _redirected(
        self, words: list[str], redirects: tuple[Redirect, ...], text: str | None = None
    ) -> None:
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
        if not EXPANSION.search(path):
            return [self.path(path)]
        if EXPANSION.search(folder):
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


def _is_test(statement: Statement) -> bool:
    """Say whether a statement asks something and changes nothing."""
    match statement:
        case Simple(words=words, redirects=()) if words:
            return words[0].plain in _TESTS
        case AndOr(left=left, right=right):
            return _is_test(left) and _is_test(right)
        case Pipeline(commands=(only,), negated=True):
            return _is_test(only)
        case _:
            return False


def _prints_hidden(statement: Simple) -> bool:
    """Say whether a text is printed in which only the output of harmless commands is not known."""
    if not statement.words or statement.words[0].plain not in {"echo", "printf"}:
        return False
    parts = [part for word in statement.words[1:] for part in word.parts]
    bodies = [part.body for part in parts if isinstance(part, Substitution)]
    harmless = (
        body.broken is None and all(_harmless(_static(one)) for one in body.statements)
        for body in bodies
    )
    return bool(bodies) and not statement.assignments and all(harmless)


def _asks(statement: Statement) -> bool:
    """Say whether a list goes on only where a command found something, and the script anyway."""
    if not isinstance(statement, AndOr) or statement.join is not Join.AND:
        return False
    left = statement.left
    if isinstance(left, AndOr):
        return _asks(left)
    return isinstance(left, Simple) and bool(left.words) and left.words[0].plain in _ASKING


def _harmless(words: list[str]) -> bool:
    """Say whether a command leaves nothing behind."""
    if not words:
        return False
    name = posixpath.basename(words[0])
    if name in _NOTHING:
        return name != "env" or len(words) == 1
    if name in {"python", "python3", "pip", "pip3", "uv", "poetry", "node", "npm", "flask"}:
        return words[1:] in (["--version"], ["-V"], ["version"])
    if name == "git":
        return words[1:2] in (["rev-parse"], ["describe"], ["log"], ["status"])
    return name == "command" or (name == "find" and not _changes(words))


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
    if name == "printf" and rest and not rest[0].startswith("-"):
        return printing.formatted(rest[0], rest[1:], bash=False)
    if name == "cat" and not rest:
        return text
    if name == ":" and not rest:
        return ""
    return None


def _fields(pieces: list[tuple[str, bool]], literal: list[bool]) -> list[str]:
    """Split what unquoted variables hold (POSIX, field splitting with the usual IFS)."""
    fields: list[str] = []
    current: list[str] | None = None
    for (text, quoted), written in zip(pieces, literal, strict=True):
        if quoted or written:
            current = [*(current or ()), text]
            continue
        if EXPANSION.search(text):
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
