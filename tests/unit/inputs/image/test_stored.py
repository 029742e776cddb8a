"""Every form of stored image: what is in it, which of several is meant, and what is no image."""

import bz2
import gzip
import io
import json
import os
import random
import sys
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from inline_snapshot import snapshot

from deployguard.errors import (
    AmbiguousError,
    InputError,
    IntegrityError,
    LimitError,
    NotFoundError,
    UnreadableError,
    UnsupportedError,
)
from deployguard.inputs.image import platforms, stored
from deployguard.inputs.image.store import Packed
from deployguard.inputs.image.stored import open_archive, open_layout
from deployguard.inputs.image.streams import Blob, Bytes, Plain
from deployguard.model.image import Image, ImageOrigin
from tests.support.archives import (
    Parts,
    StoredImage,
    archived,
    digest,
    file,
    finish_layout,
    folder,
    hybrid,
    layout,
    named,
    old_save,
    packed,
    put_index,
    put_manifest,
    spread,
    symlink,
    tape,
    whiteout,
    write,
)
from tests.support.listing import look

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BASE = tape(folder("app"), file("app/app.py", "old"), file("app/extra", "x"))
TOP = tape(file("app/app.py", "new"), whiteout("app/extra"))
SHOP = StoredImage((BASE, TOP))
CART = StoredImage((BASE, tape(file("app/app.py", "cart"))), ("acme/cart:2", "acme/cart:latest"),
                   {"Cmd": ["gunicorn", "app:app"]})  # fmt: skip
ARM = StoredImage((BASE, TOP), platform="linux/arm64", config={"Cmd": ["arm"]})
S390 = StoredImage((BASE, TOP), platform="linux/s390x", config={"Cmd": ["s390x"]})
HOST = "linux/amd64"


@pytest.fixture(autouse=True)
def on_amd64(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platforms, "host", lambda: HOST)


def opened(path: Path, parts: Parts, tag: str | None = None, platform: str | None = None,
           pack: Callable[[bytes], bytes] = bytes) -> tuple[Image, ...]:  # fmt: skip
    return open_archive(write(path / "app.tar", pack(archived(parts))), tag=tag, platform=platform)


def names(images: Sequence[Image]) -> list[str]:
    return [image.reference for image in images]


def command(image: Image) -> tuple[str, ...]:
    assert image.config.cmd is not None
    return image.config.cmd.value


FORMS = {"old": old_save, "new": hybrid, "oci": layout}
AROUND: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "gzip members": packed,
    "zstd": zstd.compress,
}
LAYERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "gzip members": packed,
    "zstd": zstd.compress,
}


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("form", FORMS)
def test_an_archive_gives_each_image_with_its_config_and_files(
    form: str, around: str, tmp_path: Path
) -> None:
    shop, cart, latest = opened(tmp_path, FORMS[form](SHOP, CART), pack=AROUND[around])
    assert names([shop, cart, latest]) == ["acme/shop:1", "acme/cart:2", "acme/cart:latest"]
    assert [shop.name, cart.name] == ["acme/shop", "acme/cart"]
    assert command(shop) == ("flask", "run")
    assert command(cart) == command(latest) == ("gunicorn", "app:app")
    assert look(shop.files, "/app/app.py") == "file new"
    assert look(shop.files, "/app/extra") is None
    assert look(cart.files, "/app/app.py") == look(latest.files, "/app/app.py") == "file cart"
    assert shop.config_digest == digest(SHOP.config_bytes)
    assert (shop.digest is None) == (form == "old")
    assert shop.origin is ImageOrigin.ARCHIVE


@pytest.mark.parametrize("packing", LAYERS)
@pytest.mark.parametrize("form", ["new", "oci"])
def test_the_media_type_of_a_layer_is_not_believed(form: str, packing: str, tmp_path: Path) -> None:
    image = StoredImage((BASE, TOP), pack=LAYERS[packing])
    (found,) = opened(tmp_path, FORMS[form](image))
    assert look(found.files, "/app/app.py") == "file new"


def test_a_layout_gives_what_its_archive_gives(tmp_path: Path) -> None:
    parts = layout(SHOP, CART)
    from_folder = open_layout(spread(tmp_path / "dir", parts), tag=None, platform=None)
    from_archive = opened(tmp_path, parts)
    assert names(from_folder) == names(from_archive)
    assert [image.digest for image in from_folder] == [image.digest for image in from_archive]
    assert {image.origin for image in from_folder} == {ImageOrigin.OCI}


