"""Match patterns (Python reference, 8.6): whether they fit, and what they bind."""

import ast
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from deployguard.model.evidence import Answer
from deployguard.python import expressions, iteration, patterns
from deployguard.python.operations import same
from deployguard.python.types import is_instance
from deployguard.python.values import Instance, Items, Known, Mapped, Opaque, Value, derived, known

if TYPE_CHECKING:
    from deployguard.python.interpreter import Frame, Interpreter


def all_answers(answers: Iterable[Answer]) -> Answer:
    """Return whether all hold; asking ends with the first that does not."""
    result = Answer.YES
    for answer in answers:
        if answer is Answer.NO:
            return Answer.NO
        result = answer if answer is Answer.UNKNOWN else result
    return result


def matches(run: "Interpreter", pattern: ast.pattern, subject: Value, frame: "Frame") -> Answer:
    """Say whether a match pattern fits, and bind its names."""
    match pattern:
        case ast.MatchValue(value=node):
            return _as_answer(patterns.equal(expressions.evaluate(run, node, frame), subject))
        case ast.MatchSingleton(value=constant):
            return _as_answer(same(known(constant), subject))
        case ast.MatchOr(patterns=options):
            answers = [matches(run, option, subject, frame) for option in options]
            if Answer.YES in answers:
                return Answer.YES
            return Answer.UNKNOWN if Answer.UNKNOWN in answers else Answer.NO
        case ast.MatchAs(pattern=inner, name=name):
            answer = Answer.YES if inner is None else matches(run, inner, subject, frame)
            if name is not None and answer is not Answer.NO:
                run.store(frame.scopes[0], name, subject)
            return answer
        case ast.MatchSequence(patterns=parts):
            return _sequence(run, parts, subject, frame)
        case ast.MatchMapping():
            return _mapping(run, pattern, subject, frame)
        case ast.MatchClass():
            return _class(run, pattern, subject, frame)
        case _:
            return Answer.UNKNOWN


def _as_answer(holds: bool | None) -> Answer:  # noqa: FBT001  (an answer itself)
    return Answer.UNKNOWN if holds is None else Answer.YES if holds else Answer.NO


def _sequence(
    run: "Interpreter", parts: Sequence[ast.pattern], subject: Value, frame: "Frame"
) -> Answer:
    if isinstance(subject, Known | Mapped):
        return Answer.NO
    values = iteration.elements(subject) if isinstance(subject, Items) else None
    if values is None:
        _bind_all(run, parts, subject, frame)
        return Answer.UNKNOWN
    star = next((n for n, part in enumerate(parts) if isinstance(part, ast.MatchStar)), None)
    if len(values) < len(parts) - (star is not None) or (
        star is None and len(values) != len(parts)
    ):
        return Answer.NO
    if star is None:
        pairs = zip(parts, values, strict=True)
        return all_answers(matches(run, part, value, frame) for part, value in pairs)
    after = len(parts) - star - 1
    taken = Items({"items": values[star : len(values) - after]})
    starred = parts[star]
    if isinstance(starred, ast.MatchStar) and starred.name is not None:
        run.store(frame.scopes[0], starred.name, taken)
    fixed = (*parts[:star], *parts[star + 1 :])
    given = (*values[:star], *values[len(values) - after :])
    return all_answers(
        matches(run, part, value, frame) for part, value in zip(fixed, given, strict=True)
    )


def _bind_all(run: "Interpreter", parts: Iterable[ast.AST], subject: Value, frame: "Frame") -> None:
    for part in parts:
        for inner in ast.walk(part):
            name = getattr(inner, "name", None)
            if isinstance(name, str):
                run.store(frame.scopes[0], name, derived(name, subject))


def _mapping(
    run: "Interpreter", pattern: ast.MatchMapping, subject: Value, frame: "Frame"
) -> Answer:
    if not isinstance(subject, Mapped):
        if isinstance(subject, Opaque | Instance):
            _bind_all(run, (pattern,), subject, frame)
            return Answer.UNKNOWN
        return Answer.NO
    answers: list[Answer] = []
    left = dict(subject.slots)
    for node, part in zip(pattern.keys, pattern.patterns, strict=True):
        key = expressions.evaluate(run, node, frame)
        if isinstance(key, Known) and key.value in subject.slots:
            answers.append(matches(run, part, subject.slots[key.value], frame))
            left.pop(key.value, None)
        elif isinstance(key, Known) and subject.rest is None:
            return Answer.NO
        else:
            _bind_all(run, (part,), subject, frame)
            answers.append(Answer.UNKNOWN)
    if pattern.rest is not None:
        run.store(frame.scopes[0], pattern.rest, Mapped(left, subject.rest))
    return all_answers(answers)


def _class(run: "Interpreter", pattern: ast.MatchClass, subject: Value, frame: "Frame") -> Answer:
    cls = expressions.evaluate(run, pattern.cls, frame)
    answers = [is_instance(subject, cls)]
    if answers[0] is Answer.NO:
        return Answer.NO
    if pattern.patterns:
        if len(pattern.patterns) == 1 and isinstance(subject, Known | Items | Mapped):
            answers.append(matches(run, pattern.patterns[0], subject, frame))
        else:
            _bind_all(run, pattern.patterns, subject, frame)
            answers.append(Answer.UNKNOWN)
    for name, part in zip(pattern.kwd_attrs, pattern.kwd_patterns, strict=True):
        value = run.attribute_or_none(subject, name)
        if value is None:
            return Answer.NO
        answers.append(matches(run, part, value, frame))
    return all_answers(answers)
