"""Each rule finds what it is there for, and nothing where all is well."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import text

from core.domain.rules import Finding
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.queries.rules.catalogue import BY_NAME, RULES
from models.session import Database
from models.stores.reconciliation import Difference, acknowledge_difference, record_differences
from services.position_sync.importing.run import run_import
from services.position_sync.importing.source import Source
from services.position_sync.relay import Relay
from services.position_sync.rule_check import check_rules
from services.statements.flex import FlexFile
from tests.services.position_sync.conftest import Hand, Rows
from tests.services.position_sync.facts import ACCOUNT, ACME
from tests.services.position_sync.rules_world import NOW, make
from tests.services.statements.statements import FILES

# ACME is 265598, VOD 107550 and the future on gold 551601561. X makes an execution x.01 like a.01.
X = """INSERT INTO executions SELECT (jsonb_populate_record(e, jsonb_build_object('exec_id', 'x.01',
'exec_base_id', 'x', 'position_id', NULL, 'commission_folded', false))).* FROM executions e
WHERE exec_id = 'a.01'"""
C = """INSERT INTO commission_reports (exec_id, commission, currency, received_at, epoch)
VALUES ('x.01', 1, 'USD', '2026-11-23 00:00Z', 1)"""

FAULTS = """
account-value 2026-11
UPDATE snapshots SET net_liquidation = net_liquidation + 500 WHERE id = 30

account-value 2026-11
UPDATE snapshots SET total_cash = total_cash - 500 WHERE id = 30

account-value 2026-11
UPDATE snapshot_positions SET market_value_base = 1500 WHERE conid = 107550 AND snapshot_id = 30

fx-hole GBP/held/2026-11
UPDATE snapshot_positions SET fx_rate = NULL WHERE conid = 107550 AND snapshot_id = 30

fx-hole EUR/cash/2026-11
INSERT INTO cash_balances (account, currency, cash, as_of, at, source, snapshot_id)
SELECT account, 'EUR', 3, '2026-11-23', asof_ts, 'snapshot', id FROM snapshots WHERE id = 30

fx-hole JPY/commissions/2026-11
X; C; UPDATE commission_reports SET currency = 'JPY' WHERE exec_id = 'x.01'

fx-hole CHF/flows/2026-11
UPDATE cash_flows SET currency = 'CHF'

stale-mark 265598
UPDATE marks SET priced_at = '2026-11-18' WHERE conid = 265598

stale-mark 551601561
DELETE FROM marks WHERE conid = 551601561

short-flag
UPDATE positions SET side = 'short' WHERE quantity = 10

short-flag
UPDATE lots SET remaining = -5 WHERE exec_id = 'b.01';
INSERT INTO lots SELECT position_id, 9, 'a.01', opened_at, 15, 15, price, unit_cost, 0, 0 FROM lots
WHERE exec_id = 'b.01'

lots-sum
UPDATE lots SET remaining = 3 WHERE exec_id = 'g.01'

position-without-execution
DELETE FROM position_events WHERE exec_id = 'g.01'

position-without-execution nowhere
UPDATE lots SET exec_id = 'nowhere' WHERE exec_id = 'g.01'

position-without-execution nowhere
UPDATE lot_disposals SET exec_id = 'nowhere' WHERE exec_id = 'c.01'

position-without-execution b.01
UPDATE executions SET position_id = gen_random_uuid() WHERE exec_id = 'b.01'

stated-trade-without-execution nowhere
UPDATE stated_trades SET exec_id = 'nowhere'

commission-without-execution x.01
C

mark-without-book 7
INSERT INTO marks (account, conid, quantity, as_of) VALUES ('DU1000001', 7, 3, '2026-11-23')

file-without-import lost
INSERT INTO raw_payloads (sha256, size_bytes, content, stored_at) VALUES ('lost', 1, '', '2026-11-22')

future-date execution/x.01
X; C; UPDATE executions SET executed_at = '2026-11-24', received_at = '2026-11-24' WHERE exec_id = 'x.01'

future-date import/1
UPDATE imports SET stated_at = '2026-11-25'

future-date statement/1
UPDATE stated_periods SET ends_at = '2026-11-25'

future-date cash flow/flow
UPDATE cash_flows SET at = '2026-11-25', fx_rate_to_base = 1

future-date corporate action/event
UPDATE corporate_actions SET at = '2026-11-25'

date-order
UPDATE lot_disposals SET opened_at = closed_at + interval '1 s'