def test_names_of_one_image_share_its_layers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = opened(tmp_path, old_save(CART))
    begun: list[Blob] = []
    real = Blob.open

    def counting(self: Blob) -> Bytes:
        begun.append(self)
        return real(self)

    monkeypatch.setattr(Blob, "open", counting)
    assert isinstance(one.files.list("/app"), tuple)
    assert isinstance(two.files.list("/app"), tuple)
    assert len(begun) == len(CART.layers)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("acme/shop:1", ["acme/shop:1"]),
        ("docker.io/acme/shop:1", ["acme/shop:1"]),
        ("1", ["acme/shop:1"]),
        ("acme/cart", ["acme/cart:latest"]),
        ("latest", ["acme/cart:latest"]),
        (digest(SHOP.config_bytes), ["acme/shop:1"]),
        (digest(SHOP.config_bytes)[7:19], ["acme/shop:1"]),
        (digest(SHOP.config_bytes)[:19], ["acme/shop:1"]),
        (digest(CART.config_bytes)[7:19], ["acme/cart:2", "acme/cart:latest"]),
    ],
)
def test_one_of_several_is_named_by_tag_name_or_id(
    form: str, tag: str, expected: list[str], tmp_path: Path
) -> None:
    assert names(opened(tmp_path, FORMS[form](SHOP, CART), tag)) == expected


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("tag", ["acme/shop", "acme/shop:2", "3", "abcd", "sha256:" + "0" * 64])
def test_a_name_that_is_not_in_the_archive_is_said_with_those_that_are(
    form: str, tag: str, tmp_path: Path
) -> None:
    with pytest.raises(NotFoundError) as caught:
        opened(tmp_path, FORMS[form](SHOP, CART), tag)
    assert tag in str(caught.value)
    assert "acme/shop:1, acme/cart:2" in str(caught.value)


def test_an_id_that_two_images_begin_with_is_too_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "_IMAGES", 10_000)
    images = [StoredImage((BASE,), (), {"Cmd": [str(n)]}) for n in range(900)]
    ids = [digest(image.config_bytes)[7:] for image in images]
    twice = next(
        one[:4] for n, one in enumerate(ids) if one[:4] in {other[:4] for other in ids[:n]}
    )
    with pytest.raises(AmbiguousError, match="begin"):
        opened(tmp_path, old_save(*images), twice)


@pytest.mark.parametrize("form", FORMS)
def test_images_without_names_go_by_the_file_and_their_ids(form: str, tmp_path: Path) -> None:
    shop, cart = SHOP.tagged(), CART.tagged()
    (alone,) = opened(tmp_path, FORMS[form](shop))
    assert (alone.reference, alone.name) == ("app.tar", "app.tar")
    both = opened(tmp_path, FORMS[form](shop, cart))
    assert {image.name for image in both} == {"app.tar"}
    assert len(set(names(both))) == 2
    assert all(name.startswith("app.tar@sha256:") for name in names(both))
    (again,) = opened(tmp_path, FORMS[form](shop, cart), both[1].reference.partition("@")[2])
    assert again.config_digest == both[1].config_digest


def test_empty_tags_are_no_tags(tmp_path: Path) -> None:
    parts = old_save(SHOP)
    entries = json.loads(parts["manifest.json"])
    entries[0]["RepoTags"] = []
    parts["manifest.json"] = json.dumps(entries).encode()
    assert names(opened(tmp_path, parts)) == ["app.tar"]


def test_field_names_are_taken_in_any_case_as_go_takes_them(tmp_path: Path) -> None:
    parts = old_save(SHOP)
    parts["manifest.json"] = parts["manifest.json"].replace(b'"RepoTags"', b'"repotags"')
    assert names(opened(tmp_path, parts)) == ["acme/shop:1"]
    parts["manifest.json"] = parts["manifest.json"].replace(b'"Config"', b'"config": "x", "Config"')
    with pytest.raises(IntegrityError, match="two spellings"):
        opened(tmp_path, parts)


ATTESTATION = {
    "annotations": {"vnd.docker.reference.type": "attestation-manifest"},
    "platform": {"os": "unknown", "architecture": "unknown"},
}


