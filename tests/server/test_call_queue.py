"""Batches of the call queue."""

import asyncio
from functools import partial

from uvicorn.server import ServerState

from blog.server.call_queue import CallQueue, call_queue_for


async def test_four_callbacks_run_in_each_turn_of_the_loop() -> None:
    calls: list[int] = []
    calls_after_turn: list[int] = []
    queue = CallQueue(asyncio.get_running_loop())
    for number in range(10):
        queue.add(partial(calls.append, number))
    while len(calls) < 10:
        await asyncio.sleep(0)
        calls_after_turn.append(len(calls))
    assert calls == list(range(10)), "first come, first served"
    assert sorted(set(calls_after_turn) - {0}) == [4, 8, 10]


async def test_callback_that_fails_does_not_stop_the_others() -> None:
    loop = asyncio.get_running_loop()
    results: list[float] = []
    errors: list[Exception] = []
    loop.set_exception_handler(lambda _loop, context: errors.append(context["exception"]))
    queue, done = CallQueue(loop), asyncio.Event()

    def divide(number: int) -> None:
        results.append(1 / number)

    for number in range(6):
        queue.add(partial(divide, number))
    queue.add(done.set)
    async with asyncio.timeout(10):
        await done.wait()
    assert len(results) == 5
    assert [type(error) for error in errors] == [ZeroDivisionError]


async def test_callback_may_queue_another() -> None:
    queue, done = CallQueue(asyncio.get_running_loop()), asyncio.Event()
    queue.add(lambda: queue.add(done.set))
    async with asyncio.timeout(10):
        await done.wait()


async def test_connections_of_a_server_share_a_queue() -> None:
    loop, one, other = asyncio.get_running_loop(), ServerState(), ServerState()
    assert call_queue_for(one, loop) is call_queue_for(one, loop)
    assert call_queue_for(one, loop) is not call_queue_for(other, loop)
