"""COPY and ADD: which files they lay where (dockerfile2llb/convert_copy.go, fsutil/copy)."""

import fnmatch
import posixpath
import re
from collections.abc import Callable

from msgspec import Struct

from deployguard.errors import SyntaxInputError
from deployguard.formats import build_words
from deployguard.formats import dockerfile as syntax
from deployguard.formats.build_words import Lookup, SubstitutionError
from deployguard.formats.dockerfile import Instruction
from deployguard.inputs.dockerfile import archives, ignore
from deployguard.inputs.dockerfile.modes import mode_change
from deployguard.inputs.dockerfile.trees import (
    Below,
    File,
    Folder,
    Layers,
    Single,
    Tree,
    Unknown,
    View,
    WithMode,
    Without,
    clean,
    text_file,
)
from deployguard.model.evidence import Location, Missing, Reason
from deployguard.model.filesystem import Absent, Content, Unread

_WILD = re.compile(r"(?<!\\)(?:\\\\)*[*?\[]")
_GIT = re.compile(r"git@|git://|ssh://|github\.com/|(?:https?://)\S+\.git(?:[#?]|\Z)")
_MATCHES = 10_000


class Copying(Struct, frozen=True):
    """Under what a COPY or ADD runs: where from, the directory it stands in, its variables."""

    source: Tree
    cwd: str
    lookup: Lookup
    escape: str
    what: str  # what the source is, for a reader


class _Laying(Struct, frozen=True):
    """How files are laid: where to, and what is done to them on the way."""

    files: Layers
    target: str
    folder: bool
    link: bool
    change: Callable[[int, bool], int] | None
    excluded: ignore.Matcher
    unread: Missing
    location: Location

    def put(self, place: str, tree: Tree) -> None:
        """Lay a tree at a place."""
        changed = tree if self.change is None else WithMode(tree, self.change)
        self.files.put(place if self.link else self.files.place(place), changed)

    def file(self, name: str, tree: Tree) -> None:
        """Lay a file as the target, or under its name in a directory."""
        self.put(self.place(name), tree)

    def place(self, name: str) -> str:
        """Return where a file of a name goes."""
        target = clean(self.target)
        inside = self.folder
        if not inside and not self.link:
            _, there = View(self.files).entry(target)
            inside = isinstance(there, Folder)
        return posixpath.join(target, name) if inside else target


def copy(files: Layers, step: Instruction, given: Copying) -> None:
    """Lay the files of a COPY or ADD over those of the stage.

    What cannot be told is unknown at its place. Raises SyntaxInputError for what the build refuses.
    """
    place = f"{step.location.file}:{step.location.line}"
    unread = Missing(Reason.RUN, f"what {step.keyword} at {place} brings")
    *sources, last = step.arguments
    target = expanded(last, given.lookup, given.escape, step)
    if target is None:
        files.put("/", Unknown(unread))
        return
    laying = _laying(files, step, given, target, unread)
    if laying is None:
        files.put(files.place(clean(posixpath.join(given.cwd, target))), Unknown(unread))
        return
    heredocs = {one.name: one for one in step.heredocs}
    texts: list[str] = []
    for source in sources:
        opened = syntax.heredoc(source) if step.words is None else None
        if opened is not None and opened[0] in heredocs:
            texts.append(opened[0])
            continue
        path = expanded(source, given.lookup, given.escape, step)
        if path is None:
            laying.put(clean(laying.target), Unknown(unread))
        else:
            _source(laying, step, given, path)
    for name in texts:
        _inline(laying, heredocs[name], given.lookup, step)


def expanded(text: str, lookup: Lookup, escape: str, step: Instruction) -> str | None:
    """Fill in the variables of a word; raises SyntaxInputError for what the build refuses."""
    try:
        return build_words.expand(text, lookup, escape)
    except SubstitutionError as error:
        raise SyntaxInputError(
            f"{step.keyword}: {error}", location=step.location, hint="docker build refuses it too"
        ) from error


def _laying(
    files: Layers, step: Instruction, given: Copying, target: str, unread: Missing
) -> _Laying | None:
    """Return how files are laid; None where the permissions or what is excluded cannot be told."""
    mode = step.flag("chmod")
    change = None
    if mode is not None:
        text = expanded(mode, given.lookup, given.escape, step)
        change = mode_change(text) if text is not None else None
        if change is None:
            return None
    patterns = []
    for value in step.values("exclude"):
        pattern = expanded(value, given.lookup, given.escape, step)
        if pattern is None:
            return None
        patterns.append((pattern.strip("/"), step.location))
    return _Laying(
        files,
        posixpath.join(given.cwd, target),
        folder=target.endswith("/") or target in {"", "."},
        link=step.on("link"),
        change=change,
        excluded=ignore.matcher(patterns),
        unread=unread,
        location=step.location,
    )


