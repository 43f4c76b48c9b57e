"""People who may see some accounts only, for tests of what they are told."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, text, update

from core.domain.access import Scope
from core.domain.rules import Finding
from models import access
from models import tables as t
from models.noted import PositionOf
from models.queries.rules.catalogue import RULES
from models.session import Database, Writer
from models.stores.groups import set_group
from models.stores.identity import refresh_mapping
from models.stores.imports import File, begin_import, end_import
from models.stores.issues import Looked, record_look
from models.stores.notes import add_tag, write_note
from services.api.context import Context
from services.api.security.auth import Authenticator
from services.api.security.identity import Identity
from services.api.security.tokens import digest
from tests.services.api.kept import seed_snapshots
from tests.services.api.measured import seed_groups
from tests.services.api.portfolio import (
    AAPL,
    ESZ6,
    LOST_SALE,
    MSFT,
    NOW,
    PAPER,
    USD,
    VOD,
    position_id,
    seed,
    seed_comparisons,
)
from tests.services.api.stated import seed_statements

if TYPE_CHECKING:
    from tests.services.api.conftest import Api


AT = NOW + timedelta(seconds=2)
SECRETS = (
    USD,
    "Main",
    "AAPL",
    "APPLE",
    "104230.75",
    "12044.1",
    "450100",
    "16050",
    "310.22",
    "278.01",
    "1049",
    "0.xml",
    "1.xml",
)
"""What only the other account has."""


_FOUND = ((USD, "a"), (PAPER, "b"), (None, "c"))


class Gatekeeper(Authenticator):
    """Knows besides the API's token some more, each with the accounts that its bearer may see."""

    accounts_of: dict[str, frozenset[str]]

    async def check_token(self, token: str, address: str, *, anew: bool = False) -> Identity:
        if token in self.accounts_of:
            return Identity(token, "owner", Scope.ADMIN, self.accounts_of[token], digest(token))
        return await super().check_token(token, address, anew=anew)

    async def still_valid(self, identity: Identity) -> bool:
        for token, accounts in self.accounts_of.items():
            if identity.credential == digest(token):
                return identity.accounts == accounts
        return await super().still_valid(identity)


def let_in(context: Context, **accounts_of: Iterable[str]) -> Gatekeeper:
    """From now on whoever bears one of these tokens may see its accounts."""
    gatekeeper = Gatekeeper(context.settings, context.database, context.clock)
    gatekeeper.accounts_of = {token: frozenset(accounts) for token, accounts in accounts_of.items()}
    context.auth = gatekeeper
    return gatekeeper


