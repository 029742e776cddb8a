"""invoke and fab: what the tasks of a tasks.py hand to a shell, where its source says so plainly.

A task is read, not run: texts and their parts that the words of the command line or the defaults
fill, conditions on those, c.run, c.cd, c.prefix and other tasks. Anything else leaves what the task
starts open. Sources: invoke 2 (program.py, tasks.py, context.py), fabric 3.
"""

import ast
import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import Struct, field

from deployguard.launch import environments
from deployguard.launch.environments import OpenError, guarded
from deployguard.launch.options import Read, hidden, read, syntax
from deployguard.launch.outcomes import Call, Next, at, in_folder, in_shell
from deployguard.launch.shells import Started
from deployguard.model.environment import Environment, overlay
from deployguard.model.evidence import Location, Missing, Reason, Traced
from deployguard.model.filesystem import Content
from deployguard.model.process import Process, Start, Word
from deployguard.model.structs import replace

_CORE = syntax(
    flags="-D --debug -d --dry -e --echo -R --dry --no-dedupe --hide -p --pty -w --warn-only "
    "--write-pyc",
    values="-c --collection -r --search-root -f --config -T --command-timeout --prompt-for-login",
    ends="-h --help -V --version -l --list --print-completion-script --complete",
    abbreviated=False,
)
_DEPTH = 20


class _Task(Struct, frozen=True):
    function: ast.FunctionDef
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    default: bool = False


class _Reader(Struct):
    """One reading of tasks: what they hand to a shell, and under what."""

    call: Call
    process: Process
    place: Location
    tasks: Mapping[str, _Task]
    names: dict[str, object]
    prefixes: tuple[str, ...] = ()
    starts: list[Start] = field(default_factory=list)
    depth: int = 0

    def at(self, node: ast.AST) -> Location:
        """Return the place of a node."""
        return replace(self.place, line=getattr(node, "lineno", None))

    def open(self, node: ast.AST) -> OpenError:
        """Return the error that leaves what a task starts open."""
        place = self.at(node)
        what = f"what a task does ({place.file}:{place.line})"
        return OpenError(Missing(Reason.SOURCE, what))


def invoke(call: Call) -> Next:
    """Follow `invoke TASK [OPTIONS]...` and fab, each task after the other."""
    options = read(call.name, call.words, _CORE)
    if not isinstance(options, Read):
        return options
    if options.has("-D", "-d", "--dry", "-R", "-c", "--collection", "-f", "--config", "-e"):
        return call.missing(f"what the options of {call.name} change")
    unseen = next((word for word in options.rest if word.value is None), None)
    if unseen is not None:
        return hidden(unseen)
    process = call.process
    root = options.last("-r", "--search-root")
    start = process if root is None else in_folder(process, root)
    content = _source(call, start)
    if content is None:
        return call.ends("ends: there are no tasks")
    try:
        tree = ast.parse(content.data)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Missing(Reason.TEXT, f"what {content.location.file} says, which does not parse")
    if _may_configure(call, content):
        return call.missing(f"what the settings of {call.name} change")
    try:
        return _evaluated(call, process, content, tree, options)
    except RecursionError:
        return Missing(Reason.LIMIT, f"what the tasks in {content.location.file} do")


def _evaluated(
    call: Call, process: Process, content: Content, tree: ast.Module, options: Read
) -> Next:
    tasks = dict(_tasks(tree))
    names = dict(_constants(tree))
    words = [word.value or "" for word in options.rest]
    # Tasks run in the folder of their file (invoke.loader).
    inside = in_folder(process, at(posixpath.dirname(content.location.file), content.location))
    reader = _Reader(call, inside, content.location, tasks, names)
    return _run(call, reader, words or [name for name, one in tasks.items() if one.default])


def _source(call: Call, process: Process) -> Content | None:
    """Return the nearest tasks.py (fabfile.py of fab), from the directory upwards."""
    name = "fabfile.py" if call.name == "fab" else "tasks.py"
    folder = environments.folder_of(process)
    while True:
        content = environments.read(posixpath.join(folder, name), call.files)
        package = environments.stat(posixpath.join(folder, name.removesuffix(".py")), call.files)
        if package is not None and content is None:
            raise OpenError(call.missing(f"the tasks in {folder}/{name.removesuffix('.py')}"))
        if content is not None or folder == "/":
            return content
        folder = posixpath.dirname(folder)


def _may_configure(call: Call, content: Content) -> bool:
    """Say whether settings beside the tasks, or variables, change how commands run."""
    folder = posixpath.dirname(content.location.file)
    names = ("invoke.yaml", "invoke.yml", "invoke.json", "invoke.py")
    found = any(environments.stat(f"{folder}/{name}", call.files) for name in names)
    return found or any(name.startswith("INVOKE_") for name in call.process.env.entries)


def _tasks(tree: ast.Module) -> Iterator[tuple[str, _Task]]:
    """Yield the tasks of a module: functions under @task, by their names on the command line."""
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef):
            continue
        for decorator in node.decorator_list:
            called = decorator if isinstance(decorator, ast.Call) else None
            name = ast.unparse(called.func if called is not None else decorator)
            if name not in {"task", "invoke.task", "fabric.task", "fab.task"}:
                continue
            task = _Task(node) if called is None else _decorated(node, called)
            for one in (node.name, *task.names):
                yield one.replace("_", "-"), task


