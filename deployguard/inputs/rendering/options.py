"""What decides how charts and kustomizations are rendered: the options of the command line."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderingOptions:
    """Options under the names that helm gives them.

    `values` are files, `sets` are NAME=VALUE in helm's own syntax; both in the order in which a
    later one wins. `namespace` is where goes what names none. None leaves it to the program.
    """

    values: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    namespace: str | None = None
    release_name: str | None = None
    kube_version: str | None = None
    api_versions: tuple[str, ...] = ()
