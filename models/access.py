"""Who has access to some accounts only sees nothing of the others: PostgreSQL itself leaves their rows out.

What is said here of each table is made true of the database by ``models.migrate`` after the migrations, for a
role that the API reads with on behalf of such people. The owner of the tables is not bound by it, and pays
nothing for it. A table of which nothing is said cannot be read by that role at all.
"""

import hashlib
from typing import Final, NamedTuple

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from models.session import sqlstate

SETTING: Final = "lotkeeper.accounts"
"""The accounts that a transaction may see, as the text of an array. Without it nothing can be read."""

SCHEMA: Final = "lotkeeper_restricted"
"""Where the views are that heed the role of whoever asks; those beside the tables show all there is."""

POLICY: Final = "some_accounts"
_EVERYBODY: Final = "everybody_else"

_ACCOUNTS: Final = f"(SELECT current_setting('{SETTING}')::text[])"

BY_ACCOUNT: Final = (
    "account_group_members",
    "account_pnl",
    "account_values",
    "broker_accounts",
    "carried_lots",
    "cash_balances",
    "cash_flows",
    "coalesced_jobs",
    "corporate_actions",
    "dead_facts",
    "executions",
    "issues",
    "ledger_books",
    "marks",
    "observation_gaps",
    "performance_metrics",
    "performance_renewals",
    "position_notes",
    "position_statements",
    "position_tags",
    "positions",
    "reconciliation_differences",
    "reconciliations",
    "snapshot_runs",
    "snapshots",
    "stated_accounts",
    "stated_changes",
    "stated_inventories",
    "stated_lots",
    "stated_periods",
    "stated_positions",
    "stated_trades",
    "stated_values",
    "statement_comparisons",
    "statement_differences",
    "sync_datasets",
)
"""A row of the account that it names; one that names none, or is of all, is nobody's here."""

BY_PARENT: Final = {
    "account_groups": "EXISTS (SELECT FROM account_group_members m WHERE m.name = account_groups.name)",
    # Of a login that lists one of the accounts or did last: how others' gateways stand is none of theirs.
    "broker_links": "EXISTS (SELECT FROM broker_accounts a WHERE a.login = broker_links.login)",
    "commission_reports": "EXISTS (SELECT FROM executions e "
    "WHERE e.exec_id = commission_reports.exec_id OFFSET 0)",
    "fx_rates": "EXISTS (SELECT FROM snapshots s WHERE s.id = fx_rates.snapshot_id OFFSET 0) "
    "OR EXISTS (SELECT FROM stated_periods p WHERE p.import_id = fx_rates.import_id OFFSET 0)",
    "global_instruments": "EXISTS (SELECT FROM instrument_mapping m "
    "WHERE m.global_instrument_id = global_instruments.id)",
    "instrument_mapping": "EXISTS (SELECT FROM ledger_books b WHERE b.conid = instrument_mapping.conid)",
    "instruments": "EXISTS (SELECT FROM ledger_books b WHERE b.conid = instruments.conid)",
    "issue_acknowledgements": "EXISTS (SELECT FROM issues i WHERE i.id = issue_acknowledgements.issue_id)",
    "jobs": "EXISTS (SELECT FROM broker_accounts a WHERE a.account = jobs.details ->> 'account') "  # noqa: S608 - words of this program's own
    "OR EXISTS (SELECT FROM snapshot_runs r WHERE r.job_id = jobs.id) "
    # Of an import that has ended: its report may tell of every account that the file tells of.
    "OR (jobs.kind = 'import' AND jobs.details -> 'accounts' <> '[]' AND jobs.details -> 'accounts' <@ "
    f"to_jsonb({_ACCOUNTS}))",
    "lot_disposals": "EXISTS (SELECT FROM positions p WHERE p.id = lot_disposals.position_id)",
    "lots": "EXISTS (SELECT FROM positions p WHERE p.id = lots.position_id)",
    "position_events": "EXISTS (SELECT FROM positions p WHERE p.id = position_events.position_id)",
    "snapshot_positions": "EXISTS (SELECT FROM snapshots s WHERE s.id = snapshot_positions.snapshot_id)",
}
"""A row whose parent is seen: what is said of the parent counts within.

With ``OFFSET 0`` the parent is looked up row by row: few of many are asked for, and no plan shall read all
parents there are for them.
"""

NOTHING: Final = ("outbox", "rule_checks", "sync_log")
"""What is counted or told over all accounts at once: there is nothing of it."""

