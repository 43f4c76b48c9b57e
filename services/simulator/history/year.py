"""The year that a statement covers."""

from datetime import date, datetime, time, timedelta
from typing import NamedTuple


class Year(NamedTuple):
    """From ``first`` to ``last``, both included; ``begins`` and ``ends`` are places of business days."""

    first: date
    last: date
    begins: int
    ends: int

    @property
    def written_at(self) -> datetime:
        """When the statement was written: when the year was over, in US/Eastern as all its times."""
        return datetime.combine(self.last + timedelta(days=1), time())