def _source(laying: _Laying, step: Instruction, given: Copying, path: str) -> None:
    remote = re.match(r"https?://", path) is not None
    if step.keyword == "ADD" and _GIT.match(path):
        laying.put(clean(laying.target), Unknown(laying.unread))
        return
    if remote:
        name = posixpath.basename(path.partition("?")[0].partition("#")[0].split("://", 1)[1])
        unpacked = step.on("unpack")
        place = clean(laying.target) if unpacked or not name else laying.place(name)
        laying.put(place, Unknown(laying.unread))
        return
    if step.on("parents"):
        _with_parents(laying, given, path)
        return
    for match in matches(given.source, path):
        _laid(laying, step, given, match)


def _laid(laying: _Laying, step: Instruction, given: Copying, path: str) -> None:
    """Lay one source: a directory's content into the target, a file under its name."""
    real, found = View(given.source).entry(path)
    unpacks = step.keyword == "ADD" and step.flag("unpack") != "false"
    match found:
        case Folder():
            laying.put(clean(laying.target), _contents(laying, given.source, real))
        case File() if unpacks and (tree := _unpacked(found, laying.unread)) is not None:
            laying.put(clean(laying.target), tree)
        case File():
            laying.file(posixpath.basename(path), Single(found))
        case Unread(missing=missing):
            place = laying.place(posixpath.basename(path)) if path != "/" else laying.target
            laying.put(clean(place), Unknown(missing))
        case _:
            # The build fails for want of it, or makes it first: what comes there is not known.
            missing = Missing(
                Reason.FILE,
                f"{path.lstrip('/') or '/'} of {given.what}, which is not there"
                f" ({step.keyword} at {step.location.file}:{step.location.line})",
            )
            laying.put(clean(laying.target), Unknown(missing))


def _contents(laying: _Laying, source: Tree, path: str) -> Tree:
    tree: Tree = Below(source, path) if path != "/" else source
    matcher = laying.excluded
    if not matcher.patterns:
        return tree
    return Without(tree, lambda inner: _left_out(matcher, inner, tree))


def _left_out(matcher: ignore.Matcher, path: str, tree: Tree) -> bool:
    """Say whether --exclude leaves a path out; a directory stays where `!` takes some back in."""
    if not matcher.matches(path):
        return False
    return not (matcher.exclusions and isinstance(tree.entry(path), Folder))


def _unpacked(found: File, unread: Missing) -> Tree | None:
    """Return what ADD unpacks of a file, None for one that is no archive."""
    content = found.load()
    if not isinstance(content, Content):
        return Unknown(unread)
    if not archives.is_archive(content.data):
        return None
    try:
        return archives.unpacked(content.data, content.location)
    except archives.NotUnpackedError:
        return Unknown(unread)


def _with_parents(laying: _Laying, given: Copying, path: str) -> None:
    """COPY --parents: directories of the source go along, from `/./` on where that is given."""
    base, pivot, pattern = path.partition("/./")
    source = given.source
    if pivot:
        real, found = View(source).entry(clean(base))
        if not isinstance(found, Folder):
            laying.put(clean(laying.target), Unknown(laying.unread))
            return
        source = Below(source, real)
    else:
        pattern = path
    for match in matches(source, pattern):
        real, found = View(source).entry(match)
        place = clean(posixpath.join(laying.target, match.lstrip("/")))
        match found:
            case Folder():
                laying.put(place, _contents(laying, source, real))
            case File():
                laying.put(place, Single(found))
            case Unread(missing=missing):
                laying.put(place, Unknown(missing))
            case _:
                laying.put(place, Unknown(laying.unread))


def matches(tree: Tree, path: str) -> list[str]:
    """Return the paths that a source with wildcards stands for, sorted (filepath.Match)."""
    if not _WILD.search(path):
        return [clean(re.sub(r"\\(.)", r"\1", path))]
    view = View(tree)
    found = ["/"]
    for part in clean(path).strip("/").split("/"):
        if not _WILD.search(part):
            found = [posixpath.join(place, part) for place in found]
            continue
        following: list[str] = []
        for place in found:
            names = view.list(place)
            if isinstance(names, Unread):
                # Which files they are is not known: the whole folder stands for them.
                return [place]
            if isinstance(names, tuple):
                following.extend(posixpath.join(place, n) for n in names if _fits(part, n))
        found = following[:_MATCHES]
    return [place for place in found if not isinstance(view.entry(place)[1], Absent)]


def _fits(pattern: str, name: str) -> bool:
    # filepath.Match negates a class with "^", fnmatch with "!".
    return fnmatch.fnmatchcase(name, pattern.replace("[^", "[!"))


def _inline(laying: _Laying, heredoc: syntax.Heredoc, lookup: Lookup, step: Instruction) -> None:
    """Lay a here document as a file of its name (SourceContents)."""
    text: str | None = heredoc.text
    if heredoc.expand:
        try:
            text = build_words.expand(heredoc.text, lookup, quotes=False)
        except SubstitutionError as error:
            raise SyntaxInputError(f"{step.keyword}: {error}", location=step.location) from error
    tree: Tree = Unknown(laying.unread)
    if text is not None:
        tree = Single(text_file(text.encode(), laying.location))
    laying.file(heredoc.name, tree)
