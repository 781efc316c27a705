"""Follow-up questions: what "and for the other one?" asks about stands in the turns before it."""

import re
from collections.abc import Sequence

from mainstay.knowledge.answers.models import Turn

# A question this short, or one that points back, cannot be searched for alone.
WORDS_ALONE_MIN = 4
_POINTS_BACK = re.compile(
    r"^\s*(and|but|what about|how about|then|also|und|aber|那|那么|还有)\b"
    r"|\b(it|its|that|this|those|these|they|them|their|he|she|his|her|there|one|ones|same|other"
    r"|er|sie|es|dies\w*|das|dessen|deren|dort|damit|dafür)\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"\w+")


def contextualise(question: str, turns: Sequence[Turn]) -> str:
    """Return the question as it can be searched for: with the question before it where it points back to it.

    The earlier question comes first, so that a model reads them in the order in which they were asked.
    """
    if not turns:
        return question
    short = len(_WORD.findall(question)) < WORDS_ALONE_MIN
    if not short and not _POINTS_BACK.search(question):
        return question
    return f"{turns[-1].question.strip()} {question.strip()}"
