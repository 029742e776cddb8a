"""Which paths are left out of a folder: by pattern as asked for, or by what such folders are."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from deployguard.model.skipped import SkipReason

# Third-party code, caches, and the files of tools: nothing is deployed from there by its folder.
LIBRARIES = frozenset(
    {
        ".aws-sam", ".bundle", ".bzr", ".cache", ".cargo", ".direnv", ".eggs", ".git", ".gradle",
        ".hg", ".hypothesis", ".idea", ".ipynb_checkpoints", ".mypy_cache", ".next", ".nox",
        ".npm", ".nuxt", ".pnpm-store", ".pytest_cache", ".ruff_cache", ".serverless", ".svn",
        ".terraform", ".tox", ".venv", ".vs", ".vscode", ".yarn", "__pycache__",
        "bower_components", "dist-packages", "jspm_packages", "node_modules", "site-packages",
        "third_party", "vendor", "venv",
    }
)  # fmt: skip
EXAMPLES = frozenset(
    {
        "__fixtures__", "example", "examples", "fixtures", "sample", "samples", "test-data",
        "test_data", "testdata",
    }
)  # fmt: skip
DEVELOPMENT = frozenset({".devcontainer"})
# What marks a folder, whatever it is called: a virtual environment of Python (PEP 405), a cache
# (Cache Directory Tagging Specification; cargo, mypy, pytest and ruff write it).
_MARKS = frozenset({"pyvenv.cfg", "CACHEDIR.TAG"})


def folder_reason(name: str) -> SkipReason | None:
    """Return why a folder of this name is not looked into, None where it is."""
    if name in LIBRARIES:
        return SkipReason.LIBRARIES
    if name in EXAMPLES:
        return SkipReason.EXAMPLES
    return SkipReason.DEVELOPMENT if name in DEVELOPMENT else None


def is_marked(names: Iterable[str]) -> bool:
    """Say whether a folder with these names in it is an environment or a cache."""
    return not _MARKS.isdisjoint(names)


def excluded(relative: str, named: str, patterns: Iterable[str]) -> bool:
    """Say whether a pattern of --exclude leaves a path out.

    `relative` is the path in the folder, `named` the one that the report would show. A pattern
    without a slash matches a name at any depth; one with a slash the whole path, either of them. A
    star matches slashes as well. What lies below a folder that is left out is left out.
    """
    return any(_matches(relative, named, pattern) for pattern in patterns)


def _matches(relative: str, named: str, pattern: str) -> bool:
    plain = pattern.removeprefix("./").rstrip("/")
    if "/" not in plain:
        return fnmatchcase(relative.rpartition("/")[2], plain)
    wanted = {plain, plain.removeprefix("**/")}
    return any(fnmatchcase(path, one) for path in (relative, named) for one in wanted)
