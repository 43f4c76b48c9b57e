"""From what is seen to what people receive, over a real database and real posts."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import insert
from structlog.testing import capture_logs

from core.domain.alerting import Condition, Message
from core.domain.watched import Seen, WatchedPrice
from core.settings import Settings
from models import tables as t
from models.queries.alerts import messages_page, price_limits_listed, standing_conditions
from models.session import Database, OwnConnection
from models.stores.alerts import KEPT, add_price_limit, mute, queue_message, remember
from models.stores.leases import others_hold_locks
from services.alerts.channels import add_channel, channels_of
from services.alerts.watch import DATABASE_SETTLES, TRIES, Alerter
from services.stack import PostgresServer
from tests.services.alerts.receiver import Receiver
from tests.waiting import eventually

NOW = datetime(2026, 11, 27, 15, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
AAPL = {
    "conid": 1,
    "symbol": "AAPL",
    "local_symbol": "AAPL",
    "sec_type": "STK",
    "currency": "USD",
    "multiplier": Decimal(1),
    **dict.fromkeys(("exchange", "trading_class", "expiry", "option_right"), ""),
    "updated_at": NOW,
}
DOWN = Condition(
    "link", "link:gateway_unreachable", "error", None, "Not live: gateway unreachable", "Look at it.", NOW
)


class World:
    """What there is to see, and what time it is."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings = settings
        self.database = database
        self.now = NOW
        self.conditions: list[Condition] = []
        self.prices: dict[int, WatchedPrice] = {}
        self.looks = 0
        self.alerter = self.another()

    def another(self) -> Alerter:
        return Alerter(self.settings, self.database, self.look, clock=lambda: self.now)

    async def look(self) -> Seen:
        self.looks += 1
        return Seen(self.now, self.conditions, (), self.prices, 0, 0, 0, 10, markets_open=True)

    async def passes(self, *times: timedelta) -> None:
        for one in times:
            self.now += one
            await self.alerter.once()


@pytest.fixture
async def world(settings: Settings, database: Database, hook: Receiver) -> AsyncIterator[World]:
    # Without backups, which nobody takes here.
    told = {"alerts_urls": SecretStr(hook.url), "backup_scheduled": False}
    found = World(settings.model_copy(update=told), database)
    yield found
    await found.alerter._holder.close()


async def messages(database: Database) -> list[Any]:
    async with database.read() as reader:
        return await messages_page(reader, limit=100)


async def test_what_stands_wrong_reaches_its_owner_and_so_does_its_end(world: World, hook: Receiver) -> None:
    world.conditions = [DOWN]
    await world.passes(MINUTE, MINUTE)
    assert hook.came == []
    await world.passes(MINUTE, MINUTE, MINUTE)
    [told] = hook.came
    assert told["title"] == "Lotkeeper (main): Not live: gateway unreachable"
    assert told["type"] == "failure"
    assert "Look at it." in told["message"]
    world.conditions = []
    await world.passes(MINUTE, MINUTE)
    assert hook.titles[1:] == ["Lotkeeper (main): over: Not live: gateway unreachable"]
    [(over, _), (down, [delivery])] = await messages(world.database)
    assert (down.severity, delivery.attempts, delivery.next_try_at) == ("error", 1, None)
    assert delivery.channel.startswith("json-")
    assert over.made_at > down.made_at


async def test_another_process_goes_on_where_one_ended(world: World, hook: Receiver) -> None:
    world.conditions = [DOWN]
    await world.passes(MINUTE, MINUTE)
    await world.alerter._holder.close()
    world.alerter = world.another()
    await world.passes(MINUTE, MINUTE)
    await world.alerter._holder.close()
    world.alerter = world.another()
    await world.passes(MINUTE, MINUTE)
    assert len(hook.came) == 1


async def test_of_two_processes_one_looks_and_the_other_when_that_is_gone(
    world: World, hook: Receiver
) -> None:
    world.conditions = [DOWN]
    other = world.another()
    for _ in range(4):
        await world.passes(MINUTE)
        looked = world.looks
        await other.once()
        assert world.looks == looked
    assert len(hook.came) == 1
    await world.alerter._holder.close()
    world.conditions = []
    for _ in range(3):
        world.now += MINUTE
        await other.once()
    assert len(hook.came) == 2
    await other._holder.close()


