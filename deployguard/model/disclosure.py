"""Which values of environment variables may be shown to a reader.

Evidence quotes values; whoever writes a note passes the value through `quoted`.
"""

import re

_OPEN = frozenset(
    {
        "FLASK_APP", "FLASK_DEBUG", "FLASK_ENV", "FLASK_SKIP_DOTENV", "FLASK_ENV_FILE",
        "FLASK_RUN_FROM_CLI", "DEBUG", "APP_ENV", "APP_DEBUG", "ENV", "ENVIRONMENT", "STAGE",
        "NODE_ENV", "PATH", "PYTHONPATH", "HOST", "PORT",
    }
)  # fmt: skip
_WORDS = frozenset(
    {
        "0", "1", "true", "false", "t", "f", "yes", "no", "y", "n", "on", "off", "none", "null",
        "production", "prod", "development", "dev", "staging", "stage", "test", "testing", "local",
        "debug", "release", "live", "default", "enabled", "disabled", "docker", "web", "worker",
    }
)  # fmt: skip
_PATTERN = re.compile(r"[A-Za-z0-9-]{0,16}\Z")


def open_name(name: str) -> bool:
    """Say whether a variable's value is shown whatever it is."""
    return name in _OPEN or name.startswith("FLASK_RUN_")


def shown(name: str, value: str | None) -> str | None:
    """Return what may be shown of a variable that decided something; None where it is not seen."""
    if value is None:
        return None
    if name == "WERKZEUG_DEBUG_PIN":
        return "off" if value == "off" else "(set)"
    if open_name(name) or (_PATTERN.match(value) and value.lower() in _WORDS):
        return value
    return "(set)"


def quoted(name: str, value: str | None) -> str:
    """Return the value as evidence quotes it: in quotes, "(set)", or that it cannot be seen."""
    text = shown(name, value)
    if text is None:
        return "set, but its value cannot be seen"
    return text if text == "(set)" else repr(text)
