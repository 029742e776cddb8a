"""What a scan of a folder did not judge, for a person: one line for each reason."""

from collections.abc import Iterator, Sequence

from deployguard.model.skipped import Skipped, SkipReason
from deployguard.report import redact

_NAMED = 3
_WORDS = {
    SkipReason.LIBRARIES: "folders of libraries and tools",
    SkipReason.EXAMPLES: "folders of examples and test data",
    SkipReason.DEVELOPMENT: "development containers",
    SkipReason.EXCLUDED: "left out as asked for",
    SkipReason.TEMPLATE: "templates, rendered before they are applied",
    SkipReason.NEITHER: "YAML and JSON that is neither a compose file nor a manifest",
    SkipReason.FRAGMENT: "parts that nothing here takes in",
    SkipReason.NO_IMAGE: "archives that hold no image",
    SkipReason.TOO_LARGE: "larger than a manifest may be",
    SkipReason.LINK: "links, not followed",
    SkipReason.OTHER: "files of other forms",
}


def lines(skipped: Sequence[Skipped], *, every: bool) -> Iterator[str]:
    """Yield what was skipped; `every` names all paths, and counts files of other forms too."""
    shown = [one for one in skipped if every or one.why is not SkipReason.OTHER]
    if shown:
        yield "not judged:"
    for one in shown:
        yield f"  {_WORDS[one.why]}: {_named(one, every=every)}"


def _named(one: Skipped, *, every: bool) -> str:
    names = [redact.named(path) for path in (one.paths if every else one.paths[:_NAMED])]
    more = one.count - len(names)
    if not names:
        return str(one.count)
    return ", ".join(names) + (f" and {more} more" if more else "")
