"""Books that the end of a positions answer can change: those it told of, and those that it left out."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy import text

from core.domain.books import Book, BookKey
from models.queries.carried import with_dependents_of
from models.session import Writer

_OWN = (
    "(b.account, b.conid) IN (SELECT k.account, k.conid "
    "FROM unnest(CAST(:own_accounts AS text[]), CAST(:own_conids AS bigint[])) AS k(account, conid))"
)
_BEGINS = (
    "b.broker_sweep = {sweep} AND b.first_anchor_at IS NULL AND b.last_executed_at IS NULL "
    "AND b.broker_quantity <> 0"
)
_CAN_BE_FLAT = "b.broker_sweep <> {sweep} AND (b.broker_quantity IS DISTINCT FROM 0 OR b.quantity <> 0)"
# With them those that go on with their lots: all at once, in the order in which everybody locks books.
_CHANGED = (
    "SELECT b.account, b.conid FROM ledger_books b "  # noqa: S608 - no input in it
    "LEFT JOIN unnest(CAST(:accounts AS text[]), CAST(:sweeps AS text[])) AS w(account, sweep) "
    f"ON w.account = b.account WHERE {_OWN} OR ({_BEGINS.format(sweep='w.sweep')}) "
    f"OR ({_CAN_BE_FLAT.format(sweep='w.sweep')})"
)
_lock = text(
    f"{with_dependents_of(_CHANGED)}, "  # noqa: S608 - as above
    "locked AS MATERIALIZED (SELECT 1 FROM (SELECT account, conid FROM d ORDER BY account, conid) o "
    "CROSS JOIN LATERAL (SELECT FROM ledger_books b WHERE b.account = o.account AND b.conid = o.conid "
    "FOR UPDATE) b) SELECT count(*) FROM locked"
)
_told = text(
    "SELECT count(*) FILTER (WHERE b.broker_sweep = :sweep) AS books, "  # noqa: S608 - as above
    "min(ARRAY[b.broker_epoch, b.broker_seq]) FILTER (WHERE b.broker_sweep = :sweep) AS first_word, "
    "coalesce(bool_or((b.sweep_epoch, b.sweep_seq) > (:epoch, :seq)), false) AS is_overtaken "
    f"FROM ledger_books b WHERE b.account = ANY(:accounts) AND NOT {_OWN}"
)
# What could be changed is locked: only a book that is new since can be in another's hands, and that one is
# newer than the answer.
_changing = text(
    f"SELECT {', '.join(f'b.{name}' for name in Book._fields)} FROM ledger_books b "  # noqa: S608 - as above
    "WHERE b.account = ANY(:accounts) AND (b.account, b.conid) > (:account, :conid) "
    f"AND (({_BEGINS.format(sweep=':sweep')}) OR ({_CAN_BE_FLAT.format(sweep=':sweep')} "
    "AND (coalesce(b.broker_epoch, -1), coalesce(b.broker_seq, 0)) < (:epoch, :seq))) "
    f"AND NOT {_OWN} ORDER BY b.account, b.conid LIMIT :most FOR UPDATE SKIP LOCKED"
)


class ToldOf(NamedTuple):
    """How many books an answer told of, the earliest of their last words, and whether a newer one has begun.

    A book that the newer one has told of is not counted among those of the older.
    """

    books: int
    first_word: tuple[int, int] | None
    is_overtaken: bool


def _own(keys: Collection[BookKey]) -> dict[str, list[object]]:
    ordered = sorted(keys)
    return {"own_accounts": [key[0] for key in ordered], "own_conids": [key[1] for key in ordered]}


async def lock_changing(
    connection: Writer, answers: Sequence[tuple[str, Sequence[str]]], own: Collection[BookKey]
) -> None:
    """Lock the books ``own`` and all that the ends of these answers may change, in key order.

    ``answers`` are names of sweeps, each with its accounts.
    """
    told = sorted({(account, sweep) for sweep, accounts in answers for account in accounts})
    parameters = {"accounts": [account for account, _ in told], "sweeps": [sweep for _, sweep in told]}
    await connection.execute(_lock, {**parameters, **_own(own)})


async def told_of(
    connection: Writer,
    sweep: str,
    accounts: Sequence[str],
    ended: tuple[int, int],
    without: Collection[BookKey],
) -> ToldOf:
    """What an answer, whose end stands at ``ended`` among the facts, has told of, apart from some books."""
    parameters = {"sweep": sweep, "accounts": list(accounts), "epoch": ended[0], "seq": ended[1]}
    row = (await connection.execute(_told, {**parameters, **_own(without)})).one()
    return ToldOf(row.books, None if row.first_word is None else tuple(row.first_word), row.is_overtaken)


async def changing_books(
    connection: Writer,
    sweep: str,
    accounts: Sequence[str],
    began: tuple[int, int],
    without: Collection[BookKey],
    *,
    after: BookKey,
    most: int,
) -> list[Book]:
    """The next locked books, in key order, that the end of a complete answer changes.

    ``began`` is the first word of the answer: whatever is known of a book from later is newer than it.
    """
    rows = await connection.execute(
        _changing,
        {
            "sweep": sweep,
            "accounts": list(accounts),
            "epoch": began[0],
            "seq": began[1],
            "account": after[0],
            "conid": after[1],
            "most": most,
            **_own(without),
        },
    )
    return [Book(*row) for row in rows]
