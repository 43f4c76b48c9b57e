"""What books are held to: the broker's live words, and what the statements that stand state besides trades.

Of what several statements state the one counts that was written last. It is derived whenever a book is folded
anew, so that an import that is taken back leaves nothing.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

from sqlalchemy import text

from core.domain.anchors import Anchor
from core.domain.books import BookKey
from core.domain.days import BROKER_ZONE, FUTURES, HELD_OF_FUTURES, TRADED
from core.domain.openings import Effect
from models.book_keys import BOOKS, book_arrays
from models.queries.carried import (
    COST_TAKEN,
    KNOWN,
    OF_BOOK,
    SPUN_OFF,
    Link,
    hand_over,
    handed_on_by,
    linking,
    links_of,
)
from models.queries.stored_ledger import NULL, copied, fields_of
from models.session import Reader, Writer
from models.standing import BASE_ID, NEWEST_FIRST, STANDING, newest


def _until_midnight(clock: time) -> timedelta:
    return timedelta(days=1) - timedelta(hours=clock.hour, minutes=clock.minute)


class Statements(NamedTuple):
    """What statements say of a book.

    Its anchors, what each of its trades did, days of its trades, and whose lots it goes on with.
    """

    anchors: list[Anchor]
    effects: dict[str, Effect]
    days: dict[str, date]
    links: list[Link]


_FUTURES = ", ".join(f"'{name}'" for name in sorted(FUTURES))
_ITS_TIME = (
    f"({{at}} AT TIME ZONE '{BROKER_ZONE}' + (CASE WHEN {{sec_type}} IN ({_FUTURES}) "
    f"THEN interval '{_until_midnight(HELD_OF_FUTURES)}' "
    f"ELSE interval '{_until_midnight(TRADED)}' END))"
)
DAY_BY_TIME: Final = f"CAST({_ITS_TIME} AS date)"
"""The broker's day that a trade counts to by its time, where no statement says it: see ``TradingDays``."""

_BOOKS = (
    "unnest(CAST(:accounts AS text[]), CAST(:conids AS bigint[]), CAST(:limits AS timestamptz[])) "
    "AS k(account, conid, at)"
)
_NUMBERED_BOOKS = _BOOKS.replace(":accounts", "$1").replace(":conids", "$2").replace(":limits", "$3")
_SINCE = "coalesce(k.at, '-infinity')"
_NO_LEG = "''" + ", CAST(NULL AS numeric)" * 3
_WORDS = (
    "SELECT s.as_of, s.quantity, s.average_cost, s.cause, s.price, s.carried, s.inferred, false AS relative, "  # noqa: S608 - no input in it
    f"CAST(NULL AS numeric) AS cost, CAST(NULL AS date) AS day, {_NO_LEG}, 2 AS rank, s.id "
    "FROM position_statements s "
    f"WHERE s.account = k.account AND s.conid = k.conid AND s.anchor IS NOT NULL AND s.as_of >= {_SINCE} "
    "UNION ALL "
)
# Of what moves cost between books: its name, and the money that moved with it.
_LEG = f"CASE WHEN {linking('t')} THEN t.event_key ELSE '' END, " + ", ".join(
    f"CASE WHEN {linking('t')} THEN t.{name} END" for name in ("cash", "realized_pnl", "kept_share")
)
# What was spun off says what it took from the rest, or, where nobody has traded it, what it is stated to have
# cost at the end of a day.
_TOLD_OF_SPUN_OFF = (
    "SELECT CASE WHEN p.quantity = c.quantity AND NOT EXISTS (SELECT FROM stated_trades s "  # noqa: S608 - as above
    f"{KNOWN.format('s')} WHERE s.account = c.account AND s.conid = c.conid AND s.executed_at <= p.as_of "
    "AND s.outcome <> 'disputed') THEN p.cost END AS cost "
    f"FROM stated_positions p {KNOWN.format('p')} WHERE p.account = c.account AND p.conid = c.conid "
    f"AND p.as_of >= c.at AND NOT p.implied ORDER BY p.as_of, {NEWEST_FIRST} LIMIT 1"
)
_SPUN_OFF = newest(
    "corporate_actions c",
    ("event_key",),
    where="c.account = t.account AND c.event_group = t.event_group AND c.event_group <> '' "
    f"AND c.conid <> t.conid AND {SPUN_OFF.format('c')}",
    standing=KNOWN,
)
_TAKEN = (
    "SELECT CASE WHEN count(*) = count(coalesce(c.cost, w.cost)) THEN -sum(coalesce(c.cost, w.cost)) END "  # noqa: S608 - as above
    f"FROM ({_SPUN_OFF}) c LEFT JOIN LATERAL ({_TOLD_OF_SPUN_OFF}) w ON true"
)
# One index probe a book, said so that no plan reads a whole table for a batch. At one time what changed goes
# before what was held after all that, and statements before the live stream.
_CHANGED = newest(
    "corporate_actions t",
    ("event_key",),
    columns="t.at, t.quantity, CAST(NULL AS numeric), t.cause, t.price, t.carried, false, true, "
    f"CASE WHEN t.cost IS NULL AND {COST_TAKEN.format('t')} THEN ({_TAKEN}) ELSE t.cost END, "
    f"CAST(NULL AS date), {_LEG}, 0, CAST(t.line AS bigint)",
    where=f"{OF_BOOK} AND t.at >= {_SINCE}",
    standing=KNOWN,
)
_HELD = newest(
    "stated_positions t",
    ("as_of",),
    columns="t.as_of, t.quantity, CAST(NULL AS numeric), CAST(NULL AS text), CAST(NULL AS numeric), false, "
    f"false, false, t.cost, CAST(t.as_of AT TIME ZONE '{BROKER_ZONE}' AS date), {_NO_LEG}, 1, "
    "CAST(t.line AS bigint)",
    where=f"{OF_BOOK} AND t.as_of >= {_SINCE}",
    standing=KNOWN,
)
_STATED = f"SELECT * FROM ({_CHANGED}) c UNION ALL SELECT * FROM ({_HELD}) h"  # noqa: S608 - as above


