"""Rules about times: nothing is of the future, and nothing ends before it began."""

from datetime import timedelta
from typing import Final

from sqlalchemy import text

from core.domain.rules import Finding, Tolerance, spelled_time
from models.queries.rules.rule import FOR_ACCOUNT, Findings, Rule, Scope, rows_of
from models.session import Reader

CLOCK_SKEW: Final = Tolerance(
    "clock_skew",
    timedelta(minutes=5),
    "the clocks of the broker, PostgreSQL and the machine may be apart so far",
)
DAY_SKEW: Final = Tolerance(
    "day_skew", timedelta(days=1), "what is known by its day only may end so much later than it was told"
)
ORDER_LEEWAY: Final = Tolerance(
    "order_leeway",
    timedelta(minutes=1),
    "the broker's clock is known to a second or two: snapshots may be so far off",
)

_ahead = text(
    "SELECT * FROM ("  # noqa: S608 - constants of this program's own
    "SELECT account, 'execution' AS kind, exec_id AS key, executed_at AS at FROM executions "
    "WHERE executed_at > CAST(:now AS timestamptz) + CAST(:skew AS interval) "
    "UNION ALL SELECT account, 'snapshot', CAST(id AS text), asof_ts FROM snapshots "
    "WHERE asof_ts > CAST(:now AS timestamptz) + CAST(:skew AS interval) "
    "UNION ALL SELECT NULL, 'import', CAST(id AS text), stated_at FROM imports "
    "WHERE status = 'done' AND stated_at > CAST(:now AS timestamptz) + CAST(:day AS interval) "
    "UNION ALL SELECT account, 'statement', CAST(import_id AS text), max(ends_at) FROM stated_periods "
    "WHERE ends_at > CAST(:now AS timestamptz) + CAST(:day AS interval) GROUP BY account, import_id "
    "UNION ALL SELECT account, 'cash flow', flow_key, max(at) FROM cash_flows "
    "WHERE at > CAST(:now AS timestamptz) + CAST(:day AS interval) GROUP BY account, flow_key "
    "UNION ALL SELECT account, 'corporate action', event_key, max(at) FROM corporate_actions "
    "WHERE at > CAST(:now AS timestamptz) + CAST(:day AS interval) GROUP BY account, event_key"
    ") f WHERE " + FOR_ACCOUNT.format("f") + " ORDER BY at DESC, kind, key"
)
_out_of_order = text(
    "SELECT * FROM ("  # noqa: S608 - as above
    "SELECT p.account, 'disposal' AS kind, CAST(d.position_id AS text) || '/' || d.seq AS key, "
    "d.opened_at AS at, d.closed_at AS then, 'closed before its lot was opened' AS what FROM lot_disposals d "
    # Looked up one by one, so that no plan reads all positions there ever were for those of some days.
    "CROSS JOIN LATERAL (SELECT * FROM positions p WHERE p.id = d.position_id OFFSET 0) p "
    "WHERE d.closed_at >= :since AND d.closed_at < d.opened_at "
    "UNION ALL SELECT account, 'execution', exec_id, executed_at, received_at, "
    "'told before it was made' FROM executions "
    "WHERE received_at >= :since AND executed_at > received_at + CAST(:skew AS interval) "
    "UNION ALL SELECT account, 'snapshot', CAST(id AS text), asof_ts, taken_at, "
    "'taken before the time it is of' FROM snapshots "
    "WHERE asof_ts >= :since AND asof_ts > taken_at + CAST(:skew AS interval) "
    "UNION ALL SELECT account, 'snapshot', CAST(id AS text), before, asof_ts, "
    "'of an earlier time than the one taken before it' FROM ("
    "SELECT account, id, asof_ts, lag(asof_ts) OVER (PARTITION BY account ORDER BY id) AS before "
    "FROM snapshots WHERE asof_ts >= :since) s WHERE asof_ts < before - CAST(:order AS interval)"
    ") f WHERE " + FOR_ACCOUNT.format("f") + " ORDER BY at DESC, kind, key, what"
)


async def _future_date(reader: Reader, scope: Scope) -> Findings:
    async for row in rows_of(reader, _ahead, scope, skew=CLOCK_SKEW.time, day=DAY_SKEW.time):
        ahead = spelled_time(timedelta(seconds=int((row.at - scope.now).total_seconds())))
        summary = f"The {row.kind} {row.key} is of {row.at:%Y-%m-%d %H:%M}Z, {ahead} ahead"
        yield Finding(row.account, f"{row.kind}/{row.key}", summary, {"at": row.at}, row.at)


async def _date_order(reader: Reader, scope: Scope) -> Findings:
    async for row in rows_of(reader, _out_of_order, scope, skew=CLOCK_SKEW.time, order=ORDER_LEEWAY.time):
        times = f"{row.then:%Y-%m-%d %H:%M:%S}Z, {row.at:%Y-%m-%d %H:%M:%S}Z"
        summary = f"The {row.kind} {row.key} was {row.what}: {times}"
        details = {"what": row.what, "should_be_first": row.at, "is_first": row.then}
        about = min(row.at, row.then)
        yield Finding(row.account, f"{row.kind}/{row.key}", summary, details, about)


FUTURE_DATE: Final = Rule(
    name="future-date",
    title="Nothing is of the future",
    severity="error",
    checks="Executions, snapshots, imported statements and what they state of cash and corporate actions "
    "are of a time that has come.",
    tolerances=(CLOCK_SKEW, DAY_SKEW),
    remedy="Check the clocks of this machine and of PostgreSQL (NTP), and the gateway's zone "
    "(`LOTKEEPER_IB_TIMEZONE`). An execution that a file states is taken back with `lotkeeper import undo`.",
    check=_future_date,
)
DATE_ORDER: Final = Rule(
    name="date-order",
    title="Nothing ends before it begins",
    severity="error",
    checks="Lots are closed after they were opened; executions are told "
    "after they were made; snapshots are taken after the time they are of, and each is of a later time than "
    "the one before.",
    tolerances=(CLOCK_SKEW, ORDER_LEEWAY),
    remedy="Executions or snapshots: a clock was wrong, or the gateway's zone is (`LOTKEEPER_IB_TIMEZONE`). "
    "Lots: `lotkeeper validate ledger` tells whether the ledger is what its facts give, and "
    "`lotkeeper ledger rebuild` mends it.",
    check=_date_order,
)
