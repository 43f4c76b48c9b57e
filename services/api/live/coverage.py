"""How each row was last judged, and from that how many open positions have a fresh mark."""

from services.api.live.feed import Sign
from services.api.schemas.accounts import ALL_ACCOUNTS
from services.api.schemas.common import Coverage


class Signs:
    """The sign each open position and each summary was last told with. Counting is kept up, never redone."""

    def __init__(self) -> None:
        self._positions: dict[str, tuple[str, Sign]] = {}
        self._summaries: dict[str, Sign] = {}
        self._total: dict[str, int] = {}
        self._fresh: dict[str, int] = {}

    def position(self, position_id: str) -> Sign | None:
        """How the position was last judged."""
        known = self._positions.get(position_id)
        return None if known is None else known[1]

    def set_position(self, position_id: str, account: str, sign: Sign) -> bool:
        """Keep the position's sign; ``True`` when that changes the account's coverage."""
        before = self._positions.get(position_id)
        if before is not None and before[1] == sign:
            return False
        changed = self.drop_position(position_id)
        self._positions[position_id] = (account, sign)
        self._count(account, total=1, fresh=0 if sign[2] else 1)
        return changed or before is None or before[1][2] != sign[2]

    def drop_position(self, position_id: str) -> bool:
        """Let go of a position; ``True`` when it was counted."""
        known = self._positions.pop(position_id, None)
        if known is None:
            return False
        account, sign = known
        self._count(account, total=-1, fresh=0 if sign[2] else -1)
        return True

    def _count(self, account: str, *, total: int, fresh: int) -> None:
        for key in (account, ALL_ACCOUNTS):
            self._total[key] = self._total.get(key, 0) + total
            self._fresh[key] = self._fresh.get(key, 0) + fresh

    def coverage(self, key: str) -> Coverage:
        """Of an account, or of ``ALL``."""
        return Coverage(fresh=self._fresh.get(key, 0), total=self._total.get(key, 0))

    def summary(self, key: str) -> Sign | None:
        """How the summary was last judged."""
        return self._summaries.get(key)

    def set_summary(self, key: str, sign: Sign) -> None:
        """Keep the summary's sign."""
        self._summaries[key] = sign