async def test_what_a_service_does_not_take_is_tried_again_until_it_does(
    world: World, hook: Receiver
) -> None:
    world.conditions = [DOWN]
    hook.status = 503
    with capture_logs() as logged:
        await world.passes(MINUTE, MINUTE, MINUTE)
    assert hook.came == []
    [warning] = [one for one in logged if one["event"] == "alert_not_sent"]
    assert "503" in warning["reason"]
    assert "hush" not in str(logged)
    [(_, [delivery])] = await messages(world.database)
    assert delivery.next_try_at == world.now + TRIES[0]
    hook.status = 200
    await world.passes(TRIES[0] - timedelta(seconds=1))
    assert hook.came == []
    await world.passes(timedelta(seconds=1))
    assert len(hook.came) == 1
    [(_, [delivery])] = await messages(world.database)
    assert (delivery.attempts, delivery.error, delivery.sent_at) == (2, None, world.now)


async def test_what_no_service_ever_takes_is_given_up_and_says_so(world: World, hook: Receiver) -> None:
    world.conditions = [DOWN]
    hook.status = 500
    await world.passes(MINUTE, MINUTE, MINUTE, *TRIES)
    [(_, [delivery])] = (await messages(world.database))[-1:]
    assert (delivery.attempts, delivery.next_try_at, delivery.sent_at) == (len(TRIES) + 1, None, None)
    assert delivery.error is not None


async def test_one_channel_that_fails_keeps_no_other_waiting(world: World, hook: Receiver) -> None:
    add_channel(world.settings, "json://127.0.0.1:9/")
    world.conditions = [DOWN]
    await world.passes(MINUTE, MINUTE, MINUTE)
    assert len(hook.came) == 1
    [(_, deliveries)] = await messages(world.database)
    assert [one.sent_at is not None for one in deliveries].count(True) == 1
    assert len(deliveries) == 2


async def test_a_channel_that_fails_is_tried_with_one_message_at_a_time(world: World, hook: Receiver) -> None:
    async with world.database.write() as writer:
        for number in range(3):
            message = Message(f"message {number}", "text", "error")
            await queue_message(writer, message, [channels_of(world.settings)[0].name], NOW)
    hook.status = 500
    await world.passes(timedelta(0))
    attempts = [delivery.attempts for _, [delivery] in await messages(world.database)]
    assert sorted(attempts) == [0, 0, 1]
    hook.status = 200
    await world.passes(MINUTE)
    assert sorted(hook.titles) == ["message 0", "message 1", "message 2"]


async def test_a_channel_that_was_removed_gets_nothing_and_the_message_says_so(
    world: World, hook: Receiver
) -> None:
    hook.status = 500
    world.conditions = [DOWN]
    await world.passes(MINUTE, MINUTE, MINUTE)
    world.settings = world.settings.model_copy(update={"alerts_urls": None})
    await world.alerter._holder.close()
    world.alerter = world.another()
    await world.passes(TRIES[0])
    [(_, [delivery])] = await messages(world.database)
    assert (delivery.error, delivery.next_try_at) == ("there is no such channel any more", None)


async def test_without_a_channel_what_was_to_be_told_is_kept(world: World) -> None:
    world.settings = world.settings.model_copy(update={"alerts_urls": None})
    world.alerter = world.another()
    world.conditions = [DOWN]
    await world.passes(MINUTE, MINUTE, MINUTE)
    [(message, deliveries)] = await messages(world.database)
    assert deliveries == []
    assert "gateway unreachable" in message.title


async def test_a_price_that_is_met_is_told_once(world: World, hook: Receiver) -> None:
    async with world.database.write() as writer:
        await writer.execute(insert(t.instruments).values(**AAPL))
        await add_price_limit(writer, 1, "above", Decimal(200), "sell half", NOW)
    world.prices = {1: WatchedPrice("AAPL", Decimal("199.9"), "USD", NOW)}
    await world.passes(MINUTE)
    assert hook.came == []
    world.prices = {1: WatchedPrice("AAPL", Decimal("200.1"), "USD", NOW)}
    await world.passes(MINUTE)
    assert hook.titles == ["Lotkeeper (main): AAPL is at 200.1 USD, above 200 (sell half)"]
    world.prices = {1: WatchedPrice("AAPL", Decimal(199), "USD", NOW)}
    await world.passes(*[timedelta(minutes=10)] * 10)
    world.prices = {1: WatchedPrice("AAPL", Decimal(201), "USD", NOW)}
    await world.passes(*[MINUTE] * 3)
    assert len(hook.came) == 1
    async with world.database.read() as reader:
        [limit] = await price_limits_listed(reader)
    assert (limit.met_price, limit.symbol) == (Decimal("200.1"), "AAPL")


async def test_somebody_mutes_a_thing_and_the_next_look_keeps_to_it(world: World, hook: Receiver) -> None:
    world.conditions = [DOWN]
    await world.passes(MINUTE)
    async with world.database.write() as writer:
        assert await mute(writer, "link", NOW + timedelta(hours=1))
        assert not await mute(writer, "no such thing", NOW)
    await world.passes(*[MINUTE] * 10)
    assert hook.came == []
    await world.passes(timedelta(hours=1))
    assert len(hook.came) == 1


