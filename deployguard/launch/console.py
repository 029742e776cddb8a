"""Console scripts: the small Python files that installers write for an entry point."""

import ast

from deployguard.model.filesystem import Content

# Names under which well-known packages install their commands (their metadata's console_scripts).
# They tell what a command is where its file was not read.
KNOWN_COMMANDS = {
    "flask": "flask.cli:main",
    "gunicorn": "gunicorn.app.wsgiapp:run",
    "waitress-serve": "waitress.runner:run",
    "uvicorn": "uvicorn.main:main",
    "hypercorn": "hypercorn.__main__:main",
    "celery": "celery.__main__:main",
    "dotenv": "dotenv.__main__:cli",
    "honcho": "honcho.command:main",
    "supervisord": "supervisor.supervisord:main",
    "quart": "quart.cli:main",
    "debugpy": "debugpy.server.cli:main",
}


def entry_point(content: Content) -> str | None:
    """Return "MODULE:FUNCTION" of a console script, None for a program of another kind.

    pip, uv and setuptools write the same thing: one import of a function, and one call of it, whose
    value is handed to sys.exit.
    """
    try:
        tree = ast.parse(content.data)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    found: dict[str, str] = {}
    called: str | None = None
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            for alias in node.names:
                found[alias.asname or alias.name] = f"{node.module}:{alias.name}"
        elif isinstance(node, ast.Call) and _is_exit(node.func) and len(node.args) == 1:
            inner = node.args[0]
            if isinstance(inner, ast.Call) and not inner.args and not inner.keywords:
                called = ast.unparse(inner.func)
    if called is None or not _small(tree):
        return None
    name, _, attribute = called.partition(".")
    if name not in found:
        return None
    return f"{found[name]}.{attribute}" if attribute else found[name]


def _is_exit(function: ast.expr) -> bool:
    return ast.unparse(function) in {"sys.exit", "exit"}


def _small(tree: ast.Module) -> bool:
    """Say whether nothing else happens: imports, and the guarded call."""
    for node in tree.body:
        match node:
            case ast.Import() | ast.ImportFrom() | ast.Expr(value=ast.Constant()):
                continue
            case ast.If(orelse=[]) if "__name__" in ast.unparse(node.test):
                continue
            case ast.Expr(value=ast.Call(func=function)) if _is_exit(function):
                continue
            case _:
                return False
    return True
