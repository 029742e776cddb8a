"""Files of variables that a server reads before it loads the application (--env-file)."""

from deployguard.flask.servers.worlds import hide_variables, set_variable
from deployguard.formats import dotenv
from deployguard.model.evidence import Evidence, Missing, Reason
from deployguard.model.filesystem import Absent, Content, Unread
from deployguard.model.process import Word
from deployguard.python import Interpreter, Opaque, known
from deployguard.python.standard import absolute


def take_environment_file(run: Interpreter, file: Word, *, override: bool = False) -> None:
    """dotenv.load_dotenv(file): what is set already stays unless `override` says otherwise."""
    path = None if file.value is None else absolute(run, file.value)
    content = Unread(_missing(file)) if path is None else run.files.read(path)
    match content:
        case Absent():
            return
        case Unread(missing=missing):
            hide_variables(run, (missing,))
        case Content():
            for name, entry in dotenv.environment(content).entries.items():
                if name in run.environ.slots and not override:
                    continue
                note = Evidence(entry.location, f"{name} is set here")
                set_variable(
                    run,
                    name,
                    Opaque(entry.missing, name, harmless=True)
                    if entry.value is None
                    else known(entry.value, note),
                )


def _missing(file: Word) -> Missing:
    return next(iter(file.missing), Missing(Reason.FILE, f"the variables in {file.value}"))
