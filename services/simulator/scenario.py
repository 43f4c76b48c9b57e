"""Scenarios: small readable files of what there is, who holds it and how the gateway behaves."""

import secrets
import tomllib
from calendar import FRIDAY
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from core.errors import LotkeeperError
from services.simulator.book import ACCOUNT_ZONE, Account, Book, OpeningLot
from services.simulator.identities import ISINS
from services.simulator.instruments import Instrument, SecType
from services.simulator.messages import zone_named

# A pause of nothing would be a busy loop.
Seconds = Annotated[float, msgspec.Meta(gt=0)]


class ScenarioError(LotkeeperError):
    """A scenario cannot be used; the sentence says which and why."""

    code = "scenario_invalid"
    exit_code = 6


class InstrumentTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One contract. ``expiry`` is YYYYMMDD, or ``+3M``: the third Friday, three months on."""

    conid: int
    symbol: str
    mark: Decimal
    kind: SecType = "STK"
    currency: str = "USD"
    exchange: str = ""
    name: str = ""
    ref: str = ""
    local_symbol: str = ""
    trading_class: str = ""
    stock_type: str = "COMMON"
    tick: Decimal = Decimal("0.01")
    multiplier: Decimal | None = None
    magnifier: int = 1
    expiry: str = ""
    strike: Decimal = Decimal(0)
    right: str = ""
    under: int = 0
    isin: str = ""
    lot: Decimal | None = None
    volatility: float = 0.0002


class AccountTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One account; a holding is ``ref = "quantity @ price"``."""

    id: str
    base: str = "USD"
    cash: dict[str, Decimal] = {}
    holdings: dict[str, str] = {}


class MarketTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How much happens by itself. No fills: ``fills = false``."""

    moves: bool = True
    fills: bool = True
    tick_seconds: Seconds = 1.0
    fill_seconds: tuple[Seconds, Seconds] = (1.0, 2.0)
    fewest_positions: int = 0
    late_commission_share: float = 0.0


class GatewayTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What the gateway sends and when; 180 s is IBKR's own pace for account values."""

    server_version: int = 178
    time_zone: str = "US/Eastern"
    account_seconds: Seconds = 3.0
    pnl_seconds: Seconds = 1.0
    lost_notice_seconds: Seconds = 4.0
    late_commission_seconds: Seconds = 2.0
    first_pnl_unset: bool = True


class FaultsTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Faults that are on from the start."""

    drop_every_seconds: Seconds | None = None
    refuse: bool = False
    never_answer: bool = False
    positions: Literal["normal", "never", "empty"] | int = "normal"
    execution_time_zone: str | None = None


class Scenario(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Everything a simulator starts from."""

    name: str
    title: str = ""
    instruments: list[InstrumentTable] = []
    accounts: list[AccountTable] = []
    market: MarketTable = MarketTable()
    gateway: GatewayTable = GatewayTable()
    faults: FaultsTable = FaultsTable()


def load_scenario(source: str | Path | Mapping[str, Any]) -> Scenario:
    """A scenario by name (``default``), from a TOML file, or from a mapping of the same shape.

    ``extends = "default"`` takes what is not said here from another scenario.

    Raises:
        ScenarioError: there is no such scenario, or something in it is wrong.
    """
    try:
        scenario = msgspec.convert(_tables(source), Scenario, strict=False)
        for zone in (scenario.gateway.time_zone, scenario.faults.execution_time_zone):
            if zone is not None:
                zone_named(zone)
    except (msgspec.ValidationError, ValueError) as error:
        raise ScenarioError(f"The scenario {_label(source)} is wrong: {error}.") from None
    if not scenario.accounts:
        raise ScenarioError(f"The scenario {_label(source)} has no account: give it at least one.")
    return scenario


def scenario_names() -> list[str]:
    """The scenarios that come with the simulator."""
    return sorted(
        entry.name.removesuffix(".toml") for entry in _bundled().iterdir() if entry.name.endswith(".toml")
    )


def new_book(scenario: Scenario, now: datetime, tag: int | None = None) -> Book:
    """A fresh book. ``tag`` begins every exec id; by default it differs from book to book."""
    today = now.astimezone(ACCOUNT_ZONE).date()
    tables = [(table, _instrument(table, today, scenario.name)) for table in scenario.instruments]
    by_ref = {table.ref or table.symbol: instrument for table, instrument in tables}
    opening = [
        _opening_lot(account.id, by_ref, ref, text, scenario)
        for account in scenario.accounts
        for ref, text in account.holdings.items()
    ]
    return Book(
        [Account(account.id, account.base, dict(account.cash)) for account in scenario.accounts],
        [instrument for _, instrument in tables],
        {table.conid: table.mark for table in scenario.instruments},
        opening=opening,
        tag=secrets.randbits(32) if tag is None else tag,
        day=today,
    )


