import asyncio

import pytest

from core.tasks import begin_cleanup


async def clean_up(done: list[str]) -> None:
    begin_cleanup()
    try:
        async with asyncio.timeout(0.01):
            await asyncio.Event().wait()
    except TimeoutError:
        done.append("gave up waiting")
    await asyncio.sleep(0)
    done.append("closed")


async def test_a_cancelled_task_can_wait_with_a_timeout_while_it_cleans_up() -> None:
    done: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await clean_up(done)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == ["gave up waiting", "closed"]


async def test_so_can_the_task_of_a_group_that_failed() -> None:
    done: list[str] = []

    async def fail() -> None:
        raise ValueError

    async def work() -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(fail())
        finally:
            await clean_up(done)

    with pytest.raises(ExceptionGroup):
        await asyncio.create_task(work())
    assert done == ["gave up waiting", "closed"]
