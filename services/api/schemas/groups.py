"""Groups of accounts, and benchmarks: what measures can be asked for by name."""

from datetime import date

from msgspec import Struct

from services.api.schemas.common import Freshness


class AccountGroup(Struct, frozen=True, kw_only=True):
    """Accounts that are looked at together."""

    name: str
    accounts: tuple[str, ...]


class AccountGroupList(Struct, frozen=True, kw_only=True):
    """Groups, in the order of their names."""

    items: tuple[AccountGroup, ...]
    next_cursor: str | None
    freshness: Freshness


class BenchmarkSeries(Struct, frozen=True, kw_only=True):
    """A benchmark whose levels are kept; ``currency`` is null where its file did not come with one."""

    name: str
    currency: str | None
    levels: int
    first_day: date
    last_day: date


class BenchmarkList(Struct, frozen=True, kw_only=True):
    """Benchmarks, in the order of their names."""

    items: tuple[BenchmarkSeries, ...]
    next_cursor: str | None
    freshness: Freshness