_WHOLLY_THEIRS: Final = f"i.accounts <@ {_ACCOUNTS}"
MASKED: Final = {
    "imports": "SELECT i.id, i.kind, i.status, i.trigger, i.stated_at, i.imported_at, i.undone_at, "  # noqa: S608 - words of this program's own
    f"CASE WHEN {_WHOLLY_THEIRS} THEN i.name ELSE '' END AS name, "
    f"CASE WHEN {_WHOLLY_THEIRS} THEN i.sha256 ELSE '' END AS sha256, "
    f"CASE WHEN {_WHOLLY_THEIRS} THEN i.report ELSE '{{}}' END AS report "
    f"FROM imports i WHERE i.accounts && {_ACCOUNTS}"
}
"""Seen through a view that shows less of a row which is not theirs alone: the table itself cannot be read.

A file may tell of several accounts. Whoever sees some of these is told when it was written and imported, and
whether it stands; what it is called and what it came to only who sees them all.
"""

OPEN: Final = ("benchmark_levels",)
"""Of no account."""

CLOSED: Final = (
    "alembic_version",
    "alert_conditions",
    "alert_deliveries",
    "alert_messages",
    "api_token_accounts",
    "api_tokens",
    "audit_log",
    "backup_runs",
    "broker_sessions",
    "flex_fetches",
    "idempotency_keys",
    "inbox",
    "inbox_trials",
    "installation",
    "price_limits",
    "raw_payloads",
    "recovery_codes",
    "second_factors",
    "sign_in_tries",
    "stated_identities",
    "stated_instruments",
    "user_accounts",
    "user_sessions",
    "users",
)
"""Cannot be read at all: whoever asks is told that it takes access to all accounts."""

VIEWS: Final = (
    "latest_snapshot_per_broker_account",
    "asset_allocation_by_global_instrument",
    "daily_portfolio_value",
    "positions_history",
)
"""In this order: one may be made of those before it."""

# Of an InitPlan, so that the setting is read once a query, and is what an index can be asked for.
_SEEN: Final = f"account = ANY ((SELECT current_setting('{SETTING}')::text[])::text[])"
_NOT_PERMITTED: Final = "42501"


def _conditions() -> dict[str, str]:
    return {
        **dict.fromkeys(BY_ACCOUNT, _SEEN),
        **BY_PARENT,
        **dict.fromkeys(NOTHING, "false"),
    }


def _fingerprint() -> str:
    said = repr((sorted(_conditions().items()), sorted(MASKED.items()), sorted(OPEN), VIEWS))
    return hashlib.sha256(said.encode()).hexdigest()[:16]


class Access(NamedTuple):
    """How the database stands: ``role`` is the one to read with, ``None`` until it is as this version wants.

    ``wanted`` is what that role is, or would be, called, and ``owner`` who we are ourselves.
    """

    role: str | None
    wanted: str
    owner: str


# The policies name the role, whatever the database is called by now: copies keep that of what they are of.
_stands = text(
    "SELECT current_database() AS database, current_user AS owner, (SELECT min(r.rolname) FROM pg_policy p "
    "JOIN pg_roles r ON r.oid = ANY(p.polroles) WHERE p.polname = :policy "
    "AND pg_table_is_visible(p.polrelid) HAVING count(*) = :policies AND count(DISTINCT r.oid) = 1) AS role, "
    "(SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = :schema) AS mark"
)


MAY_BE: Final = text(
    "SELECT pg_has_role(:role, CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' "
    "ELSE 'MEMBER' END)"
)
"""Whether we may become this role."""


def _asked() -> dict[str, object]:
    return {"policy": POLICY, "policies": len(_conditions()), "schema": SCHEMA}


def role_name(database: str) -> str:
    """The name of the role of a database: roles are of the whole server, and it may have several of ours."""
    name = f"lotkeeper_restricted_{database}"
    if len(name.encode()) <= 63:  # noqa: PLR2004 - so many bytes PostgreSQL keeps of a name
        return name
    return f"lotkeeper_restricted_{hashlib.sha256(database.encode()).hexdigest()[:32]}"


async def access_of(connection: AsyncConnection) -> Access:
    """How the database that this is connected to stands."""
    row = (await connection.execute(_stands, _asked())).one()
    role = row.role if row.mark == _fingerprint() else None
    return Access(role, row.role or role_name(row.database), row.owner)


