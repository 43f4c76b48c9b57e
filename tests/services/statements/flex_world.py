"""A pretended Flex service, a client of it, and a clock that is nobody's: waiting takes no time."""

import asyncio
import random
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from services.simulator.flex import FlexService
from services.statements.fetch import FlexClient
from services.statements.transfer import Limits
from tests.services.statements.statements import in_statement, trade

QUERY = "800969"
STATEMENT = in_statement(*(trade(transactionID=str(number)) for number in range(300))).encode()


class Hours:
    """A clock that goes on when somebody waits; ``waits`` are the waits in seconds."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.waits: list[float] = []

    def now(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.seconds += seconds
        await asyncio.sleep(0)


def client_of(service: FlexService, hours: Hours, token: str | None = None, **limits: Any) -> FlexClient:
    return FlexClient(
        SecretStr(token or service.token),
        service.url,
        limits=Limits(**limits),
        now=hours.now,
        sleep=hours.sleep,
        rng=random.Random(1),  # noqa: S311 - jitter
    )


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []
