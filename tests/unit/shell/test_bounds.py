"""Hostile scripts end by their budget, which is counted in steps."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployguard.shell.run import STEPS
from deployguard.shell.state import Kind
from tests.support.effort import examples
from tests.support.shells import outcome

# A step may stand for some letters more than the last one that is still allowed.
MOST = STEPS + 500
HOSTILE = {
    "a script that reads itself": ". ./entry.sh; flask run",
    "a loop without an end": "i=0; while :; do i=$((i+1)); done; flask run",
    "a fork bomb": ":(){ :|:& };:; flask run",
    "a text that doubles": "a=ab; " + "a=$a$a; " * 60 + "flask run $a",
    "an array that doubles": "a=(x); " + 'a+=("${a[@]}"); ' * 40 + 'flask run "${a[@]}"',
    "parameters that double": "set -- x; " + 'set -- "$@" "$@"; ' * 40 + 'flask run "$@"',
    "braces that multiply": "flask " + "{a,b}" * 30,
    "loops in loops": "for a in {1..99}; do for b in {1..99}; do for c in {1..99}; do :; done; "
    "done; done; flask run",
    "conditions that nobody can tell": "".join(
        f"if curl {n}; then V{n}=1; fi\n" for n in range(60)
    )
    + "flask run",
    "functions that call each other": "f() { g; g; }; g() { f; f; }; f; flask run",
    "evals in evals": 'a=\'eval "$a"; eval "$a"\'; eval "$a"; flask run',
    "a file that grows": "while :; do cat f >> g; cat g >> f; echo x >> f; done; flask run",
    "brackets without an end": "(" * 5_000 + "flask run" + ")" * 5_000,
    "words without an end": "flask " + "$(echo " * 300 + ")" * 300,
    "a script of 10 MB": "echo x\n" * 1_500_000,
    "substitutions in arithmetic": "echo $((" * 200 + "1" + "))" * 200,
    "a pattern that goes back": "a=" + "a" * 3000 + "; case $a in " + "*a" * 300 + "b) flask x;; "
    "esac; flask run",
    "bits of a NUL": "flask\0run\0",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_script_ends_by_its_steps(name: str) -> None:
    assert outcome(Kind.BASH, HOSTILE[name], {}, {}).steps <= MOST


@pytest.mark.parametrize(
    "name",
    ["a loop without an end", "a fork bomb", "loops in loops", "a script of 10 MB",
     "functions that call each other", "a script that reads itself"],
)  # fmt: skip
def test_what_was_not_followed_to_its_end_is_said(name: str) -> None:
    assert outcome(Kind.BASH, HOSTILE[name], {}, {}).unseen


def test_ordinary_scripts_take_few_steps() -> None:
    text = 'set -e\nif [ "$1" = one ]; then export A=1; fi\nexec flask run "$@"\n'
    assert outcome(Kind.DASH, text, {}, {}).steps < 40


LETTERS = st.text("abc$(){}[]\"'`|&;<>!#*?=~\\ \n\t0123", max_size=120)
TOKENS = st.lists(
    st.sampled_from(
        ["if", "then", "fi", "do", "done", "while", "for", "x", "in", "case", "esac", "$x", "${x}",
         "$(", ")", "((", "))", "[[", "]]", "{", "}", "|", "&&", ";", "\n", "<<E", "E", "flask",
         "function", "f()", ";;", "!", "'", '"', "`", "> f", "< f", "set --", "shift", "exec",
         "local", "trap", "eval", "read", "x=1", "x+=1", "a[1]=2", "export", "xargs", "sed -i"]
    ),
    max_size=25,
).map(" ".join)  # fmt: skip


@settings(max_examples=examples(300, 10_000), deadline=None)
@given(st.one_of(LETTERS, TOKENS), st.sampled_from([*Kind, None]))
def test_no_text_makes_the_evaluator_raise(text: str, kind: Kind | None) -> None:
    assert outcome(kind, text, {"f": "flask run\n"}, {}).steps <= MOST
