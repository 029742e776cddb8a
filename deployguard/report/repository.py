"""Where in the user's own files a finding can be shown."""

from deployguard.model.decision import Verdict
from deployguard.model.evidence import Location
from deployguard.model.report import Container


def in_the_repository(verdict: Verdict, container: Container) -> Location:
    """Return the innermost place in a file beside the scan.

    One inside an image or of a rendered text opens nowhere. A finding of an image alone has none;
    then it is the place of the container, whatever that is.
    """
    places = (
        verdict.finding.location,
        *(step.location for step in reversed(verdict.finding.evidence)),
    )
    return next((one for one in places if _opens(one)), container.spec.location)


def _opens(location: Location) -> bool:
    return location.image is None and location.line is not None and not location.is_rendered
