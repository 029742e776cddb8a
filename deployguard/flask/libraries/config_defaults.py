"""What app.config holds in a new application (Flask.default_config), family by family."""

from deployguard.flask.libraries.config import configuration
from deployguard.flask.versions import Version
from deployguard.model.evidence import Missing, Reason
from deployguard.python import Mapped, Opaque, Value, known

# What Flask.default_config holds, without what varies; None is the value None.
_DEFAULTS: dict[str, object] = {
    "TESTING": False,
    "PROPAGATE_EXCEPTIONS": None,
    "SECRET_KEY": None,
    "USE_X_SENDFILE": False,
    "SERVER_NAME": None,
    "SESSION_COOKIE_NAME": "session",
    "SESSION_COOKIE_DOMAIN": None,
    "SESSION_COOKIE_PATH": None,
    "SESSION_COOKIE_HTTPONLY": True,
    "SESSION_COOKIE_SECURE": False,
    "MAX_CONTENT_LENGTH": None,
    "TRAP_HTTP_EXCEPTIONS": False,
    "PREFERRED_URL_SCHEME": "http",
}
# Keys of some families: the first release with them, the first without, and their value.
_FAMILIES: tuple[tuple[str, Version, Version, object], ...] = (
    ("APPLICATION_ROOT", (0,), (1,), None),
    ("APPLICATION_ROOT", (1,), (999,), "/"),
    ("PRESERVE_CONTEXT_ON_EXCEPTION", (0,), (2, 2), None),
    ("TRAP_BAD_REQUEST_ERRORS", (0,), (1,), False),
    ("TRAP_BAD_REQUEST_ERRORS", (1,), (999,), None),
    ("SESSION_REFRESH_EACH_REQUEST", (0, 11), (999,), True),
    ("EXPLAIN_TEMPLATE_LOADING", (0, 11), (999,), False),
    ("TEMPLATES_AUTO_RELOAD", (0, 11), (999,), None),
    ("SESSION_COOKIE_SAMESITE", (1,), (999,), None),
    ("MAX_COOKIE_SIZE", (1,), (999,), 4093),
    ("JSON_AS_ASCII", (0,), (2, 2), True),
    ("JSON_AS_ASCII", (2, 2), (2, 3), None),
    ("JSON_SORT_KEYS", (0,), (2, 2), True),
    ("JSON_SORT_KEYS", (2, 2), (2, 3), None),
    ("JSONIFY_PRETTYPRINT_REGULAR", (0,), (1,), True),
    ("JSONIFY_PRETTYPRINT_REGULAR", (1,), (2, 2), False),
    ("JSONIFY_PRETTYPRINT_REGULAR", (2, 2), (2, 3), None),
    ("JSONIFY_MIMETYPE", (0, 11), (2, 2), "application/json"),
    ("JSONIFY_MIMETYPE", (2, 2), (2, 3), None),
    ("SECRET_KEY_FALLBACKS", (3, 1), (999,), None),
    ("TRUSTED_HOSTS", (3, 1), (999,), None),
    ("SESSION_COOKIE_PARTITIONED", (3, 1), (999,), False),
    ("MAX_FORM_MEMORY_SIZE", (3, 1), (999,), 500_000),
    ("MAX_FORM_PARTS", (3, 1), (999,), 1000),
    ("PROVIDE_AUTOMATIC_OPTIONS", (3, 1), (999,), True),
)
# Keys whose values are objects of Python's own, such as a timedelta.
_OBJECTS = ("PERMANENT_SESSION_LIFETIME", "SEND_FILE_MAX_AGE_DEFAULT")
# The newest release whose defaults stand above; a later one may have more keys.
_NEWEST: Version = (3, 2)


def made(flask: Version, root: Value, env: Value, debug: Value) -> Mapped:
    """Return the configuration of a new application (Flask.make_config).

    `env` is what get_env() gives, `debug` what get_debug_flag() gives at this moment.
    """
    slots: dict[object, Value] = {name: known(value) for name, value in _DEFAULTS.items()}
    slots |= {name: known(value) for name, first, end, value in _FAMILIES if first <= flask < end}
    if flask < (0, 11):
        slots["LOGGER_NAME"] = _opaque("LOGGER_NAME")
    elif flask < (1,):
        slots["LOGGER_NAME"], slots["LOGGER_HANDLER_POLICY"] = (
            _opaque("LOGGER_NAME"),
            known("always"),
        )
    if (1,) <= flask < (2, 3):
        slots["ENV"] = env
    slots |= {name: _opaque(name) for name in _OBJECTS}
    slots["DEBUG"] = debug
    rest = None if flask < _NEWEST else _opaque("app.config")
    return configuration(flask, root, slots, rest)


def _opaque(name: str) -> Opaque:
    missing = Missing(Reason.PROGRAM, f"what Flask sets {name} to")
    return Opaque((missing,), name, harmless=True)
