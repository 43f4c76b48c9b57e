"""What a test that hangs waits for: every asyncio task, down to the await where it stands."""

import asyncio
import gc
import traceback
from collections.abc import Iterator
from types import FrameType


def _inner(awaiting: object) -> object:
    for name in ("cr_await", "ag_await", "gi_yieldfrom"):
        if hasattr(awaiting, name):
            return getattr(awaiting, name)
    # The step of an async generator does not name its generator, and a wrapped coroutine not the coroutine.
    return next((held for held in gc.get_referents(awaiting) if _frame(held) is not None), None)


def _frame(awaiting: object) -> FrameType | None:
    for name in ("cr_frame", "ag_frame", "gi_frame"):
        if hasattr(awaiting, name):
            return getattr(awaiting, name)
    return None


def _stack(task: asyncio.Task) -> Iterator[tuple[FrameType, int]]:
    awaiting: object = task.get_coro()
    while awaiting is not None and not isinstance(awaiting, asyncio.Future):
        if (frame := _frame(awaiting)) is not None:
            yield frame, frame.f_lineno
        awaiting = _inner(awaiting)


def stacks_of_tasks() -> str:
    """Every task that is not done, of whichever loop, with its stack."""
    # Not isinstance, which asks the object: a dead proxy raises.
    tasks = [found for found in gc.get_objects() if issubclass(type(found), asyncio.Task)]
    return "".join(
        f"{task!r}\n{''.join(traceback.StackSummary.extract(_stack(task)).format())}"
        for task in tasks
        if not task.done()
    )
