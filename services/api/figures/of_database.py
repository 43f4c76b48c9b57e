"""Families of what the database counts."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import get_args

from prometheus_client.core import GaugeMetricFamily

from core.domain.reconciliation import DifferenceKind
from core.metrics.make import family, one
from core.settings import Settings
from models.queries.issues import last_checked
from models.queries.realized_differences import RealizedTotal
from models.queries.rules.catalogue import BY_NAME, RULES
from services.api.figures.counted import Counted, Counts
from services.api.figures.of_backups import of_backups
from services.api.freshness import whole_age


def of_database(counts: Counts, settings: Settings, now: datetime) -> Iterator[GaugeMetricFamily]:
    """All of them; of a database that is away only that."""
    counted = counts.counted
    yield one("lotkeeper_database_up", int(counts.is_up))
    if counted is None:
        return
    yield one("lotkeeper_database_counted_age_seconds", counts.age_seconds)
    yield from _ledger(counted)
    yield from _work(counted)
    yield from _snapshots(counted, now)
    yield from _rules(counted)
    yield from of_backups(counted.backups, counted.wal, settings, now)


def _ledger(counted: Counted) -> Iterator[GaugeMetricFamily]:
    numbers = counted.numbers
    yield family(
        "lotkeeper_positions",
        ((("open",), numbers.open_positions), (("closed",), numbers.closed_positions)),
    )
    yield one("lotkeeper_provisional_executions", counted.provisional_executions)
    yield one("lotkeeper_observation_gaps_open", numbers.open_gaps)
    standing = counted.differences
    # A kind of which none stands is told as well: what is not there cannot be watched.
    kinds = get_args(DifferenceKind)
    yield family(
        "lotkeeper_reconciliation_differences",
        [((kind,), standing.get((kind, False), 0)) for kind in kinds],
    )
    yield family(
        "lotkeeper_reconciliation_differences_acknowledged",
        [((kind,), standing.get((kind, True), 0)) for kind in kinds],
    )
    yield family(
        "lotkeeper_statement_differences",
        [((kind, cause), figures) for kind, cause, figures in counted.disputes],
    )
    is_open = counted.market_open
    yield one("lotkeeper_market_open", None if is_open is None else int(is_open))


def _work(counted: Counted) -> Iterator[GaugeMetricFamily]:
    yield family("lotkeeper_dead_facts", [((row.category,), row.occurrences) for row in counted.dead])
    yield one("lotkeeper_outbox_entries", counted.numbers.outbox_entries)
    due = counted.due
    yield one("lotkeeper_jobs_due", due.due)
    yield one("lotkeeper_jobs_overdue_seconds", due.overdue_seconds)
    yield one("lotkeeper_jobs_failing", due.failing)
    yield family("lotkeeper_jobs", [((row.kind, row.status), row.jobs) for row in counted.jobs])


def _snapshots(counted: Counted, now: datetime) -> Iterator[GaugeMetricFamily]:
    names = counted.names
    yield family(
        "lotkeeper_snapshot_age_seconds",
        [
            ((names[account],), None if asof_ts is None else whole_age(asof_ts, now))
            for account, asof_ts in counted.snapshots.items()
        ],
    )
    yield family(
        "lotkeeper_snapshot_missing_hours",
        [((names[account],), hours) for account, hours in counted.missing_hours.items()],
    )
    yield family(
        "lotkeeper_snapshot_hours",
        [((status,), hours) for status, hours in counted.snapshot_hours.items()],
    )


def _rules(counted: Counted) -> Iterator[GaugeMetricFamily]:
    # A rule of which nothing is open is told as well, for the same reason.
    waiting = {(rule.name, str(rule.severity)): 0 for rule in RULES}
    waiting |= {(row.rule, row.severity): row.issues for row in counted.issues}
    yield family("lotkeeper_issues_open", list(waiting.items()))
    checks = counted.checks
    checked_at = last_checked(checks, BY_NAME)
    yield one(
        "lotkeeper_validation_timestamp_seconds", None if checked_at is None else checked_at.timestamp()
    )
    seconds = sum((check.seconds or Decimal(0) for check in checks.values()), Decimal(0))
    yield one("lotkeeper_validation_seconds", seconds if checks else None)
    yield one("lotkeeper_validation_failed_rules", sum(check.error is not None for check in checks.values()))


def of_ledger(totals: Iterable[RealizedTotal] | None) -> Iterator[GaugeMetricFamily]:
    """Families of what was realized here and by the broker; none before it was first looked up."""
    if totals is None:
        return
    found = list(totals)
    by_currency: dict[str, Decimal] = {}
    for total in found:
        by_currency[total.currency] = by_currency.get(total.currency, Decimal(0)) + total.difference
    yield one("lotkeeper_realized_compared_fills", sum(total.compared for total in found))
    yield one("lotkeeper_realized_differing_fills", sum(total.differing for total in found))
    yield family(
        "lotkeeper_realized_difference",
        [((currency,), difference) for currency, difference in sorted(by_currency.items())],
    )