def many(*images: StoredImage, nested: int = 1, tag: str = "acme/shop:1") -> Parts:
    """Return a layout with an index over images of several platforms, an attestation among them."""
    parts: Parts = {}
    below = [put_manifest(parts, image) for image in images]
    below.append({**put_manifest(parts, StoredImage((BASE,), config={})), **ATTESTATION})
    for _ in range(nested):
        below = [put_index(parts, below)]
    return finish_layout(parts, [{**below[0], "annotations": named(tag)}])


def variant(name: str) -> StoredImage:
    return StoredImage((BASE,), platform=name, config={"Cmd": [name]})


@pytest.mark.parametrize("nested", [1, 2, 3])
@pytest.mark.parametrize(
    ("offered", "wanted", "host", "chosen"),
    [
        (["linux/arm64", "linux/amd64"], None, "linux/amd64", "linux/amd64"),
        (["linux/arm64", "linux/amd64"], None, "linux/arm64", "linux/arm64"),
        (["linux/arm64", "linux/amd64"], "linux/arm64", "linux/amd64", "linux/arm64"),
        (["linux/arm64/v8", "linux/amd64"], "linux/arm64", "linux/amd64", "linux/arm64/v8"),
        (["linux/arm64", "linux/amd64"], "linux/arm64/v8", "linux/amd64", "linux/arm64"),
        (["linux/arm64", "linux/amd64"], "arm64", "linux/amd64", "linux/arm64"),
        (["linux/arm64", "linux/amd64"], "linux/aarch64", "linux/amd64", "linux/arm64"),
        (["linux/arm/v6", "linux/arm/v7"], "linux/arm/v6", "linux/amd64", "linux/arm/v6"),
        (["linux/arm/v6", "linux/arm/v7"], "linux/arm/v7", "linux/amd64", "linux/arm/v7"),
        (["linux/arm/v6", "linux/arm/v7"], "linux/arm", "linux/amd64", "linux/arm/v7"),
        (["linux/arm/v5", "linux/arm/v6"], "linux/arm/v7", "linux/amd64", "linux/arm/v6"),
        (["linux/amd64/v3", "linux/amd64"], "linux/amd64", "linux/amd64", "linux/amd64"),
        (["linux/s390x"], None, "linux/amd64", "linux/s390x"),
    ],
)  # fmt: skip
def test_an_index_is_judged_for_the_platform_asked_for_else_the_hosts_else_the_only_one(
    offered: list[str], wanted: str | None, host: str, chosen: str, nested: int, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(platforms, "host", lambda: host)
    parts = many(*(variant(name) for name in offered), nested=nested)
    (image,) = opened(tmp_path, parts, platform=wanted)
    assert (image.reference, image.platform) == ("acme/shop:1", chosen)


@pytest.mark.parametrize(
    ("offered", "wanted"),
    [
        (["linux/arm64", "linux/s390x"], None),
        (["linux/arm64", "linux/s390x"], "linux/amd64"),
        (["linux/arm64"], "linux/amd64"),
        (["linux/arm/v7", "linux/s390x"], "linux/arm/v6"),
        (["windows/amd64", "linux/s390x"], None),
    ],
)
def test_an_index_without_that_platform_is_an_error_that_names_those_it_has(
    offered: list[str], wanted: str | None, tmp_path: Path
) -> None:
    with pytest.raises(AmbiguousError) as caught:
        opened(tmp_path, many(*(variant(name) for name in offered)), platform=wanted)
    assert all(name in str(caught.value) for name in offered)
    assert "--platform" in str(caught.value)


def test_index_json_may_be_the_index_of_platforms_itself(tmp_path: Path) -> None:
    parts: Parts = {}
    both = [put_manifest(parts, image) for image in (SHOP, ARM)]
    (image,) = opened(tmp_path, finish_layout(parts, both))
    assert command(image) == ("flask", "run")
    (image,) = opened(tmp_path, parts, platform="linux/arm64")
    assert command(image) == ("arm",)


def test_one_name_for_two_images_of_a_platform_is_ambiguous(tmp_path: Path) -> None:
    with pytest.raises(AmbiguousError, match="gives the name"):
        opened(tmp_path, layout(SHOP, CART.tagged("acme/shop:1")))


def test_a_platform_of_which_only_the_name_is_there_is_not_replaced_by_another(
    tmp_path: Path,
) -> None:
    parts = many(SHOP, ARM)
    del parts[f"blobs/sha256/{digest(manifest_of(parts, SHOP))[7:]}"]
    with pytest.raises(IntegrityError, match="--platform"):
        opened(tmp_path, parts)
    (image,) = opened(tmp_path, parts, platform="linux/arm64")
    assert command(image) == ("arm",)


def manifest_of(parts: Parts, image: StoredImage) -> bytes:
    wanted = digest(image.config_bytes)
    for data in parts.values():
        if data.startswith(b"{") and json.loads(data).get("config", {}).get("digest") == wanted:
            return data
    raise AssertionError(wanted)


def test_indexes_without_end_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LimitError, match="too deep"):
        opened(tmp_path, many(SHOP, nested=9))


