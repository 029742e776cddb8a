"""What a RUN leaves behind, where every command in it is plain; else anything, anywhere."""

import posixpath
import re
from collections.abc import Mapping
from contextlib import suppress

from deployguard.formats.build_words import Value
from deployguard.formats.dockerfile import Instruction
from deployguard.inputs.dockerfile import commands, harmless, installers, system
from deployguard.inputs.dockerfile.runner import (
    EXPANSION,
    ExitedError,
    NotPlainError,
    Runner,
    Setting,
    UndecidedError,
)
from deployguard.inputs.dockerfile.trees import (
    Below,
    File,
    Layers,
    Link,
    Single,
    Unknown,
    View,
    text_file,
)
from deployguard.model.evidence import Missing, Reason
from deployguard.model.filesystem import Content, Unread
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
    Word,
)

_SHELLS = frozenset({"sh", "bash", "ash", "dash"})
# What a shell or the runtime sets, whatever the Dockerfile says.
_OF_SHELLS = frozenset(
    {"HOME", "HOSTNAME", "OLDPWD", "UID", "EUID", "PPID", "RANDOM", "SHLVL", "SHELL", "USER",
     "LOGNAME", "TERM", "IFS", "SECONDS", "BASH", "BASH_VERSION", "HOSTTYPE", "OSTYPE", "OPTIND",
     "LINENO", "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"}
)  # fmt: skip
_ROUNDS = 1_000


def run(files: Layers, step: Instruction, setting: Setting) -> Mapping[str, Value]:
    """Write on the files of a stage what a RUN leaves behind.

    Returns the settings of tools that count for what runs later.
    """
    place = f"{step.location.file}:{step.location.line}"
    missing = Missing(Reason.RUN, f"what RUN at {place} leaves behind")
    runner = _Shell(files, setting, step.location, missing)
    try:
        runner.start(step)
    except ExitedError:
        pass
    except (NotPlainError, RecursionError):
        files.put("/", Unknown(missing))
    return runner.kept


class _Shell(Runner):
    """Follows the statements of a shell, and each command with its redirections."""

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

    def script(self, script: Script) -> bool:
        """Follow statements in order, and return whether the last one succeeds."""
        if script.broken is not None:
            raise NotPlainError
        status = True
        for statement in script.statements:
            if statement is not script.statements[-1] and harmless.asks(statement):
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
        if harmless.is_test(left):
            with suppress(UndecidedError):
                return self._decided(Script((left,))) or self.statement(right)
        if isinstance(left, AndOr) and left.join is Join.AND and harmless.is_test(left.left):
            if not self._decided(Script((left.left,))):
                return self.statement(right)
            return self._alternative(left.right, right)
        if isinstance(left, Simple) and left.words and left.words[0].plain in harmless.SUCCEEDING:
            return self.statement(left)
        words = harmless.static(right)
        if words[:1] == ["exit"] and words[1:] not in ([], ["0"]):
            with suppress(UndecidedError):
                self.statement(left)
            return True
        if words[:1] not in (["true"], [":"], ["echo"]) or not harmless.leaves_nothing(
            harmless.static(left)
        ):
            raise NotPlainError
        return True

    def _decided(self, condition: Script) -> bool:
        """Return whether a condition holds. Raises UndecidedError where it cannot be told."""
        if not all(map(harmless.is_test, condition.statements)):
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
            printed = harmless.output(words, None) if words else None
            if printed is None:
                raise NotPlainError
            lines.append(printed)
        self._redirected(["cat"], redirects, "".join(lines))

    def _simple(self, statement: Simple) -> bool:
        if harmless.prints_hidden(statement):
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
        if words[0] in harmless.TESTS:
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
        return harmless.fields(pieces, [isinstance(part, Literal) for part in word.parts])

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
        name = posixpath.basename(words[0])
        if redirects:
            if not harmless.leaves_nothing(words) and installers.find(words) is None:
                raise NotPlainError
            self._redirected(words, redirects)
            return
        installer = installers.find(words)
        if installer is not None:
            installer(self, words)
            return
        if name in _SHELLS:
            self._inner(words)
            return
        handler = commands.COMMANDS.get(name)
        actions = system.PACKAGES.get(name)
        if handler is not None:
            handler(self, words)
        elif (actions is not None and actions & set(words[1:])) or name in system.TOOLS:
            for place in system.FOLDERS:
                self.spoil_around(place)
        elif not harmless.leaves_nothing(words):
            raise NotPlainError

    def _inner(self, words: list[str]) -> None:
        """Follow `sh -c TEXT`, with options that change nothing of what is run."""
        if len(words) != len(("sh", "-c", "text")) or not re.fullmatch(r"-[eux]*l?c", words[1]):
            raise NotPlainError
        kept = dict(self.variables), self.cwd
        with suppress(ExitedError):
            self.script(parsing.parse(words[2]))
        self.variables, self.cwd = kept

    def spoil_around(self, place: str) -> None:
        """Mark a directory of the system as written to by its packages.

        What lay there and is a known file stays what it is: packages of the system bring no
        second Python into /usr/local, and no application.
        """
        self.write(
            place, system.SystemPackages(Below(self.view.copy(), place), place, self.missing)
        )

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
        output = harmless.output(words, text)
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
