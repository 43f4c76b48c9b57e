"""One line a figure: ``name: value ratio floor``. ``make bench`` collects them in ``bench/results.md``."""

import statistics
import time
from collections.abc import Awaitable, Callable, Sequence


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` (0 to 1) of ``values`` lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def median(values: Sequence[float]) -> float:
    """The middle value."""
    return statistics.median(values)


async def milliseconds(work: Callable[[], Awaitable[object]], rounds: int) -> float:
    """What ``work`` takes: the median of so many rounds."""
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        await work()
        taken.append((time.perf_counter() - began) * 1_000)
    return median(taken)


def figure(name: str, value: float, floor: float, unit: str) -> None:
    """Print a figure beside the floor measured in the same run."""
    ratio = value / floor if floor else float("nan")
    print(f"{name}: {value:.4g} {unit} {ratio:.3g} of floor {floor:.4g} {unit}")