def hybrid_of(halves: Sequence[StoredImage], others: Sequence[StoredImage]) -> Parts:
    """Return an archive whose index.json and manifest.json may be of different images."""
    return {**hybrid(*others), **layout(*halves)}


def test_a_hybrid_of_the_containerd_store_is_read_for_the_platform(tmp_path: Path) -> None:
    shop = StoredImage((BASE, TOP), pack=gzip.compress)
    arm = StoredImage((BASE, TOP), platform="linux/arm64", config={"Cmd": ["arm"]})
    parts = {**hybrid(shop), **many(shop, arm)}
    (image,) = opened(tmp_path, parts)
    assert command(image) == ("flask", "run")
    assert look(image.files, "/app/app.py") == "file new"
    (image,) = opened(tmp_path, parts, platform="linux/arm64")
    assert command(image) == ("arm",)


def test_a_hybrid_of_another_platform_than_this_machines_has_to_be_asked_for(
    tmp_path: Path,
) -> None:
    parts = {**hybrid(ARM), **many(SHOP, ARM)}
    with pytest.raises(IntegrityError, match="different platforms"):
        opened(tmp_path, parts)
    (image,) = opened(tmp_path, parts, platform="linux/arm64")
    assert command(image) == ("arm",)


OTHER = StoredImage((BASE, TOP), config={"Cmd": ["other"]})


def other_layers(parts: Parts) -> Parts:
    entries = json.loads(parts["manifest.json"])
    entries[0]["Layers"] = entries[0]["Layers"][::-1]
    return {**parts, "manifest.json": json.dumps(entries).encode()}


@pytest.mark.parametrize(
    "parts",
    [
        hybrid_of([SHOP], [OTHER]),
        hybrid_of([OTHER], [SHOP]),
        hybrid_of([SHOP, CART], [SHOP]),
        hybrid_of([SHOP], [SHOP, CART]),
        hybrid_of([SHOP, OTHER.tagged("acme/other:1")],
                  [SHOP.tagged("acme/other:1"), OTHER.tagged("acme/shop:1")]),
        other_layers(hybrid(SHOP)),
        {**hybrid(SHOP), "manifest.json": b"[]"},
        finish_layout(hybrid(SHOP), []),
    ],
    ids=["manifest.json lies", "index.json lies", "more in one", "more in the other",
         "names exchanged", "other layers", "nothing in one", "nothing in the other"],
)  # fmt: skip
def test_a_hybrid_whose_halves_do_not_agree_is_not_believed(parts: Parts, tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="do not agree"):
        opened(tmp_path, parts)


def altered_layout(parts: Parts, change: Callable[[dict[str, object]], None]) -> Parts:
    """Return a layout of one image whose manifest is changed, its digests made good."""
    index = json.loads(parts["index.json"])
    name = f"blobs/sha256/{index['manifests'][0]['digest'][7:]}"
    manifest = json.loads(parts[name])
    change(manifest)
    data = json.dumps(manifest).encode()
    index["manifests"][0] |= {"digest": digest(data), "size": len(data)}
    changed = {**parts, f"blobs/sha256/{digest(data)[7:]}": data}
    return {**changed, "index.json": json.dumps(index).encode()}


def chart(tag: str = "acme/chart:1") -> Parts:
    parts: Parts = {}
    config = {"name": "shop", "version": "1", "apiVersion": "v2"}
    data = json.dumps(config).encode()
    parts[f"blobs/sha256/{digest(data)[7:]}"] = data
    media = "application/vnd.cncf.helm.config.v1+json"
    manifest = {"schemaVersion": 2, "layers": [],
                "config": {"mediaType": media, "digest": digest(data), "size": len(data)}}  # fmt: skip
    whole = json.dumps(manifest).encode()
    parts[f"blobs/sha256/{digest(whole)[7:]}"] = whole
    found = {"digest": digest(whole), "size": len(whole), "annotations": named(tag)}
    return finish_layout(parts, [found])


