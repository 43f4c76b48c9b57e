"""Several logins in one database: each account is as fresh as the link of its own login."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import insert, update

from core.clock import utc_now
from core.settings import Settings
from core.streams.redis import RedisStreams
from models import tables as t
from models.session import Database
from services.api.alerts import links_in_trouble
from services.api.attention import Watch
from services.api.freshness import UNKNOWN, Verdict
from services.api.live.feed import Judged
from tests.services.api.conftest import Api, Start
from tests.services.api.portfolio import EPOCH, NOW, PAPER, USD, beat, mark, tick
from tests.services.api.restricted import bearing, let_in
from tests.waiting import eventually

ONE, TWO = "127.0.0.1:4001", "127.0.0.1:4002"


class Links:
    """What the links of both logins say, again and again, while a test looks."""

    def __init__(self, streams: RedisStreams, settings: Settings) -> None:
        self._streams = streams
        self._settings = settings
        self.one: dict[str, Any] = {}
        self.two: dict[str, Any] | None = {}

    async def say(self) -> None:
        now = utc_now()
        # An epoch of one login is neither older nor newer than one of another.
        await tick(
            self._streams, self._settings, beat(now, **self.one), mark(now), epoch=EPOCH + 7, login=ONE
        )
        if self.two is not None:
            await tick(self._streams, self._settings, beat(now, **self.two), epoch=EPOCH, login=TWO)


@pytest.fixture
async def links(streams: RedisStreams, settings: Settings) -> Links:
    return Links(streams, settings)


@pytest.fixture
async def api(start: Start, settings: Settings, seeded: Database) -> AsyncIterator[Api]:
    """The portfolio, of which each account is another login's."""
    async with seeded.write() as writer:
        for account, login, epoch in ((USD, ONE, EPOCH + 7), (PAPER, TWO, EPOCH)):
            own = t.broker_accounts.c.account == account
            await writer.execute(update(t.broker_accounts).where(own).values(login=login, listed=True))
            told = t.sync_datasets.c.account == account
            await writer.execute(update(t.sync_datasets).where(told).values(epoch=epoch, complete=True))
    return await start(settings.model_copy(update={"stream_conflate_ms": 0}))


async def told(api: Api, links: Links, **headers: str) -> dict[str, Any]:
    await links.say()
    sync = (await api.http.get("/api/v1/sync", headers=headers)).json()
    listed = (await api.http.get("/api/v1/accounts", headers=headers)).json()
    return {
        "all": sync["links"]["reason"],
        "logins": {", ".join(one["accounts"]) or one["login"]: one["reason"] for one in sync["logins"]},
        "accounts": {row["account"]: row["freshness"]["reason"] for row in listed["items"]},
        "links": {row["account"]: row["freshness"]["links"]["gateway"] for row in listed["items"]},
    }


async def test_an_account_is_live_while_the_link_of_another_login_is_down(api: Api, links: Links) -> None:
    both = {USD: None, PAPER: None}
    await eventually(lambda: told(api, links), lambda one: one["logins"] == both and one["all"] is None)
    links.two = {"gateway": "down", "ibkr": "unknown", "reason": "gateway_unreachable", "complete": False}
    seen = await eventually(lambda: told(api, links), lambda one: one["all"] == "gateway_unreachable")
    assert seen["logins"] == {USD: None, PAPER: "gateway_unreachable"}
    assert seen["links"] == {USD: "up", PAPER: "down"}
    assert seen["accounts"][PAPER] == "gateway_unreachable"
    rows = (await api.get("/api/v1/positions", status="open"))["items"]
    assert {(row["account"], row["freshness"]["links"]["gateway"]) for row in rows} == {
        (USD, "up"),
        (PAPER, "down"),
    }
    # One that says nothing any more is found by its silence, and nobody else's word hides it.
    links.two = None
    seen = await eventually(lambda: told(api, links), lambda one: one["all"] == "broker_link_down")
    assert seen["logins"] == {USD: None, PAPER: "broker_link_down"}
    links.two = {}
    await eventually(lambda: told(api, links), lambda one: one["all"] is None)


