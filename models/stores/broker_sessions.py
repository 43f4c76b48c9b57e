"""One row a connection to a gateway. Its epoch orders what older and newer connections wrote."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, insert, select, text, update

from core.domain.link import LinkState
from models.session import Writer
from models.tables import broker_sessions
from models.tables.sync import CUT_OFF

LAST_WORD = 2**63 - 1
"""The place of a word on a session's state behind which nothing is told under its epoch."""


class Opened(NamedTuple):
    """A session that has begun, and whether another's was cut off by it."""

    epoch: int
    cut_off: bool


_newest = text(
    "SELECT max(s.epoch) FROM broker_sessions s WHERE s.login = :login "
    # Another name of the same gateway, perhaps: only one that lists other accounts is surely none.
    "OR NOT EXISTS (SELECT FROM broker_accounts a WHERE a.login = s.login AND a.listed) "
    "OR EXISTS (SELECT FROM broker_accounts a WHERE a.login = s.login AND a.account = ANY(:accounts))"
)
_one_draws = text("SELECT pg_advisory_xact_lock(hashtextextended('lotkeeper epoch', 0))")
# A database that was made anew, or restored from a backup, does not know the newest epochs. The clock goes
# on, and links that connect take longer than a second each.
_never_again = text(
    "SELECT setval(epochs, greatest(nextval(epochs), "
    "CAST(floor(extract(epoch FROM clock_timestamp())) AS bigint), "
    "(SELECT max(epoch) + 1 FROM broker_sessions)), false) "
    "FROM CAST(pg_get_serial_sequence('broker_sessions', 'epoch') AS regclass) AS epochs"
)


async def open_broker_session(
    writer: Writer,
    *,
    login: str,
    client_id: int,
    holder: str,
    place: str | None = None,
    now: datetime,
    earlier: int,
    earlier_ended: str,
    earlier_ended_at: datetime,
) -> Opened:
    """Begin a session of ``login``. ``earlier`` is the caller's own one before it, which ended as told.

    ``place`` is the caller's installation, which serves one login at a time.

    Others that are still open could not say how they ended, and end now. No epoch is given out twice, not
    even by a database that was restored from a backup and knows nothing of the newest: what stands in the
    inbox, the stream and the spool goes by it.
    """
    await writer.execute(_one_draws)
    await writer.execute(_never_again)
    still_open = broker_sessions.c.ended_at.is_(None)
    await writer.execute(
        update(broker_sessions)
        .where(broker_sessions.c.epoch == earlier, still_open)
        .values(ended(earlier_ended, earlier_ended_at))
    )
    others = update(broker_sessions).where(broker_sessions.c.login == login, still_open)
    cut_off = await writer.execute(others.values(ended(CUT_OFF, now)))
    row = await writer.execute(
        insert(broker_sessions)
        .values(
            login=login,
            client_id=client_id,
            holder=holder,
            place=place,
            started_at=now,
            state="connecting",
            state_at=now,
        )
        .returning(broker_sessions.c.epoch)
    )
    return Opened(row.scalar_one(), cut_off.rowcount > 0)


def ended(reason: str, at: datetime) -> dict[str, object]:
    """The values of a session whose end somebody else notes."""
    return {
        "ended_at": at,
        "end_reason": reason,
        "state": "disconnected",
        "state_at": func.greatest(broker_sessions.c.state_at, at),
        "state_reason": reason,
        "state_seq": LAST_WORD,
    }


async def mark_broker_session_connected(
    writer: Writer, *, epoch: int, now: datetime, server_version: int, time_zone: str
) -> None:
    """The session's connection became ready."""
    await writer.execute(
        update(broker_sessions)
        .where(broker_sessions.c.epoch == epoch)
        .values(connected_at=now, server_version=server_version, time_zone=time_zone)
    )


async def end_broker_session(writer: Writer, *, epoch: int, now: datetime, reason: str) -> None:
    """The session ended; one that ended before keeps its first reason."""
    await writer.execute(
        update(broker_sessions)
        .where(broker_sessions.c.epoch == epoch, broker_sessions.c.ended_at.is_(None))
        .values(ended_at=now, end_reason=reason)
    )


async def record_session_state(
    writer: Writer, *, epoch: int, seq: int, state: LinkState, at: datetime, reason: str
) -> None:
    """The link of this session has been in ``state`` since ``at``; an older word, by ``seq``, is void."""
    await writer.execute(
        update(broker_sessions)
        .where(broker_sessions.c.epoch == epoch, broker_sessions.c.state_seq <= seq)
        .values(state=state, state_at=at, state_reason=reason, state_seq=seq)
    )


async def newest_epoch(writer: Writer, login: str, accounts: Sequence[str]) -> int:
    """The newest epoch of any link of a login, or of one that may record these accounts; 0 before the first.

    One gateway can be reached under several names.
    """
    asked = {"login": login, "accounts": list(accounts)}
    newest: int | None = (await writer.execute(_newest, asked)).scalar_one()
    return newest or 0


async def holder_of_link(writer: Writer, login: str) -> str | None:
    """Who has the newest open session, of ``login`` if it has one: ``machine:process``."""
    row = await writer.execute(
        select(broker_sessions.c.holder)
        .where(broker_sessions.c.ended_at.is_(None))
        .order_by((broker_sessions.c.login == login).desc(), broker_sessions.c.epoch.desc())
        .limit(1)
    )
    return row.scalar_one_or_none()