date-order execution/a.01
UPDATE executions SET received_at = executed_at - interval '1 h' WHERE exec_id = 'a.01'

date-order snapshot/9
UPDATE snapshots SET taken_at = asof_ts - interval '1 h' WHERE id = 9

date-order snapshot/30
UPDATE snapshots SET snapshot_key = 'x', hour = NULL WHERE id = 29;
UPDATE snapshots SET snapshot_key = 'y', hour = hour - interval '1 h' WHERE id = 30;
UPDATE snapshots SET asof_ts = asof_ts + interval '62 min', taken_at = taken_at + interval '62 min',
hour = (SELECT hour + interval '1 h' FROM snapshots WHERE id = 30) WHERE id = 29;
UPDATE snapshot_positions SET asof_ts = asof_ts + interval '62 min' WHERE snapshot_id = 29

price-outlier
UPDATE snapshot_positions SET mark_price = 170 WHERE conid = 265598 AND snapshot_id = 70

pnl-outlier hours/2026-11-19
UPDATE performance_metrics SET daily_pnl = -1400 WHERE day = '2026-11-19'

snapshot-gap 2026-11-21T10Z
DELETE FROM raw_payloads p USING snapshots s WHERE s.payload_sha256 = p.sha256 AND s.id IN (20, 21);
DELETE FROM snapshots WHERE id IN (20, 21)

data-gap 2026-11-21T00:00:00.000000Z
INSERT INTO observation_gaps (account, started_at, ended_at, reason, detected_at, epoch)
VALUES ('DU1000001', '2026-11-21', '2026-11-22', 'off', '2026-11-22', 1)

broker-difference 265598/missing_local
INSERT INTO reconciliation_differences (account, conid, kind, ours, brokers, since)
VALUES ('DU1000001', 265598, 'missing_local', 1, 2, '2026-11-23 11:00Z')

cost-difference 265598/cost_mismatch
INSERT INTO reconciliation_differences (account, conid, kind, ours, brokers, since)
VALUES ('DU1000001', 265598, 'cost_mismatch', 1, 2, '2026-11-21 11:00Z')

realized-difference c.01
UPDATE commission_reports SET realized_pnl = 190 WHERE exec_id = 'c.01'

missing-commission awaited
X

statement-difference cash/unexplained/USD
INSERT INTO statement_differences (id, account, day, kind, cause, currency, reference, stated, import_id,
line, found_at) VALUES (gen_random_uuid(), 'DU1000001', '2026-11-20', 'cash', 'unexplained', 'USD', '', 1, 1,
1, now())

dead-fact parsing
INSERT INTO dead_facts (fingerprint, category, reason, payload, source, first_seen_at, last_seen_at)
VALUES ('f', 'parsing', '', '', 'gateway', now(), now())
"""

NO_FAULTS = """
a trade of which the cash has not followed yet
X; C; UPDATE executions SET executed_at = '2026-11-21 19:58Z', received_at = '2026-11-21 19:58Z',
commission_folded = true WHERE exec_id = 'x.01';
UPDATE snapshots SET net_liquidation = net_liquidation + 500 WHERE id = 30

a split moves price and units
UPDATE snapshot_positions SET mark_price = 60, quantity = 20 WHERE conid = 265598 AND snapshot_id = 70

a split that a statement tells of
UPDATE snapshot_positions SET mark_price = 60 WHERE conid = 265598 AND snapshot_id = 70;
UPDATE corporate_actions SET conid = 265598, cause = 'split', at = '2026-11-23'

an account that was not valued whole
UPDATE snapshots SET coverage = 0.5, net_liquidation = 1 WHERE id = 30

a gain of a future that is not in the cash
UPDATE snapshot_positions SET unrealized_pnl = 900 WHERE conid = 551601561 AND snapshot_id = 30;
UPDATE snapshots SET net_liquidation = net_liquidation + 900 WHERE id = 30

a difference that has just come up
INSERT INTO reconciliation_differences (account, conid, kind, ours, brokers, since)
VALUES ('DU1000001', 265598, 'missing_local', 1, 2, '2026-11-23 12:05Z')

a difference that somebody knows of as it is
INSERT INTO reconciliation_differences (account, conid, kind, ours, brokers, since, acknowledged_at,
acknowledged_by, note, acknowledged_ours, acknowledged_brokers) SELECT 'DU1000001', 265598, kind, 1, 2,
'2026-11-21 11:00Z', '2026-11-22', 'anna', 'a gift', 1, 2
FROM unnest(ARRAY['missing_local', 'cost_mismatch']) kind

