"""What decides how charts and kustomizations are rendered: the options of the command line."""

from msgspec import Struct


class RenderingOptions(Struct, frozen=True, kw_only=True):
    """Options under the names that helm gives them.

    `values` are files, `sets` and `set_strings` are NAME=VALUE in helm's own syntax; of each the
    last one wins. `namespace` is where goes what names none. None leaves it to the program.
    """

    values: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    set_strings: tuple[str, ...] = ()
    namespace: str | None = None
    release_name: str | None = None
    kube_version: str | None = None
    api_versions: tuple[str, ...] = ()