def bearing(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


_ORPHANS = (
    "issue_acknowledgements WHERE issue_id NOT IN (SELECT id FROM issues)",
    "account_groups WHERE name NOT IN (SELECT name FROM account_group_members)",
    "broker_links WHERE login NOT IN (SELECT login FROM broker_accounts WHERE login IS NOT NULL)",
    "commission_reports WHERE exec_id NOT IN (SELECT exec_id FROM executions)",
    "fx_rates WHERE snapshot_id NOT IN (SELECT id FROM snapshots)",
    "fx_rates WHERE import_id NOT IN (SELECT import_id FROM stated_periods)",
    "instruments WHERE conid NOT IN (SELECT conid FROM ledger_books)",
    "instrument_mapping WHERE conid NOT IN (SELECT conid FROM ledger_books)",
    "global_instruments WHERE id NOT IN (SELECT global_instrument_id FROM instrument_mapping)",
    (
        "jobs WHERE coalesce(details ->> 'account', '') NOT IN (SELECT account FROM broker_accounts) "
        "AND NOT coalesce(details -> 'accounts' <@ (SELECT jsonb_agg(account) FROM broker_accounts), false)"
    ),
    "lot_disposals WHERE position_id NOT IN (SELECT id FROM positions)",
    "lots WHERE position_id NOT IN (SELECT id FROM positions)",
    "position_events WHERE position_id NOT IN (SELECT id FROM positions)",
    "snapshot_positions WHERE snapshot_id NOT IN (SELECT id FROM snapshots)",
    *access.NOTHING,
)


async def unmake_all_but(database: Database, account: str) -> None:
    """Make it so that there never was anything but this account."""
    async with database.write() as writer:
        await writer.execute(text("SET LOCAL session_replication_role = replica"))
        for table in access.BY_ACCOUNT:
            await writer.execute(
                text(f"DELETE FROM {table} WHERE account IS DISTINCT FROM :account"),  # noqa: S608 - names of ours
                {"account": account},
            )
        theirs = {"theirs": [account]}
        await writer.execute(text("DELETE FROM imports WHERE NOT accounts && :theirs"), theirs)
        # What a file that told of others, too, was called, and what it came to, is nobody's here.
        await writer.execute(
            text("UPDATE imports SET name = '', sha256 = '', report = '{}' WHERE NOT accounts <@ :theirs"),
            theirs,
        )
        for orphans in _ORPHANS:
            await writer.execute(text(f"DELETE FROM {orphans}"))  # noqa: S608 - names of ours


async def asked(api: "Api", path: str, token: str) -> Any:
    """Status and body of an answer, without what says how long the process has been up or what it is."""
    answer = await api.http.get(path, headers=bearing(token))
    assert answer.status_code < 500, (path, answer.text)
    told = answer.json()
    if isinstance(told, dict):
        told.pop("request_id", None)
    if path == "/api/v1/sync" and answer.status_code == 200:
        told["streams"] = told["links"] = None
    if path == "/api/v1/session" and answer.status_code == 200:
        told["name"] = told["accounts"] = None
    return answer.status_code, told


def clock() -> datetime:
    """Stands still: no two answers differ by their time."""
    return AT


async def seed_both(database: Database) -> None:
    """The portfolio with something of each account in every list."""
    await seed(database)
    await seed_comparisons(database)
    old, new = await seed_statements(database)
    await seed_snapshots(database)
    await _seed_more(database, old, new)
    await seed_groups(database)


async def _seed_more(database: Database, old: int, new: int) -> None:
    """What the other tests have of one account only."""
    rule = RULES[0]
    findings = tuple(Finding(account, name, f"{account} is wrong", {}) for account, name in _FOUND)
    async with database.write() as writer:
        look = Looked(rule.name, rule.severity, NOW, NOW, None, findings, False, Decimal("0.25"), None)
        await record_look(writer, look)
        for account in (PAPER, USD):
            await writer.execute(
                insert(t.jobs).values(
                    id=position_id(account),
                    kind="snapshot",
                    status="queued",
                    created_at=NOW,
                    details={"account": account},
                )
            )
            await _import_job(writer, f"import of {account}", {"accounts": [account], "name": account})
            await writer.execute(
                insert(t.dead_facts).values(
                    fingerprint=account,
                    category="parsing",
                    reason=f"unreadable of {account}",
                    payload="",
                    source="facts",
                    account=account,
                    first_seen_at=NOW,
                    last_seen_at=NOW,
                )
            )
        for name, account, conid in (("aapl", USD, AAPL), ("vod", PAPER, VOD)):
            of = PositionOf(position_id(name), account, conid)
            await write_note(writer, of, held_at=NOW, body=f"of {account}", author="owner", now=NOW)
            for tag in ("both", account.lower()):
                await add_tag(writer, of, tag, held_at=NOW, now=NOW)
        await _import_job(writer, "import of both", {"accounts": [PAPER, USD]})
        await _import_job(writer, "import that waits", {"name": "0.xml"}, status="queued")
        for issue in (1, 2, 3):
            await writer.execute(
                insert(t.issue_acknowledgements).values(
                    issue_id=issue,
                    acknowledged_at=NOW,
                    acknowledged_by="owner",
                    ended_at=NOW,
                    ended="again",
                )
            )
        await set_group(writer, "mine", [PAPER], NOW)
        await set_group(writer, "others", [USD], NOW)
        await writer.execute(insert(t.ledger_books).values(account=PAPER, conid=ESZ6))
        # A file of both accounts, one of the other, one of theirs.
        own = await begin_import(
            writer, File("paper.xml", "flex", "f" * 64, 1, b""), trigger="cli", stated_at=NOW, now=NOW
        )
        for number, told_of in ((old, (PAPER, USD)), (new, (USD,)), (own, (PAPER,))):
            await end_import(writer, number, {"accounts_created": told_of}, told_of)
        for number, account in ((old, PAPER), (old, USD), (new, USD), (own, PAPER)):
            await writer.execute(
                insert(t.stated_periods).values(
                    import_id=number,
                    line=1,
                    account=account,
                    starts_at=NOW - timedelta(days=5),
                    ends_at=NOW - timedelta(days=1),
                    complete=True,
                )
            )
        await _seed_story(writer)
        await writer.execute(
            insert(t.executions).values(
                exec_id=LOST_SALE,
                exec_base_id=LOST_SALE.rpartition(".")[0],
                revision=1,
                account=PAPER,
                conid=MSFT,
                executed_at=NOW - timedelta(days=6),
                side="BOT",
                quantity=Decimal(10),
                price=Decimal(403),
                order_id=0,
                perm_id=0,
                client_id=0,
                order_ref="",
                exchange="",
                liquidity=0,
                model_code="",
                zone_assumed=False,
                source="live",
                position_id=position_id("lost"),
                received_at=NOW,
                epoch=1,
            )
        )
        await writer.execute(
            update(t.commission_reports)
            .where(t.commission_reports.c.exec_id == LOST_SALE)
            .values(realized_pnl=Decimal("-29.5"))
        )
        # The other account is newer, and not complete: nobody's freshness is another's.
        for table in (t.sync_datasets, t.marks, t.account_values, t.account_pnl):
            await writer.execute(
                update(table).where(table.c.account == USD).values(as_of=NOW + timedelta(seconds=1))
            )
        await writer.execute(
            update(t.sync_datasets).where(t.sync_datasets.c.account == USD).values(complete=False)
        )
        for day in range(3):
            await writer.execute(
                insert(t.performance_metrics).values(
                    account=PAPER,
                    resolution="day",
                    ts=datetime(2026, 11, 17 + day, 5, tzinfo=UTC),
                    day=date(2026, 11, 16 + day),
                    source="statement",
                    currency="USD",
                    net_liquidation=Decimal(1000 + day),
                    data_quality="complete",
                    import_id=old,
                )
            )
        await writer.execute(
            insert(t.statement_differences).values(
                id=position_id("differs"),
                account=PAPER,
                day=date(2026, 11, 16),
                kind="cash",
                cause="unexplained",
                currency="USD",
                reference="",
                stated=Decimal(5),
                import_id=old,
                line=1,
                found_at=NOW,
            )
        )
        await writer.execute(
            insert(t.snapshot_runs).values(
                trigger="api",
                account=PAPER,
                job_id=position_id(PAPER),
                status="success",
                schema_version="",
                app_version="",
                started_at=NOW,
                finished_at=NOW,
            )
        )
        await refresh_mapping(writer, NOW)


async def _import_job(
    writer: Writer, name: str, details: dict[str, Any], *, status: str = "succeeded"
) -> None:
    job = {"id": position_id(name), "kind": "import", "status": status, "created_at": NOW, "details": details}
    await writer.execute(insert(t.jobs).values(**job))


async def _seed_story(writer: Writer) -> None:
    """How the one's positions came about."""
    steps = (
        ("vod", "opened", 5, 1000, 1000, "70.1", "0001.ad.01.01"),
        ("lost", "opened", 7, -10, -10, "400", "0001.bf.01.01"),
        ("lost", "closed", 6, 10, 0, "403", LOST_SALE),
    )
    for seq, (name, kind, days, quantity, after, price, exec_id) in enumerate(steps, 1):
        await writer.execute(
            insert(t.position_events).values(
                position_id=position_id(name),
                seq=seq,
                type=kind,
                executed_at=NOW - timedelta(days=days),
                quantity=Decimal(quantity),
                price=Decimal(price),
                position_after=Decimal(after),
                commission=Decimal(0),
                exec_id=exec_id,
            )
        )
        if kind == "opened":
            await writer.execute(
                insert(t.lots).values(
                    position_id=position_id(name),
                    seq=1,
                    exec_id=exec_id,
                    opened_at=NOW - timedelta(days=days),
                    quantity=Decimal(quantity),
                    remaining=Decimal(quantity if name == "vod" else 0),
                    price=Decimal(price),
                    unit_cost=Decimal(price),
                    cost=Decimal(quantity) * Decimal(price),
                    commission=Decimal(0),
                    remaining_commission=Decimal(0),
                )
            )