def _anchors(parts: str) -> str:
    return (
        f"SELECT k.account, k.conid, a.* FROM {_BOOKS} CROSS JOIN LATERAL ({parts}) "  # noqa: S608 - no input in it
        "AS a(as_of, quantity, average_cost, cause, price, carried, inferred, relative, cost, day, key, "
        "cash, realized, kept, rank, id) "
        # Rows of several files may be of one line.
        "ORDER BY k.account, k.conid, a.as_of, a.rank, a.id, a.key, a.quantity"
    )


_all_anchors = text(_anchors(_WORDS + _STATED))
_stated_anchors = text(_anchors(_STATED))


def _effects_of(books: str, standing: str) -> str:
    traded = newest(
        "stated_trades t",
        ("exec_id",),
        columns="t.exec_id, t.opens, t.closes, t.cost",
        where=f"{OF_BOOK} AND (t.opens OR t.closes) AND t.outcome <> 'disputed' "
        "AND t.executed_at <= coalesce(k.at, 'infinity')",
        standing=standing,
    )
    return f"SELECT k.account, k.conid, e.* FROM {books} CROSS JOIN LATERAL ({traded}) e"  # noqa: S608 - no input in it


_effects = text(_effects_of(_BOOKS, KNOWN))
_EFFECT_LINES = _effects_of(_NUMBERED_BOOKS, STANDING)

_REPORTED = newest(
    "stated_trades t",
    ("exec_id",),
    columns="t.exec_id, t.executed_at, t.reported_on",
    where=f"{OF_BOOK} AND t.reported_on IS NOT NULL AND t.outcome <> 'disputed'",
    standing=KNOWN,
)
# Those of which statements name another day than the time does: few, and of all books but those of other
# continents none. What counts of a corrected trade is the day of its first version, as the time is; and what
# was told live has its time to the second only, more or less.
# Where none of a book's rows has another day than by its own time, none of its trades has.
_ANOTHER_DAY = (
    "SELECT EXISTS (SELECT FROM (SELECT t.reported_on, "  # noqa: S608 - no input in it
    f"{_ITS_TIME.format(at='t.executed_at', sec_type='n.sec_type')} AS at FROM stated_trades t "
    f"WHERE {OF_BOOK} AND t.reported_on IS NOT NULL OFFSET 0) t "
    "WHERE t.at < t.reported_on + interval '1 second' OR t.at >= t.reported_on + interval '1 day -1 second') "
    "AS is_stated OFFSET 0"
)
_days = text(
    f"SELECT k.account, k.conid, d.base_id, d.day FROM {_BOOKS} JOIN instruments n USING (conid) "  # noqa: S608 - no input in it
    f"CROSS JOIN LATERAL ({_ANOTHER_DAY}) a CROSS JOIN LATERAL ("
    f"SELECT {BASE_ID.format('t')} AS base_id, min(t.executed_at) AS at, "
    f"min(t.reported_on) AS day FROM ({_REPORTED}) t GROUP BY 1) d WHERE a.is_stated AND ("
    + " OR ".join(
        f"d.day <> {DAY_BY_TIME.format(at=at, sec_type='n.sec_type')}"
        for at in ("(d.at - interval '1 second')", "(d.at + interval '1 second')")
    )
    + ")"
)
_told_of = text(
    "SELECT k.account, k.conid FROM "  # noqa: S608 - no input in it
    f"{BOOKS} "
    "WHERE EXISTS (SELECT FROM stated_trades t WHERE t.account = k.account AND t.conid = k.conid) "
    "OR EXISTS (SELECT FROM corporate_actions t WHERE t.account = k.account AND t.conid = k.conid)"
)