async def test_who_sees_one_account_hears_of_its_link_only(api: Api, links: Links) -> None:
    let_in(api.context, hers=[USD], his=[PAPER])
    links.two = {"gateway": "down", "ibkr": "unknown", "reason": "gateway_unreachable", "complete": False}

    async def all_three() -> list[dict[str, Any]]:
        return [await told(api, links), *[await told(api, links, **bearing(one)) for one in ("hers", "his")]]

    def is_so(seen: list[dict[str, Any]]) -> bool:
        return [one["all"] for one in seen] == ["gateway_unreachable", None, "gateway_unreachable"]

    _, hers, his = await eventually(all_three, is_so)
    assert (hers["logins"], list(his["logins"])) == ({USD: None}, [PAPER])
    async with api.socket(additional_headers=bearing("hers")) as socket:
        await socket.subscribe("positions")
        status = await socket.next("status")
        assert (status["reason"], status["links"]["gateway"]) == (None, "up")
        # That the other one is up again is no news to her; of her own she is told.
        links.two = {}
        await eventually(lambda: told(api, links), lambda one: one["all"] is None)
        links.one = {"gateway": "down", "ibkr": "unknown", "reason": "ib_1100", "complete": False}
        await eventually(lambda: told(api, links), lambda one: one["all"] == "ib_1100")
        assert (await socket.next("status"))["reason"] == "ib_1100"


async def test_limits_are_of_what_is_live_and_an_alert_says_whose_link_is_not(api: Api, links: Links) -> None:
    links.two = {"gateway": "down", "ibkr": "unknown", "reason": "gateway_unreachable", "complete": False}
    await eventually(lambda: told(api, links), lambda one: one["all"] == "gateway_unreachable")
    seen = await Watch(api.context).look()
    assert seen is not None
    assert [one.account for one in seen.accounts] == [USD]
    (link,) = [one for one in (await api.get("/api/v1/alerts"))["items"] if one["source"] == "link"]
    assert link["summary"] == f"What is shown of {PAPER} is not live: gateway unreachable"


async def test_a_link_that_never_was_connected_is_told_and_makes_nothing_old(
    api: Api, links: Links, streams: RedisStreams
) -> None:
    let_in(api.context, hers=[USD])
    new = "10.0.0.7:4001"
    waits = {"gateway": "down", "ibkr": "unknown", "reason": "needs_login", "complete": False}

    async def said(state: str = "needs_login", **headers: str) -> dict[str, Any]:
        await tick(streams, api.settings, beat(utc_now(), **waits, state=state), epoch=0, login=new)
        return await told(api, links, **headers)

    both = {USD: None, PAPER: None}
    seen = await eventually(said, lambda one: one["logins"] == both | {new: "needs_login"})
    assert (seen["all"], seen["links"]) == (None, {USD: "up", PAPER: "up"})
    assert [one["accounts"] for one in (await api.get("/api/v1/sync"))["logins"]] == [[PAPER], [USD], []]
    assert (await said(**bearing("hers")))["logins"] == {USD: None}
    (alert,) = [one for one in (await api.get("/api/v1/alerts"))["items"] if one["source"] == "link"]
    assert (alert["id"], alert["severity"]) == (f"link:{new}", "error")
    assert alert["summary"] == (
        f"The gateway {new}, which has told of no account yet, is not live: needs login"
    )
    figures = (await api.http.get("/metrics")).text
    for series in (
        f'lotkeeper_login_accounts{{login="{ONE}"}} 1.0',
        f'lotkeeper_login_accounts{{login="{new}"}} 0.0',
        f'lotkeeper_link_up{{link="gateway",login="{TWO}"}} 1.0',
        f'lotkeeper_link_up{{link="gateway",login="{new}"}} 0.0',
        f'lotkeeper_link_state{{login="{new}",state="needs_login"}} 1.0',
        f'lotkeeper_link_state{{login="{ONE}",state="live"}} 1.0',
        f'lotkeeper_clock_offset_seconds{{login="{ONE}"}} 0.0',
    ):
        assert series in figures
    assert f'lotkeeper_clock_offset_seconds{{login="{new}"}}' not in figures
    hers = (await api.http.get("/api/v1/alerts", headers=bearing("hers"))).json()
    assert new not in str(hers)
    watched = await Watch(api.context).look()
    assert watched is not None
    assert "link:needs_login" in {one.kind for one in watched.conditions}
    # One that stands by is of a login that another link has.
    await eventually(lambda: said("fenced"), lambda one: one["logins"] == both)
    # And of one that says nothing any more nothing is known.
    await eventually(said, lambda one: new in one["logins"])
    await eventually(lambda: told(api, links), lambda one: one["logins"] == both)


