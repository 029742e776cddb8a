"""What wins says where it stands and what it replaced, through files, extends and env files."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from deployguard.errors import InputError, LimitError, UnsupportedError
from deployguard.inputs.compose import ComposeOptions, load
from deployguard.model.container import ContainerSpec
from deployguard.model.evidence import Traced
from deployguard.model.problem import Problem
from tests.support.compose_projects import ComposeProject, NoImages


def specs(
    folder: Path, files: Mapping[str, str], *names: str, **environ: str
) -> dict[str, ContainerSpec]:
    project = ComposeProject(files, names, environ=environ)
    project.write(folder)
    return {spec.name: spec for spec in project.specs(folder)}


def chain(value: Traced[str | None] | None) -> list[tuple[str | None, str, int | None]]:
    """Return a value and what it replaced, each with its file and line."""
    found = []
    while value is not None:
        found.append((value.value, Path(value.location.file).name, value.location.line))
        value = value.replaced
    return found


def test_a_variable_keeps_what_files_and_extends_replaced(tmp_path: Path) -> None:
    files = {
        "compose.yaml": "services:\n  web:\n    extends: {file: base.yaml, service: base}\n"
        "    environment:\n      FLASK_DEBUG: '2'\n",
        "compose.override.yaml": "services:\n  web:\n    environment:\n      - FLASK_DEBUG=3\n",
        "base.yaml": "services:\n  base:\n    image: shop\n    env_file: a.env\n"
        "    environment: {FLASK_DEBUG: 1}\n",
        "a.env": "A=1\nFLASK_DEBUG=0\n",
    }
    web = specs(tmp_path, files)["web"]
    assert chain(web.env.get("FLASK_DEBUG")) == [
        ("3", "compose.override.yaml", 4),
        ("0", "a.env", 2),
    ]
    files["base.yaml"] = files["base.yaml"].replace("    env_file: a.env\n", "")
    assert chain(specs(tmp_path, files)["web"].env.get("FLASK_DEBUG")) == [
        ("3", "compose.override.yaml", 4),
        ("2", "compose.yaml", 5),
        ("1", "base.yaml", 4),
    ]


def test_a_command_keeps_what_it_replaced(tmp_path: Path) -> None:
    files = {
        "compose.yaml": "services:\n  web:\n    image: a\n    command: flask run\n    user: a\n",
        "compose.override.yaml": "services:\n  web:\n    command: [gunicorn, app]\n    user: b\n",
    }
    web = specs(tmp_path, files)["web"]
    assert web.cmd is not None
    assert web.cmd.replaced is not None
    assert [word.value for word in web.cmd.replaced.value] == ["flask", "run"]
    assert (web.cmd.location.line, web.cmd.replaced.location.line) == (3, 4)
    assert chain(web.user) == [("b", "compose.override.yaml", 4), ("a", "compose.yaml", 5)]


def test_what_is_included_stands_in_its_own_file(tmp_path: Path) -> None:
    files = {
        "compose.yaml": "include: [sub/base.yaml]\n",
        "sub/base.yaml": "services:\n  web:\n    image: a\n    env_file: a.env\n    command: x\n",
        "sub/a.env": "# c\nA=1\n",
    }
    web = specs(tmp_path, files)["web"]
    assert web.cmd is not None
    assert web.location.file == web.cmd.location.file == str(tmp_path / "sub/base.yaml")
    assert chain(web.env.get("A")) == [("1", "a.env", 2)]


# Files, the place of the error, and words of its message.
REFUSED: Mapping[str, tuple[dict[str, str], str, int, int, str]] = {
    "an unknown key below": (
        {"compose.yaml": "services:\n  web:\n    image: a\n    healthcheck: {tset: x}\n"},
        "compose.yaml", 4, 19, "'tset' not allowed in services.web.healthcheck",
    ),
    "a wrong type in a list": (
        {"compose.yaml": "services:\n  web:\n    image: a\n    group_add: [[a]]\n"},
        "compose.yaml", 4, 17, "services.web.group_add.0 should be a text or a number",
    ),
    "a key that is missing": (
        {"compose.yaml": "services: {web: {image: a, post_start: [{user: x}]}}\n"},
        "compose.yaml", 1, 41, "services.web.post_start.0 lacks command",
    ),
    "a wrong type in a file that is extended": (
        {"compose.yaml": "services: {web: {extends: {file: base.yaml, service: b}}}\n",
         "base.yaml": "services:\n  b: {image: 5}\n"},
        "base.yaml", 2, 14, "services.web.image should be a text",
    ),
    "a bad variable in a file that is included": (
        {"compose.yaml": "include: [base.yaml]\n", "base.yaml": "services:\n  b: {image: '${}'}\n"},
        "base.yaml", 2, 14, "interpolation",
    ),
    "a conflict": (
        {"compose.yaml": "include: [base.yaml]\nservices: {b: {image: c}}\n",
         "base.yaml": "services: {b: {image: a}}\n"},
        "compose.yaml", 2, 15, "services.b conflicts with imported resource",
    ),
    "a circle": (
        {"compose.yaml": "services:\n  a: {extends: b}\n  b: {extends: a}\n"},
        "compose.yaml", 2, 16, "circular reference: a extends b extends a",
    ),
    "a dependency in a profile": (
        {"compose.yaml": "services:\n  a: {image: a, depends_on: [b]}\n"
         "  b: {image: b, profiles: [p]}\n"},
        "compose.yaml", 2, 30, "service a depends on undefined service b",
    ),
    "a command that ends in a quote": (
        {"compose.yaml": "services:\n  a: {image: a, profiles: [p], command: \"x 'y\"}\n"},
        "compose.yaml", 2, 41, "quote",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_says_where_and_why(name: str, tmp_path: Path) -> None:
    files, file, line, column, words = REFUSED[name]
    with pytest.raises(InputError) as caught:
        specs(tmp_path, files)
    place = caught.value.location
    assert place is not None
    assert (Path(place.file).name, place.line, place.column) == (file, line, column)
    assert words in caught.value.message
    assert caught.value.hint


def test_files_from_elsewhere_are_not_fetched(tmp_path: Path) -> None:
    for text in (
        "include: ['oci://example.com/shop']\n",
        "include: ['https://example.com/shop.git']\n",
        "services: {a: {extends: {file: 'git@example.com:shop', service: a}}}\n",
    ):
        with pytest.raises(UnsupportedError, match="not fetched"):
            specs(tmp_path, {"compose.yaml": text})


def test_files_that_include_each_other_twice_each_are_counted(tmp_path: Path) -> None:
    files = {f"{n}.yaml": f"include: [{n + 1}.yaml, {n + 1}.yaml]\n" for n in range(20)}
    files |= {"compose.yaml": "include: [0.yaml]\n", "20.yaml": "services: {a: {image: a}}\n"}
    with pytest.raises(LimitError, match="500 files"):
        specs(tmp_path, files)


def test_a_long_chain_of_extends_ends(tmp_path: Path) -> None:
    def chained(length: int) -> dict[str, str]:
        services = [f"s{n}: {{extends: s{n + 1}}}" for n in range(length)]
        return {"compose.yaml": f"services: {{{', '.join(services)}, s{length}: {{image: a}}}}\n"}

    assert len(specs(tmp_path, chained(90))) == 91
    with pytest.raises(LimitError, match="extend each other"):
        specs(tmp_path, chained(150))


def test_a_path_of_the_home_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    files = {
        "compose.yaml": "services: {web: {image: a, env_file: ~/a.env}}\n",
        "home/a.env": "A=1\n",
    }
    assert chain(specs(tmp_path, files)["web"].env.get("A")) == [("1", "a.env", 1)]


def test_a_project_without_services_has_networks_all_the_same(tmp_path: Path) -> None:
    files = {"compose.yaml": "networks: {ports: {}, environment: {driver: bridge}}\n"}
    assert specs(tmp_path, files) == {}


def test_ranges_of_services_that_do_not_start_cost_nothing(tmp_path: Path) -> None:
    idle = "{image: a, profiles: [p], ports: ['1-65535:1-65535']}"
    services = ", ".join(f"s{n}: {idle}" for n in range(1_000))
    files = {"compose.yaml": f"services: {{web: {{image: a}}, {services}}}\n"}
    assert list(specs(tmp_path, files)) == ["web"]


def test_what_does_not_start_is_named() -> None:
    text = """\
