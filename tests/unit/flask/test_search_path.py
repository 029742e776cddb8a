"""Where a Python looks for packages, in the order of site.main."""

import pytest

from deployguard.flask.search_path import search_path
from deployguard.model.process import Interpreter
from tests.support.memory import MemoryFiles, process


@pytest.mark.parametrize(
    ("settings", "sites"),
    [
        ("home = /usr/bin\ninclude-system-site-packages = false\n", ("/usr/local",)),
        ("home = /usr/bin\ninclude-system-site-packages = true\n",
         ("/usr/local", "/root/.local", "/usr")),
    ],
)  # fmt: skip
def test_the_users_own_packages_count_where_those_of_the_system_do(
    settings: str, sites: tuple[str, ...]
) -> None:
    library = "lib/python3.11/site-packages/x.py"
    files = MemoryFiles(
        {
            "/usr/local/bin/python3.11": "\x7fELF",
            "/usr/local/pyvenv.cfg": settings,
            **{f"{place}/{library}": "" for place in ("/usr/local", "/usr", "/root/.local")},
        }
    )
    found = search_path(
        Interpreter(path="/usr/local/bin/python3.11"), process("python app.py"), None, files
    )
    prefixes = dict.fromkeys(site.partition("/lib/")[0] for site in found.sites)
    assert tuple(prefixes) == sites
