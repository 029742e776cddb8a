"""Containers of generated Pods beside what the kubelet's own code starts.

`kubelet.json` holds, by seed, what Kubernetes 1.35 makes of the Pod: it is recorded with
`python -m tests.unit.inputs.kubernetes.record`, and asked anew in `make long`.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from deployguard.model.container import ContainerSpec, Mount
from deployguard.model.evidence import Traced
from deployguard.model.filesystem import Absent, Content, FileKind, Filesystem, Stat, Unread
from tests.support import manifests
from tests.support.generated_pods import generated
from tests.support.kubernetes_oracle import oracle

RECORDED: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_name("kubelet.json").read_text()
)


def declared(text: str) -> dict[str, ContainerSpec]:
    return {spec.name: spec for spec in manifests.declared(text)}


class Compared:
    """Compares one container, and counts what was seen and what was not."""

    def __init__(self) -> None:
        self.seen = 0
        self.hidden = 0

    def value(self, found: Traced[str | None] | None, expected: str, where: str) -> None:
        assert found is not None, where
        if found.value is None:
            assert found.missing, where
            self.hidden += 1
        else:
            assert found.value == expected, where
            self.seen += 1

    def container(self, spec: ContainerSpec, started: dict[str, Any]) -> None:
        if started.get("error"):
            return  # it never starts before somebody makes what is missing
        for name, expected in started["env"].items():
            self.value(spec.env.get(name), expected, name)
        # What is optional and not in the input may be there: only such a variable is one more.
        more = set(spec.env.entries) - set(started["env"])
        assert all(spec.env.entries[name].value is None for name in more)
        for words, expected in ((spec.entrypoint, started["command"]), (spec.cmd, started["args"])):
            found = () if words is None else words.value
            assert len(found) == len(expected or ())
            for word, text in zip(found, expected or (), strict=True):
                self.value(word, text, "a word")

    def mount(self, mount: Mount, files: dict[str, str], inside: str) -> None:
        content = mount.content
        if isinstance(content, Unread):
            self.hidden += 1
            return
        root = f"{inside}/" if inside else ""
        shown = {
            name.removeprefix(root): text for name, text in files.items() if name.startswith(root)
        }
        if inside in files:
            shown = {"": files[inside]}
        for name, text in shown.items():
            self.file(content, f"/{name}", text)
        more = tree(content, "/") - {f"/{name}" for name in shown}
        assert all(isinstance(content.read(path), Unread) for path in more)

    def file(self, content: Filesystem, path: str, expected: str) -> None:
        found, stat = content.read(path), content.stat(path)
        if isinstance(found, Unread):
            assert isinstance(stat, Unread)
            self.hidden += 1
            return
        assert isinstance(found, Content), path
        assert isinstance(stat, Stat)
        assert f"{stat.mode:04o} {found.data.decode()}" == expected
        assert stat.size == len(found.data)
        self.seen += 1


def tree(content: Filesystem, path: str) -> set[str]:
    """Return the paths of all files; one that cannot be read is one."""
    match content.stat(path), content.list(path):
        case Stat(kind=FileKind.DIRECTORY), tuple(names):
            return {file for name in names for file in tree(content, f"{path.rstrip('/')}/{name}")}
        case Absent(), _:
            return set()
        case _:
            return {path}


def compare(text: str, answer: dict[str, Any], compared: Compared) -> None:
    assert not answer.get("refused"), answer
    specs, pod = declared(text), json.loads(text.rpartition("---\n")[2])["spec"]
    assert set(specs) == set(answer["pods"]["p"])
    for name, started in answer["pods"]["p"].items():
        spec = specs[name]
        compared.container(spec, started)
        listed = [*pod["containers"], *pod.get("initContainers", [])]
        [container] = [one for one in listed if one["name"] == name]
        for mount, written in zip(spec.mounts, container["volumeMounts"], strict=True):
            volume = answer["volumes"]["p"][written["name"]]
            inside = (started.get("paths") or {}).get(mount.path, "")
            if volume.get("error") or started.get("error") or inside.startswith("error"):
                continue  # the container never starts
            compared.mount(mount, volume["files"], inside)


def test_recorded_pods_start_with_the_words_variables_and_files_of_the_kubelet() -> None:
    compared = Compared()
    for seed, answer in RECORDED.items():
        compare(generated(int(seed)), answer, compared)
    assert len(RECORDED) >= 150
    # Most is seen, so that the comparison says something.
    assert compared.seen > 1500
    assert compared.hidden < compared.seen


@pytest.mark.long
def test_many_pods_start_with_the_words_variables_and_files_of_the_kubelet() -> None:
    compared, own = Compared(), oracle()
    for seed in range(3000):
        text = generated(seed)
        compare(text, own.ask(text.encode(), run=True), compared)
    assert compared.hidden < compared.seen
