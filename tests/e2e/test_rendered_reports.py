"""What a person and a machine see of a finding in a chart."""

import json
from pathlib import Path

import pytest
from inline_snapshot import snapshot

from tests.support import renderers
from tests.support.builds import write
from tests.support.command import scan

CHART = {
    "shop/Chart.yaml": "apiVersion: v2\nname: shop\nversion: 0.1.0\n",
    "shop/values.yaml": "command: [gunicorn, 'shop:app']\n",
    "shop/templates/pod.yaml": """\
apiVersion: v1
kind: Pod
metadata:
  name: {{ .Release.Name }}
spec:
  containers:
    - name: web
      image: shop:1
      command: {{ toJson .Values.command }}
""",
    "debug.yaml": "# for a moment\ncommand: [python, -m, debugpy, --listen, '0.0.0.0:5678', -m, shop]\n",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", str(renderers.folder(renderers.HELMS[1])))
    monkeypatch.chdir(tmp_path)
    write(tmp_path, CHART)
    return tmp_path


def test_a_person_sees_the_line_of_the_values() -> None:
    done = scan("helm:shop", "--values", "debug.yaml")
    assert done.out.decode().partition("\n\n")[0] == snapshot("""\
warn DG107 undetermined in shop#Pod/-/release-name/containers/web
  What starts, or what it does, could not be told.
  runs: python -m debugpy --listen 0.0.0.0:5678 -m shop
  why:
    debug.yaml:2:10: the entrypoint is python -m debugpy --listen 0.0.0.0:5678 -m shop
    debug.yaml:2:11: what python -m debugpy --listen 0.0.0.0:5678 -m shop runs is not known
  missing: the image shop:1 (images are not looked up)
    let it be looked up with --images auto, or scan the image itself
  fix: Supply what is missing, or start the server with a plain command.
  policy: production (on_unknown)\
""")


def test_an_error_of_helm_is_one_line(folder: Path) -> None:
    write(
        folder,
        {"shop/templates/x.yaml": '\n{{ required "name a host: --set host=..." .Values.host }}\n'},
    )
    done = scan("helm:shop")
    assert done.out.decode() == snapshot("""\
failed shop
  syntax: shop/templates/x.yaml:2: helm: name a host: --set host=... (give what it needs with --values or --set; helm template shows the same)

decision: error (blocked: 0 findings in 0 of 0 containers, unknown: 0, safe: 0, targets not inspected: 1)
""")


@pytest.mark.parametrize(
    ("command", "options", "expected"),
    [
        ("{{ toJson .Values.command }}", ["--values", "debug.yaml"], ("debug.yaml", 2)),
        ("{{ toJson .Values.command }}", ["--set", "command={flask,run}"],
         ("shop/templates/pod.yaml", 9)),
        # No line can be told of the words, but of the container.
        ("{{- toYaml .Values.command | nindent 8 }}", ["--set", "command={flask,run}"],
         ("shop/templates/pod.yaml", 7)),
    ],
)  # fmt: skip
def test_code_scanning_opens_a_file_of_the_repository(
    command: str, options: list[str], expected: tuple[str, int], folder: Path
) -> None:
    template = CHART["shop/templates/pod.yaml"].replace("{{ toJson .Values.command }}", command)
    write(folder, {"shop/templates/pod.yaml": template})
    done = scan("helm:shop", *options, "--format", "sarif")
    places = set()
    for result in json.loads(done.out)["runs"][0]["results"]:
        for one in result["locations"]:
            place = one["physicalLocation"]
            places.add((place["artifactLocation"]["uri"], place["region"]["startLine"]))
    assert places == {expected}
