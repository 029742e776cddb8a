"""The observed launches against the analyser: `make truth`, or `python -m tests.truth.scoreboard`.

Each launch becomes an image and goes through the whole pipeline. For `debugger`, `dev_server` and
whether a listener is beyond loopback, and where the debugger is up for `pin_off` and `interactive`,
an answer is right, unknown, wrong-safe ("no" where the truth is yes) or wrong-unsafe. Exits with 1
on a crash or a wrong-safe answer.
"""

import argparse
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from deployguard.model.evidence import Answer, Claim
from deployguard.model.report import Report
from deployguard.pipeline import ScanOptions, scan
from deployguard.policy import load
from deployguard.rules import IDS
from tests.truth.case_images import Case, archive, cases


class Score(StrEnum):
    """How an answer stands to the truth."""

    RIGHT = "right"
    UNKNOWN = "unknown"
    WRONG_SAFE = "wrong-safe"
    WRONG_UNSAFE = "wrong-unsafe"
    CRASH = "crash"


QUESTIONS = ("debugger", "dev_server", "beyond", "pin_off", "interactive")


@dataclass(frozen=True)
class Row:
    """One question about one launch: what was answered, how right it is, and why."""

    case: str
    group: str
    question: str
    score: Score
    answer: str
    why: str


def score(answer: Answer, truth: bool) -> Score:  # noqa: FBT001  (the observation itself)
    """Compare an answer with what was observed."""
    if answer is Answer.UNKNOWN:
        return Score.UNKNOWN
    if (answer is Answer.YES) == truth:
        return Score.RIGHT
    return Score.WRONG_SAFE if truth else Score.WRONG_UNSAFE


def judge(case: Case) -> tuple[Row, ...]:
    """Scan a launch as an image and compare every answer."""
    group = case.row["group"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case.tar"
        path.write_bytes(archive(case))
        options = ScanOptions(today=datetime.now(tz=UTC).date(), images="never")
        report = scan([f"archive:{path}"], (load("production", IDS),), options)
    problems = [problem.message for target in report.targets for problem in target.problems]
    if problems or len(report.containers) != 1:
        return (Row(case.id, group, "debugger", Score.CRASH, "", str(problems)),)
    return tuple(_rows(case, report))


def _rows(case: Case, report: Report) -> Iterator[Row]:
    facts = report.containers[0].facts
    claims: tuple[tuple[str, Claim, bool | None], ...] = (
        ("debugger", facts.debugger, case.debugger),
        ("dev_server", facts.dev_server, case.dev_server),
        ("beyond", facts.reachable.claim, case.beyond),
        ("pin_off", facts.pin_off, case.pin_off),
        ("interactive", facts.interactive, case.interactive),
    )
    for question, claim, truth in claims:
        if truth is None:
            continue
        why = "; ".join(missing.what for missing in claim.missing[:3]) or "; ".join(
            step.note for step in claim.evidence[-2:]
        )
        yield Row(
            case.id, case.row["group"], question, score(claim.answer, truth), claim.answer, why
        )


def run(chosen: Iterable[Case], jobs: int) -> list[Row]:
    """Judge launches in several processes, in order."""
    with ProcessPoolExecutor(jobs) as pool:
        return [row for rows in pool.map(judge, chosen, chunksize=8) for row in rows]


def table(rows: Iterable[Row]) -> str:
    """Return the scoreboard by group and in total."""
    counts: Counter[tuple[str, str, Score]] = Counter()
    for row in rows:
        counts[row.group, row.question, row.score] += 1
        counts["all", row.question, row.score] += 1
    groups = [*sorted({group for group, _, _ in counts} - {"all"}), "all"]
    lines = [f"{'group':<16}" + "".join(f"{question:>29}" for question in QUESTIONS)]
    heads = "  right unkn safe unsaf crash"
    lines.append(" " * 16 + heads * len(QUESTIONS))
    for group in groups:
        cells = "".join(
            f"{counts[group, q, Score.RIGHT]:>7}{counts[group, q, Score.UNKNOWN]:>5}"
            f"{counts[group, q, Score.WRONG_SAFE]:>5}{counts[group, q, Score.WRONG_UNSAFE]:>6}"
            f"{counts[group, q, Score.CRASH]:>6}"
            for q in QUESTIONS
        )
        lines.append(f"{group:<16}{cells}")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Print the scoreboard and every disagreement; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="a regular expression for the cases' names")
    parser.add_argument("--unknown", action="store_true", help="list what is unknown too")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args(arguments)
    rows = run([case for case in cases() if re.search(options.only, case.id)], options.jobs)
    for row in rows:
        if row.score is Score.RIGHT or (row.score is Score.UNKNOWN and not options.unknown):
            continue
        print(f"{row.score:<12} {row.question:<10} {row.case}: {row.answer} ({row.why})")  # noqa: T201
    print(table(rows))  # noqa: T201
    bad = [row for row in rows if row.score in {Score.WRONG_SAFE, Score.CRASH}]
    total, right = len(rows), sum(row.score is Score.RIGHT for row in rows)
    print(f"\n{right} of {total} answers right; {len(bad)} wrong-safe or crashed")  # noqa: T201
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
