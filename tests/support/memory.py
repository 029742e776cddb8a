"""Files and processes made of plain values, for tests that are not about where they come from."""

import posixpath
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from deployguard.model.environment import Environment
from deployguard.model.evidence import Location, Missing, Traced
from deployguard.model.filesystem import Absent, Content, FileKind, Stat, Unread
from deployguard.model.process import Process

ELF = "\x7fELF"
PATH = "/srv/venv/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"


@dataclass(frozen=True)
class MemoryFiles:
    """A filesystem of absolute paths to texts; the paths in `unread` and below are not known."""

    texts: Mapping[str, str]
    unread: Mapping[str, Missing] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)

    def _resolve(self, path: str) -> str:
        path = posixpath.normpath(path)
        for _ in range(40):
            for link, target in self.links.items():
                if path == link or path.startswith(link + "/"):
                    whole = posixpath.join(posixpath.dirname(link), target) + path[len(link) :]
                    path = posixpath.normpath(whole)
                    break
            else:
                return path
        return path

    def _hidden(self, path: str) -> Unread | None:
        for place, missing in self.unread.items():
            if path == place or path.startswith(place.rstrip("/") + "/"):
                return Unread(missing)
        return None

    def _folders(self) -> Mapping[str, set[str]]:
        folders: dict[str, set[str]] = defaultdict(set)
        for path in (*self.texts, *self.links):
            current = path
            while current != "/":
                parent, name = posixpath.split(current)
                folders[parent].add(name)
                current = parent
        return folders

    def read(self, path: str) -> Content | Absent | Unread:
        real = self._resolve(path)
        hidden = self._hidden(real)
        if hidden is not None:
            return hidden
        if real not in self.texts:
            return Absent(real)
        return Content(self.texts[real].encode(), Location(real))

    def list(self, path: str) -> tuple[str, ...] | Absent | Unread:
        real = self._resolve(path)
        folders = self._folders()
        return (
            self._hidden(real) or (tuple(sorted(folders[real])) if real in folders else None)
        ) or Absent(real)

    def stat(self, path: str) -> Stat | Absent | Unread:
        real = self._resolve(path)
        hidden = self._hidden(real)
        if hidden is not None:
            return hidden
        if real in self.texts:
            size = len(self.texts[real].encode())
            return Stat(FileKind.FILE, real, 0o755, size, Location(real))
        if real in self._folders():
            return Stat(FileKind.DIRECTORY, real, 0o755, 0, Location(real))
        return Absent(real)


def venv(**versions: str) -> dict[str, str]:
    """Return the files of /srv/venv with the named distributions ("_" for "-") installed."""
    site = "/srv/venv/lib/python3.13/site-packages"
    files = {
        "/srv/venv/pyvenv.cfg": "home = /usr/bin\n",
        "/srv/venv/bin/python": ELF,
        "/srv/venv/bin/python3": ELF,
        "/usr/bin/sh": ELF,
        "/usr/bin/env": ELF,
    }
    modules = {"python_dotenv": "dotenv"}
    for name, version in versions.items():
        files[f"{site}/{name}-{version}.dist-info/METADATA"] = f"Name: {name}\nVersion: {version}\n"
        files[f"{site}/{modules.get(name, name)}/__init__.py"] = ""
    for command, target in (
        ("flask", "flask.cli:main"),
        ("gunicorn", "gunicorn.app.wsgiapp:run"),
        ("waitress-serve", "waitress.runner:run"),
    ):
        module, function = target.split(":")
        files[f"/srv/venv/bin/{command}"] = (
            "#!/srv/venv/bin/python\nimport sys\n"
            f"from {module} import {function}\n"
            f"if __name__ == '__main__':\n    sys.exit({function}())\n"
        )
    return files


FLASK_3 = {"flask": "3.1.0", "werkzeug": "3.1.3", "click": "8.1.7", "python_dotenv": "1.0.1"}
FLASK_22 = {"flask": "2.2.5", "werkzeug": "2.2.3", "click": "8.1.7", "python_dotenv": "1.0.1"}
FLASK_222 = {"flask": "2.2.2", "werkzeug": "2.2.2", "click": "8.1.3", "python_dotenv": "1.0.1"}
FLASK_11 = {"flask": "1.1.4", "werkzeug": "1.0.1", "click": "7.1.2", "python_dotenv": "1.0.1"}
FLASK_012 = {"flask": "0.12.5", "werkzeug": "0.16.1", "click": "7.1.2"}


def process(command: str | Sequence[str], **variables: str | None) -> Process:
    """Return a process in /srv/app; a variable of value None is not set."""
    words = command.split() if isinstance(command, str) else command
    place = Location("image config")
    env = {"PATH": PATH, "HOME": "/root"} | {
        name: value for name, value in variables.items() if value is not None
    }
    entries: dict[str, Traced[str | None]] = {
        name: Traced(value, place) for name, value in env.items()
    }
    return Process(
        args=tuple(Traced(word, place) for word in words),
        env=Environment(entries),
        cwd=Traced("/srv/app", place),
        user=None,
        terminal=Traced(False, place),  # noqa: FBT003
        location=place,
    )
