"""Passages without the very sentences that answer: the right documents, silent on the one thing that is asked.

This is how people ask for a fact that stands nowhere: the product and its manual are there, the figure is not.
"""

from collections.abc import Sequence
from dataclasses import replace

from bench.answers.measures import contains_answer
from bench.answers.sets import AnswerSet, JudgedQuestion
from mainstay.control.gateway.models import Passage
from mainstay.platform.text import split_units


def erased(question: JudgedQuestion, answer_set: AnswerSet, passages: Sequence[Passage]) -> tuple[Passage, ...] | None:
    """Return `passages` without each sentence that has an expected answer; None where none of them has one."""
    left = tuple(replace(one, text=_without_answer(question, answer_set, one.text)) for one in passages)
    return left if any(a.text != b.text for a, b in zip(left, passages, strict=True)) else None


def _without_answer(question: JudgedQuestion, answer_set: AnswerSet, text: str) -> str:
    for unit in reversed(split_units(text)):
        sentence = text[unit.start_char : unit.end_char]
        if contains_answer(question.text, question.answers, sentence, is_verbatim=answer_set.is_verbatim):
            text = text[: unit.start_char] + text[unit.end_char :]
    return text
