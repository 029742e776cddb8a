"""COPY, ADD and plain RUNs over the files of a build; the rest is compared with BuildKit itself."""

import bz2
import gzip
import io
import lzma
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from deployguard.errors import NotFoundError, SyntaxInputError
from deployguard.inputs.dockerfile import ALL_STAGES, BuildOptions, build
from deployguard.model.filesystem import Absent, Stat, Unread
from tests.support.builds import PYTHON, SITE, NoImages, built, text, write
from tests.support.flask_dockerfiles import packed


def missing_at(
    folder: Path, dockerfile: str, path: str, files: dict[str, str] | None = None
) -> str:
    found = built(folder, dockerfile, files).image.files.read(path)
    assert isinstance(found, Unread)
    return found.missing.what.replace(f"{folder}/", "")


def test_here_documents_are_files_with_their_variables(tmp_path: Path) -> None:
    # Source: dispatchCopy's SourceContents; BuildKit of Docker 20.10 does not know them yet.
    files = built(
        tmp_path,
        "FROM scratch\nARG V=1\nWORKDIR /app\n"
        "COPY <<a.env <<'b.env' ./\nX=$V\na.env\nX=$V\nb.env\n"
        "COPY <<-EOF /app/run.sh\n\techo \"\\$V\" '${V}'\nEOF\n"
        "COPY --chmod=755 <<EOF bin/\n#!x\nEOF\n",
    ).image.files
    assert text(files, "/app/a.env") == "X=1\n"
    assert text(files, "/app/b.env") == "X=$V\n"
    assert text(files, "/app/run.sh") == "echo \"$V\" '1'\n"
    found = files.stat("/app/bin/EOF")
    assert isinstance(found, Stat)
    assert found.mode == 0o755


def test_excluded_and_parents_follow_newer_dockerfiles(tmp_path: Path) -> None:
    # Source: convert_copy.go (--exclude, --parents with its pivot), Dockerfile syntax 1.7 and on.
    files = built(
        tmp_path,
        "FROM scratch\nCOPY --exclude=*.md --exclude=sub/x --exclude=!sub/y.md pkg /a\n"
        "COPY --parents pkg/sub/*.md pkg/z.py /b/\nCOPY --parents pkg/./sub/x /c/\n",
        {"pkg/a.md": "", "pkg/z.py": "z", "pkg/sub/x": "x", "pkg/sub/y.md": "y"},
    ).image.files
    assert files.list("/a") == ("sub", "z.py")
    assert files.list("/b/pkg") == ("sub", "z.py")
    assert text(files, "/b/pkg/sub/y.md") == "y"
    assert text(files, "/c/sub/x") == "x"


def test_a_link_replaces_no_folder_and_follows_none(tmp_path: Path) -> None:
    files = built(
        tmp_path, "FROM busybox\nRUN mkdir /real && ln -s /real /app\nCOPY --link a.txt /app/b/\n",
        {"a.txt": "a"},
    ).image.files  # fmt: skip
    assert files.list("/real") == ()
    assert text(files, "/app/b/a.txt") == "a"


