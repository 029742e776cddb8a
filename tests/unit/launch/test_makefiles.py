"""make: what recipes start and under which variables, checked against the real program."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from deployguard.launch.makefiles import make
from deployguard.launch.outcomes import Call, Next
from deployguard.launch.shells import Started
from deployguard.model.environment import Environment
from deployguard.model.evidence import Evidence, Location, Missing, Traced
from deployguard.model.process import Process
from tests.support.components import missing
from tests.support.memory import MemoryFiles

PLACE = Location("image config")
PATH = "/usr/local/bin:/usr/bin:/bin"


def followed(command: str, files: dict[str, str], cwd: str, **variables: str) -> Next:
    """Return what make starts with these words and files."""
    words = tuple(Traced[str | None](word, PLACE) for word in command.split())
    env = {"PATH": PATH} | variables
    process = Process(
        args=words,
        env=Environment({name: Traced[str | None](value, PLACE) for name, value in env.items()}),
        cwd=Traced(cwd, PLACE),
        user=None,
        terminal=Traced(False, PLACE),  # noqa: FBT003
        location=PLACE,
    )
    return make(
        Call(
            name="make",
            process=process,
            words=words[1:],
            python=(),
            path="/usr/bin/make",
            files=MemoryFiles({f"{cwd}/{name}": text for name, text in files.items()}),
        )
    )


def carried_out(outcome: Next) -> str:
    """Run the processes that make is said to start, until one fails; return what they print."""
    if isinstance(outcome, Evidence):
        return ""
    assert isinstance(outcome, Started), outcome
    made = ""
    for start in outcome.processes:
        process = start.process
        done = subprocess.run(
            [word.value or "?" for word in process.args],
            env={name: entry.value or "?" for name, entry in process.env.entries.items()},
            cwd=process.cwd.value,
            capture_output=True,
            text=True,
            check=False,
        )
        made += done.stdout
        if done.returncode:
            break
    return made


SAY = "\n\t@printenv A B C D; echo .\n"
CASES = [
    ("make", f"A=1\nall:{SAY}"),
    ("make", f"export A=1\nall:{SAY}"),
    ("make A=2", f"export A=1\nall:{SAY}"),
    ("make A=2", f"A=1\nall:{SAY}"),
    ("make A=2", f"override A=1\nall:{SAY}"),
    ("make A=2", f"override A+=1\nexport A\nall:{SAY}"),
    ("make -e", f"D=9\nall:{SAY}"),
    ("make", f"D=9\nall:{SAY}"),
    ("make", f"D?=9\nE?=8\nA=$(E)\nexport A\nall:{SAY}"),
    ("make", f"A=1\nexport\nall:{SAY}"),
    ("make", f"export A B\nA = 1\nB := $(A)2\nA = 3\nall:{SAY}"),
    ("make", f"B = $(A)x\nA = 3\nexport B\nall:{SAY}"),
    ("make", f"A = 1\n.EXPORT_ALL_VARIABLES:\nall:{SAY}"),
    ("make", f"unexport D\nall:{SAY}"),
    ("make", f"export A=1\nunexport A\nall:{SAY}"),
    ("make", f"all: export A = 1\nall: B = 2\nall:{SAY}"),
    ("make", f"all: A = 1\nexport A\nall: need\nneed:{SAY}"),
    ("make two", f"one:\n\t@echo one\ntwo: one{SAY}"),
    ("make", "one: two three\n\t@echo one $@ $< $^\ntwo:\n\t@echo two\nthree: two\n\t@echo three\n"),
    ("make", ".PHONY: b\na:\n\t@echo a\nb:\n\t@echo b\n"),
    ("make", ".DEFAULT_GOAL := b\na:\n\t@echo a\nb:\n\t@echo b\n"),
    ("make", "a:\n\t@echo 1; exit 3\n\t@echo 2\n"),
    ("make", "a:\n\t-@exit 3\n\t@echo 2\n"),
    ("make", "a: b\n\t@echo a\nb:\n\t@echo b; false\n"),
    ("make -i", "a:\n\t@true\n\t@echo 2\n"),
    ("make", "a:\n\t@cd /; X=1\n\t@pwd | wc -l; echo x$$X\n"),
    ("make", ".ONESHELL:\na:\n\t@X=1\n\techo x$$X\n"),
    ("make", "a:\n\t@echo one \\\n\t  two\n\t@echo three # no comment for make\n"),
    ("make", "X = a \\\n   b\nall:\n\t@echo '$(X)'\n"),
    ("make", "X = a#b\nall:\n\t@echo '$(X)'\n"),
    ("make", "X = a\\#b\nall:\n\t@echo '$(X)'\n"),
    ("make", "all: ; @echo one\n"),
    ("make", "ifdef D\nX = yes\nelse\nX = no\nendif\nall:\n\t@echo $(X)\n"),
    ("make", "ifndef D\nX = yes\nelse\nX = no\nendif\nall:\n\t@echo $(X)\n"),
    ("make", "ifeq ($(D),4)\nX = yes\nelse ifeq ($(D),5)\nX = five\nelse\nX = no\nendif\nall:\n\t@echo $(X)\n"),
    ("make D=5", "ifeq ($(D),4)\nX = yes\nelse ifeq ($(D),5)\nX = five\nelse\nX = no\nendif\nall:\n\t@echo $(X)\n"),
    ("make D=6", 'ifeq "$(D)" "4"\nX = yes\nelse ifeq "$(D)" "5"\nX = five\nelse\nX = no\nendif\nall:\n\t@echo $(X)\n'),
    ("make", "ifneq (,$(wildcard .env))\ninclude .env\nexport\nendif\nall:\n\t@printenv A\n"),
    ("make", "-include .env none\nexport A\nall:\n\t@printenv A\n"),
    ("make", "include .env\nexport $(shell sed 's/=.*//' .env)\nall:\n\t@printenv A\n"),
    ("make", "include none\nall:\n\t@echo all\n"),
    ("make none", "all:\n\t@echo all\n"),
    ("make -s -j 4 --no-print-directory all", "all:\n\t@echo all\n"),
    ("make -sj4 all", "all:\n\t@echo all\n"),
    ("make -f other.mk", "all:\n\t@echo all\n"),
    ("make -C sub", "all:\n\t@echo all\n"),
    ("make --directory=sub x", "all:\n\t@echo all\n"),
    ("make", "X = $(subst a,b,banana) $(patsubst %.c,%.o,x.c y) $(filter a%,ab c) $(words a b)\nall:\n\t@echo '$(X)'\n"),
    ("make", "X = $(if $(D),yes,no) $(or ,b) $(and a,b) $(notdir a/b) $(dir a/b) $(X2:.c=.o)\nX2=u.c\nall:\n\t@echo '$(X)'\n"),
    ("make", "X = $(strip  a   b ) $(firstword q r) $(word 2,q r) $(addprefix -,a b) $(sort b a b)\nall:\n\t@echo '$(X)'\n"),
    ("make", "X = $(foreach v,a b,<$(v)>)\nall:\n\t@echo '$(X)'\n"),
    ("make", "define BODY\n@echo one\n@echo two\nendef\nall:\n\t$(BODY)\n"),
    ("make", "SHELL := /bin/bash\nall:\n\t@echo $${BASH_VERSION:+bash}\n"),
    ("make", "SHELL = /bin/bash\n.SHELLFLAGS = -eu -c\nall:\n\t@false; echo no\n"),
    ("make", "all:\n\t@echo first\nall:\n\t@echo second\n"),
    ("make", "all:: \n\t@echo first\nall::\n\t@echo second\n"),
    ("make", "all: b\nall: c\nall:\n\t@echo $^\nb c:\n\t@echo made $@\n"),
    ("make sub", "sub:\n\t@echo never\n"),
    ("make sub", ".PHONY: sub\nsub:\n\t@echo always\n"),
    ("make", "A := $(D)$(D)\nexport A\nall:\n\t@printenv A\n"),
    ("make", "export A := 1\nexport B = $(A)2\nall:\n\t@printenv A B\n"),
    ("make", "A = 1\nA += 2\nexport A\nall:\n\t@printenv A\n"),
    ("make", "all:\n\t@echo $(CURDIR) | wc -w; echo $(MAKE) | wc -w\n"),
    ("make", "all:\n\t@echo $$$$ | grep -c '[0-9]'\n"),
    ("make", "all: *.mk\n\t@echo $^\n"),
    ("make", "MAKEFLAGS += --no-print-directory -s\nall:\n\t@echo one\n"),
    ("make a b", "a:\n\t@echo a\nb: a\n\t@echo b\n"),
    ("make", "%.x: y\n\t@echo x\nall:\n\t@echo all\n"),
    ("make", "  A = 1\n  export A\nall:\n\t@printenv A\n"),
    ("make", "all:\n\t@printenv MAKELEVEL >/dev/null && echo set || echo none\n"),
]  # fmt: skip


@pytest.mark.parametrize(("command", "text"), CASES)
def test_what_make_is_said_to_start_prints_what_make_prints(
    command: str, text: str, tmp_path: Path
) -> None:
    if shutil.which("make", path=PATH) is None:
        missing("make")
    files = {
        "Makefile": text,
        ".env": "A=env\n",
        "other.mk": "all:\n\t@echo other\n",
        "sub/Makefile": "x y:\n\t@pwd | grep -o sub; echo $@\n",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    real = subprocess.run(
        command.split(),
        cwd=tmp_path,
        env={"PATH": PATH, "D": "4", "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )
    said = followed(command, files, os.fspath(tmp_path), D="4", LC_ALL="C")
    printed = [line for line in real.stdout.splitlines() if not line.startswith("make:")]
    assert carried_out(said).splitlines() == printed


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("all:\n\t$(shell cat secret)\n", "$(shell cat secret) prints"),
        ("X := $(shell date)\nall:\n\techo $(X)\n", "$(shell date) prints"),
        ("X != date\nall:\n\techo $(X)\n", "$(shell date) prints"),
        ("ifeq ($(shell uname),Linux)\nall:\n\techo\nendif\n", "$(shell uname) prints"),
        ("all: x.o\n\techo\n%.o: %.c\n\tcc\n", "how make makes x.o"),
        ("$(eval all: ; echo)\n", "$(eval all: ; echo) gives"),
        ("X = $(X)\nall:\n\techo $(X)\n", "what the makefile expands to"),
        ("all: made\n\techo\nmade: all2\n\ttouch made\nall2:\n", "how old made is"),
    ],
)
def test_what_make_cannot_be_told_to_do_is_missing(text: str, what: str) -> None:
    outcome = followed("make", {"Makefile": text, "made": ""}, "/srv/app")
    if what == "how old made is":
        what = "whether made is older than what it needs"
    assert isinstance(outcome, Missing)
    assert what in outcome.what


def test_a_variable_that_is_not_used_may_be_unclear() -> None:
    text = "VERSION := $(shell git describe)\nrun:\n\tflask run\n"
    assert isinstance(followed("make run", {"Makefile": text}, "/srv/app"), Started)


def test_a_variable_that_is_exported_and_unclear_is_hidden() -> None:
    text = "export VERSION := $(shell git describe)\nrun:\n\tflask run\n"
    outcome = followed("make run", {"Makefile": text}, "/srv/app")
    assert isinstance(outcome, Started)
    entry = outcome.processes[0].process.env.get("VERSION")
    assert entry is not None
    assert entry.value is None
    assert entry.missing[0].what == "what $(shell git describe) prints"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (".RECIPEPREFIX = >\nrun:\n> flask run\n", "what .RECIPEPREFIX = > makes"),
        ("MAKEFLAGS += -n\nrun:\n\tflask run\n", "what MAKEFLAGS = -n makes"),
        ("run:\n\tflask run $(intcmp 1,2)\n", "what $(intcmp 1,2) gives"),
        ("run: x*.c\n\tflask run\n%.c: %.y\n\ttrue\n", "how make makes x*.c"),
    ],
)
def test_what_changes_how_a_makefile_is_read_leaves_it_open(text: str, what: str) -> None:
    outcome = followed("make", {"Makefile": text}, "/srv/app")
    assert isinstance(outcome, Missing)
    assert outcome.what.startswith(what)
