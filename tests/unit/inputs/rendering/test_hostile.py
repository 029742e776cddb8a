"""Charts and kustomizations of strangers: bounded, and nothing but errors of our own gets out."""

import gzip
import io
import json
import os
import tarfile
import tracemalloc
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deployguard.errors import InputError, LimitError
from deployguard.formats.yaml import Dialect, documents
from deployguard.inputs.rendering import charts, kustomizations, origins
from deployguard.inputs.rendering.kustomization_places import KustomizationPlaces
from tests.support.builds import write
from tests.support.effort import examples

DESCRIPTION = b"apiVersion: v2\nname: shop\nversion: 0.1.0\n"


def tgz(files: Mapping[str, bytes], links: Mapping[str, str] | None = None) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
        for name, target in (links or {}).items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)
    return packed.getvalue()


def chart(folder: Path, data: bytes) -> charts.Chart:
    path = folder / "shop.tgz"
    path.write_bytes(data)
    return charts.read(str(path))


def test_a_packed_chart_is_read_with_the_charts_in_it(tmp_path: Path) -> None:
    inner = tgz({"sub/Chart.yaml": DESCRIPTION.replace(b"shop", b"sub"), "sub/templates/a": b"1"})
    files = {"shop/Chart.yaml": DESCRIPTION, "shop/charts/sub-0.1.0.tgz": inner, "../../up/x": b""}
    found = chart(tmp_path, tgz(files, {"shop/templates": "/etc"}))
    assert [one.name for one in found.everywhere()] == ["shop", "sub"]
    assert (
        found.charts[0].label("templates/a")
        == f"{tmp_path}/shop.tgz#charts/sub-0.1.0.tgz#templates/a"
    )
    assert not any(path.startswith("templates") for path in found.files)


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    bomb = gzip.compress(bytes(300 * 1024 * 1024))
    tracemalloc.start()
    try:
        with pytest.raises(LimitError):
            chart(tmp_path, bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 160 * 1024 * 1024


def test_charts_within_charts_end(tmp_path: Path) -> None:
    data = tgz({"shop/Chart.yaml": DESCRIPTION})
    for _ in range(12):
        data = tgz({"shop/Chart.yaml": DESCRIPTION, "shop/charts/shop.tgz": data})
    with pytest.raises(LimitError):
        chart(tmp_path, data)


def test_links_in_circles_and_pipes_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "shop", {"Chart.yaml": DESCRIPTION, "templates/a.yaml": "a: 1\n"})
    (tmp_path / "shop" / "templates" / "again").symlink_to(tmp_path / "shop")
    (tmp_path / "shop" / "templates" / "self").symlink_to("self")
    os.mkfifo(tmp_path / "shop" / "templates" / "pipe")
    found = charts.read(str(tmp_path / "shop"))
    assert sorted(found.files) == ["Chart.yaml", "templates/a.yaml"]


PACKED = tgz({"shop/Chart.yaml": DESCRIPTION, "shop/templates/a.yaml": b"a: 1\n" * 50})


@settings(
    max_examples=examples(100, 3_000),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.integers(0, len(PACKED) - 1), st.binary(max_size=4), st.booleans())
def test_a_damaged_chart_is_an_error_of_ours_or_none(
    tmp_path: Path,
    at: int,
    put: bytes,
    is_outer: bool,  # noqa: FBT001  (given by hypothesis)
) -> None:
    data = PACKED if is_outer else gzip.decompress(PACKED)
    with suppress(InputError):
        chart(tmp_path, data[:at] + put + data[at + len(put) :])


FIELDS = (
    "resources", "bases", "components", "patches", "patchesStrategicMerge", "patchesJson6902",
    "images", "configMapGenerator", "secretGenerator", "namePrefix", "nameSuffix", "generators",
    "transformers", "name", "literals", "files", "envs", "env", "path", "patch", "target", "kind",
    "metadata", "op", "value", "newTag", "spec", "items", "apiVersion",
)  # fmt: skip
TEXTS = st.sampled_from(
    ["a.yaml", "b", ".", "..", "x=y", "=", "", "\0", "a\nb: 1", "Pod", "List", "web", "http://x", "/a/0/-",
     "x" * 300, "- {op: add, path: /spec/0, value: {name: web}}\n", "kind: Pod\nmetadata: {name: web}\n"]
)  # fmt: skip
NODES = st.recursive(
    TEXTS | st.none() | st.booleans() | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4)
    ),
    max_leaves=20,
)


@settings(
    max_examples=examples(150, 3_000),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.dictionaries(st.sampled_from(FIELDS), NODES, max_size=4), NODES,
    st.dictionaries(st.sampled_from(FIELDS), NODES, max_size=4),
)  # fmt: skip
def test_any_kustomization_is_followed_or_an_error_of_ours(
    tmp_path: Path, root: dict[str, object], inner: object, rendered: dict[str, object]
) -> None:
    pod = {"kind": "Pod", "metadata": {"name": "web"}, **rendered}
    write(
        tmp_path,
        {
            "kustomization.yaml": json.dumps(root),
            "a.yaml": json.dumps(pod),
            "b/kustomization.yaml": json.dumps({"resources": ["../a.yaml"], "patches": [inner]}),
        },
    )
    with suppress(InputError):
        found = origins.collect(kustomizations.read(str(tmp_path)))
        for document in documents(json.dumps(pod).encode(), "rendered", Dialect.KUBECTL):
            assert document is not None
            KustomizationPlaces(found).node(document)
