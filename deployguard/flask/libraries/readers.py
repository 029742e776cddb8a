"""Which models read settings: one line for each module, loaded when a program imports it."""

from collections.abc import Callable
from importlib import import_module

from deployguard.python import Interpreter

# The module of a program, the module of its model here, and the function that gives its names.
_MODELS: dict[str, tuple[str, str]] = {
    "decouple": ("decouple", "slots"),
    "environs": ("environs", "slots"),
    "dynaconf": ("dynaconf_flask", "slots"),
    "environ": ("django_environ", "slots"),
    "starlette.config": ("starlette_config", "slots"),
    **dict.fromkeys(
        ("pydantic", "pydantic.v1", "pydantic.fields", "pydantic_settings"), ("pydantic", "slots")
    ),
    "yaml": ("texts", "pyyaml"),
    "ruamel.yaml": ("texts", "ruamel"),
    **dict.fromkeys(("toml", "tomli", "tomlkit"), ("texts", "toml")),
    **dict.fromkeys(("simplejson", "ujson", "rapidjson", "orjson"), ("texts", "other_json")),
}


def slots(run: Interpreter, name: str) -> dict[str, object] | None:
    """Return the names of a library's module, None where it reads no settings that we know."""
    found = _MODELS.get(name)
    if found is None:
        return None
    module, function = found
    model: Callable[[Interpreter, str], dict[str, object]] = getattr(
        import_module(f"deployguard.flask.libraries.{module}"), function
    )
    return model(run, name)
