"""Namespaces, named and not, and whether what they hold comes together."""

from collections.abc import Iterator

from deployguard.model.evidence import Missing, Reason

# What names a namespace is kept under this as well; it is no name of one.
ANYWHERE = "*"

Place = str | None


def places(namespace: Place) -> Iterator[tuple[Place, tuple[Missing, ...]]]:
    """Yield where to look for what leads to a namespace, and on what that hangs.

    What names no namespace goes wherever the manifests are applied, together with what names none
    as well; that may be any other.
    """
    yield namespace, ()
    if namespace is None:
        what = "the namespace to which it is applied"
        yield ANYWHERE, (Missing(Reason.DEPLOYMENT, what),)
    else:
        what = f"whether what names no namespace is applied to {namespace}"
        yield None, (Missing(Reason.DEPLOYMENT, what),)


def kept(namespace: Place) -> tuple[Place, ...]:
    """Return where to keep what names a namespace, or none, so that `places` finds it."""
    return (None,) if namespace is None else (namespace, ANYWHERE)
