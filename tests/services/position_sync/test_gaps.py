"""Times of which the gateway told no executions: found by what its answers cover, and why."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from structlog.testing import capture_logs

from core.events.facts import Fact, LinkChanged
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.session import Database, Writer
from models.stores.broker_sessions import end_broker_session, open_broker_session
from models.tables.sync import CUT_OFF
from services.position_sync.intake import decode_entry, sort_facts
from services.position_sync.relay import Relay, store
from tests.databases import waiting_for_locks
from tests.services.position_sync.conftest import Hand, Rows
from tests.services.position_sync.facts import ACCOUNT, Link, at, dataset
from tests.waiting import eventually

Gaps = Callable[[], Awaitable[list[dict[str, object]]]]

DAY = 86_400.0
MIDNIGHT = 14.5 * 3600
"""New York's next, seconds after the facts' time of 09:30 there."""


async def opened(writer: Writer) -> int:
    """A session that begins, whatever became of the one before it."""
    told = {"client_id": 71, "holder": "here:1", "earlier": 0}
    told |= {"earlier_ended": CUT_OFF, "earlier_ended_at": at(0)}
    session = await open_broker_session(writer, login="one", now=at(0), **told)  # type: ignore[arg-type]
    return session.epoch


def executions(
    seconds: float, covers_from: float | None = None, *, complete: bool = True, account: str = ACCOUNT
) -> Fact:
    return dataset("executions", seconds=seconds, covers_from=covers_from, complete=complete, account=account)


def link_is(state: str, seconds: float, reason: str = "") -> LinkChanged:
    return LinkChanged(
        received_at=at(seconds),
        gateway="up" if state != "down" else "down",
        ibkr="up" if state == "up" else "down",
        since=at(seconds),
        reason=reason,
    )


@pytest.fixture
def gaps(rows: Rows) -> Gaps:
    """The open gaps, in seconds."""

    async def found() -> list[dict[str, object]]:
        told = await rows(
            "SELECT account, started_at, ended_at, reason FROM observation_gaps WHERE closed_at IS NULL "
            "ORDER BY account, started_at"
        )
        return [
            {
                "account": row["account"],
                "span": (
                    (row["started_at"] - at(0)).total_seconds(),
                    (row["ended_at"] - at(0)).total_seconds(),
                ),
                "why": row["reason"],
            }
            for row in told
        ]

    return found


async def spans(gaps: Gaps) -> list[object]:
    return [row["span"] for row in await gaps()]


async def sessions(database: Database, ended: str) -> tuple[int, int]:
    """The epochs of a connection that ended so, and of one that lasts."""
    async with database.write() as writer:
        epoch = await opened(writer)
        await end_broker_session(writer, epoch=epoch, now=at(60), reason=ended)
        return epoch, await opened(writer)


async def test_the_first_connection_ever_leaves_no_gap(relay: Relay, gaps: Gaps) -> None:
    await relay.handle([Link().entry(executions(0, covers_from=MIDNIGHT - DAY))])
    assert await gaps() == []


async def test_a_night_without_anybody_listening_is_a_gap_with_its_reason(
    relay: Relay, gaps: Gaps, database: Database
) -> None:
    earlier, later = await sessions(database, "stopped")
    await relay.handle([Link(epoch=earlier).entry(executions(0, covers_from=MIDNIGHT - DAY))])
    with capture_logs() as logs:
        told = Link(epoch=later).entry(
            link_is("down", 0.6 * DAY, "gateway_unreachable"),
            link_is("down", 0.9 * DAY, "needs_login"),
            link_is("up", DAY),
            executions(DAY + 1, covers_from=MIDNIGHT),
        )
        await relay.handle([told])
        await relay.handle([told])
    assert await gaps() == [
        {
            "account": ACCOUNT,
            "span": (0, MIDNIGHT),
            "why": "the broker link was stopped; then the gateway could not be reached; "
            "then the gateway waited for a login",
        }
    ]
    (line,) = [line for line in logs if line["event"] == "executions_not_observed"]
    assert line["hours"] == 14.5
    assert ACCOUNT not in str(line)


async def test_why_a_link_ended_that_could_not_say_so(relay: Relay, gaps: Gaps, database: Database) -> None:
    earlier, later = await sessions(database, CUT_OFF)
    await relay.handle([Link(epoch=earlier).entry(executions(0))])
    await relay.handle([Link(epoch=later).entry(executions(DAY, covers_from=MIDNIGHT))])
    assert [row["why"] for row in await gaps()] == ["the broker link ended without a word"]


async def test_within_the_day_the_gateway_tells_everything_again(relay: Relay, gaps: Gaps) -> None:
    await relay.handle([Link(epoch=1).entry(executions(0))])
    await relay.handle([Link(epoch=2).entry(executions(3600, covers_from=MIDNIGHT - DAY))])
    assert await gaps() == []


async def test_a_connection_that_lasts_over_midnight_leaves_no_gap(relay: Relay, gaps: Gaps) -> None:
    link = Link()
    await relay.handle([link.entry(link_is("up", 0), executions(1, covers_from=MIDNIGHT - DAY))])
    await relay.handle([link.entry(executions(MIDNIGHT - 50))])
    await relay.handle([link.entry(executions(MIDNIGHT + 10, covers_from=MIDNIGHT))])
    await relay.handle([link.entry(executions(MIDNIGHT + 70))])
    assert await gaps() == []


@pytest.mark.parametrize("is_told_at_once", [True, False])
async def test_ibkr_away_over_midnight_is_a_gap_however_short(
    relay: Relay, gaps: Gaps, is_told_at_once: bool
) -> None:
    link = Link()
    await relay.handle([link.entry(link_is("up", 0), executions(MIDNIGHT - 60))])
    lost = link_is("gateway", MIDNIGHT - 50, "ib_1100"), link_is("up", MIDNIGHT + 20)
    answer = executions(MIDNIGHT + 21, covers_from=MIDNIGHT)
    if is_told_at_once:
        await relay.handle([link.entry(*lost, answer)])
    else:
        await relay.handle([link.entry(*lost)])
        await relay.handle([link.entry(answer)])
    assert await gaps() == [
        {
            "account": ACCOUNT,
            "span": (MIDNIGHT - 60, MIDNIGHT),
            "why": "the gateway had no connection to IBKR",
        }
    ]


@pytest.mark.parametrize("is_told_at_once", [True, False])
async def test_facts_lost_on_their_way_over_midnight_are_a_gap_however_short(
    relay: Relay, gaps: Gaps, is_told_at_once: bool
) -> None:
    link = Link()
    last = executions(MIDNIGHT - 60)
    anew = dataset("executions", seconds=MIDNIGHT + 10, covers_from=MIDNIGHT, facts_lost=True)
    later = executions(MIDNIGHT + 70, covers_from=MIDNIGHT)
    await relay.handle([link.entry(link_is("up", 0))])
    for told in [(last, anew, later)] if is_told_at_once else [(last,), (anew,), (later,)]:
        await relay.handle([link.entry(*told)])
    assert [(row["span"], row["why"]) for row in await gaps()] == [
        ((MIDNIGHT - 60, MIDNIGHT), "what the broker link had told was lost with Redis or its disk")
    ]


async def test_ibkr_away_over_midnight_is_a_gap_though_all_of_it_is_told_at_once(
    relay: Relay, gaps: Gaps
) -> None:
    link = Link()
    await relay.handle([link.entry(link_is("up", 0), executions(MIDNIGHT - 120))])
    lost = link_is("gateway", MIDNIGHT - 50, "ib_1100"), link_is("up", MIDNIGHT + 20)
    answer = executions(MIDNIGHT + 21, covers_from=MIDNIGHT)
    await relay.handle([link.entry(executions(MIDNIGHT - 60), *lost, answer)])
    assert await spans(gaps) == [(MIDNIGHT - 60, MIDNIGHT)]


async def test_answers_that_did_not_come_until_after_midnight_leave_a_gap(relay: Relay, gaps: Gaps) -> None:
    link = Link()
    await relay.handle([link.entry(executions(MIDNIGHT - 1800))])
    await relay.handle([link.entry(executions(MIDNIGHT - 60, complete=False))])
    await relay.handle([link.entry(executions(MIDNIGHT + 60, covers_from=MIDNIGHT))])
    assert [(row["span"], row["why"]) for row in await gaps()] == [
        ((MIDNIGHT - 1800, MIDNIGHT), "the gateway did not tell its executions")
    ]


async def test_each_account_has_its_own_gaps(relay: Relay, gaps: Gaps) -> None:
    await relay.handle([Link(epoch=1).entry(executions(0), executions(3600, account="DU2"))])
    await relay.handle(
        [
            Link(epoch=2).entry(
                *(executions(DAY, covers_from=MIDNIGHT, account=name) for name in (ACCOUNT, "DU2", "DU3"))
            )
        ]
    )
    assert [(row["account"], row["span"]) for row in await gaps()] == [
        (ACCOUNT, (0, MIDNIGHT)),
        ("DU2", (3600, MIDNIGHT)),
    ]


async def test_answers_that_follow_each_other_in_one_batch_are_taken_in_their_order(
    relay: Relay, gaps: Gaps
) -> None:
    link = Link()
    await relay.handle([link.entry(executions(MIDNIGHT - 600))])
    later = [MIDNIGHT + 60 * minute for minute in range(-9, 10)]
    told = [
        executions(seconds, covers_from=MIDNIGHT if 0 <= seconds - MIDNIGHT < 120 else None)
        for seconds in later
    ]
    await relay.handle([link.entry(*told)])
    assert await gaps() == []


async def test_what_another_worker_took_and_stores_later_fills_the_gap_that_its_lateness_made(
    relay: Relay, gaps: Gaps, rows: Rows
) -> None:
    link = Link()
    await relay.handle([link.entry(link_is("up", 0), executions(MIDNIGHT - 3600))])
    late = link.entry(*(executions(MIDNIGHT - 60 * minute) for minute in range(59, 0, -1)))
    await relay.handle([link.entry(executions(MIDNIGHT + 10, covers_from=MIDNIGHT))])
    assert await spans(gaps) == [(MIDNIGHT - 3600, MIDNIGHT)]
    await relay.handle([late])
    assert await gaps() == []
    assert await rows("SELECT closed_by FROM observation_gaps") == [
        {"closed_by": "a later answer of the gateway"}
    ]
    (stored,) = await rows("SELECT as_of FROM sync_datasets")
    assert stored["as_of"] == at(MIDNIGHT + 10)


async def test_workers_that_store_two_answers_at_once_each_see_the_others(
    relay: Relay, gaps: Gaps, database: Database, clock: Hand
) -> None:
    link = Link()
    await relay.handle([link.entry(link_is("up", 0), executions(MIDNIGHT - 180))])
    earlier = link.entry(executions(MIDNIGHT - 120), executions(MIDNIGHT - 60))
    later = decode_entry(link.entry(executions(MIDNIGHT + 200, covers_from=MIDNIGHT + 10)), clock())
    async with database.write() as other_worker:
        await store(other_worker, sort_facts(later.items), [], clock())
        task = asyncio.create_task(relay.handle([earlier]))
        await eventually(lambda: waiting_for_locks(database))
    await task
    assert await gaps() == []


async def test_of_a_link_that_died_in_the_night_the_part_stays_that_nobody_listened_to(
    relay: Relay, gaps: Gaps
) -> None:
    link = Link(epoch=1)
    await relay.handle([link.entry(executions(MIDNIGHT - 3600))])
    late = link.entry(*(executions(MIDNIGHT - 60 * minute) for minute in range(59, 29, -1)))
    await relay.handle([Link(epoch=2).entry(executions(DAY, covers_from=MIDNIGHT))])
    await relay.handle([late])
    assert await spans(gaps) == [(MIDNIGHT - 1800, MIDNIGHT)]


async def test_a_tws_that_tells_seven_days_fills_what_a_gateway_could_not(relay: Relay, gaps: Gaps) -> None:
    await relay.handle([Link(epoch=1).entry(executions(0))])
    await relay.handle([Link(epoch=2).entry(executions(DAY, covers_from=MIDNIGHT))])
    assert await spans(gaps) == [(0, MIDNIGHT)]
    await relay.handle([Link(epoch=3).entry(executions(DAY + 60, covers_from=-DAY))])
    assert await gaps() == []


async def test_workers_that_store_the_same_answer_at_once_record_one_gap(
    relay: Relay, gaps: Gaps, database: Database, streams: RedisStreams, settings: Settings, clock: Hand
) -> None:
    async def nobody(_account: str, _trigger: str) -> None: ...

    other = Relay(database, streams, settings, ask_for_comparison=nobody, clock=clock)
    accounts = [f"DU{number}" for number in range(10)]
    await relay.handle([Link(epoch=1).entry(*(executions(0, account=name) for name in accounts))])
    answer = Link(epoch=2).entry(*(executions(DAY, covers_from=MIDNIGHT, account=name) for name in accounts))
    await asyncio.gather(relay.handle([answer]), other.handle([answer]))
    assert [row["account"] for row in await gaps()] == accounts
