"""Scripts made at random, in the real bash, dash and busybox and in the evaluator."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deployguard.shell.state import Kind
from tests.support.effort import LONG, examples
from tests.support.shells import SHELLS, real_starts, told

EXAMPLES = examples(40, 3_000)
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
     "~", "a=b", "[ab]", "no-match-*", "10", "A"]
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
         ". ./parts/9-second.sh", "cd parts", "cd ../app", "cd nowhere", "cd -", "exit 0", "exit 3",
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


def differs(kind: Kind, text: str, folder: Path) -> object | None:
    """Return both sides where they differ; a script that does not end is no difference."""
    real = real_starts(kind, text, folder, FILES, ENV)
    ours = told(kind, text, FILES, ENV)
    return None if real is None or ours.agrees(real) else (kind, text, ours, real)


@pytest.mark.parametrize("kind", SHELLS)
@settings(max_examples=EXAMPLES, derandomize=not LONG, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])  # fmt: skip
@given(text=SCRIPTS)
def test_what_starts_is_what_the_shell_starts(
    kind: Kind, folder: Callable[[], Path], text: str
) -> None:
    assert differs(kind, text, folder()) is None


@settings(max_examples=EXAMPLES, derandomize=not LONG, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])  # fmt: skip
@given(text=BASH_SCRIPTS)
def test_what_starts_is_what_bash_starts(folder: Callable[[], Path], text: str) -> None:
    assert differs(Kind.BASH, text, folder()) is None


TABLE = [
    'IFS=-; A="$@" flask; A=$@ flask; flask $*; flask "$*"',
    'X="${X-}"; flask "$X" "a${X:+}b"',
    'IFS=:; A=a:b::c; flask $A; flask $A:x; IFS=" :"; flask $A; A=" a : b "; flask $A',
    'read a b < list; flask "$a" "$b"; IFS== read a b < list; flask "$a" "$b"',
    'flask ~/x ~root ~nobody/x a~ "~"; A=x:~/y; flask $A; export B=~:~; flask',
    "exec 3< list; read -r x <&3; flask $x",
    "set -e; f() { false; flask in; }; f || flask or; f; flask never",
    "set -e; ! true; flask a; false && true; flask b; (false); flask c",
    "set -e; if false; then :; fi; x=$(false); flask never",
    'trap "flask bye" EXIT; (flask sub); exit 3',
    'trap "flask bye" 0; exec flask x',
    "f() { return 3; }; f; flask $?; f || flask $?",
    'flask "$(printf "a\\nb\\n\\n")"; flask $(printf "a\\nb")',
    'for f in parts/*.sh nothing/*; do [ -e "$f" ] || continue; flask "$f"; done',
    "while :; do while :; do break 2; done; done; flask out",
    r'case x in [!a]) flask neg;; esac; case a.sh in *.sh) flask sh;; esac; case "a*" in a\*) flask star;; esac',
    "printf '%d %s %5s|%-5s|%03d' 1 a b c 7 | xargs flask",
    "export A; A=changed; flask; export -p | grep -q MODE && flask has",
    'unset A; A=${A:-$(echo d)}; flask $A; : "${B:=e f}"; flask $B "$B"',
    "(exit 4); flask $?; { flask a; } > /dev/null; flask b 2>&1 >/dev/null",
    'set -- $(cat list); flask $# $1; shift 2; flask $#; set -- "$@" z; flask "$@"',
    r'while IFS="=" read -r k v; do case $k in \#*) continue;; esac; export "$k=$v"; flask; done < settings',
    'cat list | while read l; do n=x; done; flask "$n"',
    'eval set -- "a \'b c\'"; flask "$@"',
    "A=1 eval 'flask $A'; flask \"$A\"; A=2 . ./parts/9-second.sh; flask $A",
    "A=5 export B=6; flask",
    'A=7 :; flask "$A"',
    "f() { A=8 B=9; flask; }; A=1 f; flask",
    "readonly Z=1; flask $Z; (Z=2; flask in) 2>/dev/null; flask out",
    "sed -e 's/a/b/' list | xargs flask; sed 's|=|:|g;s/d/&&/' list | xargs flask; sed '1d;$d' list | xargs flask; sed -n '2p' list| xargs flask",
    "tr 'a-c' 'A-C' < list | xargs flask; tr -s ' ' < list | xargs flask; echo aabb | tr -s ab | xargs flask; tr -d '=\\n' <list | xargs flask",
    "cut -d= -f1,2 list | xargs flask; cut -c1-2 list | xargs flask; cut -d= -f2- settings | xargs flask",
    "head -c 3 list | xargs flask; tail -c 4 list | xargs flask; tail -n+2 list | xargs flask",
    "sort -u list | xargs flask; sort -n list|xargs flask; seq 10 -3 1 | sort -n | xargs flask; seq 2 4 | xargs flask",
    'grep -c = list | xargs flask; grep -w MODE settings | xargs flask; grep "^[AB]" settings | xargs -n1 flask; grep -i mode settings | xargs flask; grep -vE "^(#|$)" settings | xargs flask',
    "basename /a/b/ | xargs flask; dirname /a | xargs flask; dirname a/b/ | xargs flask; basename x.tar .tar | xargs flask; basename / | xargs flask",
    'echo "a  b" c\\ d | xargs flask; echo "\'a b\' c" | xargs flask; printf "a\\nb\\n" | xargs -I% flask x% %; printf "a b\\0c" | xargs -0 flask; echo | xargs flask; echo | xargs -r flask',
    "mkdir d && cp -r parts d/ && ls d/parts | xargs flask; mv d e; ls e | xargs flask; rm -rf e; ls e 2>/dev/null || flask gone; [ -d e ] || flask gone2",
    "ln -s list l; cat l | head -1 | xargs flask; [ -L l ] && flask link; rm l; [ -f list ] && flask kept; cp list c; echo n >> c; tail -1 c | xargs flask",
    "touch t; [ -s t ] || flask empty; echo x > t; [ -s t ] && flask full; chmod +x t; [ -x t ] && flask x; : > t; cat t | wc -c | xargs flask",
    "echo A=9 > e; . ./e; flask $A; set -a; . ./e; flask; set +a",
    "n=0; until [ $n -ge 3 ]; do n=$((n+1)); [ $n = 2 ] && continue; flask $n; done; flask $((n*2)) $((n>2?1:0)) $((010)) $((0x1f)) $((-7/2)) $((-7%3)) $((1<<4|3&2^1))",
    "type flask >/dev/null && flask t; hash flask && flask h; which flask >/dev/null && flask w; command -v f || flask no; f() { :; }; command -v f",
    'if [ "$A" = "x y" -a -n "$MODE" ]; then flask and; fi; [ ! "$X" ] && flask not; [ "$A" ] && flask one; [ "(" = "(" ] && flask paren; [ 1 -lt 2 -o a = b ] && flask or; [ "!" ] && flask bang; [ a ">" b ] || flask gt',
    'echo a > "$A"; ls | grep x | xargs -I{} flask "{}"',
    'VAR=a; flask "${VAR}b" $VARb ${VAR}c "$VAR"d \'$VAR\' "\\$VAR" "\'$VAR\'"; flask a"b"\'c\'d\\e"\\f"',
    "flask a\\\nb; flask \"a\\\nb\"; flask 'a\nb'",
    'flask $((1+1))$(echo x)`echo y`${A#x}; flask "`echo "a b"`" `echo "a b"`',
    "x=5; flask $((x++)) 2>/dev/null; flask $x; : $((x += 2)); flask $x; y=$((z=3)); flask $y $z",
    'args=(a "b c"); args+=(d); flask "${args[@]}" "${args[*]}" "${#args[@]}" "${args[-1]}" "${args[1]}" "${args[@]:1}" "${args[@]:1:1}"; flask ${args[@]/b/x}',
    'flask "${A/x/z}" "${A//[xy]/_}" "${A/#x/q}" "${A/%y/q}" "${A/ /}" "${A/x}" "${A/*/all}"',
    'flask "${A^^}" "${MODE^}" "${A:1}" "${A:0:1}" "${A: -1}" "${A:1:-1}" "${#A}" "${A^x}" "${A,,}"',
    'flask {a,b}{1..3} x{1..10..3} {a..e} {01..03} {a,{b,c}} "{a,b}" {a} {,x}y a{b',
    '[[ $MODE =~ ^i.*e$ ]] && flask matched; [[ abc =~ b ]] && flask part; [[ "a b" =~ a\\ b ]] && flask blank; r="^x y$"; [[ $A =~ $r ]] && flask var; [[ abc =~ ^(x|a)bc$ ]] && flask alt; [[ a.c =~ a\\.c ]] && flask dot',
    'flask "${@:2}" "${@:1:1}" "${#@}" "${@: -1}" "${*:1:2}"',
    "source settings; flask $MODE; source ./parts/9-second.sh; source parts/9-second.sh arg",
    "((n++)); flask $n; ((n+=5, m=n*2)); flask $n $m; ((n>3)) && flask yes; ((0)) || flask no; (( n = n > 3 ? 1 : 2 )); flask $n",
    "for ((i=0; i<3; i++)); do flask $i; done; for ((;;)); do break; done; for ((i=3; i; i--)); do [ $i = 2 ] && continue; flask c$i; done",
    "export -n A; flask; export -n MODE=z; flask $MODE",
    'name=MODE; flask "${!name}" "${!name:-x}"; set -- q; flask "${!1:-}" 2>/dev/null',
    'let n=n+2; flask $n; let "n *= 3" m=1; flask $n $m',
    'A+=more; flask "$A"; B+=1; flask; export B+=2; flask',
    'read -r first rest <<< "$A b c"; flask "$first" "$rest"; read -ra x <<< "a b"; IFS=, read -r a b <<< "1,2,3"; flask "$a" "$b"',
    "flask $'a\\tb' $\"x\"; flask \"$'x'\"",
    'mapfile -t lines < list; flask "${lines[@]}" "${#lines[@]}"; readarray -t l <<< "a b"; flask "${l[0]}"',
    "shopt -s nullglob; flask no*match; for f in no*; do flask never; done; shopt -u nullglob; flask no*match; shopt -s dotglob; touch .h; flask .h* *ist",
    "set -o pipefail; false | true || flask failed; true | false || flask last; false | true; flask $?",
    'f() { local x=$1; shift; flask "$x" "$@"; local A; flask "${A-unset}"; A=in; g; }; g() { flask "$A"; }; f a b; flask "$A"',
    "case $A in x*) flask one ;;& *y) flask two ;;& z) flask three;; esac; case $A in x*) flask one ;& zz) flask two ;; *) flask three;; esac",
    "flask &> out; flask >& out2; flask a 2>&1 | cat; flask |& cat; cat out | wc -c | xargs flask",
    'f() { flask "${FUNCNAME[0]}"; return; flask never; }; f; unset -f f; f || flask gone',
    'echo -e "a\\tb" | xargs flask; echo -n x | xargs flask; echo -ne "a\\nb\\n" | xargs -n1 flask; echo -E "a\\tb" | xargs -0 flask; printf "%q" a | xargs flask; printf -v V x 2>/dev/null',
    'flask "$(<list)"; x=$(<nowhere) || flask missing; flask "$(cat <<E\na $MODE\nE\n)"',
    'while read -r a b; do flask "$a" "$b"; done < <(printf "1 2\\n3 4 5\\n")',
    "command -v f; type -t flask >/dev/null && flask there; builtin echo x | xargs flask; command echo y | xargs flask",
    "set -euo pipefail; IFS=$'\\n\\t'; flask \"${MISSING:-d}\"; x=${A:?}; flask $x; flask ${MISSING} never",
    "trap 'flask trap $?' EXIT; set -e; false; flask never",
    "time flask timed; { time flask t2; } 2>/dev/null; ! flask neg; flask $?",
    'function g { flask in "$@"; }; function h() { g x; }; h',
    "coproc cat; flask after",
    "select x in a b; do flask $x; done < /dev/null; flask x",
    "if (exit 3); then :; else flask $?; fi; until false; do break; done; flask $?",
    "exec > out; flask a; echo hi; exec 2>&1; flask b",
    "{ flask a; flask b; } | while read l; do :; done; (flask c; exit 2) || flask $?",
    "test -f settings -a ! -d settings && flask t; [ -r settings ] && flask r; [ -w settings ] && flask w; [ settings -nt nowhere ] && flask nt; [ nowhere -ot settings ] && flask ot; [ settings -ef ./settings ] && flask ef",
    'eval "f() { flask evaled \\$1; }"; f x; eval; flask $?',
    'set -- a b c; for x; do shift; flask $x $#; done; set -- "${@}" z; flask $#',
    'alias ll="flask aliased"; ll; flask after',
    "FOO=bar; flask ${FOO@Q}",
    'while getopts ":ab:" o -a -bx -z -b; do flask "$o" "${OPTARG-}"; done; flask $OPTIND',
    'A= ; flask "${A:-e}" "${A-e}" "${A:+s}" "${A+s}"; unset A; flask "${A:-e}" "${A-e}" "${A:+s}" "${A+s}"',
    "umask 022; ulimit -n 100; hash -r; wait; jobs; flask x; kill -0 $$ && flask alive",
    'unset -v A; flask; unset nothing; flask $?; unset "B"; readonly A=1; unset A 2>/dev/null; flask never',
    "pushd parts >/dev/null; flask; popd >/dev/null; flask",
    'cd parts && flask; cd "$OLDPWD"; flask; cd - >/dev/null; flask; (cd /; flask); flask',
    "local x=1; flask outside",
    "return 3; flask after-return",
    "break; flask after-break",
    "f() { break; }; for i in 1 2; do f; flask $i; done",
    'xargs flask a < list; xargs -n 2 flask < list; xargs -d "\\n" flask < list; xargs -L1 flask < list; xargs -I{} flask "<{}>" {} < list',
    'env -u A flask; env -i PATH="$PATH" STARTED="$STARTED" flask; env A=q B=r flask x; A=z env flask',
    'find parts -name "*.sh" | sort | xargs flask; find . -maxdepth 1 -type f -name "l*" | xargs flask; find parts -type d | xargs flask',
    "cat list settings | head -3 | tail -1 | xargs flask; cat - < list | xargs flask; cat nowhere list 2>/dev/null | xargs flask",
    'sed "s/\\(a\\)=/\\1:/" list | xargs flask',
    'awk "{print}" list | xargs flask',
    "tee copy < list | xargs flask; xargs flask < copy; echo more | tee -a copy > /dev/null; tail -1 copy | xargs flask",
    'printf "%s=%s\\n" a 1 b 2 | while IFS== read -r k v; do flask "$k" "$v"; done; printf "%b" "x\\ny\\n" | xargs flask; printf "\\101\\n" | xargs flask; printf "%%|%c|%x\\n" abc 255 | xargs flask',
    "envsubst < list | xargs flask; echo '$MODE ${A} $$' | envsubst | xargs flask",
    "cmp -s list list && flask same; diff list settings >/dev/null || flask differs; cmp -s list nowhere; flask $?",
    'mktemp >/dev/null && flask tmp; sleep 0; date >/dev/null; flask "$(nproc | wc -l)"',
    "ls; ls nowhere 2>/dev/null || flask $?; ls -1 parts | xargs flask; ls -d parts | xargs flask",
    "readlink -f list | xargs flask; realpath ./parts/../list | xargs flask; ln -s list lnk; readlink -f lnk | xargs flask; readlink lnk | xargs flask",
    "install -d x/y && [ -d x/y ] && flask dir; install -m 755 list x/l && [ -x x/l ] && flask exe; cp -a parts z; ls z | xargs flask; cp list settings x/; ls x | xargs flask; mv x/l x/m; ls x | xargs flask",
    "rmdir nowhere 2>/dev/null || flask rmdir; mkdir a/b/c 2>/dev/null || flask nodir; mkdir parts 2>/dev/null || flask exists; touch a/b 2>/dev/null || flask notouch; cp nowhere x 2>/dev/null || flask nocp",
]


@pytest.mark.parametrize("kind", SHELLS)
@pytest.mark.parametrize("text", TABLE)
def test_each_form_of_the_language_does_what_it_does_there(
    kind: Kind, text: str, folder: Callable[[], Path]
) -> None:
    assert differs(kind, text, folder()) is None


@pytest.mark.parametrize(
    "text",
    [
        '[[ $A == x* ]] && flask globbed; [[ $A == "x*" ]] || flask quoted; [[ -n $A && ( $MODE = image || -z $A ) ]] && flask grouped; [[ ! -f nope ]] && flask not; [[ $MODE < zzz ]] && flask less; [[ 3 -gt 2 ]] && flask gt; [[ $X ]] || flask unset; [[ -v A ]] && flask v',
        'declare -x B=9; flask; declare B=8; flask "$B"; f() { declare B=1; flask "$B"; }; f; flask "$B"; declare -r R=1; flask $R; declare -a arr=(1 2); flask "${arr[@]}"; typeset -x A=t; flask',
        'declare -A m=([a]=1 [b]=2); flask "${m[a]}"; m[c]=3; flask ok',
        "n=3; while ((n--)); do flask $n; done; i=0; while [[ $i -lt 2 ]]; do ((i++)) || true; flask $i; done",
    ],
)
def test_what_only_bash_can_read_does_what_it_does_there(
    text: str, folder: Callable[[], Path]
) -> None:
    assert differs(Kind.BASH, text, folder()) is None
