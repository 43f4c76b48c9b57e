import asyncio

import pytest

from core.tasks import begin_cleanup, heeding_cancellation
from tests.waiting import SECONDS


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


async def wait_deafly(error: Exception | None) -> None:
    """What a library may do with a cancellation."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        if error is not None:
            raise error from None


@pytest.mark.parametrize("error", [None, ConnectionResetError("gone"), ExceptionGroup("", [ValueError()])])
async def test_a_cancellation_that_was_swallowed_or_replaced_is_heeded(error: Exception | None) -> None:
    async def go_on_after_errors() -> None:
        while True:
            try:
                with heeding_cancellation():
                    await wait_deafly(error)
            except Exception:  # noqa: BLE001, S112 - what is tested does not pass here
                continue

    task = asyncio.create_task(go_on_after_errors())
    await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=SECONDS)
    task.cancel()
    assert task in done
    assert task.cancelled()


async def test_errors_and_cancellations_of_before_pass_through() -> None:
    async def work() -> str:
        await wait_deafly(None)
        with pytest.raises(ValueError, match="ours"), heeding_cancellation():
            raise ValueError("ours")
        with heeding_cancellation():
            return "done"

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    assert await task == "done"


async def test_a_timeout_around_what_heeds_cancellations_stays_a_timeout() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            with heeding_cancellation():
                await wait_deafly(ConnectionResetError("gone"))
