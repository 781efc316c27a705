"""How one answer counts."""

from dataclasses import dataclass
from typing import Literal

from bench.answers.cases import Case
from bench.answers.measures import contains_answer
from mainstay.control.gateway.providers.extractive.candidates import Candidate

Outcome = Literal["right answer", "wrong answer", "right refusal", "wrong refusal"]
OUTCOMES: tuple[Outcome, ...] = ("right answer", "wrong answer", "right refusal", "wrong refusal")


@dataclass(frozen=True)
class Result:
    """A case and what became of it."""

    case: Case
    outcome: Outcome


def is_right(case: Case, quoted: list[Candidate]) -> bool:
    """Say whether these quotes have the expected answer, from a document that is known to hold it."""
    text = "\n".join(one.text for one in quoted if one.passage.number in case.relevant)
    question = case.question
    return bool(text) and contains_answer(question.text, question.answers, text, is_verbatim=case.is_verbatim)


def outcome_of(case: Case, quoted: list[Candidate]) -> Outcome:
    """Return how an answer of these quotes counts; none at all are a refusal."""
    if case.situation != "answerable":
        return "wrong answer" if quoted else "right refusal"
    if not quoted:
        return "wrong refusal"
    return "right answer" if is_right(case, quoted) else "wrong answer"
