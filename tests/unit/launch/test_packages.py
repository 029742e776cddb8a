"""Which package a file belongs to, by dpkg's, distroless images' and apk's databases."""

import base64
import hashlib

import pytest

from deployguard.launch.packages import Owned, installed, owner
from deployguard.model.evidence import Missing, Reason
from deployguard.model.filesystem import Absent, Unread
from tests.support.memory import ELF, MemoryFiles

STATUS = """\
Package: nginx
Status: install ok installed
Version: 1.22.1-9
Depends: libc6 (>= 2.34), libpcre2-8-0:any, iproute2 |
 busybox

Package: gone
Status: deinstall ok config-files
Version: 1
"""
DPKG = {
    "/var/lib/dpkg/status": STATUS,
    "/var/lib/dpkg/info/nginx.list": "/.\n/usr/sbin/nginx\n",
    "/var/lib/dpkg/info/gone.list": "/usr/bin/gone\n",
    "/usr/sbin/nginx": ELF,
    "/usr/bin/gone": ELF,
    "/usr/bin/own": ELF,
}


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def owned(path: str, files: dict[str, str], **options: dict[str, str]) -> str | None:
    found = owner(path, MemoryFiles(files, links=options.get("links", {})))
    if isinstance(found, Absent):
        return None
    assert isinstance(found, Owned)
    return f"{found.package.name} {found.package.version} ({found.location.file})"


NGINX = "nginx 1.22.1-9 (/var/lib/dpkg/info/nginx.list)"


@pytest.mark.parametrize(
    ("path", "changes", "expected"),
    [
        ("/usr/sbin/nginx", {}, NGINX),
        ("/usr/bin/own", {}, None),
        # A removed package stays in the status file until it is purged.
        ("/usr/bin/gone", {}, None),
        ("/usr/bin/absent", {}, None),
        ("/usr/sbin/nginx", {"/var/lib/dpkg/info/nginx.md5sums": f"{md5(ELF)}  usr/sbin/nginx\n"},
         NGINX),
        # A file put over the package's is the image's own.
        ("/usr/sbin/nginx", {"/var/lib/dpkg/info/nginx.md5sums": f"{md5('x')}  usr/sbin/nginx\n"},
         None),
        # What a package diverts away lies elsewhere; a local diversion leaves the place to anybody.
        ("/usr/sbin/nginx.real", {"/var/lib/dpkg/diversions":
                                  "/usr/sbin/nginx\n/usr/sbin/nginx.real\nother\n",
                                  "/usr/sbin/nginx.real": ELF}, NGINX),
        ("/usr/sbin/nginx", {"/var/lib/dpkg/diversions":
                             "/usr/sbin/nginx\n/usr/sbin/nginx.real\n:\n"}, None),
    ],
)  # fmt: skip
def test_dpkg_lists_say_whose_a_file_is(
    path: str, changes: dict[str, str], expected: str | None
) -> None:
    assert owned(path, DPKG | changes) == expected


def test_a_merged_usr_leaves_the_old_spelling_in_the_lists() -> None:
    files = DPKG | {"/var/lib/dpkg/info/nginx.list": "/sbin/nginx\n"}
    assert owned("/usr/sbin/nginx", files, links={"/sbin": "usr/sbin"}) == NGINX
    # Where /sbin is a folder of its own, /sbin/nginx is another file.
    assert owned("/usr/sbin/nginx", files | {"/sbin/nginx": ELF}) is None


def test_distroless_images_list_files_beside_their_sums() -> None:
    files = {
        "/var/lib/dpkg/status.d/redis.tools": "Package: redis.tools\nVersion: 7.0\n",
        "/var/lib/dpkg/status.d/redis.tools.md5sums": f"{md5(ELF)}  usr/bin/redis-server\n",
        "/usr/bin/redis-server": ELF,
    }
    expected = "redis.tools 7.0 (/var/lib/dpkg/status.d/redis.tools.md5sums)"
    assert owned("/usr/bin/redis-server", files) == expected
    assert owned("/usr/bin/redis-server", files | {"/usr/bin/redis-server": "other"}) is None


def apk(content: str) -> dict[str, str]:
    digest = hashlib.sha1(content.encode(), usedforsecurity=False).digest()
    return {
        "/usr/sbin/nginx": ELF,
        "/lib/apk/db/installed": "P:musl\nV:1.2\nF:lib\nR:ld-musl.so\n\nP:nginx\nV:1.26-r0\n"
        "D:so:libc.musl-x86_64.so.1 pcre2>10\nF:etc\nR:conf\nF:usr/sbin\nR:nginx\na:0:0:755\n"
        f"Z:Q1{base64.b64encode(digest).decode()}\nR:other\n",
    }


def test_the_database_of_apk_says_whose_a_file_is() -> None:
    assert owned("/usr/sbin/nginx", apk(ELF)) == "nginx 1.26-r0 (/lib/apk/db/installed)"
    assert owned("/usr/sbin/nginx", apk("something else")) is None
    packages = installed(MemoryFiles(apk(ELF)))
    assert not isinstance(packages, Unread)
    assert packages[1].needs == {"so:libc.musl-x86_64.so.1", "pcre2"}


def test_dependencies_lose_their_versions_and_alternatives_count_each() -> None:
    packages = installed(MemoryFiles(DPKG))
    assert not isinstance(packages, Unread)
    assert [package.name for package in packages] == ["nginx"]
    assert packages[0].needs == {"libc6", "libpcre2-8-0", "iproute2", "busybox"}


@pytest.mark.parametrize(
    "path", ["/var/lib/dpkg/status", "/var/lib/dpkg/info/nginx.list", "/usr/sbin/nginx"]
)
def test_what_was_not_read_is_no_answer(path: str) -> None:
    missing = Missing(Reason.FILE, "the files of an image")
    found = owner("/usr/sbin/nginx", MemoryFiles(DPKG, unread={path: missing}))
    assert found == Unread(missing)


def test_a_program_too_large_to_be_read_is_taken_for_what_its_list_says() -> None:
    class Large(MemoryFiles):
        def read(self, path: str):  # type: ignore[no-untyped-def]  # noqa: ANN202  (the protocol's)
            if path == "/usr/sbin/nginx":
                return Unread(Missing(Reason.LIMIT, "more than 2 MiB"))
            return super().read(path)

    sums = {"/var/lib/dpkg/info/nginx.md5sums": f"{md5('x')}  usr/sbin/nginx\n"}
    assert isinstance(owner("/usr/sbin/nginx", Large(DPKG | sums)), Owned)
