"""`deployguard webhook`: the admission webhook."""

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from deployguard.cli.notes import note
from deployguard.model.codes import ExitCode

if TYPE_CHECKING:
    # Help does without the types of what is looked up.
    from deployguard.model.objects import ObjectSource


@click.group()
def webhook() -> None:
    """Judge what is sent to a Kubernetes API server."""


@webhook.command()
@click.option("--tls-cert", required=True, metavar="FILE", help="The certificate (PEM).")
@click.option("--tls-key", required=True, metavar="FILE", help="Its key (PEM).")
@click.option("--host", default="0.0.0.0", show_default=True, help="Where to listen.")  # noqa: S104  (the API server comes from outside the Pod)
@click.option("--port", type=click.IntRange(0, 65535), default=8443, show_default=True)
@click.option("--policy", "policies", multiple=True, metavar="FILE|NAME", help="Judge by this.")
def serve(tls_cert: str, tls_key: str, host: str, port: int, policies: tuple[str, ...]) -> int:
    """Answer admission reviews over HTTPS until a signal ends it."""
    from deployguard import policy as policy_stage
    from deployguard import rules
    from deployguard.inputs.image.engine import EngineImages, EngineOptions
    from deployguard.pipeline import ScanOptions
    from deployguard.webhook import review, server

    names = policies or (policy_stage.DEFAULT,)
    with EngineImages(EngineOptions(environ=dict(os.environ))) as images:
        judge = review.Judge(
            policies=tuple(policy_stage.load(name, rules.IDS) for name in names),
            options=lambda: ScanOptions(today=datetime.now(UTC).date(), environ=dict(os.environ)),
            objects=_objects(),
            images=images,
        )
        server.serve(judge, host=host, port=port, certificate=tls_cert, key=tls_key)
    return ExitCode.ALLOWED


def _objects() -> "ObjectSource":
    """Return the cluster's objects; without a cluster none is known, which is not none there."""
    from deployguard.errors import UnreadableError
    from deployguard.inputs.kubernetes.cluster import connect
    from deployguard.inputs.kubernetes.objects import FileObjects

    try:
        return connect()
    except UnreadableError as error:
        note(f"ConfigMaps are not looked up: {error}")
        return FileObjects({})
