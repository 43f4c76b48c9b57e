"""Two gateways, each with a login of its own, into one database; and one of them goes away."""

from contextlib import AsyncExitStack
from typing import Any

from core.settings import Settings
from services.broker.place import FILE, place_of
from services.simulator import Simulator
from tests.databases import run_sql
from tests.services.broker.conftest import SMALL, a_gateway_that_waits, broker_link, quick
from tests.services.broker.test_executions import a_worker
from tests.waiting import eventually

FIRST: dict[str, Any] = {**SMALL, "accounts": SMALL["accounts"][:1]}
SECOND: dict[str, Any] = {**SMALL, "accounts": SMALL["accounts"][1:]}
HELD = (
    "SELECT p.account, i.symbol, p.quantity::int AS quantity FROM positions p "
    "JOIN instruments i USING (conid) WHERE p.status = 'open' ORDER BY 1, 2"
)


async def test_two_gateways_are_recorded_side_by_side_and_one_goes_on_without_the_other(
    settings: Settings,
) -> None:
    async def rows(query: str) -> list[dict[str, Any]]:
        return await run_sql(settings.require_database_url().replace("+asyncpg", ""), query)

    async def states() -> dict[str, str]:
        told = await rows("SELECT login, state FROM broker_links")
        return {row["login"]: row["state"] for row in told}

    async with AsyncExitStack() as running:
        sims = [await running.enter_async_context(Simulator.start(one)) for one in (FIRST, SECOND)]
        await running.enter_async_context(a_worker(settings))
        for number, sim in enumerate(sims):
            # An installation of its own: its spool is, too.
            mine = quick(settings, sim.port, sweep_seconds=0.3, home=settings.home / str(number))
            await running.enter_async_context(broker_link(mine))
        logins = [f"127.0.0.1:{sim.port}" for sim in sims]
        await eventually(states, lambda told: told == dict.fromkeys(logins, "live"))
        held = [
            {"account": "DU1000001", "symbol": "AAPL", "quantity": 100},
            {"account": "DU1000001", "symbol": "ZC", "quantity": 2},
            {"account": "DU1000002", "symbol": "MSFT", "quantity": -30},
        ]
        await eventually(lambda: rows(HELD), lambda told: told == held)
        assert await rows("SELECT account, login, listed FROM broker_accounts ORDER BY account") == [
            {"account": "DU1000001", "login": logins[0], "listed": True},
            {"account": "DU1000002", "login": logins[1], "listed": True},
        ]
        # One gateway is gone: what the other tells is booked and compared as before.
        await sims[1].refuse(True)
        sims[1].drop_connections()
        await eventually(states, lambda told: told == {logins[0]: "live", logins[1]: "disconnected"})
        await sims[0].fill(account="DU1000001", conid=265598, side="BOT", quantity=5)
        await eventually(lambda: rows(HELD), lambda told: told[0]["quantity"] == 105)
        compared = (
            "SELECT count(*) AS n FROM reconciliations r WHERE account = 'DU1000001' AND differences = 0 "
            "AND started_at > (SELECT max(executed_at) FROM executions)"
        )
        await eventually(lambda: rows(compared), lambda told: told[0]["n"])
        await sims[1].refuse(False)
        await eventually(states, lambda told: told == dict.fromkeys(logins, "live"))
        assert await rows("SELECT count(*) AS n FROM sync_log WHERE kind = 'stale_link'") == [{"n": 0}]
    assert (await rows("SELECT count(DISTINCT place) AS n FROM broker_sessions")) == [{"n": 2}]


async def test_a_link_that_never_was_connected_says_that_its_gateway_waits_for_a_person(
    settings: Settings,
) -> None:
    async def links() -> dict[str, tuple[str, str, int]]:
        told = await run_sql(
            settings.require_database_url().replace("+asyncpg", ""),
            "SELECT login, state, reason, epoch FROM broker_links",
        )
        return {row["login"]: (row["state"], row["reason"], row["epoch"]) for row in told}

    async with AsyncExitStack() as running:
        port = await running.enter_async_context(a_gateway_that_waits())
        sim = await running.enter_async_context(Simulator.start(FIRST))
        await running.enter_async_context(a_worker(settings))
        first, second = f"127.0.0.1:{sim.port}", f"127.0.0.1:{port}"
        await running.enter_async_context(broker_link(quick(settings, sim.port, home=settings.home / "0")))
        seen = await eventually(links, lambda told: told.get(first, ("",))[0] == "live")
        epoch = seen[first][2]
        mine = quick(settings, port, home=settings.home / "1", ib_connect_timeout_seconds=0.4)
        await running.enter_async_context(broker_link(mine))
        await eventually(links, lambda told: told.get(second) == ("needs_login", "needs_login", 0))
        # It begins no session, which might replace the other one: whose accounts it has nobody knows.
        assert (await links())[first] == ("live", "", epoch)


def test_an_installation_keeps_its_name(settings: Settings) -> None:
    name = place_of(settings)
    assert name == place_of(settings) == (settings.data_dir / FILE).read_text().strip()
    elsewhere = settings.model_copy(update={"home": settings.home / "elsewhere"})
    assert place_of(elsewhere) != name
    (settings.home / "a file").write_text("")
    nowhere = settings.model_copy(update={"home": settings.home / "a file"})
    assert place_of(nowhere) == place_of(nowhere) != ""
