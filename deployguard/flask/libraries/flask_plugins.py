"""Commands that distributions add to flask: their entry points of the group flask.commands."""

import configparser
from collections.abc import Iterator

from deployguard.model.filesystem import Content
from deployguard.python import (
    Interpreter,
    Known,
)


def entry_points(run: Interpreter, name: str) -> Iterator[str]:
    """Yield what distributions name as the command of flask, from their metadata.

    Only a distribution that is named after Flask may take the place of `run`, so that others need
    not be read for it.
    """
    for entry in run.path.items:
        folder = entry.value if isinstance(entry, Known) else None
        if not isinstance(folder, str) or not folder.rstrip("/").endswith("-packages"):
            continue
        listed = run.files.list(folder)
        for item in listed if isinstance(listed, tuple) else ():
            if not item.endswith((".dist-info", ".egg-info")):
                continue
            if name in {"run", "shell", "routes"} and "flask" not in item.lower():
                continue
            content = run.files.read(f"{folder}/{item}/entry_points.txt")
            if isinstance(content, Content):
                yield from _targets(content.data.decode("utf-8", "replace"), name)


def _targets(text: str, name: str) -> Iterator[str]:
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(text)
    except configparser.Error:
        return
    if parser.has_option("flask.commands", name):
        yield parser.get("flask.commands", name).split("[")[0].strip()
