"""Logins that are given up."""

from datetime import datetime

from sqlalchemy import text

from core.events.changes import AccountsRecorded, ChangeBatch, encode
from models.session import Writer
from models.stores.sync import LogEntry, append_log, insert_outbox
from models.tables.sync import CUT_OFF, GIVEN_UP

# Locked in order, as lists of accounts lock them.
_lock = text("SELECT FROM broker_accounts ORDER BY account FOR NO KEY UPDATE")
_unlist = text("UPDATE broker_accounts SET listed = false WHERE listed AND login = :login RETURNING account")
_end_sessions = text(
    "UPDATE broker_sessions SET ended_at = :at, end_reason = :reason "
    "WHERE login = :login AND ended_at IS NULL"
)
_forget_link = text("DELETE FROM broker_links WHERE login = :login")


async def end_login(connection: Writer, login: str, at: datetime) -> list[str]:
    """Give a login up: its accounts are listed no more, and of its link nothing is told; which accounts.

    What was recorded of them stays. A link of this login that connects lists them anew.
    """
    await connection.execute(_lock)
    asked = {"login": login}
    accounts = sorted(row.account for row in await connection.execute(_unlist, asked))
    # Whatever listened there has not told how it ended.
    await connection.execute(_end_sessions, {"login": login, "at": at, "reason": CUT_OFF})
    await connection.execute(_forget_link, asked)
    details: dict[str, object] = {"to": GIVEN_UP, "login": login, "accounts": accounts}
    await append_log(connection, [LogEntry(at, None, "login", f"{login} was given up", details)])
    # A worker announces it, which the command line cannot where Redis is not reached from here.
    told = ChangeBatch(changes=(AccountsRecorded(accounts=tuple(accounts)),))
    await insert_outbox(connection, [encode(told)])
    return accounts
