"""Rules about what is out of line: prices and daily results that may be right and want to be looked at."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Row, text

from core.domain.days import BROKER_ZONE, day_of
from core.domain.money import plain
from core.domain.outliers import is_split, outliers
from core.domain.rules import Finding, Tolerance
from models.queries.rules.rule import FOR_ACCOUNT, Findings, Rule, Scope, rows_of
from models.session import Reader

PRICE_TIMES: Final = Tolerance("price_times", Decimal(15), "times the usual change of the instrument's mark")
PRICE_LEAST: Final = Tolerance(
    "price_least", Decimal("0.25"), "as a logarithm: about a fifth down or a quarter up"
)
OPTION_LEAST: Final = Tolerance("option_least", Decimal("1.5"), "the same for options and warrants")
PRICE_FEWEST: Final = Tolerance("price_fewest", 20, "changes of a mark, or nothing is usual yet")
PNL_TIMES: Final = Tolerance("pnl_times", Decimal(8), "times the account's usual daily result")
PNL_LEAST: Final = Tolerance("pnl_least", Decimal("0.03"), "of what the account was worth the day before")
PNL_FEWEST: Final = Tolerance("pnl_fewest", 20, "days, or nothing is usual yet")
PNL_HISTORY: Final = Tolerance("pnl_history", timedelta(days=400), "of days tell what is usual")

_OPTIONS: Final = frozenset({"OPT", "FOP", "WAR", "IOPT"})

# What does not move, as at night, tells nothing of how it moves.
_changes = text(
    "SELECT account, conid, i.symbol, i.sec_type, snapshot_id, since, at, before, price, held_before, held, "  # noqa: S608 - constants of this program's own
    "ln(price / before) AS change FROM ("
    "SELECT s.account, p.conid, s.id AS snapshot_id, s.asof_ts AS at, p.mark_price AS price, "
    "p.quantity AS held, lag(s.asof_ts) OVER w AS since, lag(p.mark_price) OVER w AS before, "
    "lag(p.quantity) OVER w AS held_before FROM snapshots s JOIN snapshot_positions p "
    "ON p.snapshot_id = s.id AND p.asof_ts = s.asof_ts "
    "WHERE s.asof_ts >= :since AND p.asof_ts >= :since AND p.fresh AND p.mark_price > 0 AND "
    + FOR_ACCOUNT.format("s")
    + " WINDOW w AS (PARTITION BY s.account, p.conid ORDER BY s.asof_ts, s.id)) m "
    "JOIN instruments i USING (conid) WHERE price <> before ORDER BY account, conid, at"
)
_split = text(
    "SELECT EXISTS (SELECT FROM corporate_actions c JOIN imports i ON i.id = c.import_id "
    "WHERE i.status = 'done' AND c.account = :account AND c.conid = :conid AND c.cause = 'split' "
    "AND c.at BETWEEN :since AND :until)"
)
# IBKR's own daily figure starts anew in the night, so the day's last word is that of the evening.
_results = text(
    "SELECT account, source, day, pnl, pnl / nullif(net - pnl - contribution, 0) AS share FROM ("  # noqa: S608 - as above
    "SELECT account, source, day, daily_pnl AS pnl, net_liquidation AS net, "
    "coalesce(net_contribution, 0) AS contribution FROM performance_metrics "
    "WHERE resolution = 'day' AND ts >= :history AND daily_pnl IS NOT NULL "
    "UNION ALL (SELECT DISTINCT ON (account, day) account, 'hours', day, daily_pnl, net_liquidation, 0 "
    "FROM performance_metrics h WHERE resolution = 'hour' AND ts >= :history AND daily_pnl IS NOT NULL "
    f"AND CAST(ts AT TIME ZONE '{BROKER_ZONE}' AS time) <= '20:30' AND NOT EXISTS (SELECT FROM "
    "performance_metrics p WHERE p.account = h.account AND p.resolution = 'day' AND p.source = 'snapshot') "
    "ORDER BY account, day, ts DESC)) d WHERE net - pnl - contribution > 0 AND day < :today AND "
    + FOR_ACCOUNT.format("d")
    + " ORDER BY account, source, day"
)
_TO_BOOK: Final = timedelta(days=1)
"""A split may be booked so much before or after the first mark that has it."""


async def _price_outlier(reader: Reader, scope: Scope) -> Findings:
    series: list[Row[Any]] = []
    suspects: list[Row[Any]] = []
    async for row in rows_of(reader, _changes, scope):
        if series and (series[0].account, series[0].conid) != (row.account, row.conid):
            suspects += _out_of_line(series)
            series = []
        series.append(row)
    suspects += _out_of_line(series)
    for row in suspects:
        bounds = {"since": row.since - _TO_BOOK, "until": row.at + _TO_BOOK}
        of = {"account": row.account, "conid": row.conid, **bounds}
        if (await reader.execute(_split, of)).scalar_one():
            continue
        summary = (
            f"{row.symbol} was marked {plain(row.price)} at {row.at:%Y-%m-%d %H:%M}Z "
            f"and {plain(row.before)} before"
        )
        details = {"conid": row.conid, "symbol": row.symbol, "snapshot_id": row.snapshot_id, "at": row.at}
        details |= {"price": plain(row.price), "before": plain(row.before), "before_at": row.since}
        yield Finding(row.account, f"{row.conid}/{row.at:%Y-%m-%dT%H:%M:%SZ}", summary, details, row.since)


def _out_of_line(series: list[Row[Any]]) -> list[Row[Any]]:
    if not series:
        return []
    least = OPTION_LEAST if series[0].sec_type in _OPTIONS else PRICE_LEAST
    places = outliers(
        [row.change for row in series],
        times=PRICE_TIMES.number,
        least=least.number,
        fewest=int(PRICE_FEWEST.number),
    )
    found = [series[place] for place in places]
    return [row for row in found if not is_split(row.held_before, row.held, row.before, row.price)]


async def _pnl_outlier(reader: Reader, scope: Scope) -> Findings:
    history = min(scope.since, scope.now - PNL_HISTORY.time)
    series: list[Row[Any]] = []
    async for row in rows_of(reader, _results, scope, history=history, today=day_of(scope.now)):
        if series and (series[0].account, series[0].source) != (row.account, row.source):
            for finding in _results_out_of_line(series, scope.since):
                yield finding
            series = []
        series.append(row)
    for finding in _results_out_of_line(series, scope.since):
        yield finding


def _results_out_of_line(series: list[Row[Any]], since: datetime) -> list[Finding]:
    places = outliers(
        [row.share for row in series],
        times=PNL_TIMES.number,
        least=PNL_LEAST.number,
        fewest=int(PNL_FEWEST.number),
    )
    found = []
    for row in (series[place] for place in places):
        about = datetime.combine(row.day, datetime.min.time(), BROKER_ZONE)
        if about < since:
            continue
        summary = (
            f"The result of {row.day} is {plain(round(row.share * 100, 2))} % of what the account was worth"
        )
        details = {"day": row.day, "daily_pnl": plain(row.pnl), "share": plain(round(row.share, 6))}
        details["told_by"] = row.source
        found.append(Finding(row.account, f"{row.source}/{row.day}", summary, details, about))
    return found


PRICE_OUTLIER: Final = Rule(
    name="price-outlier",
    title="Marks move as they usually do",
    severity="review",
    checks="The logarithm of each change between fresh marks of two snapshots is compared with those of the "
    "same instrument, by the median absolute deviation. A split that a statement tells, or that changed "
    "what is held as much the other way, is none.",
    tolerances=(PRICE_TIMES, PRICE_LEAST, OPTION_LEAST, PRICE_FEWEST),
    remedy="Look the price up at the time. News or an opening gap: acknowledge it. A split or another "
    "corporate action: import the Flex statement of the day, and it is none any more. A wrong mark stays in "
    "its snapshot: acknowledge it with a note.",
    check=_price_outlier,
)
PNL_OUTLIER: Final = Rule(
    name="pnl-outlier",
    title="Daily results are as they usually are",
    severity="review",
    checks="Each day's result as a share of what the account was worth before is compared with those of the "
    "last 400 days, by the median absolute deviation: as statements have them, and as IBKR's account window "
    "had them in the evening.",
    tolerances=(PNL_TIMES, PNL_LEAST, PNL_FEWEST, PNL_HISTORY),
    remedy="Look at what made it (`GET /api/v1/snapshots` of the day). A deposit, withdrawal or transfer "
    "that is not known as one: import the Flex statement with *Cash Transactions* and *Transfers*. If the "
    "day was like that, acknowledge it.",
    check=_pnl_outlier,
)