def _instrument(table: InstrumentTable, today: date, scenario: str) -> Instrument:
    name = table.ref or table.symbol
    if table.mark <= 0 or table.tick <= 0:
        raise ScenarioError(f"The scenario {scenario} is wrong: {name} needs a mark and a tick above 0.")
    try:
        return build_instrument(table, today)
    except (ValueError, IndexError):
        raise ScenarioError(
            f'The scenario {scenario} is wrong: {name} has the expiry "{table.expiry}", '
            "which is neither YYYYMMDD nor months from now (+3M)."
        ) from None


def build_instrument(table: InstrumentTable, today: date) -> Instrument:
    """The contract a table describes, seen from the book's first day."""
    expiry = expiry_date(table.expiry, today)
    return Instrument(
        conid=table.conid,
        symbol=table.symbol,
        sec_type=table.kind,
        currency=table.currency,
        exchange=table.exchange or ("IDEALPRO" if table.kind == "CASH" else "SMART"),
        local_symbol=table.local_symbol or _local_symbol(table, expiry),
        trading_class=table.trading_class
        or (f"{table.symbol}.{table.currency}" if table.kind == "CASH" else table.symbol),
        long_name=table.name or table.symbol,
        min_tick=table.tick,
        lot_size=table.lot or {"CASH": Decimal(1000)}.get(table.kind, Decimal(1)),
        multiplier=table.multiplier or (Decimal(100) if table.kind == "OPT" else Decimal(1)),
        price_magnifier=table.magnifier,
        expiry=expiry,
        strike=table.strike,
        right=table.right,
        stock_type=table.stock_type if table.kind == "STK" else "",
        under_conid=table.under,
        isin=table.isin or (ISINS.get(table.conid, "") if table.kind == "STK" else ""),
        volatility=table.volatility,
    )


def expiry_date(text: str, today: date) -> str:
    """``+3M`` as the third Friday of that month, YYYYMMDD; anything else as it is."""
    if not (text.startswith("+") and text.endswith("M")):
        return text
    months = today.year * 12 + today.month - 1 + int(text[1:-1])
    first = date(months // 12, months % 12 + 1, 1)
    third_friday = first + timedelta(days=(FRIDAY - first.weekday()) % 7 + 14)
    return f"{third_friday:%Y%m%d}"


def _local_symbol(table: InstrumentTable, expiry: str) -> str:
    match table.kind:
        case "OPT":
            return f"{table.symbol:<6}{expiry[2:]}{table.right}{int(table.strike * 1000):08d}"
        case "FUT":
            return f"{table.symbol}{'FGHJKMNQUVXZ'[int(expiry[4:6]) - 1]}{expiry[3]}"
        case "CASH":
            return f"{table.symbol}.{table.currency}"
        case _:
            return table.symbol


def _opening_lot(
    account: str, by_ref: Mapping[str, Instrument], ref: str, text: str, scenario: Scenario
) -> OpeningLot:
    quantity_text, _, price_text = text.partition("@")
    try:
        instrument = by_ref[ref]
        quantity, price = Decimal(quantity_text.strip()), Decimal(price_text.strip())
    except (KeyError, InvalidOperation):
        raise ScenarioError(
            f'The scenario {scenario.name} is wrong: {account} holds {ref} = "{text}", '
            'which is not a known instrument with "quantity @ price".'
        ) from None
    gross = abs(quantity) * price * instrument.point_value
    return OpeningLot(account, instrument.conid, quantity, gross, gross)


def _bundled() -> Any:
    return resources.files("services.simulator") / "scenarios"


def _label(source: str | Path | Mapping[str, Any]) -> str:
    return str(source.get("name", "given")) if isinstance(source, Mapping) else str(source)


def _tables(source: str | Path | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(source, Mapping):
        tables = {"name": "given", **source}
    else:
        tables = {"name": Path(str(source)).stem, **_read(source)}
    parent = tables.pop("extends", None)
    if parent is None:
        return tables
    merged = _tables(parent)
    for name, value in tables.items():
        merged[name] = {**merged.get(name, {}), **value} if isinstance(value, Mapping) else value
    return merged


def _read(source: str | Path) -> dict[str, Any]:
    path = Path(str(source))
    bundled = _bundled() / f"{source}.toml"
    try:
        text = path.read_text("utf-8") if path.suffix == ".toml" else bundled.read_text("utf-8")
    except OSError as error:
        names = ", ".join(scenario_names())
        raise ScenarioError(
            f"There is no scenario {source}. Give the path of a .toml file or one of: {names}."
        ) from error
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"The scenario {source} is wrong: {error}.") from error
