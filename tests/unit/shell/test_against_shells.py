"""Scripts made at random, in the real bash, dash and busybox and in the evaluator."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from deployguard.shell.state import Kind
from tests.support.effort import LONG
from tests.support.shells import SHELLS, real_starts, told

EXAMPLES = 3_000 if LONG else 60
FILES = {
    "parts/10-first.sh": "flask part one\n",
    "parts/9-second.sh": "MODE=sourced\nflask part two\n",
    "parts/notes.txt": "no script\n",
    "settings": "MODE=file\nA=from file\n# comment\nB='quoted'\n",
    "list": "b=2\na=1\n\nc d\n",
}
ENV = {"MODE": "image", "A": "x y"}

NAMES = st.sampled_from(["A", "B", "C", "MODE", "FLASK_DEBUG"])
TEXTS = st.sampled_from(
    ["", "a", "b", "a b", " a  b ", "1", "0", "--debug", "-x", "*", "parts/*", "a*b", "x:y", "/p/q.sh",
     "~", "a=b", "[ab]", "no-match-*", "é", "10", "A"]
)  # fmt: skip
SAFE = st.sampled_from(["a", "b", "1", "0", "--debug", "x:y", "/p/q.sh", "a=b", "10", "-p"])
PATTERNS = st.sampled_from(["a", "*", "?", "a*", "*b", "[ab]*", "*/", "*.sh", "-*", "", "x", "*:*"])


def quoted(text: str) -> str:
    return "'" + text.replace("'", "") + "'"


OPERATORS = st.one_of(
    st.builds("{}{}".format, st.sampled_from([":-", "-", ":+", "+", ":=", "="]), SAFE),
    st.builds('{}"{}"'.format, st.sampled_from([":-", "-", ":+", "+"]), TEXTS),
    st.builds("{}{}".format, st.sampled_from(["#", "##", "%", "%%"]), PATTERNS),
)
PARAMETERS = st.one_of(
    st.builds("${}".format, NAMES),
    st.builds("${{{}}}".format, NAMES),
    st.builds("${{{}{}}}".format, NAMES, OPERATORS),
    st.builds("${{#{}}}".format, NAMES),
    st.sampled_from(["$1", "$2", "$3", "$#", "${1#-}", "${3:-none}", "$*", "$@", "$?", "${@}"]),
)


@st.composite
def words(draw: st.DrawFn, deep: int = 1) -> str:
    parts = st.one_of(
        SAFE,
        TEXTS.map(quoted),
        st.builds('"{}"'.format, SAFE),
        PARAMETERS,
        st.builds('"{}"'.format, PARAMETERS),
        st.builds('"{}{}"'.format, SAFE, PARAMETERS),
        st.sampled_from(["$((1 + 2))", "$((A + 1))", "parts/*", "par*/1?-*", "~", "\\$A", "\\ "]),
        *(
            [
                st.builds("$({})".format, simple(deep - 1)),
                st.builds('"$({})"'.format, simple(deep - 1)),
                st.builds('"`{}`"'.format, st.sampled_from(["echo a", "printf '%s' \"$A\""])),
            ]
            if deep > 0
            else []
        ),
    )
    return "".join(draw(st.lists(parts, min_size=1, max_size=2)))


def printing(deep: int) -> st.SearchStrategy[str]:
    several = st.lists(words(deep), max_size=3).map(" ".join)
    return st.one_of(
        st.builds("echo {}".format, several),
        st.builds("printf '%s\\n' {}".format, several),
        st.builds("printf '[%s]' {}".format, several),
        st.sampled_from(
            ["cat settings", "cat list", "cat nowhere", "pwd", "ls parts", "cat < settings",
             "grep -v '^#' settings", "grep = list", "grep -q MODE settings", "cut -d= -f1 list",
             "cut -d= -f2 settings", "sed 's/a/b/g' list", "sed -n 's/^a=//p' list",
             "sed '/^#/d' settings", "head -n 1 settings", "head -1 list", "tail -n 1 settings",
             "tail -n +2 list", "sort list", "sort -r list", "tr a-z A-Z < list", "tr -d '\\n' < list",
             "wc -l < list", "basename /p/q.sh .sh", "dirname /p/q.sh", "seq 3", "xargs < list",
             "uniq list", "grep -c a list", "grep -E 'a|b' list", "sed 's/=.*//' list",
             "grep -o a list", "awk '{print $1}' list", "tac list"]
        ),
    )  # fmt: skip


def simple(deep: int) -> st.SearchStrategy[str]:
    several = st.lists(words(deep), max_size=3).map(" ".join)
    return st.one_of(
        printing(deep),
        st.builds("flask {}".format, several),
        st.builds("{}={} flask {}".format, NAMES, words(deep), several),
        st.builds("{} | {}".format, printing(deep), st.sampled_from(
            ["cat", "sort", "head -n 1", "xargs flask run", "xargs", "sed 's/a/c/'", "tr a z",
             'while read -r line; do flask "$line"; done', "xargs -n1 flask one",
             "xargs -I{} flask '<{}>'", "grep a", "tail -n 1", "cut -d= -f2", "tee copy"]
        )),
    )  # fmt: skip


CONDITIONS = st.one_of(
    st.builds('[ "{}" {} "{}" ]'.format, PARAMETERS, st.sampled_from(["=", "!="]), TEXTS),
    st.builds('[ {} "{}" ]'.format, st.sampled_from(["-n", "-z"]), PARAMETERS),
    st.builds("[ {} {} ]".format, st.sampled_from(["-f", "-d", "-e", "-x", "-s", "!"]),
              st.sampled_from(["settings", "parts", "nowhere", '"$A"'])),
    st.builds("test {} {}".format, PARAMETERS, st.sampled_from(["-eq 1", "-gt 0", "= a"])),
    st.sampled_from(["true", "false", "! true", "grep -q MODE settings", "command -v flask >/dev/null",
                     "command -v nothing-there >/dev/null", "read -r line < list",
                     "[ $# -gt 1 ]", "flask asked", "[ a = a -a b = b ]", "[ a = b -o b = b ]",
                     '[ "${1#-}" != "$1" ]']),
)  # fmt: skip


def block(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(inner, min_size=1, max_size=3).map("\n".join)


def compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    body = block(inner)
    return st.one_of(
        st.builds("if {}; then\n{}\nfi".format, CONDITIONS, body),
        st.builds("if {}; then\n{}\nelse\n{}\nfi".format, CONDITIONS, body, body),
        st.builds("if {}; then\n{}\nelif {}; then\n{}\nelse\n{}\nfi".format, CONDITIONS, body,
                  CONDITIONS, body, body),
        st.builds("{} && {} || {}".format, CONDITIONS, inner, inner),
        st.builds("{} && {}".format, CONDITIONS, inner),
        st.builds("{} || {}".format, CONDITIONS, inner),
        st.builds('for w in {}; do\n{}\nflask loop "$w"\ndone'.format,
                  st.lists(words(), max_size=3).map(" ".join), body),
        st.builds('for w; do {}\nflask arg "$w"; done'.format, inner),
        st.builds("case {} in\n{}) {} ;;\n{}|{}) {} ;;\n*) {} ;;\nesac".format, words(), PATTERNS.filter(bool),
                  inner, PATTERNS.filter(bool), PATTERNS.filter(bool), inner, inner),
        st.builds("( {}\n)".format, body),
        st.builds("{{ {}\n}}".format, body),
        st.builds("f() {{\n{}\n}}\nf {}".format, body, st.lists(words(), max_size=2).map(" ".join)),
        st.builds("f() {{\nlocal A={}\n{}\n}}\nf; flask after".format, words(), body),
        st.builds('while read -r line; do\n{}\nflask "$line"\ndone < {}'.format, inner,
                  st.sampled_from(["list", "settings"])),
        st.builds("n=0; while [ $n -lt {} ]; do n=$((n+1))\n{}\ndone".format, st.integers(0, 3), inner),
        st.builds("{}; break; done".format, st.builds("while {}; do {}".format, CONDITIONS, inner)),
        st.builds('cat <<END | while read -r l; do flask "$l"; done\nx {}\nEND'.format, PARAMETERS),
        st.builds('{} > out; while read -r l; do flask "$l"; done < out'.format, inner),
        st.builds("{} >> settings; cat settings | xargs flask".format,
                  printing(1).filter(lambda text: "settings" not in text)),
        st.builds("{} &\nwait".format, inner),
        st.builds("{}\n{}".format, inner, inner),
    )  # fmt: skip


LEAVES = st.one_of(
    simple(1),
    st.builds("{}={}".format, NAMES, words()),
    st.builds("export {}={}".format, NAMES, words()),
    st.builds("export {}".format, NAMES),
    st.builds('readonly R={}; flask "$R"'.format, words()),
    st.builds("unset {}".format, NAMES),
    st.builds("set -- {}".format, st.lists(words(), max_size=3).map(" ".join)),
    st.builds("IFS={}".format, TEXTS.map(quoted)),
    st.builds("eval {}".format, st.sampled_from(["'flask evaluated'", '"A=$B"', "flask '$A'"])),
    st.sampled_from(
        ["shift", "set -e", "set +e", "set -a", "set +a", "set -u", "set -f", ". ./settings",
         ". ./parts/9-second.sh", "cd parts", "cd ..", "cd nowhere", "cd -", "exit 0", "exit 3",
         "return", "flask status $?", "false", "unset IFS", "exec flask last", ". ./nowhere",
         "export $(cat settings | xargs)", "export $(grep -v '^#' settings | xargs)",
         "echo FLASK_DEBUG=1 >> settings", "sed -i 's/file/edited/' settings", "cp settings copy",
         ". ./copy", "rm -f settings", "mkdir -p new/deep; cd new/deep", "trap 'flask bye' EXIT",
         "mv list settings", "ln -s settings linked; . ./linked", 'flask "$PWD"', "flask $*",
         'flask "$@"', 'flask "$*"', "while getopts ab:c o -a -b x -c y; do flask $o $OPTARG; done",
         "command flask plain", "A=1 B=2", "A=$B B=$A", "flask ${A:?}", "echo hi > new.txt; cat new.txt | xargs flask",
         ": ${C:=default}; flask $C", "env B=set flask inner", "nothing-there", 'flask "${A%% *}" "${A##* }"']
    ),
)  # fmt: skip
SCRIPTS = block(st.recursive(LEAVES, compound, max_leaves=6))

OF_BASH = st.one_of(
    LEAVES,
    st.sampled_from(
        ['args=(a "b c"); args+=(d); flask "${args[@]}"', 'flask "${A/x/z}" "${A//[xy]/_}"',
         'flask "${A^^}" "${MODE^}" "${A:1}" "${A:0:1}" "${A: -1}"', "flask {a,b}{1..3}",
         "[[ $A == x* ]] && flask globbed", "[[ $MODE =~ ^i.*e$ ]] && flask matched",
         'flask "${@:2}" "${@:1:1}" "${#@}"', "source settings; flask $MODE", "((n++)); flask $n",
         "declare -x B=9", "declare B=8; flask $B", "for ((i=0; i<3; i++)); do flask $i; done",
         "export -n A", 'name=MODE; flask "${!name}"', "let n=n+2; flask $n", "A+=more",
         'read -r first rest <<< "$A"; flask "$first" "$rest"', "flask $'a\\tb'",
         'mapfile -t lines < list; flask "${lines[@]}"', "shopt -s nullglob; flask no*match",
         "set -o pipefail; false | true || flask failed", 'flask "${args[1]}" "${#args[@]}"',
         'f() { local x=$1; shift; flask "$x" "$@"; }; f a b', "flask ${A,,} ${A@Q}",
         "cat <(flask beside); flask then", "case $A in x*) flask one ;;& *y) flask two ;; esac",
         "case $A in x*) flask one ;& zz) flask two ;; esac", "flask 2>&1 | cat", "flask &> out"]
    ),
)  # fmt: skip
BASH_SCRIPTS = block(st.recursive(OF_BASH, compound, max_leaves=6))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    path = tmp_path_factory.mktemp("shells")
    return lambda: path / "run"


def compared(kind: Kind, text: str, folder: Path) -> None:
    text = text.replace("'é'", "e")
    real = real_starts(kind, text, folder, FILES, ENV)
    assume(real is not None)
    ours = told(kind, text, FILES, ENV)
    assert ours.agrees(real or []), (kind, text, ours, real)


@pytest.mark.parametrize("kind", SHELLS)
@settings(max_examples=EXAMPLES, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])  # fmt: skip
@given(text=SCRIPTS)
def test_what_starts_is_what_the_shell_starts(
    kind: Kind, folder: Callable[[], Path], text: str
) -> None:
    compared(kind, text, folder())


@settings(max_examples=EXAMPLES, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])  # fmt: skip
@given(text=BASH_SCRIPTS)
def test_what_starts_is_what_bash_starts(folder: Callable[[], Path], text: str) -> None:
    compared(Kind.BASH, text, folder())
