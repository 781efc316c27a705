"""Every error has a kind that the edge maps, a code, and a message."""

from typing import get_args

import pytest

from mainstay.kernel.errors import Denied, Invalid, Kind, MainstayError, NotFound, Unavailable, invariant


@pytest.mark.parametrize("error", [MainstayError, NotFound, Invalid, Denied, Unavailable])
def test_error_carries_its_kind_code_message_and_field(error: type[MainstayError]) -> None:
    raised = error("the limit is 5, not 7: ask for less", param="limit")
    assert raised.kind in get_args(Kind)
    assert raised.code
    assert (raised.message, str(raised), raised.param) == (raised.args[0], raised.args[0], "limit")


def test_broken_invariant_raises_its_sentence() -> None:
    invariant(condition=True, sentence="never shown")
    with pytest.raises(AssertionError, match="the queue is empty"):
        invariant(condition=False, sentence="the queue is empty")
