"""Rules that say of what is compared anyhow whether it is in order: with the broker, and with statements."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, get_args

from sqlalchemy import text

from core.domain.money import ZERO, plain
from core.domain.reconciliation import DifferenceKind
from core.domain.rules import Finding, Magnitude, Tolerance
from models.queries.differences import DifferenceRow, differences_page
from models.queries.realized_differences import REALIZED_LEEWAY, FillKey, differing_fills
from models.queries.rules.rule import FOR_ACCOUNT, Findings, Rule, Scope, rows_of
from models.queries.sync import dead_by_category
from models.session import Reader

DIFFERENCE_STANDS: Final = Tolerance(
    "difference_stands", timedelta(minutes=10), "a difference may settle by itself in so long"
)
COST_STANDS: Final = Tolerance("cost_stands", timedelta(days=1), "the same for what it cost")
REALIZED_APART: Final = Tolerance(
    "realized_leeway", REALIZED_LEEWAY, "in the instrument's currency: what rounding to the cent can make"
)
COMMISSION_AWAITED: Final = Tolerance(
    "commission_awaited", timedelta(days=1), "a commission may be awaited so long"
)

_PAGE: Final = 500
_QUANTITY: Final = frozenset({"quantity_mismatch", "missing_local", "missing_broker"})
_COST: Final = frozenset(get_args(DifferenceKind)) - _QUANTITY

_of_statements = text(
    "SELECT d.account, d.kind, d.cause, d.currency, count(*) AS figures, min(d.day) AS first, "  # noqa: S608 - constants of this program's own
    "max(d.day) AS last, CASE WHEN d.currency = '' THEN count(*) "
    "ELSE sum(abs(coalesce(d.ours, 0) - d.stated)) END AS apart "
    f"FROM statement_differences d WHERE {FOR_ACCOUNT.format('d')} "
    "GROUP BY d.account, d.kind, d.cause, d.currency ORDER BY d.account, d.kind, d.cause, d.currency"
)
# Neither a combo's own execution nor one that was replaced or cancelled has a commission of its own.
_awaited = text(
    "SELECT e.account, count(*) AS executions, min(e.executed_at) AS oldest FROM executions e "  # noqa: S608 - as above
    "JOIN instruments i USING (conid) WHERE NOT e.commission_folded AND e.executed_at < :settled "
    "AND e.corrected_by IS NULL AND e.quantity <> 0 AND i.sec_type <> 'BAG' "
    "AND NOT EXISTS (SELECT FROM commission_reports c WHERE c.exec_id = e.exec_id) "
    f"AND {FOR_ACCOUNT.format('e')} GROUP BY e.account ORDER BY e.account"
)


async def _open(reader: Reader, scope: Scope, before: datetime) -> AsyncIterator[DifferenceRow]:
    after: int | None = None
    while True:
        page = await differences_page(reader, status="open", account=scope.account, after=after, limit=_PAGE)
        for row in page:
            if row.since < before:
                yield row
        if len(page) < _PAGE:
            return
        after = page[-1].id


def _difference(row: DifferenceRow) -> Finding:
    ours = "nothing" if row.ours is None else plain(row.ours)
    theirs = "nothing" if row.brokers is None else plain(row.brokers)
    kind = row.kind.replace("_", " ")
    summary = f"{row.symbol}: {kind} since {row.since:%Y-%m-%d %H:%M}Z, ours {ours}, the broker's {theirs}"
    details = {"difference_id": row.id, "conid": row.conid, "symbol": row.symbol, "kind": row.kind}
    details |= {"cause": row.cause, "ours": ours, "brokers": theirs, "since": row.since}
    apart = abs((row.ours or ZERO) - (row.brokers or ZERO))
    return Finding(row.account, difference_subject(row), summary, details, magnitude=apart)


def difference_subject(row: DifferenceRow) -> str:
    """What a finding about a difference is about, the same each time it is found."""
    return f"{row.conid}/{row.kind}"


def difference_rule(row: DifferenceRow) -> Rule:
    """The rule that finds a difference of its kind."""
    return COST_DIFFERENCE if row.kind in _COST else BROKER_DIFFERENCE


async def _broker_difference(reader: Reader, scope: Scope) -> Findings:
    async for row in _open(reader, scope, scope.now - DIFFERENCE_STANDS.time):
        if row.kind in _QUANTITY:
            yield _difference(row)


async def _cost_difference(reader: Reader, scope: Scope) -> Findings:
    async for row in _open(reader, scope, scope.now - COST_STANDS.time):
        if row.kind in _COST:
            yield _difference(row)


async def _realized_difference(reader: Reader, scope: Scope) -> Findings:
    after: FillKey | None = None
    while True:
        page = await differing_fills(
            reader, account=scope.account, since=scope.since, after=after, limit=_PAGE
        )
        for fill in page:
            if fill.provisional:
                continue  # an estimate may be off, and is told as one
            ours, theirs = plain(fill.realized_pnl), plain(fill.broker_realized_pnl)
            summary = (
                f"{fill.symbol}: the fill {fill.exec_id} realized {ours} {fill.currency}, by IBKR {theirs}"
            )
            details = {"exec_id": fill.exec_id, "conid": fill.conid, "symbol": fill.symbol}
            details |= {"currency": fill.currency, "ours": ours, "brokers": theirs}
            apart = abs(fill.realized_pnl - fill.broker_realized_pnl)
            yield Finding(fill.account, fill.exec_id, summary, details, fill.executed_at, apart)
        if len(page) < _PAGE:
            return
        after = FillKey(page[-1].executed_at, page[-1].exec_id)


async def _statement_difference(reader: Reader, scope: Scope) -> Findings:
    async for row in rows_of(reader, _of_statements, scope):
        figures = "One figure" if row.figures == 1 else f"{row.figures:,} figures"
        cause = row.cause.replace("_", " ")
        by = f", by {plain(row.apart)} {row.currency} all together" if row.currency else ""
        verb = "differs" if row.figures == 1 else "differ"
        summary = f"{figures} of statements ({row.kind}) {verb}{by}: {cause}"
        details = {"kind": row.kind, "cause": row.cause, "currency": row.currency or None}
        details |= {"figures": row.figures, "first": row.first, "last": row.last}
        # Amounts of two currencies are no sum, nor is a quantity one of these: each is a finding.
        subject = "/".join(filter(None, (row.kind, row.cause, row.currency)))
        yield Finding(row.account, subject, summary, details, magnitude=Decimal(row.apart))


async def _dead_fact(reader: Reader, _scope: Scope) -> Findings:
    for row in await dead_by_category(reader):
        what = "One message" if row.kinds == 1 else f"{row.kinds:,} messages"
        details = {"category": row.category, "messages": row.kinds, "occurrences": row.occurrences}
        details["last_seen_at"] = row.last_seen_at
        summary = f"{what} that could not be used: {row.category}"
        yield Finding(None, row.category, summary, details, magnitude=Decimal(row.kinds))


async def _missing_commission(reader: Reader, scope: Scope) -> Findings:
    settled = scope.now - COMMISSION_AWAITED.time
    async for row in rows_of(reader, _awaited, scope, settled=settled):
        told = "One execution is" if row.executions == 1 else f"{row.executions:,} executions are"
        summary = f"{told} without a commission, the oldest of {row.oldest:%Y-%m-%d}"
        details = {"executions": row.executions, "oldest": row.oldest}
        yield Finding(row.account, "awaited", summary, details, magnitude=Decimal(row.executions))


BROKER_DIFFERENCE: Final = Rule(
    name="broker-difference",
    title="The ledger holds what the broker says is held",
    severity="error",
    checks="No book differs in quantity from the broker's last word; a difference that somebody "
    "acknowledged is not found as long as it is as they knew it.",
    tolerances=(DIFFERENCE_STANDS,),
    remedy="`lotkeeper resync` asks the broker again. If it stays, an execution or a corporate action is "
    "missing: import the Flex statement of the days since; docs/reconciliation.md says what each kind means.",
    magnitude=Magnitude("count", "how many units they are apart"),
    check=_broker_difference,
)
COST_DIFFERENCE: Final = Rule(
    name="cost-difference",
    title="What is held cost what the broker says it cost",
    severity="warning",
    checks="No open position's cost differs from the broker's average cost; one that is provisional is "
    "told, too, one that somebody acknowledged is not as long as it is as they knew it.",
    tolerances=(COST_STANDS,),
    remedy="An opening balance is settled by a Flex statement of the time it was bought; a cost method "
    "other than the account's at IBKR by `lotkeeper ledger method`; see docs/reconciliation.md.",
    magnitude=Magnitude(
        "amount", "how far they are apart, in the instrument's currency", times=Decimal(2), more=Decimal(1)
    ),
    check=_cost_difference,
)
REALIZED_DIFFERENCE: Final = Rule(
    name="realized-difference",
    title="Fills realized what the broker says they realized",
    severity="error",
    checks="Of each closing fill our realized profit or loss is the broker's, where ours is not an estimate.",
    tolerances=(REALIZED_APART,),
    remedy="`GET /api/v1/realized/differences` shows both. A missing fill or fee comes with a Flex "
    "statement; another cost method is set with `lotkeeper ledger method`; see docs/reconciliation.md.",
    # A fill is over and done: what grows there is another difference, unless it is rounding.
    magnitude=Magnitude(
        "amount", "how far they are apart, in the instrument's currency", more=REALIZED_LEEWAY
    ),
    check=_realized_difference,
)
STATEMENT_DIFFERENCE: Final = Rule(
    name="statement-difference",
    title="The ledger comes to what statements say",
    severity="warning",
    checks="The last comparison with imported statements found no figure that differs. One finding an "
    "account, kind, cause and currency.",
    remedy="`lotkeeper validate statements` lists the figures; docs/statements.md says what each cause "
    "means and what to do about it.",
    magnitude=Magnitude(
        "amount",
        "how far the figures of one currency are apart, all together; of what is in none, as quantities are, "
        "how many differ",
        times=Decimal(2),
        more=Decimal(1),
    ),
    check=_statement_difference,
)
DEAD_FACT: Final = Rule(
    name="dead-fact",
    title="Everything the broker said was used",
    severity="warning",
    checks="No message stands open that could not be read or applied and was kept aside.",
    remedy="`lotkeeper dead list` shows them; after an update `lotkeeper dead retry --all` applies what can "
    "be read now, and `lotkeeper dead drop ID` lets one rest.",
    magnitude=Magnitude("count", "the number of messages", times=Decimal(2), more=Decimal(10)),
    check=_dead_fact,
    of_accounts=False,
)
MISSING_COMMISSION: Final = Rule(
    name="missing-commission",
    title="Executions have their commission",
    severity="warning",
    checks="Of each execution a commission was told. Neither combos nor what was replaced or cancelled has "
    "one.",
    tolerances=(COMMISSION_AWAITED,),
    remedy="Import a Flex statement of the days, which tells every commission: `lotkeeper flex fetch`. "
    "Until then the profit of these positions is provisional.",
    magnitude=Magnitude("count", "the number of executions", times=Decimal(2), more=Decimal(5)),
    check=_missing_commission,
)
