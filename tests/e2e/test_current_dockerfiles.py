"""What Dockerfiles of the current syntax make, compared with what the current BuildKit makes."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deployguard.errors import InputError
from deployguard.inputs.dockerfile import BuildOptions, Context, build
from deployguard.inputs.image.stored import open_layout
from deployguard.model.evidence import Missing, Reason, Traced
from deployguard.model.filesystem import Unread
from deployguard.model.image import Image
from tests.e2e.test_dockerfiles import BASE, CASES, TREE, Case, base_layer, compare, config, written
from tests.support.archives import StoredImage, layout, spread
from tests.support.buildkit import BuildKit, Built, buildkit, read
from tests.support.builds import write
from tests.support.components import missing
from tests.support.effort import LONG
from tests.support.flask_dockerfiles import packed

pytestmark = [pytest.mark.engine]

CURRENT = (
    Case("heredoc-run", 'ENV D=/srv\nRUN <<EOF\nset -e\nmkdir -p $D/a\necho "hi $D" > $D/a/f\nEOF\n'),
    Case("heredoc-run-quoted", "ARG X=1\nRUN <<'EOT'\necho \"$X ${X}\" > /data/f\nEOT\n"),
    Case("heredoc-run-tabs", "RUN <<-EOF\n\techo a > /data/f\n\techo b >> /data/f\n\tEOF\n"),
    Case("heredoc-redirected", "RUN cat <<EOF > /data/f && touch /data/g\na $PATH\n\\$PATH\nEOF\n"),
    Case("heredoc-several", "RUN cat <<ONE > /data/one && cat <<TWO > /data/two\n1\nONE\n2\nTWO\n"),
    Case("heredoc-copy", "ARG V=1\nCOPY <<a.env <<'b.env' /app/\nX=$V\na.env\nX=$V\nb.env\n"),
    Case("heredoc-copy-named", "ENV V=x\nCOPY <<-EOF /app/run.sh\n\techo \"\\$V\" '${V}' \"a\\b\"\nEOF\n"
         "COPY --chmod=0755 <<EOF /app/sub/go\n#!/bin/sh\nEOF\nADD <<EOF /app/added\nadded\nEOF\n"),
    Case("heredoc-blank", "COPY <<EOF /app/f\n\n# no comment\n  a \\\n b\n\nEOF\n"),
    Case("exclude", "COPY --exclude=*.md --exclude=pkg/sub . /app/\nCOPY --exclude=**/*.txt pkg /srv/\n", TREE),
    Case("parents", "COPY --parents pkg/sub/*.txt docs/one.md /app/\nCOPY --parents ./docs/./deep/three.md /srv/\n", TREE),
    Case("link", "RUN mkdir /opt/real && ln -s /opt/real /app\nCOPY --link app.py /opt/x/\nCOPY --link pkg /opt/y\n", TREE),
    Case("chmod-words", "COPY --chmod=u=rwX,go=rX pkg /app/pkg\nCOPY --chmod=700 app.py /app/\n", TREE),
    Case("archive", "ADD source.tar.gz /app/\nADD plain.tar /srv\nADD --unpack=false plain.tar /opt/\nCOPY plain.tar /data/\n",
         TREE | {"source.tar.gz": packed({"a/b": "b\n", "c": "c\n"}), "plain.tar": packed({"x": "x\n"}, "plain")}),
    Case("archive-over", "COPY app.py /app/c\nCOPY pkg /app/a\nADD source.tar.gz /app/\n",
         TREE | {"source.tar.gz": packed({"a/b": "b\n", "c": "c\n"})}),
    Case("modifiers", 'ENV F=a/b/c.tar.gz E=\nENV A=${F#*/} B=${F##*/} C=${F%.*} D=${F%%.*} G=${F/\\//-} H=${F//\\//-} '
         'I=${E:-x} J=${E-x} K=${F:+y} L=${N+y} M="${N:-a b}" O=${F#?} P=${F%[c]} Q=${F/a/}\n'),
    Case("modifiers-nested", "ARG A=1\nARG B=${A:+${A}-x}\nENV C=${N:-${B:-no}} D=${N:-'q $A'}\n"),
    Case("predefined", "ARG TARGETPLATFORM\nARG TARGETARCH\nARG TARGETOS\nARG TARGETVARIANT\nARG HTTP_PROXY\n"
         "ENV P=$TARGETPLATFORM A=$TARGETARCH O=$TARGETOS V=$TARGETVARIANT N=$TARGETSTAGE H=${HTTP_PROXY:-none}\n"),
    Case("global-scope", "ARG V=global\nARG W=$V-2\nFROM {base}\nENV BEFORE=${V:-none}\nARG V\nARG W=${W:-own}\nENV V1=$V W1=$W\n"),
    Case("global-base", "ARG NAME={base}\nFROM ${NAME:-nothing} AS one\nENV A=1\nFROM one AS two\nFROM two\nENV B=$A\n"),
    Case("platform", "FROM --platform=$TARGETPLATFORM {base}\nENV A=1\n"),
    Case("arg-several", "ARG A=1 B=$A C\nENV X=$A$B${C-none}\n", arguments={"C": "given"}),
    Case("stage-number", "FROM {base} AS a\nRUN echo 1 > /data/f\nFROM {base}\nCOPY --from=0 /data/f /app/\nRUN --mount=type=bind,from=a,source=/data,target=/mnt cp /mnt/f /app/g\n"),
    Case("onbuild-heredoc", "FROM {base} AS a\nONBUILD COPY <<EOF /app/f\ntext\nEOF\nONBUILD ENV A=1\nFROM a\n"),
    Case("directives", "# check=skip=all\n# escape=`\nFROM {base}\nENV A=a`$b\nRUN touch `\n /data/f\n"),
    Case("old-env", 'ENV A  two words \nENV B "q  r" s\nWORKDIR  /app/$A \n'),
    Case("volumes", 'RUN mkdir /data/v\nVOLUME /data/v\nVOLUME ["/app/w", "/opt"]\nRUN echo x > /data/v/f\nWORKDIR /app/w\n'),
    Case("conditions", 'ARG MODE=dev\nRUN if [ "$MODE" = dev ]; then echo 1 > /data/dev; elif [ -f /none ]; then touch /data/x; else touch /data/prod; fi\n'
         "RUN case $MODE in d*) touch /data/d ;; *) touch /data/other ;; esac; for f in a b; do echo $f > /data/$f; done\n"
         "RUN [ -e /data/dev ] && touch /data/and || touch /data/or\nRUN test ! -d /data || { echo y; } > /data/group; (cd /srv; touch inside); touch /srv/outside\n"
         "RUN if ! test -e /gone; then exit 0; fi; touch /data/never\n"),
    Case("sed-edits", "COPY . /app\nRUN sed -i 's/n/m/; 1a\\x' /app/docs/one.md; sed -i -e s/a/b/g -e 's#b#c#' /app/app.py && sed -i '$d' /app/docs/two.md\n",
         TREE, unknown=("/app/docs/one.md",)),
    Case("defaults", "RUN echo ${A:-x} ${PATH:+set} > /data/f; mkdir -p /data/${B:-dir}\n"),
    Case("workdirs", "WORKDIR app\nWORKDIR ..\nWORKDIR ./a//b/\nRUN touch here\n"),
    Case("copy-to-link", "RUN ln -s /data /opt/l\nCOPY app.py /opt/l/\nCOPY app.py /opt/l/x/\nCOPY docs /opt/l/docs\n", TREE),
    Case("odd-names", 'COPY ["with space.txt", "/app/a b/"]\nCOPY we*rd?[a-c].txt /srv/\nCOPY brack\\[1\\].txt /opt/\n',
         TREE | {"with space.txt": "s", "weirdxa.txt": "w", "brack[1].txt": "b"}),
    Case("dockerignore-lines", "COPY . /app\n", TREE | {".dockerignore": "  docs/*.md  \n#x\n!docs/one.md\n/pkg/a.py\n.\\/notes.txt\n**/deep\n\n"}),
    Case("cmd-kept", 'FROM {base} AS a\nENTRYPOINT ["e"]\nCMD ["c"]\nFROM a\nCMD ["d"]\n'),
    Case("cmd-dropped", 'FROM {base} AS a\nCMD ["c"]\nFROM a AS b\nENTRYPOINT e\nFROM b\nCMD x\n'),
    Case("shell", 'SHELL ["/bin/sh", "-exc"]\nRUN touch /data/f\nCMD a b\nENTRYPOINT c\n'),
    Case("context", "FROM {base}\nCOPY --from=extra one.txt /app/\nRUN --mount=type=bind,from=extra,target=/m cp /m/one.txt /app/two\n"),
    Case("context-over-stage", "FROM {base} AS extra\nFROM {base}\nCOPY --from=extra one.txt /app/\n"),
)  # fmt: skip
REFUSED = (
    ("FROM {base}\nRUN <<EOF\nx\n", "unterminated heredoc"),
    ("FROM {base}\nCOPY --bogus=1 a b\n", "unknown flag"),
    ("FROM {base}\nENV A=${B:?wanted}\n", "wanted"),
    ("FROM {base}\nENV A=${B!x}\n", "unsupported modifier"),
    ("FROM {base}\nENV A='x\n", "quote"),
    ("FROM {base} AS a\nCOPY --from=a x y\n", "circular"),
    ("FROM {base} bogus x\n", "FROM requires"),
    ("FROM {base}\nSHELL sh\n", "JSON"),
    ("FROM {base}\nHEALTHCHECK --bogus=1 CMD x\n", "unknown flag"),
    ("FROM {base}\nONBUILD ONBUILD RUN x\n", "ONBUILD"),
    ("# escape=x\nFROM {base}\n", "escape"),
    ("RUN x\nFROM {base}\n", "no build stage"),
    ("FROM {base}\nRUN --mount=type=bogus x\n", "mount"),
    ("FROM {base}\nRUN --network=bogus x\n", "network"),
    ("FROM {base}\nRUN --security=bogus x\n", "security"),
    ("FROM {base}\nEXPOSE abc\n", "port"),
)  # fmt: skip
# In the first run of CI; the others, and all of the older ones, have their turn in `make long`.
CHOSEN = (*CURRENT, *CASES) if LONG else CURRENT[::2]
# What these stand on is an image of the other test's engine, or an older release's doing.
ELSEWHERE = ("{parent}", "{trigger}")


@dataclass(frozen=True)
class Bases:
    """The base alone, as deployguard finds it."""

    image: Image

    def find(self, reference: Traced[str | None]) -> Image | Unread:
        if reference.value == BASE:
            return self.image
        return Unread(Missing(Reason.IMAGE, f"the image {reference.value}"))


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    busybox = shutil.which("busybox")
    if busybox is None:
        missing("there is no busybox to make a base of")
    stored = StoredImage((base_layer(Path(busybox)),), (BASE,), {"Env": ["PATH=/bin"]})
    folder = tmp_path_factory.mktemp("bases")
    spread(folder, layout(stored))
    return folder


@pytest.fixture(scope="module")
def builder(bases: Path) -> Iterator[BuildKit]:
    with buildkit(bases) as started:
        yield started


def inspected(built: Built) -> dict[str, object]:
    """Return a config in the words that the derived one has."""
    given = built.config
    return {
        "Entrypoint": given.get("Entrypoint") or [],
        "Cmd": given.get("Cmd") or [],
        "Env": dict(entry.partition("=")[::2] for entry in given.get("Env") or ()),
        "WorkingDir": given.get("WorkingDir") or "",
        "User": given.get("User") or "",
        "ExposedPorts": sorted(given.get("ExposedPorts") or ()),
        "OnBuild": given.get("OnBuild") or [],
        "Labels": given.get("Labels") or {},
    }


@pytest.mark.parametrize(
    "case",
    [case for case in CHOSEN if not any(one in case.dockerfile for one in ELSEWHERE)],
    ids=lambda case: case.name,
)
def test_a_dockerfile_makes_what_the_current_buildkit_makes_of_it(
    case: Case, builder: BuildKit, bases: Path, tmp_path: Path
) -> None:
    folder, extra = tmp_path / "context", tmp_path / "extra"
    folder.mkdir()
    written(case, folder)
    write(extra, {"one.txt": "extra\n"})
    given = {"extra": extra} if "extra" in case.dockerfile else {}
    archive = builder.build(
        folder,
        target=case.target,
        arguments=case.arguments,
        contexts=given,
        bases={BASE: builder.digest("1")},
    )
    assert isinstance(archive, Path), archive
    built = read(archive)
    (image,) = open_layout(str(bases), tag=None, platform=None)
    contexts: dict[str, Context] = {name: str(place) for name, place in given.items()}
    options = BuildOptions(
        target=case.target, arguments=case.arguments, contexts=contexts, platform="linux/amd64"
    )
    (stage,) = build(str(folder), None, Bases(image), options)
    assert config(stage) == inspected(built)
    assert sorted(one.value for one in stage.image.config.volumes) == sorted(
        built.config.get("Volumes") or ()
    )
    compare(stage.image.files, built.files, case)


@pytest.mark.parametrize(("dockerfile", "message"), REFUSED)
def test_what_the_current_buildkit_refuses_is_refused(
    dockerfile: str, message: str, builder: BuildKit, bases: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "context"
    folder.mkdir()
    written(Case("refused", dockerfile), folder)
    told = builder.build(folder, bases={BASE: builder.digest("1")})
    assert isinstance(told, str)
    assert message in told
    (image,) = open_layout(str(bases), tag=None, platform=None)
    with pytest.raises(InputError):
        build(str(folder), None, Bases(image), BuildOptions())
