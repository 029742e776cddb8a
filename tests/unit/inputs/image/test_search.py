"""Searching a program of an image whose size keeps it from being read."""

import gzip
import hashlib
import io
import tarfile
import tracemalloc

import pytest

from deployguard.inputs.image.layers import Layer, LayeredFilesystem
from deployguard.inputs.image.streams import Blob
from deployguard.model.evidence import Reason
from deployguard.model.filesystem import Absent, Searched, Unread

MARK = b"MEI\x0c\x0b\x0a\x0b\x0e"
SIZE = 5 * 1024 * 1024


def layer(*, packed: bool, damaged: bool = False) -> Layer:
    """Return a layer with a large program that ends in a mark."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in (("before", b"small"), ("app", b"\x7fELF" + bytes(SIZE) + MARK)):
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o755
            tar.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "app"
        tar.addfile(link)
    plain = buffer.getvalue()
    diff_id = "sha256:" + hashlib.sha256(plain + b"!" * damaged).hexdigest()
    data = gzip.compress(plain, 1) if packed else plain
    return Layer(Blob("layer.tar", 0, len(data), data=data), diff_id)


@pytest.mark.parametrize("packed", [True, False])
def test_a_program_too_large_to_be_read_is_searched(packed: bool) -> None:  # noqa: FBT001
    files = LayeredFilesystem([layer(packed=packed)], "shop:1")
    found = files.read("/app")
    assert isinstance(found, Unread)
    assert found.missing.reason is Reason.LIMIT
    wanted = frozenset({MARK, b"absent"})
    for path in ("/app", "/link"):
        result = files.search(path, wanted)
        assert isinstance(result, Searched)
        assert result.head.startswith(b"\x7fELF")
        assert result.found == {MARK}
    assert isinstance(files.search("/nothing", wanted), Absent)
    assert isinstance(files.search("/", wanted), Absent)


def test_searching_takes_the_memory_of_a_piece() -> None:
    files = LayeredFilesystem([layer(packed=True)], "shop:1")
    files.list("/")
    tracemalloc.start()
    files.search("/app", frozenset({MARK}))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < SIZE / 2


def test_nothing_is_found_in_a_layer_that_is_not_what_its_digest_says() -> None:
    files = LayeredFilesystem([layer(packed=False, damaged=True)], "shop:1")
    assert isinstance(files.search("/app", frozenset({MARK})), Unread)
    assert [problem.code for problem in files.problems()] == ["integrity"]
