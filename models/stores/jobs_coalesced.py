"""Work of which asking twice means doing once. Its rows outlive whoever was about to do it.

Times are PostgreSQL's own, so that workers whose clocks differ agree on what is due.
"""

from collections.abc import Mapping

from sqlalchemy import text

from models.session import Writer
from models.tables.jobs import CHANGE

_want = text(
    "INSERT INTO coalesced_jobs AS j (kind, account, wanted, trigger, wanted_at, due_at) "
    "SELECT :kind, w.account, 1, w.trigger, clock_timestamp(), "
    "clock_timestamp() + make_interval(secs => :settle) "
    "FROM unnest(CAST(:accounts AS text[]), CAST(:triggers AS text[])) AS w(account, trigger) "
    "ORDER BY w.account ON CONFLICT (kind, account) DO UPDATE SET "
    "wanted = j.wanted + 1, wanted_at = excluded.wanted_at, "
    "trigger = CASE WHEN j.done < j.wanted AND excluded.trigger = :weakest "
    "THEN j.trigger ELSE excluded.trigger END, "
    "due_at = CASE WHEN j.done < j.wanted THEN least(j.due_at, excluded.due_at) ELSE excluded.due_at END"
)
_hold = text("SELECT pg_try_advisory_xact_lock(hashtext('lotkeeper ' || :kind), hashtext(:account))")
# Whoever holds it says nothing while the work is done over other connections. PostgreSQL would take that for
# a forgotten transaction, end it, and give the work to another.
_may_be_silent = text("SELECT set_config('idle_in_transaction_session_timeout', :milliseconds, true)")
# What was asked for meanwhile may have been committed after we looked, and has to settle as anything does.
_finish = text(
    "UPDATE coalesced_jobs SET done = greatest(done, :seen), done_at = clock_timestamp(), attempts = 0, "
    "error = NULL, wanted = wanted + CASE WHEN :again THEN 1 ELSE 0 END, "
    "due_at = CASE WHEN wanted > :seen THEN greatest(due_at, wanted_at + make_interval(secs => :settle)) "
    "ELSE clock_timestamp() + make_interval(secs => :after) END WHERE kind = :kind AND account = :account"
)
_fail = text(
    "UPDATE coalesced_jobs SET attempts = attempts + 1, error = :error, due_at = clock_timestamp() + "
    "make_interval(secs => least(:most, power(2, least(attempts, 30)))) "
    "WHERE kind = :kind AND account = :account AND done < wanted RETURNING attempts"
)
_claim_turn = text(
    "INSERT INTO coalesced_jobs AS j (kind, account, wanted, trigger, wanted_at, due_at) "
    "VALUES (:kind, '', 0, 'time', clock_timestamp(), clock_timestamp() + make_interval(secs => :every)) "
    "ON CONFLICT (kind, account) DO UPDATE SET wanted_at = excluded.wanted_at, due_at = excluded.due_at "
    "WHERE j.due_at NOT BETWEEN clock_timestamp() AND clock_timestamp() + interval '2 hours' RETURNING true"
)

MOST_RETRY_SECONDS = 300

HELD_SECONDS = 300.0
"""Longer than any work may take. A worker that stands still for longer lets go of what it held."""


async def want(writer: Writer, kind: str, triggers: Mapping[str, str], settle_seconds: float) -> None:
    """Have work done, by account, once things have settled.

    Belongs at the end of a transaction: its rows are everybody's, and stay locked until the commit.
    """
    if not triggers:
        return
    ordered = sorted(triggers)
    await writer.execute(
        _want,
        {
            "kind": kind,
            "accounts": ordered,
            "triggers": [triggers[account] for account in ordered],
            "settle": settle_seconds,
            "weakest": CHANGE,
        },
    )


async def may_be_silent(writer: Writer, seconds: float = HELD_SECONDS) -> None:
    """Say that nothing need be said in this transaction for so long."""
    await writer.execute(_may_be_silent, {"milliseconds": str(round(seconds * 1000))})


async def hold(writer: Writer, kind: str, account: str) -> bool:
    """Keep others from the same work until the transaction ends; false where another has it.

    Nothing need be said in the transaction meanwhile, for up to ``HELD_SECONDS``.
    """
    await may_be_silent(writer)
    return bool((await writer.execute(_hold, {"kind": kind, "account": account})).scalar_one())


async def finish(
    writer: Writer,
    kind: str,
    account: str,
    *,
    seen: int,
    again_after_seconds: float | None,
    settle_seconds: float,
) -> None:
    """Note that it is done as often as was wanted when it was begun.

    ``again_after_seconds`` is given where it is to be done again by then though nobody asks.
    """
    await writer.execute(
        _finish,
        {
            "kind": kind,
            "account": account,
            "seen": seen,
            "again": again_after_seconds is not None,
            "after": again_after_seconds or 0.0,
            "settle": settle_seconds,
        },
    )


async def fail(writer: Writer, kind: str, account: str, error: str) -> int:
    """Note why work could not be done; it is due again later, each time twice as late. Returns how often."""
    parameters = {"kind": kind, "account": account, "error": error, "most": MOST_RETRY_SECONDS}
    return (await writer.execute(_fail, parameters)).scalar_one_or_none() or 0


async def claim_turn(writer: Writer, kind: str, *, every_seconds: float) -> bool:
    """Whether it is time for something that one of many does about every so many seconds, and ours to do."""
    parameters = {"kind": kind, "every": every_seconds}
    return (await writer.execute(_claim_turn, parameters)).scalar_one_or_none() is not None