a commission that has come before its execution
C; UPDATE commission_reports SET received_at = '2026-11-23 09:00Z' WHERE exec_id = 'x.01'

a book that is to be folded again
UPDATE ledger_books SET dirty = true; UPDATE lots SET remaining = 9 WHERE exec_id = 'g.01'

an account that the login lists no more
UPDATE marks SET priced_at = '2026-11-01';
UPDATE broker_accounts SET listed = false, last_seen_at = '2026-11-23 11:00Z'

an import that was taken back
UPDATE imports SET status = 'undone', undone_at = '2026-11-22', stated_at = '2030-01-01';
UPDATE stated_trades SET exec_id = 'nowhere'
"""


def told(cases: str) -> list[tuple[str, str]]:
    """What stands first in each case, and the statements."""
    parts = [case.split("\n", 1) for case in cases.strip().split("\n\n")]
    return [(first, rest) for first, rest in parts]


async def look(database: Database) -> dict[str, list[Finding]]:
    reports = await check_rules(database, now=NOW)
    assert [report.error for report in reports] == [None] * len(RULES)
    return {report.rule.name: report.findings for report in reports if report.findings}


async def happen(database: Database, statements: str) -> None:
    async with database.write() as writer:
        # Rows that foreign keys would not let be.
        await writer.execute(text("SET LOCAL session_replication_role = replica"))
        for one in statements.split(";"):
            statement = {"X": X, "C": C}.get(one.strip(), one)
            await writer.execute(text(statement.replace(":", r"\:")))


async def test_where_all_is_well_nothing_is_found(relay: Relay, database: Database) -> None:
    await make(relay, database)
    assert await look(database) == {}


@pytest.mark.parametrize(("finding", "fault"), told(FAULTS))
async def test_each_fault_is_found_by_its_rule_and_by_no_other(
    finding: str, fault: str, relay: Relay, database: Database
) -> None:
    await make(relay, database)
    await happen(database, fault)
    found = await look(database)
    rule, _, subject = finding.partition(" ")
    assert set(found) == {rule}
    (one,) = found[rule]
    assert one.subject.endswith(subject)
    assert one.summary
    belongs = BY_NAME[rule].of_accounts and not subject.startswith("import")
    assert one.account == (ACCOUNT if belongs else None)


async def test_what_differs_from_statements_is_added_in_each_currency_by_itself_and_quantities_are_counted(
    relay: Relay, database: Database
) -> None:
    await make(relay, database)
    await happen(
        database,
        """INSERT INTO statement_differences (id, account, day, kind, cause, currency, reference, ours,
        stated, import_id, line, found_at) SELECT gen_random_uuid(), 'DU1000001', '2026-11-20', kind,
        'unexplained', currency, '', ours, stated, 1, 1, now() FROM (VALUES ('cash', 'USD', 1, 3),
        ('cash', 'USD', 10, 6), ('cash', 'JPY', 0, 50000), ('trade', '', 7, 9), ('trade', '', 1000, 1))
        AS v(kind, currency, ours, stated)""",
    )
    found = (await look(database))["statement-difference"]
    assert {one.subject: one.magnitude for one in found} == {
        "cash/unexplained/JPY": 50_000,
        "cash/unexplained/USD": 6,
        "trade/unexplained": 2,
    }
    (dollars,) = [one for one in found if one.subject.endswith("USD")]
    assert (dollars.summary, dollars.details["currency"], dollars.details["figures"]) == (
        "2 figures of statements (cash) differ, by 6 USD all together: unexplained",
        "USD",
        2,
    )


NOT_GONE = {
    "position-without-execution": [
        fault for finding, fault in told(FAULTS) if finding.startswith("position-without-execution")
    ],
    "stated-trade-without-execution": ["UPDATE stated_trades SET exec_id = 'nowhere'"],
}
CLOSED = """;UPDATE positions SET status = 'closed', closed_at = '2026-11-23', quantity = 0
WHERE status = 'open' AND NOT EXISTS (SELECT FROM position_events e WHERE e.position_id = positions.id);
DELETE FROM lots l USING positions p WHERE p.id = l.position_id AND p.status = 'closed'"""


@pytest.mark.parametrize(
    ("rule", "fault"), [(rule, fault) for rule, faults in NOT_GONE.items() for fault in faults]
)
async def test_what_is_wrong_with_rows_is_not_gone_because_it_is_long_ago(
    rule: str, fault: str, relay: Relay, database: Database, rows: Rows
) -> None:
    await make(relay, database)
    await happen(database, fault + (CLOSED if "position_events" in fault else ""))
    await look(database)
    unresolved = "SELECT rule FROM issues WHERE resolved_at IS NULL"
    assert await rows(unresolved) == [{"rule": rule}]
    await check_rules(database, rules=[BY_NAME[rule]], now=NOW + timedelta(days=60))
    assert await rows(unresolved) == [{"rule": rule}]


async def test_gaps_beside_each_other_keep_their_own_issues_whatever_is_looked_at(
    relay: Relay, database: Database, rows: Rows
) -> None:
    """First nothing ran for five hours, and then the runs of five more failed."""
    await make(relay, database)
    await happen(
        database,
        """DELETE FROM snapshots WHERE hour BETWEEN '2026-11-21 02:00Z' AND '2026-11-21 11:00Z';
        DELETE FROM snapshot_runs WHERE hour BETWEEN '2026-11-21 02:00Z' AND '2026-11-21 06:00Z';
        UPDATE snapshot_runs SET status = 'fail', summary = 'the link was down',
        error_category = 'network'
        WHERE hour BETWEEN '2026-11-21 07:00Z' AND '2026-11-21 11:00Z'""",
    )
    (rule,) = [rule for rule in RULES if rule.name == "snapshot-gap"]
    issues = "SELECT subject, details ->> 'reason' AS reason, resolved_at FROM issues ORDER BY subject"
    both = [
        {"subject": "2026-11-21T02Z", "reason": "not_running", "resolved_at": None},
        {"subject": "2026-11-21T07Z", "reason": "the link was down", "resolved_at": None},
    ]
    looks = [datetime(2026, 11, 21, hour, tzinfo=UTC) for hour in (4, 7, 9)]
    for since in (NOW - timedelta(days=35), *looks):
        await check_rules(database, rules=[rule], now=NOW, since=since)
        assert await rows(issues) == both, since


def test_each_rule_has_a_fault_that_it_finds() -> None:
    assert {finding.partition(" ")[0] for finding, _ in told(FAULTS)} == set(BY_NAME)


async def test_a_difference_that_somebody_knew_of_is_found_again_once_it_is_another(
    relay: Relay, database: Database
) -> None:
    since = NOW - timedelta(hours=1)

    async def found(brokers: int) -> list[str]:
        one = Difference(
            ACCOUNT, ACME.conid, "missing_local", None, False, Decimal(1), Decimal(brokers), since
        )
        async with database.write() as writer:
            await record_differences(writer, [one])
        return [finding.subject for finding in (await look(database)).get("broker-difference", [])]

    await make(relay, database)
    assert await found(2) == ["265598/missing_local"]
    async with database.write() as writer:
        number = (await writer.execute(text("SELECT id FROM reconciliation_differences"))).scalar_one()
        await acknowledge_difference(writer, number, by="anna", note="a gift", now=NOW)
    assert await found(2) == []
    assert await found(3) == ["265598/missing_local"]
    issue = text("SELECT resolved_at IS NULL AS open, reopened FROM issues WHERE rule = 'broker-difference'")
    async with database.read() as reader:
        assert (await reader.execute(issue)).one() == (True, 1)


@pytest.mark.parametrize(("name", "happens"), told(NO_FAULTS))
async def test_what_only_looks_like_a_fault_is_none(
    name: str, happens: str, relay: Relay, database: Database
) -> None:
    await make(relay, database)
    await happen(database, happens)
    assert await look(database) == {}, name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
async def test_of_recorded_statements_only_what_they_say_against_themselves_is_found(
    path: Path, database: Database, streams: RedisStreams, settings: Settings, clock: Hand
) -> None:
    await run_import(database, streams, settings, Source(path, "flex", FlexFile), trigger="cli", clock=clock)
    long_ago = datetime(2000, 1, 1, tzinfo=UTC)
    reports = await check_rules(database, since=long_ago, now=clock.now)
    assert [report.error for report in reports] == [None] * len(RULES)
    found = {(report.rule.name, finding.subject) for report in reports for finding in report.findings}
    expected = set()
    if path.name == "test_types_elements.xml":
        expected = {
            ("statement-difference", subject)
            for subject in (
                "cash/contradiction/USD",
                "change/contradiction",
                "realized/missing_opening/USD",
                "twr/contradiction",
                "value/contradiction/USD",
            )
        }
    assert found == expected