def test_of_a_layout_with_a_chart_the_image_can_be_named(tmp_path: Path) -> None:
    parts = {**chart(), **layout(SHOP)}
    both = [json.loads(p["index.json"])["manifests"][0] for p in (chart(), layout(SHOP))]
    finish_layout(parts, both)
    with pytest.raises(UnsupportedError, match=r"helm\.config"):
        opened(tmp_path, parts)
    assert names(opened(tmp_path, parts, "acme/shop:1")) == ["acme/shop:1"]


def set_layer(**fields: object) -> Callable[[dict[str, object]], None]:
    def change(manifest: dict[str, object]) -> None:
        layers = manifest["layers"]
        assert isinstance(layers, list)
        layers[0] |= fields

    return change


FOREIGN = {"urls": ["http://127.0.0.1:1/layer"], "mediaType": "application/vnd.docker.image.rootfs."
           "foreign.diff.tar.gzip"}  # fmt: skip


def without(parts: Parts, *gone: str) -> Parts:
    return {name: data for name, data in parts.items() if name not in gone}


def rootfs(*more: str) -> bytes:
    return tape(*(folder(f"{name}/") for name in ("bin", "etc", "usr", *more)),
                file("etc/passwd", "root:x:0:0"), file("manifest.json", "[]"))  # fmt: skip


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("manifest.json", "[]")
    return buffer.getvalue()


def doubled() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as made:
        for name, data in [*old_save(SHOP).items(), ("manifest.json", b"[]")]:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            made.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


NOISE = random.Random(3).randbytes(3000)  # noqa: S311  (the same in each run)
NO_IMAGES: dict[str, tuple[bytes, type[InputError]]] = {
    "an empty file": (b"", IntegrityError),
    "an empty tar": (tape(), UnsupportedError),
    "a tar without an image": (tape(file("app/app.py", "x")), UnsupportedError),
    "docker export": (tape(file(".dockerenv"), folder("dev/")), UnsupportedError),
    "a root file system": (rootfs(), UnsupportedError),
    "a root file system with the names of an image": (rootfs("blobs"), UnsupportedError),
    "a root file system in gzip": (gzip.compress(rootfs()), UnsupportedError),
    "a root file system in zstd": (zstd.compress(rootfs()), UnsupportedError),
    "docker save of old": (tape(file("repositories", "{}")), UnsupportedError),
    "an archive that is cut": (archived(old_save(SHOP))[:3000], IntegrityError),
    "an archive in gzip that is cut": (gzip.compress(archived(old_save(SHOP)))[:500],
                                       IntegrityError),
    "damaged gzip": (b"\x1f\x8b\x08" + NOISE, IntegrityError),
    "gzip in gzip": (gzip.compress(gzip.compress(archived(old_save(SHOP)))), UnsupportedError),
    "bzip2": (bz2.compress(archived(old_save(SHOP))), UnsupportedError),
    "a zip": (zipped(), UnsupportedError),
    "a text": (b"FROM scratch\n" * 200, IntegrityError),
    "a short text": (b"hello\n", IntegrityError),
    "a manifest": (b"apiVersion: v1\nkind: Pod\n", IntegrityError),
    "noise": (NOISE, IntegrityError),
    "manifest.json that is no JSON": (tape(file("manifest.json", "[{")), IntegrityError),
    "manifest.json that is an object": (tape(file("manifest.json", "{}")), IntegrityError),
    "manifest.json of nothing": (tape(file("manifest.json", "[]")), NotFoundError),
    "manifest.json of texts": (tape(file("manifest.json", '["x"]')), IntegrityError),
    "manifest.json without a config": (tape(file("manifest.json", "[{}]")), IntegrityError),
    "manifest.json that nests deep": (tape(file("manifest.json", "[" * 100_000)), IntegrityError),
    "manifest.json in UTF-16": (tape(file("manifest.json", "[]".encode("utf-16"))), IntegrityError),
    "manifest.json with a key twice": (tape(file("manifest.json", '[{"Config":"a","Config":"b"}]')),
                                       IntegrityError),
    "manifest.json of 5 MiB": (tape(file("manifest.json", "[" + " " * (5 << 20) + "]")), LimitError),
    "manifest.json twice": (doubled(), IntegrityError),
    "tags that are numbers": (tape(file("manifest.json", '[{"Config":"c","RepoTags":[1]}]'),
                                   file("c", "{}")), IntegrityError),
    "links in a circle": (tape(symlink("manifest.json", "a"), symlink("a", "manifest.json")),
                          UnsupportedError),
    "no oci-layout": (archived(without(layout(SHOP), "oci-layout")), UnsupportedError),
    "another version": (archived({**layout(SHOP), "oci-layout": b'{"imageLayoutVersion":"2.0"}'}),
                        UnsupportedError),
    "an index of nothing": (archived(finish_layout({}, [])), NotFoundError),
    "an index of attestations": (archived(many()), UnsupportedError),
    "a Helm chart": (archived(chart()), UnsupportedError),
    "encrypted layers": (archived(altered_layout(layout(SHOP), set_layer(
        mediaType="application/vnd.oci.image.layer.v1.tar+gzip+encrypted"))), UnsupportedError),
    "a layer that lies elsewhere": (archived(without(altered_layout(layout(SHOP), set_layer(
        **FOREIGN)), f"blobs/sha256/{digest(BASE)[7:]}")), UnsupportedError),
    "schema 1": (archived(altered_layout(layout(SHOP), lambda m: m.update(schemaVersion=1))),
                 UnsupportedError),
    "a manifest that is an index as well": (archived(altered_layout(
        layout(SHOP), lambda m: m.update(manifests=[]))), IntegrityError),
}  # fmt: skip


