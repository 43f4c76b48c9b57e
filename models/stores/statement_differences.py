"""What comparing accounts with their statements came to, renewed where it is something else now."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import json
from sqlalchemy import text

from models.session import Writer
from models.tables.jobs import STATEMENTS

_COLUMNS = (
    "id, account, day, kind, cause, conid, currency, reference, ours, stated, import_id, line, found_at"
)
_ONE = "(hashtext('lotkeeper compared'), hashtext(:account))"
_hold = text(f"SELECT pg_advisory_xact_lock{_ONE}")
_try_hold = text(f"SELECT pg_try_advisory_xact_lock{_ONE}")
_begin = text(
    "CREATE TEMPORARY TABLE IF NOT EXISTS found_differences (LIKE statement_differences) ON COMMIT DROP"
)
# Everything of an account is compared: whoever reads it all had better not go row by row, and a table that
# was filled a moment ago has no statistics that would say so.
_PLANS = tuple(
    text(f"SET LOCAL {setting}") for setting in ("enable_seqscan = on", "enable_nestloop = off", "jit = off")
)
_clear = text("TRUNCATE found_differences")
_renew = (
    text(
        "DELETE FROM statement_differences d WHERE d.account = :account AND NOT EXISTS (SELECT FROM "
        "found_differences f WHERE f.id = d.id AND (f.cause, f.ours, f.stated) IS NOT DISTINCT FROM "
        "(d.cause, d.ours, d.stated))"
    ),
    text(
        f"INSERT INTO statement_differences ({_COLUMNS}) SELECT {_COLUMNS} FROM found_differences f "  # noqa: S608 - constants of this program's own
        "WHERE f.account = :account ON CONFLICT (id) DO NOTHING"
    ),
)
_note = text(
    "INSERT INTO statement_comparisons (account, compared_at, compared) "
    "VALUES (:account, :now, CAST(:compared AS jsonb)) ON CONFLICT (account) DO UPDATE SET "
    "compared_at = excluded.compared_at, compared = excluded.compared"
)
_concerned = text(
    "SELECT c.account FROM "
    "unnest(CAST(:accounts AS text[]), CAST(:times AS timestamptz[])) AS k(account, at) "
    "JOIN statement_comparisons c USING (account) "
    "WHERE k.at IS NULL OR NOT EXISTS (SELECT FROM stated_periods p "
    "WHERE p.account = k.account) OR EXISTS (SELECT FROM stated_periods p WHERE p.account = k.account "
    "AND p.ends_at > k.at) ORDER BY c.account"
)
# One that is wished for already keeps its time: what fails is not tried again at once.
_not_since = text(
    "SELECT c.account FROM statement_comparisons c WHERE c.compared_at < :moment AND NOT EXISTS ("
    "SELECT FROM coalesced_jobs j WHERE j.kind = :kind AND j.account = c.account AND j.done < j.wanted) "
    "ORDER BY c.account"
)
_NAMED = (
    "CAST(md5(concat_ws('/', CAST(:account AS text), c.kind, c.import_id, c.line, c.reference, c.conid, "
    "c.currency, c.day)) AS uuid)"
)


async def accounts_concerned(connection: Writer, since: Mapping[str, datetime | None]) -> list[str]:
    """Those accounts of which statements tell of times after these; ``None``: of any at all."""
    ordered = sorted(since.items())
    rows = await connection.execute(
        _concerned, {"accounts": [one for one, _ in ordered], "times": [at for _, at in ordered]}
    )
    return [row.account for row in rows]


async def accounts_not_compared_since(connection: Writer, moment: datetime) -> list[str]:
    """Accounts that were compared with their statements, but not since then; without those asked for."""
    rows = await connection.execute(_not_since, {"moment": moment, "kind": STATEMENTS})
    return [row.account for row in rows]


async def hold_comparison(connection: Writer, account: str) -> None:
    """Be the only one who compares an account with its statements, until the transaction ends.

    An import takes it before it compares, and so before it ends: whoever compares sees all of it or nothing.
    """
    await connection.execute(_hold, {"account": account})


async def can_hold_comparison(connection: Writer, account: str) -> bool:
    """The same; false where another is at it."""
    return bool((await connection.execute(_try_hold, {"account": account})).scalar_one())


async def read_whole_tables(connection: Writer) -> None:
    """Plan for reading all that is stored of an account, until the transaction ends."""
    for setting in _PLANS:
        await connection.execute(setting)


async def renew_differences(
    connection: Writer, account: str, base: str | None, queries: Sequence[str], now: datetime
) -> Counter[str]:
    """Compare by ``queries`` and have what they find stand; returns how many figures were compared."""
    await read_whole_tables(connection)
    await connection.execute(_begin)
    await connection.execute(_clear)
    compared: Counter[str] = Counter()
    for query in queries:
        counted = await connection.execute(
            text(
                f"WITH compared AS MATERIALIZED ({query}), kept AS (INSERT INTO found_differences "  # noqa: S608 - as above
                f"({_COLUMNS}) SELECT {_NAMED}, :account, c.day, c.kind, c.cause, c.conid, c.currency, "
                "c.reference, trim_scale(c.ours), trim_scale(c.stated), c.import_id, c.line, :now "
                "FROM compared c WHERE c.differs) "
                "SELECT kind, count(*) AS figures FROM compared GROUP BY kind"
            ),
            {"account": account, "base": base, "now": now},
        )
        for row in counted:
            compared[row.kind] += row.figures
    for step in _renew:
        await connection.execute(step, {"account": account})
    spelled = json.encode(dict(sorted(compared.items()))).decode()
    await connection.execute(_note, {"account": account, "now": now, "compared": spelled})
    return compared
