"""Who the account is, what it was worth and had in cash, what rates were, and which instruments there are."""

from collections.abc import Iterable, Iterator
from decimal import Decimal

from msgspec.structs import replace

from core.domain.stated import (
    StatedAccount,
    StatedBalance,
    StatedChange,
    StatedInstrument,
    StatedRate,
    StatedValue,
    Statement,
)
from services.statements.rows import ConversionRate
from services.statements.rows_cash import BASE_SUMMARY, CashReport
from services.statements.rows_nav import ChangeInNav, EquitySummary
from services.statements.rows_reference import AccountInformation, SecurityInfo
from services.statements.securities import security_of
from services.statements.stating import parts
from services.statements.stating.holdings import Instruments, ignored
from services.statements.stating.sums import Wholes
from services.statements.values import NOTHING, said


class Values:
    """What a statement states of the account as a whole. ``bases`` takes the base currencies it names."""

    def __init__(self, instruments: Instruments, wholes: Wholes, bases: dict[str, str]) -> None:
        self._instruments = instruments
        self._identified: list[StatedInstrument] = []
        self._wholes = wholes
        self._bases = bases

    def account(self, row: AccountInformation) -> Iterable[Statement]:
        """Who the account is."""
        if not row.account:
            return (ignored(row, "no_account"),)
        base, alias = said(row.currency) or None, said(row.alias) or None
        if base is not None:
            self._bases[row.account] = base
        return (
            StatedAccount(
                line=row.line,
                section=row.element,
                account=row.account,
                base_currency=base,
                alias=alias,
                closed_on=row.closed_on,
            ),
        )

    def equity(self, row: EquitySummary) -> Iterable[Statement]:
        """What the account was worth at the end of a day."""
        if not row.account:
            return (ignored(row, "no_account"),)
        if row.report_date is None:
            return (ignored(row, "no_date"),)
        if row.total is None:
            return (ignored(row, "no_amount"),)
        record = StatedValue(
            line=row.line,
            section=row.element,
            account=row.account,
            as_of=row.report_date,
            net_liquidation=row.total,
            currency=self._base_of(row),
            cash=row.cash,
            stock=row.stock,
            options=row.options,
            bonds=row.bonds,
            funds=row.funds,
            accruals=_sum(row.interest_accruals, row.dividend_accruals),
            dividend_accruals=row.dividend_accruals,
            other=parts.other_assets(row),
            gross=parts.gross_value(row),
        )
        return self._wholes.state(record, ("value", row.account, row.report_date), row)

    def balance(self, row: CashReport) -> Iterable[Statement]:
        """Cash in one currency at the end of a statement, or all of it."""
        if not row.account:
            return (ignored(row, "no_account"),)
        day = row.to_date or (row.statement.to_date if row.statement else None)
        if day is None:
            return (ignored(row, "no_date"),)
        if row.ending_cash is None:
            return (ignored(row, "no_amount"),)
        currency = BASE_SUMMARY if row.is_summary else row.currency
        if not said(currency):
            return (ignored(row, "no_currency"),)
        record = StatedBalance(
            line=row.line,
            section=row.element,
            account=row.account,
            as_of=day,
            currency=currency,
            cash=row.ending_cash,
            settled_cash=row.ending_settled_cash,
        )
        record = parts.with_cash_moved(record, row)
        return self._wholes.state(record, ("balance", row.account, day, currency), row)

    def change(self, row: ChangeInNav) -> Iterable[Statement]:
        """How the account's value came about."""
        if not row.account:
            return (ignored(row, "no_account"),)
        statement = row.statement
        first = row.from_date or (statement.from_date if statement else None)
        last = row.to_date or (statement.to_date if statement else None)
        if first is None or last is None or last < first:
            return (ignored(row, "no_date"),)
        if row.starting is None or row.ending is None:
            return (ignored(row, "no_amount"),)
        contribution, gain = parts.value_moved(row)
        record = StatedChange(
            line=row.line,
            section=row.element,
            account=row.account,
            starts_on=first,
            ends_on=last,
            starting=row.starting,
            ending=row.ending,
            contribution=contribution,
            gain=gain,
            currency=self._base_of(row),
            # Returns of the parts of an account do not add up to its own.
            twr=None if row.twr is None or said(row.attributes.get("model", "")) else row.twr / 100,
        )
        return self._wholes.state(record, ("change", row.account, first, last), row)

    def rate(self, row: ConversionRate) -> Iterable[Statement]:
        """What a currency was worth at the end of a day; nothing where the row does not say."""
        if row.report_date is None or not row.rate or {row.from_currency, row.to_currency} & NOTHING:
            return ()
        return (
            StatedRate(
                line=row.line,
                section=row.element,
                as_of=row.report_date,
                currency=row.from_currency,
                into=row.to_currency,
                rate=row.rate,
            ),
        )

    def security(self, row: SecurityInfo) -> Iterable[Statement]:
        """An instrument, with what identifies it elsewhere."""
        security = security_of(row)
        if security is None:
            return (ignored(row, "no_instrument"),)
        record = StatedInstrument(
            line=row.line,
            section=row.element,
            instrument=(self._instruments.of(row) if said(row.currency) else None) or security.instrument,
            isin=security.isin,
            cusip=security.cusip,
            figi=security.figi,
            issuer=said(row.issuer),
            underlying_conid=security.underlying_conid,
        )
        if record.instrument.currency:
            return (record,)
        self._identified.append(record)
        return ()

    def close(self) -> Iterator[Statement]:
        """The instruments of a section without currencies, as the other rows of the statement have them."""
        for record in self._identified:
            known = self._instruments.known(record.instrument.conid)
            yield record if known is None else replace(record, instrument=known)
        self._identified.clear()

    def _base_of(self, row: EquitySummary | ChangeInNav) -> str | None:
        return self._bases.get(row.account) if row.currency in NOTHING | {BASE_SUMMARY} else row.currency


def _sum(*amounts: Decimal | None) -> Decimal | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known, Decimal(0)) if known else None
