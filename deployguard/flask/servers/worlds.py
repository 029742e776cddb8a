"""What servers change in the process before they load an application: folder, path, variables."""

from collections.abc import Sequence

from deployguard.model.evidence import Evidence, Missing
from deployguard.model.process import Word
from deployguard.python import Interpreter, Known, Opaque, Value, known


def given(word: Word, note: str = "an argument") -> Value:
    """Return a word of a command as a value."""
    if word.value is None:
        return Opaque(word.missing, note, harmless=True)
    return known(word.value, Evidence(word.location, note))


def text_of(value: Value | None) -> str | None:
    """Return a known text, None for anything else."""
    return value.value if isinstance(value, Known) and isinstance(value.value, str) else None


def first_on_path(run: Interpreter, *folders: str) -> None:
    """Put folders first on sys.path, the last of them foremost, each only once."""
    for folder in folders:
        items = run.path.items
        if not any(isinstance(item, Known) and item.value == folder for item in items):
            run.store(run.path.slots, "items", (known(folder), *items))


def set_variable(run: Interpreter, name: str, value: Value) -> None:
    """Set a variable of the environment."""
    run.store(run.environ.slots, name, value)


def hide_variables(run: Interpreter, missing: Sequence[Missing]) -> None:
    """Leave open what every variable holds."""
    for name in tuple(run.environ.slots):
        run.store(run.environ.slots, name, Opaque(tuple(missing), name, harmless=True))
    run.environ.rest = run.environ.rest or Opaque(tuple(missing), "os.environ", harmless=True)
