"""Helm charts: what belongs to one, and which are rendered by themselves."""

from deployguard.errors import InputError
from deployguard.formats import yaml
from deployguard.inputs.discovery import kinds
from deployguard.inputs.discovery.sources import Sources

# Beside the values files (helm.sh/docs/topics/charts, "The Chart File Structure").
_FILES = frozenset(
    {kinds.CHART, "Chart.lock", "requirements.yaml", "requirements.lock", "values.schema.json"}
)


def belongs(name: str) -> bool:
    """Say whether a file beside Chart.yaml is the chart's own."""
    return name in _FILES or (name.startswith("values") and name.endswith((".yaml", ".yml")))


def is_library(path: str, sources: Sources) -> bool:
    """Say whether a chart is of the type library, which helm does not render by itself."""
    try:
        found = next(iter(yaml.documents(sources.read(path), path, yaml.Dialect.KUBECTL)), None)
    except InputError:  # who renders it says so
        return False
    kind = found.get("type") if isinstance(found, yaml.Mapping) else None
    return isinstance(kind, yaml.Scalar) and kind.text == "library"
