"""What clients ask: one type a request, decoded from its fields. Pure; server versions 157 to 178."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from services.simulator.wire import Fields


class RequestError(ValueError):
    """A request of a known kind whose fields cannot be read."""


@dataclass(frozen=True, slots=True)
class StartApi:
    """The first request of every connection."""

    client_id: int


@dataclass(frozen=True, slots=True)
class CurrentTime:
    """Heartbeat."""


@dataclass(frozen=True, slots=True)
class ManagedAccounts:
    """The accounts of the login."""


@dataclass(frozen=True, slots=True)
class NextIds:
    """The next valid order id."""


@dataclass(frozen=True, slots=True)
class Positions:
    """All positions of all accounts, then every change."""

    subscribe: bool


@dataclass(frozen=True, slots=True)
class AccountUpdates:
    """Values and portfolio of one account."""

    subscribe: bool
    account: str


@dataclass(frozen=True, slots=True)
class AccountUpdatesMulti:
    """Values of one account under a request id; ``None`` for the account cancels."""

    req_id: int
    account: str | None
    ledger_only: bool = False


@dataclass(frozen=True, slots=True)
class PositionsMulti:
    """Positions of one account under a request id; ``None`` for the account cancels."""

    req_id: int
    account: str | None


@dataclass(frozen=True, slots=True)
class AccountSummary:
    """Chosen values of all accounts; ``None`` for the tags cancels."""

    req_id: int
    tags: str | None


@dataclass(frozen=True, slots=True)
class Pnl:
    """Profit of one account; ``None`` for the account cancels."""

    req_id: int
    account: str | None


@dataclass(frozen=True, slots=True)
class PnlSingle:
    """Profit of one position; ``None`` for the account cancels."""

    req_id: int
    account: str | None
    conid: int = 0


@dataclass(frozen=True, slots=True)
class Executions:
    """Today's fills that match; empty fields and client 0 match all."""

    req_id: int
    client_id: int
    account: str
    since: str
    symbol: str
    sec_type: str
    exchange: str
    side: str


@dataclass(frozen=True, slots=True)
class OpenOrders:
    """Orders that are still working; automatic binding is asked for, not answered."""

    answered: bool = True


@dataclass(frozen=True, slots=True)
class CompletedOrders:
    """Orders that are done."""


@dataclass(frozen=True, slots=True)
class Contract:
    """Contract fields of a request; what is empty matches all."""

    conid: int
    symbol: str
    sec_type: str
    expiry: str
    strike: Decimal
    right: str
    currency: str
    local_symbol: str


@dataclass(frozen=True, slots=True)
class ContractDetails:
    """All contracts that match."""

    req_id: int
    contract: Contract


@dataclass(frozen=True, slots=True)
class HistoricalData:
    """Bars of one contract."""

    req_id: int
    contract: Contract
    end: str
    bar_size: str
    duration: str
    date_format: int


@dataclass(frozen=True, slots=True)
class MarketData:
    """Quotes of one contract; no contract cancels."""

    req_id: int
    contract: Contract | None
    snapshot: bool = False


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The end of something that is answered once anyway."""


@dataclass(frozen=True, slots=True)
class Trading:
    """Anything that would change an order."""

    order_id: int


@dataclass(frozen=True, slots=True)
class Unknown:
    """A message id that the simulator does not know."""

    message_id: str
    req_id: int = -1


Request = (
    StartApi
    | CurrentTime
    | ManagedAccounts
    | NextIds
    | Positions
    | AccountUpdates
    | AccountUpdatesMulti
    | PositionsMulti
    | AccountSummary
    | Pnl
    | PnlSingle
    | Executions
    | OpenOrders
    | CompletedOrders
    | ContractDetails
    | HistoricalData
    | MarketData
    | Cancelled
    | Trading
    | Unknown
)

_CONTRACT_FIELDS = 12


def _int(text: str) -> int:
    return int(text) if text else 0


def _contract(fields: Fields, at: int) -> Contract:
    part = fields[at : at + _CONTRACT_FIELDS]
    return Contract(
        conid=_int(part[0]),
        symbol=part[1],
        sec_type=part[2],
        expiry=part[3],
        strike=Decimal(part[4] or 0),
        right=part[5],
        currency=part[9],
        local_symbol=part[10],
    )


def _historical(fields: Fields) -> HistoricalData:
    asked = _contract(fields, 2)
    at = 2 + _CONTRACT_FIELDS + 1
    end, bar_size, duration, _, _, date_format = fields[at : at + 6]
    return HistoricalData(_int(fields[1]), asked, end, bar_size, duration, _int(date_format))


def _market_data(fields: Fields) -> MarketData:
    asked = _contract(fields, 3)
    at = 3 + _CONTRACT_FIELDS
    if asked.sec_type == "BAG":
        at += 1 + 4 * _int(fields[at])
    at += 4 if fields[at] == "1" else 1
    # Generic ticks come first.
    return MarketData(_int(fields[2]), asked, snapshot=fields[at + 1] == "1")


_DECODERS: dict[str, Callable[[Fields], Request]] = {
    "1": _market_data,
    "2": lambda f: MarketData(_int(f[2]), None),
    "3": lambda f: Trading(_int(f[1])),
    "4": lambda f: Trading(_int(f[2])),
    "5": lambda _: OpenOrders(),
    "6": lambda f: AccountUpdates(f[2] == "1", f[3]),
    "7": lambda f: Executions(_int(f[2]), _int(f[3]), *f[4:10]),
    "8": lambda _: NextIds(),
    "9": lambda f: ContractDetails(_int(f[2]), _contract(f, 3)),
    "15": lambda _: OpenOrders(answered=False),
    "16": lambda _: OpenOrders(),
    "17": lambda _: ManagedAccounts(),
    "20": _historical,
    "25": lambda _: Cancelled(),
    "49": lambda _: CurrentTime(),
    "58": lambda _: Trading(-1),
    "59": lambda _: Cancelled(),
    "61": lambda _: Positions(subscribe=True),
    "62": lambda f: AccountSummary(_int(f[2]), f[4]),
    "63": lambda f: AccountSummary(_int(f[2]), None),
    "64": lambda _: Positions(subscribe=False),
    "71": lambda f: StartApi(_int(f[2])),
    "74": lambda f: PositionsMulti(_int(f[2]), f[3]),
    "75": lambda f: PositionsMulti(_int(f[2]), None),
    "76": lambda f: AccountUpdatesMulti(_int(f[2]), f[3], ledger_only=f[5] == "1"),
    "77": lambda f: AccountUpdatesMulti(_int(f[2]), None),
    "92": lambda f: Pnl(_int(f[1]), f[2]),
    "93": lambda f: Pnl(_int(f[1]), None),
    "94": lambda f: PnlSingle(_int(f[1]), f[2], _int(f[4])),
    "95": lambda f: PnlSingle(_int(f[1]), None),
    "99": lambda _: CompletedOrders(),
}


def decode(fields: Fields) -> Request:
    """The request behind a message.

    Raises:
        RequestError: its kind is known but its fields are not as they should be.
    """
    decoder = _DECODERS.get(fields[0]) if fields else None
    if decoder is None:
        return Unknown(fields[0] if fields else "")
    try:
        return decoder(fields)
    except (ValueError, IndexError, TypeError, ArithmeticError) as error:
        raise RequestError(
            f"message {fields[0]} with {len(fields)} fields cannot be read: {error}"
        ) from error
