"""Logins that are given up."""

from datetime import datetime

from sqlalchemy import text, update

from core.events.changes import AccountsRecorded, ChangeBatch, encode
from models.session import Writer
from models.stores.broker_sessions import ended
from models.stores.sync import LogEntry, append_log, insert_outbox
from models.tables import broker_sessions
from models.tables.sync import CUT_OFF, GIVEN_UP

# Sessions, then accounts, each in order: as a worker locks them that takes in what a link says.
_lock_sessions = text("SELECT FROM broker_sessions WHERE login = :login ORDER BY epoch FOR NO KEY UPDATE")
_lock_accounts = text("SELECT FROM broker_accounts ORDER BY account FOR NO KEY UPDATE")
_give_up = text("UPDATE broker_sessions SET given_up_at = :at WHERE login = :login AND given_up_at IS NULL")
_unlist = text("UPDATE broker_accounts SET listed = false WHERE listed AND login = :login RETURNING account")
_forget_link = text("DELETE FROM broker_links WHERE login = :login")
# The clock of the link's machine may be ahead of ours.
_last_word_at = text(
    "SELECT greatest(:at, max(l.at)) FROM sync_log l LEFT JOIN broker_sessions s USING (epoch) "
    "WHERE l.kind IN ('link', 'login') AND coalesce(l.details ->> 'login', s.login) = :login"
)


async def end_login(connection: Writer, login: str, at: datetime) -> list[str]:
    """Give a login up: its accounts are listed no more, and of its link nothing is told; which accounts.

    What was recorded of them stays. What its sessions said comes too late from now on; a link of this login
    that connects begins another, and lists them anew.
    """
    asked = {"login": login}
    await connection.execute(_lock_sessions, asked)
    await connection.execute(_lock_accounts)
    # Whatever listened there has not told how it ended.
    still_open = broker_sessions.c.login == login, broker_sessions.c.ended_at.is_(None)
    await connection.execute(update(broker_sessions).where(*still_open).values(ended(CUT_OFF, at)))
    await connection.execute(_give_up, {**asked, "at": at})
    accounts = sorted(row.account for row in await connection.execute(_unlist, asked))
    await connection.execute(_forget_link, asked)
    details: dict[str, object] = {"to": GIVEN_UP, "login": login, "accounts": accounts}
    last = (await connection.execute(_last_word_at, {**asked, "at": at})).scalar_one()
    await append_log(connection, [LogEntry(last, None, "login", f"{login} was given up", details)])
    # A worker announces it, which the command line cannot where Redis is not reached from here.
    told = ChangeBatch(changes=(AccountsRecorded(accounts=tuple(accounts)),))
    await insert_outbox(connection, [encode(told)])
    return accounts