def _decorated(node: ast.FunctionDef, called: ast.Call) -> _Task:
    keywords = {one.arg: one.value for one in called.keywords if one.arg is not None}
    before = [*called.args, *_listed(keywords.get("pre"))]
    names = [one.value for one in _listed(keywords.get("aliases")) if isinstance(one, ast.Constant)]
    given = keywords.get("name")
    if isinstance(given, ast.Constant):
        names.append(given.value)
    default = keywords.get("default")
    return _Task(
        node,
        tuple(ast.unparse(one) for one in before),
        tuple(ast.unparse(one) for one in _listed(keywords.get("post"))),
        tuple(str(name) for name in names),
        isinstance(default, ast.Constant) and bool(default.value),
    )


def _listed(node: ast.expr | None) -> Sequence[ast.expr]:
    return node.elts if isinstance(node, ast.List | ast.Tuple) else ()


def _constants(tree: ast.Module) -> Iterator[tuple[str, object]]:
    """Yield the names of a module that are set once, to something plain."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
            if isinstance(target, ast.Name) and isinstance(node.value, ast.Constant):
                yield target.id, node.value.value


def _run(call: Call, reader: _Reader, words: list[str]) -> Next:
    if not words:
        return call.ends("lists its tasks and ends")
    done: set[str] = set()
    while words:
        name = words.pop(0).replace("_", "-")
        task = reader.tasks.get(name)
        if task is None:
            if "." in name:
                return call.missing(f"what the task {name} does")
            break
        values = _arguments(reader, task, words)
        for other in task.before:
            _one(reader, other, done)
        _body(reader, task, values)
        for other in task.after:
            _one(reader, other, done)
    return (
        Started(processes=tuple(reader.starts))
        if reader.starts
        else call.ends("does its tasks, which start nothing, and ends")
    )


def _one(reader: _Reader, name: str, done: set[str]) -> None:
    """Run a task that another names as its pre or post, once."""
    task = reader.tasks.get(name.replace("_", "-"))
    if task is None:
        raise OpenError(Missing(Reason.SOURCE, f"what the task {name} does"))
    if name not in done:
        done.add(name)
        for other in task.before:
            _one(reader, other, done)
        _body(reader, task, _arguments(reader, task, []))


def _arguments(reader: _Reader, task: _Task, words: list[str]) -> dict[str, object]:
    """Take the options and arguments of a task off the words; defaults fill the rest."""
    arguments = task.function.args
    if arguments.vararg or arguments.kwarg or arguments.kwonlyargs:
        raise reader.open(task.function)
    names = [one.arg for one in arguments.args[1:]]
    defaults = arguments.defaults[max(len(arguments.defaults) - len(names), 0) :]
    values: dict[str, object] = {}
    for name, default in zip(names[len(names) - len(defaults) :], defaults, strict=True):
        values[name] = _value(reader, default, reader.names)
    flags = {one: name for name in names for one in _spellings(name, names)}
    while words and words[0].startswith("-") and words[0] != "--":
        option, equals, text = words.pop(0).partition("=")
        negated = option.removeprefix("--no-").replace("-", "_")
        if option.startswith("--no-") and values.get(negated) is True:
            values[negated] = False
            continue
        if option not in flags:
            raise reader.open(task.function)
        name = flags[option]
        if isinstance(values.get(name), bool):
            values[name] = True
        elif equals or words:
            given = text if equals else words.pop(0)
            values[name] = int(given) if isinstance(values.get(name), int) else given
    for name in names:
        if name not in values:
            if not words:
                raise reader.open(task.function)
            values[name] = words.pop(0)
    return values


def _spellings(name: str, names: Sequence[str]) -> Iterator[str]:
    """Yield the options of an argument: its name, and the first letter that is not taken."""
    yield f"--{name.replace('_', '-')}"
    taken: set[str] = set()
    for other in names:
        letter = next((one for one in other if one.isalpha() and one not in taken), None)
        if letter is not None:
            taken.add(letter)
        if other == name and letter is not None:
            yield f"-{letter}"


def _body(reader: _Reader, task: _Task, values: dict[str, object]) -> None:
    reader.depth += 1
    if reader.depth > _DEPTH:
        raise reader.open(task.function)
    context = task.function.args.args[0].arg if task.function.args.args else ""
    _statements(reader, task.function.body, context, {**reader.names, **values})
    reader.depth -= 1


def _statements(
    reader: _Reader, body: Sequence[ast.stmt], context: str, values: dict[str, object]
) -> bool:
    """Read statements in order; say whether one of them returns."""
    for node in body:
        match node:
            case ast.Expr(value=ast.Constant()) | ast.Pass():
                continue
            case ast.Expr(value=ast.Call() as call):
                _called(reader, call, context, values)
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call() as call) if _is_run(
                call, context
            ):
                _called(reader, call, context, values)
                values.pop(name, None)
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                values[name] = _value(reader, value, values)
            case ast.AugAssign(target=ast.Name(id=name), op=ast.Add(), value=value):
                before, added = values.get(name), _value(reader, value, values)
                if not isinstance(before, str) or not isinstance(added, str):
                    raise reader.open(node)
                values[name] = before + added
            case ast.If(test=test, body=then, orelse=otherwise):
                chosen = then if _value(reader, test, values) else otherwise
                if _statements(reader, chosen, context, values):
                    return True
            case ast.With(items=[ast.withitem(context_expr=ast.Call() as call)], body=inner):
                if _within(reader, call, inner, context, values):
                    return True
            case ast.Return(value=ast.Call() as call):
                _called(reader, call, context, values)
                return True
            case ast.Return():
                return True
            case _:
                raise reader.open(node)
    return False


def _is_run(call: ast.Call, context: str) -> bool:
    return ast.unparse(call.func) in {f"{context}.run", f"{context}.local", f"{context}.sudo"}


def _within(
    reader: _Reader,
    call: ast.Call,
    body: Sequence[ast.stmt],
    context: str,
    values: dict[str, object],
) -> bool:
    """Read the body of `with c.cd(...)` or `with c.prefix(...)`."""
    name = ast.unparse(call.func)
    if name not in {f"{context}.cd", f"{context}.prefix"} or len(call.args) != 1:
        raise reader.open(call)
    text = _value(reader, call.args[0], values)
    if not isinstance(text, str):
        raise reader.open(call)
    # Both go before the command (invoke.context, _prefix_commands).
    before = reader.prefixes
    added = f"cd {text}" if name.endswith("cd") else text
    reader.prefixes = (*before, added)
    ended = _statements(reader, body, context, values)
    reader.prefixes = before
    return ended


def _called(reader: _Reader, call: ast.Call, context: str, values: Mapping[str, object]) -> None:
    name = ast.unparse(call.func)
    if name in {"print", "sys.stdout.write"}:
        return
    if _is_run(call, context):
        _shell(reader, call, values)
        return
    task = reader.tasks.get(name.replace("_", "-"))
    if task is None or len(call.args) != 1:
        raise reader.open(call)
    given = {one.arg: _value(reader, one.value, values) for one in call.keywords if one.arg}
    _body(reader, task, {**_arguments(reader, task, []), **given})


def _shell(reader: _Reader, call: ast.Call, values: Mapping[str, object]) -> None:
    """Read c.run(TEXT, env=..., replace_env=..., shell=...)."""
    place = reader.at(call)
    keywords = {one.arg: one.value for one in call.keywords}
    if None in keywords or ast.unparse(call.func).endswith("sudo"):
        raise reader.open(call)
    command = call.args[0] if call.args else keywords.get("command")
    text = _value(reader, command, values) if command is not None else None
    if not isinstance(text, str):
        raise reader.open(call)
    env = reader.process.env
    if "replace_env" in keywords and _value(reader, keywords["replace_env"], values):
        env = Environment(location=place)
    given = _value(reader, keywords["env"], values) if "env" in keywords else {}
    if not isinstance(given, dict):
        raise reader.open(call)
    entries: dict[str, Traced[str | None]] = {
        str(name): Traced(str(one), place) for name, one in given.items()
    }
    env = overlay((env, Environment(entries, location=place)))
    shell = _value(reader, keywords["shell"], values) if "shell" in keywords else "/bin/bash"
    whole: Word = Traced(" && ".join((*reader.prefixes, text)), place)
    inner = in_shell(
        replace(reader.process, env=env), reader.call.name, whole, shell=at(str(shell), place)
    )
    reader.starts.append(Start(process=inner))


def _value(reader: _Reader, node: ast.expr, values: Mapping[str, object]) -> object:
    """Return what a plain expression is; another leaves what the task starts open."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name) if name in values:
            return values[name]
        case ast.JoinedStr(values=parts):
            return "".join(str(_value(reader, part, values)) for part in parts)
        case ast.FormattedValue(value=inner, conversion=-1, format_spec=None):
            return _value(reader, inner, values)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            first, second = _value(reader, left, values), _value(reader, right, values)
            if isinstance(first, str) and isinstance(second, str):
                return first + second
        case ast.Dict(keys=keys, values=items):
            return {
                str(_value(reader, key, values)): _value(reader, item, values)
                for key, item in zip(keys, items, strict=True)
                if key is not None
            }
        case ast.IfExp(test=test, body=then, orelse=otherwise):
            return _value(reader, then if _value(reader, test, values) else otherwise, values)
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            return not _value(reader, inner, values)
        case ast.Compare(left=left, ops=[ast.Eq() | ast.NotEq() as sign], comparators=[right]):
            same = _value(reader, left, values) == _value(reader, right, values)
            return same is isinstance(sign, ast.Eq)
        case ast.Call(func=ast.Name(id="str"), args=[inner], keywords=[]):
            return str(_value(reader, inner, values))
        case _:
            pass
    raise reader.open(node)


TOOLS: Mapping[str, Callable[[Call], Next]] = {"invoke": guarded(invoke), "fab": guarded(invoke)}
