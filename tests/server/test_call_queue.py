"""Connections that come and go by the thousand leave time for others."""

import asyncio
import contextvars

from uvicorn.server import ServerState

from blog.server.call_queue import CallQueue, call_queue_for


async def test_few_steps_are_taken_in_one_turn_of_the_loop() -> None:
    loop, taken = asyncio.get_running_loop(), []
    turns, at_turn = CallQueue(loop), []
    for number in range(10):
        turns.add(lambda number=number: taken.append(number))
    while len(taken) < 10:
        await asyncio.sleep(0)
        at_turn.append(len(taken))
    assert taken == list(range(10)), "first come, first served"
    assert sorted(set(at_turn) - {0}) == [4, 8, 10]


async def test_step_that_fails_holds_up_no_other() -> None:
    loop, taken, told = asyncio.get_running_loop(), [], []
    loop.set_exception_handler(lambda _loop, context: told.append(context["exception"]))
    turns = CallQueue(loop)
    for number in range(6):
        turns.add(lambda number=number: taken.append(1 / number))
    last = asyncio.Event()
    turns.add(last.set)
    async with asyncio.timeout(10):
        await last.wait()
    assert len(taken) == 5
    assert [type(error) for error in told] == [ZeroDivisionError]


async def test_step_may_ask_for_another() -> None:
    turns, done = CallQueue(asyncio.get_running_loop()), asyncio.Event()
    turns.add(lambda: turns.add(done.set))
    async with asyncio.timeout(10):
        await done.wait()


async def test_step_sees_the_context_variables_of_who_asked_for_it() -> None:
    who, seen = contextvars.ContextVar("who", default="nobody"), []
    turns, done = CallQueue(asyncio.get_running_loop()), asyncio.Event()
    for name in ("ada", "grace"):
        context = contextvars.copy_context()
        context.run(who.set, name)
        context.run(turns.add, lambda: seen.append(who.get()))
    turns.add(done.set)
    async with asyncio.timeout(10):
        await done.wait()
    assert seen == ["ada", "grace"]


async def test_connections_of_a_server_share_their_turns() -> None:
    loop, one, other = asyncio.get_running_loop(), ServerState(), ServerState()
    assert call_queue_for(one, loop) is call_queue_for(one, loop)
    assert call_queue_for(one, loop) is not call_queue_for(other, loop)
