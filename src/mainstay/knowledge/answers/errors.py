"""What can go wrong with a question."""

from mainstay.kernel.errors import MainstayError


class QuestionTooLong(MainstayError):
    """The question is over its limit."""

    code = "question_too_long"


class AnswerTimedOut(MainstayError):
    """Writing the answer took longer than an answer may."""

    kind = "unavailable"
    code = "answer_timed_out"


class InstructionsNotFollowed(MainstayError):
    """The request has instructions, and its model does nothing but quote."""

    code = "unsupported_parameter"


class NothingToSearch(MainstayError):
    """The caller sees no store."""

    kind = "not_found"
    code = "no_store"
