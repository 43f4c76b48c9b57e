"""``benchmark import``, ``list`` and ``drop``."""

import hashlib
import json
from pathlib import Path

import typer
from rich.markup import escape

from core.clock import utc_now
from core.domain.benchmarks import MOST_BYTES, levels_of
from core.domain.days import day_of
from core.errors import LotkeeperError
from core.settings import Profile, Settings
from models.queries.benchmarks import Benchmark, benchmarks
from models.session import Database
from models.stores.benchmarks import Written, drop_benchmark, other_currency, store_levels
from services.cli import listing
from services.cli.auditing import audited
from services.cli.grouping import require_name
from services.cli.listing import Listed
from services.cli.on_database import on_database
from services.cli.show import new_console

_LETTERS = 3


class BenchmarkFileError(LotkeeperError):
    """The file cannot be read."""

    code = "benchmark_file_unreadable"


class BenchmarkCurrencyError(LotkeeperError):
    """The levels would be in another currency than those that are there."""

    code = "benchmark_currency"
    exit_code = 2


class UnknownBenchmarkError(LotkeeperError):
    """There is no such benchmark."""

    code = "benchmark_not_found"
    exit_code = 2


def run_import(
    profile: Profile | None, name: str, file: Path, currency: str | None, *, as_json: bool
) -> None:
    """Bring the levels of a file: all of them or none.

    Raises:
        BadNameError: it cannot be called so.
        BenchmarkFileError: the file cannot be read.
        NotLevelsError: it is no file of levels.
        FaultyRowsError: rows of it cannot be used.
        BenchmarkCurrencyError: it is no currency, or levels are there in another one.
        LotkeeperError: as ``on_database``.
    """
    require_name(name)
    into = _currency(currency)
    try:
        with file.open("rb") as opened:
            content = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise BenchmarkFileError(f"{file} cannot be read: {error.strerror or error}.") from None
    now = utc_now()
    levels = levels_of(content, file.name, day_of(now))
    sha256 = hashlib.sha256(content).hexdigest()

    async def work(database: Database, _settings: Settings) -> Written:
        async with database.write() as writer:
            other = await other_currency(writer, name, into)
            if other is not None:
                raise BenchmarkCurrencyError(
                    f"The levels of {name} are kept {_in(other)}, and these would be {_in(into)}. Give the "
                    "same --currency, or `lotkeeper benchmark drop` it first."
                )
            await audited(writer, "benchmark_import", name)
            return await store_levels(writer, name, into, levels, sha256, now)

    written = on_database(profile, None, work)
    first, last = levels[0].day, levels[-1].day
    if as_json:
        told = {"name": name, "currency": into or None, "sha256": sha256, **written._asdict()}
        typer.echo(json.dumps({**told, "first_day": f"{first}", "last_day": f"{last}"}))
        return
    new_console().print(
        f"{escape(name)}: {written.new:,} levels new, {written.changed:,} changed, {written.unchanged:,} as "
        f"they were; the file tells of {first} to {last}."
    )


def run_list(profile: Profile | None, *, as_json: bool) -> None:
    """List the benchmarks.

    Raises:
        LotkeeperError: as ``on_database``.
    """
    shown = Listed(
        "Benchmarks",
        ("name", "currency", "from", "to", "levels"),
        "There is no benchmark yet: lotkeeper benchmark import NAME FILE",
        right_from=4,
    )
    listing.run_list(profile, benchmarks, shown, _as_row, _as_json, as_json=as_json)


def run_drop(profile: Profile | None, name: str, *, as_json: bool) -> None:
    """Forget a benchmark.

    Raises:
        BadNameError: nothing can be called so.
        UnknownBenchmarkError: there is no such one.
        LotkeeperError: as ``on_database``.
    """
    require_name(name)

    async def work(database: Database, _settings: Settings) -> int:
        async with database.write() as writer:
            dropped = await drop_benchmark(writer, name)
            if not dropped:
                names = ", ".join(one.name for one in await benchmarks(writer)) or "none yet"
                raise UnknownBenchmarkError(
                    f"There is no benchmark {name!r} here. Known benchmarks: {names}."
                )
            await audited(writer, "benchmark_drop", name)
            return dropped

    dropped = on_database(profile, None, work)
    if as_json:
        typer.echo(json.dumps({"dropped": name, "levels": dropped}))
    else:
        new_console().print(f"The benchmark {escape(name)} and its {dropped:,} levels are forgotten.")


def _currency(spelled: str | None) -> str:
    if spelled is None:
        return ""
    if len(spelled) != _LETTERS or not (spelled.isascii() and spelled.isalpha()):
        raise BenchmarkCurrencyError(f"{spelled[:20]!r} is no currency: it has three letters, as USD.")
    return spelled.upper()


def _in(currency: str) -> str:
    return f"in {currency}" if currency else "without a currency"


def _as_row(one: Benchmark) -> tuple[str, ...]:
    days = (f"{one.first_day}", f"{one.last_day}")
    return escape(one.name), escape(one.currency or "–"), *days, f"{one.levels:,}"


def _as_json(one: Benchmark) -> dict[str, object]:
    days = {"first_day": f"{one.first_day}", "last_day": f"{one.last_day}"}
    return {"name": one.name, "currency": one.currency or None, "levels": one.levels, **days}