def _parameters(limits: Mapping[BookKey, datetime | None], known_by: datetime | None) -> dict[str, Any]:
    ordered = sorted(limits.items(), key=lambda one: one[0])
    return {
        "accounts": [key[0] for key, _ in ordered],
        "conids": [key[1] for key, _ in ordered],
        "limits": [at for _, at in ordered],
        "known_by": known_by,
    }


async def anchors_of(
    connection: Reader | Writer, since: Mapping[BookKey, datetime | None]
) -> dict[BookKey, list[Anchor]]:
    """What each book is held to, in the order of the fold; at or after a time, if one is given."""
    anchors: dict[BookKey, list[Anchor]] = {}
    for row in await connection.execute(_all_anchors, _parameters(since, None)):
        anchors.setdefault((row.account, row.conid), []).append(Anchor(*row[2:16]))
    taking = [key for key, told in anchors.items() if any(one.key and not one.carried for one in told)]
    if taking:
        links = await links_of(connection, taking)
        hand_over(anchors, links, await handed_on_by(connection, {link.source for link in links}))
    return anchors


async def effects_of(
    connection: Reader | Writer, until: Mapping[BookKey, datetime | None], *, known_by: datetime | None = None
) -> dict[BookKey, dict[str, Effect]]:
    """What statements say that trades did, where they say it; of those up to a time, if one is given."""
    effects: dict[BookKey, dict[str, Effect]] = {}
    for account, conid, exec_id, *effect in await connection.execute(_effects, _parameters(until, known_by)):
        effects.setdefault((account, conid), {})[exec_id] = Effect(*effect)
    return effects


async def effect_lines_of(connection: Reader | Writer, until: Mapping[BookKey, datetime | None]) -> list[str]:
    """The same of all statements that stand, for ``read_effects``: of whole books several times faster."""
    parameters = _parameters(until, None)
    return await copied(
        connection, _EFFECT_LINES, *(parameters[name] for name in ("accounts", "conids", "limits"))
    )


def read_effects(lines: Iterable[str]) -> dict[BookKey, dict[str, Effect]]:
    """What ``effect_lines_of`` read."""
    effects: dict[BookKey, dict[str, Effect]] = {}
    for line in lines:
        account, conid, exec_id, opens, closes, cost = fields_of(line)
        effect = Effect(opens == "t", closes == "t", None if cost == NULL else Decimal(cost))
        effects.setdefault((account, int(conid)), {})[exec_id] = effect
    return effects


async def days_told(
    connection: Reader | Writer, keys: Iterable[BookKey], *, known_by: datetime | None = None
) -> dict[BookKey, dict[str, date]]:
    """The days that statements say trades count to, where the time says another; by id without revision."""
    limits: dict[BookKey, datetime | None] = dict.fromkeys(keys)
    days: dict[BookKey, dict[str, date]] = {}
    for row in await connection.execute(_days, _parameters(limits, known_by)) if limits else ():
        days.setdefault((row.account, row.conid), {})[row.base_id] = row.day
    return days


async def statements_known_by(
    reader: Reader, keys: Iterable[BookKey], known_by: datetime
) -> dict[BookKey, Statements]:
    """What the statements that had been imported by then say of books."""
    every = dict.fromkeys(keys)
    found = {key: Statements([], {}, {}, []) for key in every}
    for row in await reader.execute(_stated_anchors, _parameters(every, known_by)):
        found[row.account, row.conid].anchors.append(Anchor(*row[2:16]))
    for key, effects in (await effects_of(reader, every, known_by=known_by)).items():
        found[key].effects.update(effects)
    for key, days in (await days_told(reader, every, known_by=known_by)).items():
        found[key].days.update(days)
    for link in await links_of(reader, every, known_by=known_by):
        found[link.book].links.append(link)
    return found


async def told_of_by_statements(connection: Reader | Writer, keys: Iterable[BookKey]) -> set[BookKey]:
    """Those of the books of whose trades or changes any statement tells."""
    return {(row.account, row.conid) for row in await connection.execute(_told_of, book_arrays(keys))}
