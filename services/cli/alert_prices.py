"""``alerts price``, ``prices`` and ``forget``."""

from decimal import Decimal

import msgspec
import typer
from rich.markup import escape
from sqlalchemy import or_, select

from core.clock import utc_now
from core.domain.money import decimal_from_text, plain
from core.domain.watched import Direction
from core.errors import LotkeeperError
from core.settings import Profile, Settings
from models.queries.alerts import LimitRow, price_limits_listed
from models.session import Database
from models.stores.alerts import add_price_limit, remove_price_limits
from models.tables import instruments
from services.cli.auditing import audited
from services.cli.on_database import on_database
from services.cli.show import new_console, new_table

_MOST_NAMED = 10
_SHARE = "STK"


class InstrumentNotNamedError(LotkeeperError):
    """No instrument is meant, or more than one."""

    code = "instrument_not_named"
    exit_code = 2


def run_price(
    profile: Profile | None, instrument: str, above: str | None, below: str | None, note: str | None
) -> None:
    """Watch a price.

    Raises:
        InstrumentNotNamedError: none is called so, or several are.
        LotkeeperError: as ``on_database``.
    """
    if (above is None) == (below is None):
        raise typer.BadParameter("Name one price: --above PRICE or --below PRICE.")
    direction: Direction = "below" if above is None else "above"
    wanted = _price(above or below or "")

    async def work(database: Database, _settings: Settings) -> str:
        async with database.write() as writer:
            columns = ("conid", "symbol", "local_symbol", "sec_type", "currency")
            query = select(*(instruments.c[name] for name in columns)).order_by(instruments.c.conid)
            named = instruments.c.symbol == instrument.upper()
            if instrument.isascii() and instrument.isdigit():
                named = or_(named, instruments.c.conid == int(instrument))
            found = (await writer.execute(query.where(named))).all()
            # Options and futures are called by what they are of; whoever says AAPL means the share.
            found = [row for row in found if row.sec_type == _SHARE] or found
            if len(found) != 1:
                which = ", ".join(
                    f"{row.conid} ({row.local_symbol}, {row.currency})" for row in found[:_MOST_NAMED]
                )
                raise InstrumentNotNamedError(
                    f"Several instruments are called {instrument}: name one by its conid: {which}."
                    if found
                    else f"No instrument {instrument} is known. See: lotkeeper instruments list"
                )
            [row] = found
            number = await add_price_limit(writer, row.conid, direction, wanted, note, utc_now())
            await audited(writer, "price_limit", f"{row.conid} {direction} {plain(wanted)}")
            return f"{number}: {row.symbol} {direction} {plain(wanted)} {row.currency} is told of once."

    typer.echo(on_database(profile, None, work))


def _price(text: str) -> Decimal:
    price = decimal_from_text(text)
    if price is None or price <= 0:
        raise typer.BadParameter(f"{text!r} is not a price, for example 187.50.")
    return price


def run_prices(profile: Profile | None, *, as_json: bool) -> None:
    """Print the prices that are watched or were met.

    Raises:
        LotkeeperError: as ``on_database``.
    """

    async def work(database: Database, _settings: Settings) -> list[LimitRow]:
        async with database.read() as reader:
            return await price_limits_listed(reader)

    rows = on_database(profile, None, work)
    if as_json:
        typer.echo(msgspec.json.encode({"prices": [row._asdict() for row in rows]}).decode())
        return
    console = new_console()
    if not rows:
        console.print("No price is watched. `lotkeeper alerts price` sets one.")
        return
    table = new_table("Prices", "number", "instrument", "when", "met", "note")
    for row in rows:
        met = "–"
        if row.met_at is not None and row.met_price is not None:
            met = f"{row.met_at:%Y-%m-%d %H:%M}, at {plain(row.met_price)}"
        table.add_row(
            str(row.id),
            f"{escape(row.symbol)} ({row.conid})",
            f"{row.direction} {plain(row.price)} {row.currency}",
            met,
            escape(row.note or ""),
        )
    console.print(table)


def run_forget(profile: Profile | None, numbers: list[int]) -> None:
    """Watch prices no more.

    Raises:
        LotkeeperError: as ``on_database``.
    """

    async def work(database: Database, _settings: Settings) -> int:
        async with database.write() as writer:
            count = await remove_price_limits(writer, numbers)
            if count:
                await audited(writer, "price_limit_forget", " ".join(map(str, numbers)))
            return count

    count = on_database(profile, None, work)
    typer.echo("One price is forgotten." if count == 1 else f"{count or 'No'} prices are forgotten.")
