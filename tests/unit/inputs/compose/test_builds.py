"""The `build:` of a service: its context is judged, not an older image of that name."""

from pathlib import Path

import pytest

from deployguard.errors import InputError, SyntaxInputError
from deployguard.inputs.compose import ComposeOptions, load
from deployguard.model.container import ContainerSpec
from deployguard.model.filesystem import Unread
from deployguard.model.image import Image
from tests.support.builds import NoImages, text, write


def service(
    folder: Path,
    compose: str,
    images: NoImages | None = None,
    options: ComposeOptions | None = None,
) -> ContainerSpec:
    name = str(folder / "compose.yaml")
    files = [(name, f"services: {{web: {compose}}}".encode())]
    (spec,) = load(files, options or ComposeOptions(), images or NoImages(), name)
    return spec


def project(folder: Path, services: str) -> tuple[ContainerSpec, ...]:
    name = str(folder / "compose.yaml")
    files = [(name, f"services: {{{services}}}".encode())]
    return load(files, ComposeOptions(), NoImages(), name)


def image(spec: ContainerSpec) -> Image:
    assert isinstance(spec.image, Image)
    return spec.image


def variables(spec: ContainerSpec) -> dict[str, str | None]:
    return {name: entry.value for name, entry in image(spec).config.env.entries.items()}


DOCKERFILE = """\
ARG BASE=scratch
FROM $BASE AS dev
ARG MODE=none
ARG GIVEN
ENV MODE=$MODE GIVEN=${GIVEN-unset}
COPY . /app
FROM dev AS prod
ENV MODE=prod
"""


@pytest.mark.parametrize(
    ("build", "mode", "given"),
    [
        ("./app", "prod", "unset"),
        ("{context: app}", "prod", "unset"),
        ("{context: app, target: dev}", "none", "unset"),
        ("{context: app, target: dev, args: {MODE: x, GIVEN: 1}}", "x", "1"),
        ("{context: app, target: dev, args: [MODE=x, GIVEN]}", "x", "outside"),
        ("{context: app, target: dev, args: [UNSET]}", "none", "unset"),
        ('{context: app, target: dev, args: {MODE: "${NAME:-dflt}"}}', "dflt", "unset"),
        ("{context: app, dockerfile: ../other.dockerfile}", "other", None),
        (
            '{context: app, dockerfile_inline: "FROM scratch\\nENV MODE=inline\\nCOPY a /x/"}',
            "inline",
            None,
        ),
    ],
)
def test_a_build_is_followed(tmp_path: Path, build: str, mode: str, given: str | None) -> None:
    write(tmp_path, {"app/Dockerfile": DOCKERFILE, "app/a": "a",
                     "other.dockerfile": "FROM scratch\nENV MODE=other\n"})  # fmt: skip
    images = NoImages()
    spec = service(
        tmp_path,
        f"{{build: {build}, image: old}}",
        images,
        ComposeOptions(environ={"GIVEN": "outside"}),
    )
    found = variables(spec)
    assert (found["MODE"], found.get("GIVEN")) == (mode, given)
    assert images.asked == []


def test_further_contexts_are_seen_from_the_compose_file(tmp_path: Path) -> None:
    write(tmp_path, {"app/Dockerfile": "FROM scratch\nCOPY --from=lib x /app/\n", "lib/x": "x"})
    spec = service(tmp_path, "{build: {context: app, additional_contexts: {lib: ./lib}}}")
    assert text(image(spec).files, "/app/x") == "x"
    with pytest.raises(SyntaxInputError, match="names the service other, which there is not"):
        service(tmp_path, "{build: {context: app, additional_contexts: {lib: 'service:other'}}}")


def test_a_service_is_a_context_of_another_one(tmp_path: Path) -> None:
    write(tmp_path, {"app/Dockerfile": "FROM base\nCOPY --from=base /lib/x /app/\nENV B=$A\n",
                     "lib/Dockerfile": "FROM scratch\nENV A=1\nCOPY x /lib/\n",
                     "lib/x": "x"})  # fmt: skip
    spec, _ = project(
        tmp_path,
        "web: {build: {context: app, additional_contexts: {base: 'service:lib'}}}, "
        "lib: {build: lib}",
    )
    assert text(image(spec).files, "/app/x") == "x"
    assert variables(spec)["B"] == "1"
    with pytest.raises(SyntaxInputError, match="dependency cycle"):
        project(
            tmp_path, "web: {build: {context: app, additional_contexts: {base: 'service:web'}}}"
        )


@pytest.mark.parametrize(
    ("build", "message"),
    [
        ("{contxt: app}", "additional properties 'contxt' not allowed"),
        ("{context: app, additional_contexts: {base: }}", "should be a text"),
        ("{context: gone}", "there is no Dockerfile"),
        ("{context: app, target: gone}", "no stage gone"),
    ],
)
def test_what_compose_refuses_of_a_build_is_refused(
    tmp_path: Path, build: str, message: str
) -> None:
    write(tmp_path, {"app/Dockerfile": "FROM scratch\n"})
    with pytest.raises(InputError, match=message):
        service(tmp_path, f"{{build: {build}}}")


def test_an_image_and_a_name_in_small_letters(tmp_path: Path) -> None:
    write(tmp_path, {"app/dockerfile": "FROM scratch\nENV A=small\n"})
    assert variables(service(tmp_path, "{build: ./app, image: x}"))["A"] == "small"


def test_a_build_from_afar_is_not_known(tmp_path: Path) -> None:
    for context in ("https://example.org/a.git", "git@example.org:a.git", "github.com/a/b"):
        spec = service(tmp_path, f"{{build: '{context}'}}")
        assert isinstance(spec.image, Unread)
        assert spec.image.missing.what == f"the image that is built from {context}"


@pytest.mark.parametrize(("reference", "asked"), [("image: shop:1,", "shop:1"), ("", "store-web")])
def test_images_of_the_engine_are_asked_for_where_they_are_wanted(
    tmp_path: Path, reference: str, asked: str
) -> None:
    folder = tmp_path / "Store"
    write(folder, {"Dockerfile": "FROM scratch\n"})
    images = NoImages()
    spec = service(folder, f"{{{reference} build: .}}", images, ComposeOptions(built=True))
    assert isinstance(spec.image, Unread)
    assert images.asked == [asked]


def test_the_platform_of_a_service_is_its_builds(tmp_path: Path) -> None:
    write(tmp_path, {"Dockerfile": "FROM scratch\nARG TARGETARCH\nENV A=$TARGETARCH\n"})
    amd = ComposeOptions(platform="linux/amd64")
    spec = service(tmp_path, "{build: ., platform: linux/arm64}", options=amd)
    assert variables(spec)["A"] == "arm64"
    assert variables(service(tmp_path, "{build: .}", options=amd))["A"] == "amd64"


def test_a_dockerfile_that_is_refused_has_its_place(tmp_path: Path) -> None:
    write(tmp_path, {"Dockerfile": "FROM scratch\nCOYP a b\n"})
    with pytest.raises(SyntaxInputError, match="unknown instruction: COYP") as caught:
        service(tmp_path, "{build: .}")
    assert caught.value.location is not None
    assert (caught.value.location.file, caught.value.location.line) == (f"{tmp_path}/Dockerfile", 2)
    with pytest.raises(SyntaxInputError, match="cannot both be given"):
        service(tmp_path, "{build: {dockerfile: a, dockerfile_inline: FROM scratch}}")
