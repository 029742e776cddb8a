"""Configs, secrets, volumes and watched paths that a project declares (compose-go validation)."""

from deployguard.errors import SyntaxInputError
from deployguard.formats.yaml import Mapping, Node, Scalar, Sequence
from deployguard.inputs.compose.trees import section, string

_SOURCES = {"configs": ("file", "environment", "content"), "secrets": ("file", "environment")}


def check_objects(top: Mapping) -> None:
    """Raise SyntaxInputError for what says too little, or two things at once."""
    for part, sources in _SOURCES.items():
        for name, node in section(top, part).items():
            if isinstance(node, Mapping):
                _check_source(f"{part}.{name}", node, sources)
    for name, node in section(top, "volumes").items():
        if isinstance(node, Mapping) and is_external(node):
            for key, _ in node.entries:
                if key.text not in {"name", "external"} and not key.text.startswith("x-"):
                    raise SyntaxInputError(
                        f"volumes.{name}: external and {key.text} are both given",
                        location=key.location,
                        hint="an external volume is made elsewhere: keep external and name alone",
                    )
    for name, node in section(top, "services").items():
        _check_watched(name, node)


def is_external(node: Mapping) -> bool:
    """Say whether what is declared is made outside of the project."""
    external = node.get("external")
    return isinstance(external, Mapping) or (
        isinstance(external, Scalar) and external.value is True
    )


def _check_source(name: str, node: Mapping, sources: tuple[str, ...]) -> None:
    given = [source for source in sources if node.get(source) is not None]
    if len(given) > 1:
        raise SyntaxInputError(
            f"{name}: {'|'.join(sources)} attributes are mutually exclusive",
            location=node.location,
            hint="keep one of them",
        )
    if not given and node.get("driver") is None and node.get("external") is None:
        raise SyntaxInputError(
            f"{name}: one of {'|'.join(sources)} must be set",
            location=node.location,
            hint="say where its content comes from, or that it is external",
        )


def _check_watched(name: str, service: Node) -> None:
    develop = service.get("develop") if isinstance(service, Mapping) else None
    watch = develop.get("watch") if isinstance(develop, Mapping) else None
    for rule in watch.items if isinstance(watch, Sequence) else ():
        if isinstance(rule, Mapping) and not string(rule.get("path")):
            raise SyntaxInputError(
                f"services.{name}.develop.watch has a blank path",
                location=rule.location,
                hint="name the files to watch",
            )
