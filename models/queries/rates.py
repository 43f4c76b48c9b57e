from collections.abc import Collection
from decimal import Decimal

from sqlalchemy import text

from core.domain.money import decimal_from_text
from core.domain.rates import EXCHANGE_RATE, BaseRate
from models.session import Reader, Writer

_rates = text(
    "SELECT account, currency, value, as_of FROM account_values "
    "WHERE key = :key AND account = ANY(:accounts) ORDER BY account, currency"
)
_base_currencies = text(
    "SELECT account, base_currency FROM broker_accounts "
    "WHERE account = ANY(:accounts) AND base_currency IS NOT NULL"
)


async def rates_of(connection: Reader | Writer, accounts: Collection[str]) -> dict[str, dict[str, BaseRate]]:
    """By account and currency, what the broker last told of each in the account's base currency."""
    named = {"accounts": sorted(accounts)}
    rates: dict[str, dict[str, BaseRate]] = {account: {} for account in accounts}
    for row in await connection.execute(_rates, {**named, "key": EXCHANGE_RATE}):
        value = decimal_from_text(row.value)
        if value is not None:
            rates[row.account][row.currency] = BaseRate(value, row.as_of)
    for row in await connection.execute(_base_currencies, named):
        rates[row.account][row.base_currency] = BaseRate(Decimal(1), None)
    return rates