async def test_a_mute_that_comes_while_one_decides_is_kept(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.conditions = [DOWN]
    await world.passes(MINUTE)
    until = NOW + timedelta(hours=1)

    async def remember_late(*arguments: Any) -> None:
        async with world.database.write() as writer:
            await mute(writer, "link", until)
        await remember(*arguments)

    monkeypatch.setattr("services.alerts.watch.remember", remember_late)
    await world.passes(MINUTE)
    async with world.database.read() as reader:
        standing = await standing_conditions(reader)
    assert standing["link"].muted_until == until


async def test_messages_are_forgotten_after_ninety_days(world: World) -> None:
    world.conditions = [DOWN]
    await world.passes(MINUTE, MINUTE, MINUTE)
    assert len(await messages(world.database)) == 1
    world.conditions = []
    await world.passes(MINUTE, MINUTE, MINUTE, KEPT)
    assert await messages(world.database) == []


async def test_a_heartbeat_is_sent_every_minute_while_everything_was_looked_at(
    world: World, hook: Receiver
) -> None:
    world.settings = world.settings.model_copy(update={"alerts_heartbeat_url": SecretStr(hook.heartbeat_url)})
    world.alerter = world.another()
    await world.passes(*[timedelta(seconds=10)] * 13)
    assert hook.beats == 3

    async def blind() -> None:
        return None

    world.alerter._look = blind  # type: ignore[assignment]
    await world.passes(*[MINUTE] * 5)
    assert hook.beats == 3


async def test_that_postgresql_is_away_is_told_without_it_and_that_it_is_back(
    world: World, hook: Receiver, settings: Settings, tmp_path: Any
) -> None:
    with PostgresServer(tmp_path / "own", durable=False) as own:
        url = own.url
    gone = settings.model_copy(update={"database_url": SecretStr(url), "alerts_urls": SecretStr(hook.url)})
    away = Database(gone.require_database_url(), application="test")
    alerter = Alerter(gone, away, world.look, clock=lambda: world.now)
    await alerter.once()
    world.now += DATABASE_SETTLES - timedelta(seconds=1)
    await alerter.once()
    assert hook.came == []
    world.now += timedelta(seconds=1)
    await alerter.once()
    await alerter.once()
    assert hook.titles == ["Lotkeeper (main): PostgreSQL cannot be reached"]
    alerter._database = world.database
    alerter._holder = world.alerter._holder
    await alerter.once()
    await alerter.once()
    assert hook.titles[1:] == ["Lotkeeper (main): PostgreSQL answers again"]
    await away.close()


async def test_a_process_that_stands_by_forgets_that_postgresql_was_away(
    world: World, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.passes(MINUTE)
    other = world.another()

    async def gone() -> bool:
        raise ConnectionError

    for _ in range(2):
        with monkeypatch.context() as away:
            away.setattr(other, "_is_ours", gone)
            await other.once()
        await other.once()
        world.now += timedelta(days=20)
    assert hook.came == []
    await other._holder.close()


async def test_a_file_of_channels_that_cannot_be_read_closes_no_delivery(
    world: World, hook: Receiver
) -> None:
    hook.status = 500
    world.conditions = [DOWN]
    await world.passes(MINUTE, MINUTE, MINUTE)
    add_channel(world.settings, "json://127.0.0.1:9/")
    stored = world.settings.alerts_file.read_text()
    world.settings.alerts_file.write_text("damaged")
    hook.status = 200
    await world.passes(MINUTE, MINUTE)
    assert hook.came == []
    world.settings.alerts_file.write_text(stored)
    await world.passes(MINUTE)
    assert len(hook.came) == 1


async def test_links_do_not_take_it_for_a_link(world: World, settings: Settings) -> None:
    await world.passes(MINUTE)
    link = OwnConnection(
        settings.require_database_direct_url(), application="test", answer_seconds=10, idle_seconds=60
    )
    async with link.write() as writer:
        assert not await others_hold_locks(writer)
    await link.close()


async def test_it_goes_on_whatever_fails(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.alerts.watch.LOOK_SECONDS", 0.01)
    looks = 0
    looked = world.look

    async def look() -> Seen:
        nonlocal looks
        looks += 1
        if looks < 3:
            raise ValueError("something nobody thought of")
        return await looked()

    world.alerter._look = look
    with capture_logs() as logged:
        running = asyncio.create_task(world.alerter.run())

        async def count() -> int:
            return looks

        await eventually(count, lambda found: found >= 5)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert [one["event"] for one in logged].count("alerts_fail") == 1
