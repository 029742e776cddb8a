"""Kustomizations, as the user's own kustomize or kubectl renders them.

Without flags neither runs plugins, functions or helm, and files from above a kustomization are not
loaded; what they would fetch is refused before they are started.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from deployguard.errors import EmptyError, InputError, SyntaxInputError
from deployguard.inputs.kubernetes.manifests import Manifests
from deployguard.inputs.kubernetes.workloads import Workloads
from deployguard.inputs.rendering import kustomizations, origins
from deployguard.inputs.rendering.kustomization_places import KustomizationPlaces
from deployguard.inputs.rendering.options import RenderingOptions
from deployguard.inputs.rendering.programs import Output, environment, find, run
from deployguard.inputs.rendering.reading import Reading, read_rendered, short, warnings
from deployguard.model.evidence import RENDERED, Location

_INSTALL = (
    "install kubectl (https://kubernetes.io/docs/tasks/tools) or kustomize, or render it where one "
    "is: kubectl kustomize DIR | deployguard scan k8s:-"
)
_ERROR = re.compile(r"\Aerror: ", re.IGNORECASE)


def render(
    name: str, options: RenderingOptions, environ: Mapping[str, str], workloads: Workloads
) -> Manifests:
    """Render the kustomization of a folder, and return its objects with their places.

    Raises UnsupportedError where there is no program and for what would be fetched or run,
    InputError for what the program refuses.
    """
    program = find(("kustomize", "kubectl"), environ, _INSTALL)
    found = kustomizations.read(name)
    command = [program, "build" if Path(program).name == "kustomize" else "kustomize"]
    output = run([*command, str(Path(name).absolute())], environment())
    if not output.succeeded:
        raise _refused(output, name, Path(program).name)
    places = KustomizationPlaces(origins.collect(found))
    whole = str(Path(name).absolute())
    said = (line.removeprefix("# ").replace(whole, name) for line in output.messages)
    rendered = read_rendered(
        output.text,
        f"{name}{RENDERED}",
        places,
        Reading(options.namespace, workloads),
        tuple(warnings("kustomize", said, name)),
    )
    if not rendered.objects:
        raise EmptyError(
            f"{name} renders to no object",
            location=Location(found.file),
            hint="name what it deploys under resources",
        )
    return rendered


def _refused(output: Output, name: str, program: str) -> InputError:
    """Return the program's own words as an error."""
    lines = [line.strip() for line in output.messages]
    start = next((at for at, line in enumerate(lines) if _ERROR.match(line)), 0)
    told = _ERROR.sub("", " ".join(lines[start:]))
    told = told.replace(str(Path(name).absolute()), name) or "ended without a word"
    return SyntaxInputError(
        f"{program}: {short(told)}",
        location=Location(name),
        hint="correct the kustomization; kubectl kustomize shows the same",
    )