@pytest.mark.parametrize("name", NO_IMAGES)
def test_what_is_no_saved_image_is_said_with_its_name_and_a_way_out(
    name: str, tmp_path: Path
) -> None:
    data, error = NO_IMAGES[name]
    path = write(tmp_path / "app.tar", data)
    with pytest.raises(error) as caught:
        open_archive(path, tag=None, platform=None)
    assert path in caught.value.message
    assert caught.value.location is not None
    assert caught.value.hint
    assert "\n" not in str(caught.value)


def test_a_foreign_layer_that_is_there_is_read(tmp_path: Path) -> None:
    (image,) = opened(tmp_path, altered_layout(layout(SHOP), set_layer(**FOREIGN)))
    assert look(image.files, "/app/app.py") == "file new"


def test_docker_export_is_refused_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("app.tar").write_bytes(rootfs())
    with pytest.raises(UnsupportedError) as caught:
        open_archive("app.tar", tag=None, platform=None)
    assert str(caught.value) == snapshot(
        "app.tar: app.tar holds the files of a container, as docker export writes them: that loses the image's config, so what it starts cannot be told (save the image instead: docker save -o app.tar IMAGE)"
    )


def test_what_is_no_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        open_archive(str(tmp_path / "none.tar"), tag=None, platform=None)
    with pytest.raises(UnsupportedError, match="folder"):
        open_archive(str(tmp_path), tag=None, platform=None)
    os.mkfifo(tmp_path / "pipe.tar")
    with pytest.raises(UnsupportedError, match="regular"):
        open_archive(str(tmp_path / "pipe.tar"), tag=None, platform=None)
    with pytest.raises((UnsupportedError, UnreadableError)):
        open_layout(str(tmp_path / "none"), tag=None, platform=None)


def test_links_out_of_a_layout_are_not_followed(tmp_path: Path) -> None:
    parts = layout(SHOP)
    secret = write(tmp_path / "secret", parts.pop("index.json"))
    place = Path(spread(tmp_path / "dir", parts))
    (place / "index.json").symlink_to(secret)
    with pytest.raises(UnsupportedError):
        open_layout(str(place), tag=None, platform=None)


def test_a_packed_archive_is_unpacked_twice_and_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = tuple(tape(file(f"f{n}", NOISE * 600)) for n in range(4))
    path = write(tmp_path / "app.tar.gz", gzip.compress(archived(old_save(StoredImage(layers)))))
    begun: list[Packed] = []
    real = Packed.stream

    def counting(self: Packed) -> Plain:
        begun.append(self)
        return real(self)

    monkeypatch.setattr(Packed, "stream", counting)
    (image,) = open_archive(path, tag=None, platform=None)
    assert isinstance(image.files.list("/"), tuple)
    # To look at it, for its index, and for the layers, in whatever order they lie.
    assert len(begun) == 3