async def test_a_link_that_is_started_anew_and_waits_says_so_once_the_one_before_is_silent(
    api: Api, links: Links, streams: RedisStreams
) -> None:
    both = {USD: None, PAPER: None}
    waits = {"gateway": "down", "ibkr": "unknown", "reason": "needs_login", "complete": False}

    async def said() -> dict[str, Any]:
        await tick(streams, api.settings, beat(utc_now(), **waits, state="needs_login"), epoch=0, login=TWO)
        return await told(api, links)

    await eventually(lambda: told(api, links), lambda one: one["logins"] == both)
    assert (await said())["logins"] == both
    links.two = None
    seen = await eventually(said, lambda one: one["logins"][PAPER] == "needs_login")
    assert (seen["all"], seen["logins"][USD]) == ("needs_login", None)
    links.two = {}
    await eventually(said, lambda one: one["logins"] == both)


async def test_a_link_of_an_older_version_names_no_login_and_is_the_only_one(
    api: Api, streams: RedisStreams, database: Database
) -> None:
    async with database.write() as writer:
        await writer.execute(update(t.broker_accounts).values(login=ONE))
    await api.context.hub.following._reload()

    async def reason() -> object:
        await tick(streams, api.settings, beat(utc_now()), epoch=EPOCH + 7)
        return (await api.get("/api/v1/sync"))["links"]["reason"]

    await eventually(reason, lambda found: found is None)


async def test_an_account_that_no_login_lists_any_more_keeps_nobody_from_being_live(
    api: Api, links: Links, database: Database
) -> None:
    async with database.write() as writer:
        own = t.broker_accounts.c.account == PAPER
        await writer.execute(update(t.broker_accounts).where(own).values(listed=False))
        # Its last epoch is newer than that of the link that is live, which is no link of its.
        theirs = t.sync_datasets.c.account == PAPER
        await writer.execute(update(t.sync_datasets).where(theirs).values(epoch=EPOCH + 99, complete=True))
    await api.context.hub.following._reload()
    links.two = None
    seen = await eventually(lambda: told(api, links), lambda one: one["all"] is None)
    assert seen["logins"] == {USD: None}
    for path in ("positions", "executions", "reconciliations/differences"):
        assert (await api.get(f"/api/v1/{path}", account=USD))["freshness"]["reason"] is None, path
        assert (await api.get(f"/api/v1/{path}", account=PAPER))["freshness"]["reason"] == "incomplete", path


async def test_who_sees_only_what_no_login_lists_hears_of_no_link(
    api: Api, links: Links, database: Database
) -> None:
    async with database.write() as writer:
        await writer.execute(
            insert(t.broker_accounts).values(
                account="U9", paper=False, listed=False, first_seen_at=NOW, last_seen_at=NOW
            )
        )
    await api.context.hub.following._reload()
    let_in(api.context, theirs=["U9"])
    links.two = {"gateway": "down", "ibkr": "unknown", "reason": "gateway_unreachable", "complete": False}
    await eventually(lambda: told(api, links), lambda one: one["all"] == "gateway_unreachable")
    seen = await told(api, links, **bearing("theirs"))
    assert (seen["all"], seen["logins"]) == ("broker_link_down", {})
    alerts = (await api.http.get("/api/v1/alerts", headers=bearing("theirs"))).json()
    assert USD not in str(alerts)
    assert PAPER not in str(alerts)
    history = await api.http.get("/api/v1/sync/history", headers=bearing("theirs"))
    assert history.status_code == 200


def test_where_no_login_lists_any_account_one_that_waits_is_told_once() -> None:
    waits = Verdict(links=UNKNOWN, reason="needs_login", since=NOW, login=ONE)
    other = replace(waits, login=TWO)
    found = links_in_trouble(Judged(NOW, waits, waiting=[waits, other]))
    assert [(one.id, one.lists_none) for one in found] == [("link", False), (f"link:{TWO}", True)]