services:
  web: {image: a}
  idle: {image: a, scale: 0}
  none: {image: a, deploy: {replicas: 0}}
  db: {provider: {type: x}}
  dev: {image: a, profiles: [dev]}
"""
    notes: list[Problem] = []
    found = load([("compose.yaml", text.encode())], ComposeOptions(), NoImages(), "x", notes)
    assert [spec.name for spec in found] == ["web"]
    assert [note.message for note in notes] == [
        "not started, being in profiles that are not asked for: dev",
        "not started, the number of their containers being 0: idle, none",
        "run by a provider, not as a container: db",
    ]


def test_variables_that_only_running_shows_are_open(tmp_path: Path) -> None:
    text = """\
models: {llm: {model: ai/small}}
services:
  web: {image: a, models: [llm], depends_on: [db], environment: {A: '1'}}
  db: {provider: {type: x}}
"""
    env = specs(tmp_path, {"compose.yaml": text})["web"].env
    model, url, other, own = (env.get(name) for name in ("LLM_MODEL", "LLM_URL", "DB_HOST", "A"))
    assert model is not None
    assert model.value == "ai/small"
    for unseen in (url, other):
        assert unseen is not None
        assert unseen.value is None
        assert unseen.missing
    assert own is not None
    assert own.value == "1"


def test_commands_after_the_start_are_kept(tmp_path: Path) -> None:
    text = "services: {a: {image: a, post_start: [{command: flask run}, {command: [a, b c]}]}}\n"
    hooks = specs(tmp_path, {"compose.yaml": text})["a"].hooks
    assert [[word.value for word in hook.value] for hook in hooks] == [
        ["flask", "run"],
        ["a", "b c"],
    ]


@pytest.mark.parametrize("field", ["stop_grace_period", "mem_limit", "cpus", "scale"])
@pytest.mark.parametrize("text", ["1" * 100_000, "1." * 50_000, "1h" * 50_000 + "x", "." * 100_000])
def test_long_values_that_are_no_numbers_are_refused(text: str, field: str) -> None:
    data = f"services: {{a: {{image: a, {field}: '{text}'}}}}".encode()
    with pytest.raises(InputError):
        load([("compose.yaml", data)], ComposeOptions(), NoImages(), "x")
