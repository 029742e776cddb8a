"""Compose projects of tests: written to a folder, and resolved by the real compose and by us."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deployguard.errors import InputError
from deployguard.inputs.compose import ComposeOptions, load
from deployguard.model.container import ContainerSpec
from deployguard.model.evidence import Missing, Reason, Traced
from deployguard.model.filesystem import Unread
from tests.support.compose_oracle import printed, resolved

OUTER = {"OUTER": "outside", "EMPTY": "", "DOLLAR": "a$b${c}"}
_DEFAULT = ("compose.yaml", "compose.override.yaml")


class NoImages:
    """Finds no image: what a project says is looked at alone."""

    def find(self, reference: Traced[str | None]) -> Unread:
        return Unread(Missing(Reason.IMAGE, f"the image {reference.value}"))


@dataclass(frozen=True)
class ComposeProject:
    """Files by their names, and how compose is called; without `names`, as compose finds them."""

    files: Mapping[str, str]
    names: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=lambda: dict(OUTER))

    def write(self, folder: Path) -> None:
        for name, text in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())

    def theirs(self, folder: Path) -> dict[str, Any] | str:
        """Return what decides the process of each service, or why compose refuses the project."""
        found = resolved(folder, *self._options(), **self.environ)
        return found if isinstance(found, str) else _theirs(found)

    def printed(self, folder: Path, form: str) -> dict[str, Any]:
        """Return what we make of what `config` prints, read from standard input elsewhere."""
        text = printed(folder, form, *self._options(), **self.environ)
        options = ComposeOptions(profiles=("*",))
        return _ours(load([("-", text.encode())], options, NoImages(), "-"))

    def _options(self) -> list[str]:
        options = [word for name in self.names for word in ("-f", name)]
        options += [word for name in self.env_files for word in ("--env-file", name)]
        return options + [word for name in self.profiles for word in ("--profile", name)]

    def ours(self, folder: Path) -> dict[str, Any] | InputError:
        """Return the same as we resolve it, or the error."""
        try:
            return _ours(self.specs(folder))
        except InputError as error:
            return error

    def specs(self, folder: Path) -> tuple[ContainerSpec, ...]:
        there = tuple(name for name in _DEFAULT if (folder / name).exists())
        paths = [folder / name for name in self.names or there]
        options = ComposeOptions(
            environ={"HOME": str(folder), **self.environ},
            env_files=tuple(str(folder / name) for name in self.env_files),
            profiles=self.profiles,
        )
        files = [(str(path), path.read_bytes()) for path in paths]
        return load(files, options, NoImages(), str(paths[0]))


def _plain(value: Any) -> Any:  # noqa: ANN401  (a value of JSON)
    """Undo what `config` does to dollars, so that its output can be read again."""
    if isinstance(value, str):
        return value.replace("$$", "$")
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _theirs(found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: {
            "command": _plain(one.get("command")) or None,
            "entrypoint": _plain(one.get("entrypoint")),
            "environment": {
                _plain(key): _plain(value)
                for key, value in (one.get("environment") or {}).items()
                if value is not None
            },
            "working_dir": _plain(one.get("working_dir")),
            "user": _plain(one.get("user")),
            "tty": one.get("tty", False),
            "labels": {
                _plain(key): _plain(value) for key, value in (one.get("labels") or {}).items()
            },
            "ports": sorted(
                (port["target"], port["protocol"], port.get("host_ip", "0.0.0.0"),
                 str(port.get("published", "0")))
                for port in one.get("ports") or []
            ),
        }
        for name, one in found["services"].items()
        if one.get("scale", 1) != 0
        and (one.get("deploy") or {}).get("replicas", 1) != 0
        and "provider" not in one
    }  # fmt: skip


def _split(published: str) -> tuple[str, str]:
    address, _, number = published.rpartition(":")
    return address.strip("[]"), number


def _ours(specs: tuple[ContainerSpec, ...]) -> dict[str, Any]:
    def words(value: Traced[tuple[Traced[str | None], ...]] | None) -> list[str | None] | None:
        return None if value is None else [word.value for word in value.value]

    return {
        spec.name: {
            "command": words(spec.cmd),
            "entrypoint": words(spec.entrypoint),
            # What tells of a model is set when the project starts, and not by `config`.
            "environment": {
                name: entry.value
                for name, entry in spec.env.entries.items()
                if not name.startswith("MODEL_")
            },
            "working_dir": spec.working_dir.value if spec.working_dir else None,
            "user": spec.user.value if spec.user else None,
            "tty": spec.terminal.value if spec.terminal else False,
            "labels": dict(spec.labels),
            "ports": sorted(
                (port.container, port.protocol, *_split(port.published))
                for port in spec.ports
                if port.published
            ),
        }
        for spec in specs
    }
