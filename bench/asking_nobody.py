"""The loop of the processes of `bench.limits` alone: what it takes is no cost of limits."""

import asyncio
import sys

from mainstay.control.access.models import Caller
from mainstay.platform.postgres import Database
from tests.support.limited_process import serve


class AskingNobody:
    """Admits everything."""

    def __init__(self, _: Database) -> None:
        self.calls = 0

    async def admit(self, _: str, __: Caller) -> None:
        """Count nothing."""

    async def close(self) -> None:
        """Hold nothing, so put nothing back."""


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], AskingNobody))