@pytest.mark.parametrize(
    ("step", "path", "missing"),
    [
        ("ADD https://example.org/x/app.py /app/", "/app/app.py", "what ADD at Dockerfile:2 brings"),
        ("ADD https://example.org/app.py?a=1 /app/b.py", "/app/b.py", "what ADD at Dockerfile:2 brings"),
        ("ADD git@example.org:a/b.git /app", "/app/x", "what ADD at Dockerfile:2 brings"),
        ("ADD https://example.org/a/b.git#main /app", "/app/x", "what ADD at Dockerfile:2 brings"),
        ("ADD app.tar.gz /app/", "/app/x", "what ADD at Dockerfile:2 brings"),
        ("COPY --from=acme/files /x /app/x", "/app/x", "the image acme/files"),
        ("COPY gone.py /app/x", "/app/x",
         "gone.py of the build context, which is not there (COPY at Dockerfile:2)"),
        ("COPY gone /app/", "/app/any",
         "gone of the build context, which is not there (COPY at Dockerfile:2)"),
        ("RUN make install", "/app/x", "what RUN at Dockerfile:2 leaves behind"),
        ("RUN echo $(date) > /app/x", "/app/x", "what RUN at Dockerfile:2 leaves behind"),
        ("RUN curl https://x | sh", "/anything", "what RUN at Dockerfile:2 leaves behind"),
        ('SHELL ["pwsh", "-c"]\nRUN true', "/x", "what RUN at Dockerfile:3 leaves behind"),
        ('RUN ["/opt/setup"]', "/x", "what RUN at Dockerfile:2 leaves behind"),
        ("RUN <<EOF\nset -e\nmake\nEOF", "/x", "what RUN at Dockerfile:2 leaves behind"),
        ("RUN <<EOF\n#!/usr/bin/env python\nx\nEOF", "/x", "what RUN at Dockerfile:2 leaves behind"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_unread_and_names_its_line(
    tmp_path: Path, step: str, path: str, missing: str
) -> None:
    dockerfile = f"FROM busybox\n{step}\n"
    files = {"app.tar.gz": "\x1f", "plain": ""}
    write(tmp_path, {"app.tar.gz": b"\x1f\x8b\x08"})
    del files["app.tar.gz"]
    assert missing_at(tmp_path, dockerfile, path, files) == missing


def test_an_archive_is_known_by_its_bytes_and_not_by_its_name(tmp_path: Path) -> None:
    files = built(
        tmp_path, "FROM scratch\nADD named.tar.gz /a/\nADD x.bin /b/\nADD --unpack=false x.bin /c/\n",
        {"named.tar.gz": "text", "x.bin": b"BZh91AY"},
    ).image.files  # fmt: skip
    assert text(files, "/a/named.tar.gz") == "text"
    assert isinstance(files.stat("/b/anything"), Unread)
    assert text(files, "/c/x.bin") == "BZh91AY"


def test_links_of_the_context_never_lead_out_of_it(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    write(outside, {"secret": "s"})
    context = tmp_path / "context"
    write(context, {"a": "a", "etc/passwd": "of the context"})
    for name, target in (("up", "../outside/secret"), ("absolute", str(outside / "secret")),
                         ("passwd", "/etc/passwd"), ("loop", "loop"), ("itself", ".")):  # fmt: skip
        (context / name).symlink_to(target)
    os.mkfifo(context / "pipe")
    files = built(
        context,
        "FROM scratch\nCOPY . /all\nCOPY passwd /p\nCOPY up /u\nCOPY absolute /b\nCOPY pipe /q\n",
    ).image.files
    assert text(files, "/p") == "of the context"
    assert text(files, "/all/itself/itself/a") == "a"
    for path in ("/u", "/b", "/all/up", "/all/absolute", "/all/loop", "/q", "/all/pipe"):
        assert text(files, path) is None
    assert text(files, "/all/passwd") is None


def test_a_script_in_a_heredoc_is_followed(tmp_path: Path) -> None:
    files = built(
        tmp_path,
        "FROM busybox\nENV D=/srv\nRUN <<EOF\nset -eu\nmkdir -p $D/a\ncd $D/a\necho hi > f\nEOF\n"
        "RUN cat <<'X' > /srv/x && touch /srv/y\n$D\nX\n",
    ).image.files
    assert text(files, "/srv/a/f") == "hi\n"
    assert text(files, "/srv/x") == "$D\n"
    assert text(files, "/srv/y") == ""


@pytest.mark.parametrize(
    ("step", "known"),
    [
        ("RUN apt-get update && apt-get install -y gcc && rm -rf /var/lib/apt/lists/*", True),
        ("RUN apk add --no-cache gcc", True),
        ("RUN useradd -m -u 1000 app && chown -R app /app", True),
        ("RUN adduser --disabled-password app || true", False),
        ("RUN groupadd app || true", True),
        ("RUN test -d /app || exit 1", True),
        ("RUN (cd /srv && touch x) && touch y", True),
        ("RUN sed -i s/a/b/ /etc/hosts", True),
        ("RUN pip install flask==3.0.3", True),
        ("RUN if true; then touch x; fi", True),
        ("RUN if grep -q a app.py; then touch x; fi", False),
        ("RUN for x in a; do touch $x; done", True),
        ("RUN while true; do touch x; done", False),
        ("RUN grep -q a app.py && rm app.py; true", False),
        ("RUN [ -f gone ] && make; true", True),
        ("RUN [ -f app.py ] && make; true", False),
        ("RUN mkdir -p $HOME/x", False),
        ("RUN touch x &", False),
        ("RUN npm ci", False),
        ("RUN ./setup.sh", False),
        ("RUN python setup.py", False),
        ("RUN eval x", False),
        ("RUN rm -rf $UNSET/x*/y", False),
    ],
)
def test_plain_steps_leave_the_application_known(
    tmp_path: Path,
    step: str,
    known: bool,  # noqa: FBT001  (the table's)
) -> None:
    files = built(tmp_path, f"{PYTHON}COPY app.py .\n{step}\n", {"app.py": "app"}).image.files
    assert (text(files, "/app/app.py") == "app") is known


def test_an_account_has_its_home(tmp_path: Path) -> None:
    files = built(
        tmp_path, f"{PYTHON}RUN useradd --create-home --uid 1001 web && adduser --home /srv/x y\n"
    ).image.files
    accounts = text(files, "/etc/passwd")
    assert accounts is not None
    assert accounts.splitlines()[-2:] == [
        "web:x:1001:1001::/home/web:/bin/sh", "y:x::::/srv/x:/bin/sh",
    ]  # fmt: skip
    assert isinstance(files.stat("/home/web"), Stat)


@pytest.mark.parametrize(
    ("step", "content"),
    [
        ("sed -i 's/a/b/g; 2d' f", "bpp\n"),
        ("sed -i -e 's/a/b/' -e 's#b#c#' f", "cpp\nline\n"),
        ("sed -ri 's/^(l).*/x/' f", "app\nx\n"),
        ("sed -i.bak s/a/b/ f", None),
        ("sed -i 's/(a)/\\1/' f", None),
        ("printf '%s-%d\\n' a 1 b 2 > f", "a-1\nb-2\n"),
        ("{ echo a; printf 'b\\n'; } >> f", "app\nline\na\nb\n"),
        ("echo $(date) > f", None),
        ("for n in 1 2; do echo $n >> f; done", "app\nline\n1\n2\n"),
        ("for n in *; do rm $n; done; echo x > f", "x\n"),
        ("case $KIND in a|b*) echo b > f ;; *) rm f ;; esac", "b\n"),
        ('if [ -z "$NONE" ] && [ -f f ]; then echo yes > f; else exit 1; fi', "yes\n"),
        ('[ "$KIND" = x ] && echo x > f || echo y > f', "y\n"),
        ("! test -f f || exit 0; rm f", "app\nline\n"),
        ("test -d gone || exit 0; rm f", "app\nline\n"),
        ("(exit 0); echo after > f", "after\n"),
        ("sh -c 'exit 0; rm f'; echo after >> f", "app\nline\nafter\n"),
        ("echo ${NONE:-d}-${KIND:+k}-${PWD} > f", "d-k-/app\n"),
        ("echo $HOME > f", None),
    ],
)
def test_steps_leave_the_text_that_a_shell_would(
    tmp_path: Path, step: str, content: str | None
) -> None:
    files = built(
        tmp_path, f"{PYTHON}ENV KIND=bc\nCOPY f .\nRUN {step}\n", {"f": "app\nline\n"}
    ).image.files
    assert text(files, "/app/f") == content


@pytest.mark.parametrize(
    "pack",
    [bytes, gzip.compress, bz2.compress, lzma.compress],
    ids=["plain", "gzip", "bzip2", "xz"],
)
def test_archives_are_unpacked(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, kind, link in (("d", tarfile.DIRTYPE, ""), ("d/f", tarfile.REGTYPE, ""),
                                 ("d/s", tarfile.SYMTYPE, "f"), ("h", tarfile.LNKTYPE, "d/f")):  # fmt: skip
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, link
            info.size = 2 if kind == tarfile.REGTYPE else 0
            tar.addfile(info, io.BytesIO(b"f\n"))
    write(tmp_path, {"a.tar": pack(buffer.getvalue())})
    files = built(tmp_path, "FROM scratch\nADD a.tar /x/\n").image.files
    assert files.list("/x") == ("d", "h")
    assert {text(files, f"/x/{name}") for name in ("d/f", "d/s", "h")} == {"f\n"}


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[:700], lambda data: data[:1536] + b"x" * 600, lambda _: b"\x1f\x8b\x08"],
    ids=["cut", "prolonged", "packed"],
)
def test_a_damaged_archive_is_not_known(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    write(tmp_path, {"a.tar": damage(packed({"f": "f\n" * 400}, "plain"))})
    files = built(tmp_path, "FROM scratch\nADD a.tar /x/\n").image.files
    assert isinstance(files.stat("/x/f"), Unread)


def test_wheels_that_a_stage_makes_are_installed_by_another(tmp_path: Path) -> None:
    files = built(
        tmp_path,
        "FROM python:3.12 AS a\nCOPY r.txt .\nRUN pip wheel --no-deps -w /w -r r.txt\n"
        "FROM python:3.12\nCOPY --from=a /w /w\nRUN pip install --no-deps /w/*\n",
        {"r.txt": "flask==3.0.3\nwerkzeug==3.0.4\n"},
    ).image.files
    names = files.list(SITE)
    assert isinstance(names, Unread)
    assert names.seen == ("flask-3.0.3.dist-info", "werkzeug-3.0.4.dist-info")


def test_stages_are_named_and_numbered(tmp_path: Path) -> None:
    write(tmp_path, {"Dockerfile": "FROM scratch AS Build\nENV A=1\n\nFROM scratch\nFROM build\n"})
    stages = build(str(tmp_path), None, NoImages(), BuildOptions(target=ALL_STAGES))
    assert [(stage.subject, stage.location.line) for stage in stages] == [
        ("build", 1), ("1", 4), ("2", 5),
    ]  # fmt: skip
    for target, subject in ((None, "2"), ("build", "build"), ("BUILD", "build"), ("1", "1")):
        (stage,) = build(str(tmp_path), None, NoImages(), BuildOptions(target=target))
        assert stage.subject == subject
    with pytest.raises(NotFoundError, match="no stage prod") as caught:
        build(str(tmp_path), None, NoImages(), BuildOptions(target="prod"))
    assert caught.value.hint == "it has build, 1, 2"


def test_a_stage_that_is_not_needed_is_not_looked_at(tmp_path: Path) -> None:
    images = NoImages()
    write(tmp_path, {"Dockerfile": "FROM acme/a AS a\nENV X=${\nFROM scratch\n"})
    build(str(tmp_path), None, images, BuildOptions())
    assert images.asked == []
    with pytest.raises(SyntaxInputError) as caught:
        build(str(tmp_path), None, images, BuildOptions(target="a"))
    assert caught.value.location is not None
    assert caught.value.location.line == 2


@pytest.mark.parametrize(
    ("dockerfile", "line", "message"),
    [
        ("RUN a\nFROM b", 1, "no build stage in current context"),
        ("ARG A", None, "has no FROM"),
        ("ARG A=\nFROM $A", 2, "should not be blank"),
        ("FROM scratch\nCOPY --from=0 a b", 2, "invalid stage index 0"),
        ("FROM scratch\nENV A=${B:?wanted}", 2, "B: wanted"),
        ("FROM scratch\nWORKDIR 'a", 2, "single-quote"),
        ("FROM scratch\nEXPOSE x", 2, "invalid containerPort: x"),
        ("FROM scratch\nEXPOSE 9-8", 2, "invalid range"),
        ("FROM scratch\nEXPOSE 80/http", 2, "invalid containerPort"),
        ("FROM scratch AS a\nONBUILD RUNN x\nFROM a", 3, "unknown instruction: RUNN"),
    ],
)
def test_what_a_build_refuses_is_an_error_with_its_line(
    tmp_path: Path, dockerfile: str, line: int | None, message: str
) -> None:
    with pytest.raises(SyntaxInputError, match=message) as caught:
        built(tmp_path, dockerfile)
    assert caught.value.location is not None
    assert caught.value.location.line == line


def test_the_dockerfile_may_lie_elsewhere_or_be_given_inline(tmp_path: Path) -> None:
    write(tmp_path, {"context/a": "a", "other/App.dockerfile": "FROM scratch\nCOPY . /x\n"})
    context, images = str(tmp_path / "context"), NoImages()
    (stage,) = build(context, str(tmp_path / "other/App.dockerfile"), images, BuildOptions())
    assert stage.image.files.list("/x") == ("a",)
    (stage,) = build(context, None, images, BuildOptions(inline=b"FROM scratch\nCOPY a /y/"))
    assert stage.image.files.list("/y") == ("a",)
    with pytest.raises(NotFoundError, match="there is no Dockerfile"):
        build(context, None, images, BuildOptions())


def test_further_contexts_and_mounts_bring_files(tmp_path: Path) -> None:
    write(tmp_path, {"other/lib.py": "lib", "reqs/r.txt": "flask==3.0.3\n"})
    options = BuildOptions(
        contexts={"lib": str(tmp_path / "other"), "base": "docker-image://busybox"}
    )
    files = built(
        tmp_path,
        "FROM base\nCOPY --from=lib lib.py /app/\nRUN --mount=type=bind,from=lib,target=/m "
        "--mount=type=tmpfs,target=/t cp /m/lib.py /app/copy.py && touch /t/x /m/y\n",
        options=options,
    ).image.files
    assert files.list("/app") == ("copy.py", "lib.py")
    assert isinstance(files.stat("/t/x"), Absent)
    assert isinstance(files.stat("/m/y"), Absent)