def remedy(access: Access) -> str:
    """What has to be done where the role is missing, in SQL of whoever may."""
    wanted, owner = _quoted(access.wanted), _quoted(access.owner)
    return f"CREATE ROLE {wanted} NOLOGIN; GRANT {wanted} TO {owner};"


def withdraw(connection: Connection) -> None:
    """Undo it before the schema changes: neither policies nor views may hold up a migration."""
    connection.execute(text(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE"))
    there = connection.execute(
        text(
            "SELECT p.polname, p.polrelid::regclass::text AS name FROM pg_policy p "
            "WHERE p.polname IN (:policy, :everybody) AND pg_table_is_visible(p.polrelid) ORDER BY 2, 1"
        ),
        {"policy": POLICY, "everybody": _EVERYBODY},
    )
    for policy, table in there.all():
        connection.execute(text(f"DROP POLICY {policy} ON {table}"))
        # Without policies, whoever was granted it would see nothing of it.
        connection.execute(text(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY"))


def apply(connection: Connection) -> bool:
    """Make it so; ``False`` where it may not: then only who sees all accounts can be let in.

    What is so already is not touched: it takes a lock of each table.
    """
    row = connection.execute(_stands, _asked()).one()
    if row.role is not None and row.mark == _fingerprint():
        return True
    try:
        with connection.begin_nested():
            withdraw(connection)
            name = row.role or role_name(row.database)
            _ensure_role(connection, name)
            _grant(connection, name)
            _make_views(connection, _quoted(name))
            connection.execute(text(f"COMMENT ON SCHEMA {SCHEMA} IS '{_fingerprint()}'"))
    except DBAPIError as error:
        if sqlstate(error) != _NOT_PERMITTED:
            raise
        return False
    return True


def _ensure_role(connection: Connection, name: str) -> None:
    role = _quoted(name)
    found = connection.execute(text("SELECT 1 FROM pg_roles WHERE rolname = :name"), {"name": name})
    if found.one_or_none() is None:
        connection.execute(text(f"CREATE ROLE {role} NOLOGIN"))
    if not connection.execute(MAY_BE, {"role": name}).scalar_one():
        connection.execute(text(f"GRANT {role} TO CURRENT_USER"))


def _grant(connection: Connection, name: str) -> None:
    role = _quoted(name)
    schema = connection.execute(
        text(
            "SELECT quote_ident(s) FROM current_schema() s WHERE NOT has_schema_privilege(:role, s, 'USAGE')"
        ),
        {"role": name},
    ).scalar_one_or_none()
    if schema is not None:
        connection.execute(text(f"GRANT USAGE ON SCHEMA {schema} TO {role}"))
    for table, condition in _conditions().items():
        connection.execute(text(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"))
        # Whoever was granted a table by its owner goes on seeing all of it.
        connection.execute(text(f"CREATE POLICY {_EVERYBODY} ON {table} FOR SELECT USING (true)"))
        connection.execute(
            text(f"CREATE POLICY {POLICY} ON {table} AS RESTRICTIVE TO {role} USING ({condition})")
        )
    for table in (*_conditions(), *OPEN):
        connection.execute(text(f"GRANT SELECT ON {table} TO {role}"))


def _make_views(connection: Connection, role: str) -> None:
    defined = text("SELECT pg_get_viewdef(to_regclass(:view))")
    definitions = {
        view: connection.execute(defined, {"view": view}).scalar_one().rstrip(";") for view in VIEWS
    }
    connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
    connection.execute(text(f"GRANT USAGE ON SCHEMA {SCHEMA} TO {role}"))
    for table, query in MASKED.items():
        connection.exec_driver_sql(f"CREATE VIEW {SCHEMA}.{table} AS {query}")
        connection.execute(text(f"GRANT SELECT ON {SCHEMA}.{table} TO {role}"))
    # Of two views the second is made of the first one's copy.
    path = connection.execute(text("SELECT current_setting('search_path')")).scalar_one()
    set_path = text("SELECT set_config('search_path', :path, true)")
    connection.execute(set_path, {"path": f"{SCHEMA}, {path}"})
    for view, definition in definitions.items():
        connection.exec_driver_sql(
            f"CREATE VIEW {SCHEMA}.{view} WITH (security_invoker = true) AS {definition}"
        )
        connection.execute(text(f"GRANT SELECT ON {SCHEMA}.{view} TO {role}"))
    connection.execute(set_path, {"path": path})


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
