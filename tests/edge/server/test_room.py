import asyncio

import pytest

from mainstay.edge.server.refusals import Refused
from mainstay.edge.server.room import Room

WAIT_S = 0.05


async def _hold(room: Room, size: int, until: asyncio.Event, order: list[int], *, name: int = 0) -> None:
    async with room.reserved(size):
        order.append(name)
        await until.wait()


async def test_room_is_given_in_the_order_it_was_asked_for() -> None:
    room, first, order = Room("bodies", 10, 5.0), asyncio.Event(), list[int]()
    holding = asyncio.create_task(_hold(room, 8, first, order, name=1))
    await asyncio.sleep(0)
    # The small one would fit at once, but would then starve the large one.
    done = asyncio.Event()
    done.set()
    waiting = [asyncio.create_task(_hold(room, size, done, order, name=name)) for name, size in ((2, 10), (3, 1))]
    await asyncio.sleep(0)
    assert order == [1]
    first.set()
    await asyncio.gather(holding, *waiting)
    assert order == [1, 2, 3]


@pytest.mark.parametrize("how", ["timeout", "cancel", "failure"])
async def test_whoever_gives_up_leaves_all_of_the_room(how: str) -> None:
    room, until, order = Room("bodies", 10, WAIT_S), asyncio.Event(), list[int]()
    holding = asyncio.create_task(_hold(room, 10, until, order))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(_hold(room, 5, until, order))
    await asyncio.sleep(0)
    if how == "timeout":
        with pytest.raises(Refused, match="bodies") as refused:
            await waiting
        assert refused.value.status_code == 503
    else:
        waiting.cancel()
        await asyncio.wait([waiting])
    until.set()
    await holding
    if how == "failure":
        with pytest.raises(ValueError, match="inside"):
            async with room.reserved(10):
                raise ValueError("inside")
    async with room.reserved(10):
        assert order == [0]
