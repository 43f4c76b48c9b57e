"""`lotkeeper doctor`: it finds what is wrong, says what to do, and hands on no secret."""

import asyncio
import json
import tarfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.clock import utc_now
from core.settings import Settings, load_settings
from services.backup.creating import create
from services.cli.doctor import backups, gateway, stores
from services.cli.doctor import machine as of_the_machine
from services.cli.doctor.finding import Finding
from services.cli.doctor.run import redacted
from services.simulator import Simulator
from services.stack import RedisServer
from services.stack.ports import free_port
from tests.services.backup.machines import Machine, running
from tests.services.cli.conftest import Said

Run = Callable[..., Said]
PASSWORD = "a-password-that-nobody-may-see"


async def all_of(findings: AsyncIterator[Finding]) -> dict[str, Finding]:
    return {one.check: one async for one in findings}


def test_with_nothing_there_each_thing_that_is_missing_is_named_with_what_to_do(lotkeeper: Run) -> None:
    said = lotkeeper("doctor", "--json")
    found = {one["check"]: one for one in said.data}
    assert said.code == 3
    missing = {name for name, one in found.items() if one["state"] == "error"}
    assert missing == {"PostgreSQL", "Redis", "gateway", "API"}
    assert "LOTKEEPER_DATABASE_URL is not set" in found["PostgreSQL"]["told"]
    assert "cannot be reached (Connection refused)" in found["gateway"]["told"]
    assert "socket clients" in found["gateway"]["todo"]
    assert found["version"]["state"] == "ok"
    shown = lotkeeper("doctor")
    assert shown.code == 3
    assert "error    API: The API at" in shown.out


def test_what_could_be_brought_back_is_told_and_what_is_old(machine: Machine) -> None:
    def states(at: Settings, now: datetime) -> dict[str, str]:
        return {one.check: one.state for one in backups.backups(at, now)}

    assert states(machine.settings, utc_now()) == {"backups": "warning"}
    demo = machine.settings.model_copy(update={"backup_scheduled": False})
    assert states(demo, utc_now()) == {"backups": "note"}
    with running(machine.settings) as at:
        assert states(at, utc_now()) == {"backups": "warning", "recovery": "ok"}
        asyncio.run(create(at, "cli"))
        assert states(at, utc_now()) == {"backups": "ok", "recovery": "ok"}
        assert states(at, utc_now() + timedelta(days=3)) == {"backups": "warning", "recovery": "warning"}
        at.recovery_folder.rename(at.home / "elsewhere")
        (none,) = [one for one in backups.backups(at, utc_now()) if one.check == "recovery"]
        assert (none.state, "no moment can be brought back" in none.told) == ("warning", True)
        at.backup_folder.rename(at.home / "archives")
        at.backup_folder.symlink_to(at.backup_folder)
        assert states(at, utc_now()) == {"backups": "error"}


async def test_servers_that_are_as_they_should_be_are_ok(settings: Settings) -> None:
    found = await all_of(stores.redis(settings))
    assert {name: one.state for name, one in found.items()} == {
        "Redis": "ok",
        "eviction": "ok",
        "log of Redis": "warning",  # those of tests keep none
    }
    found = await all_of(stores.postgresql(settings))
    assert (found["PostgreSQL"].state, found["clock of PostgreSQL"].state) == ("ok", "ok")
    # Those of tests are not durable, and that is what it is for to find.
    assert found["durability"].state == "error"
    assert "fsync, full_page_writes, synchronous_commit is off" in found["durability"].told


@pytest.mark.parametrize(
    ("changed", "check", "state"),
    [
        ({"redis_version": "6.0.16"}, "Redis", "error"),
        ({"maxmemory_policy": "allkeys-lru"}, "eviction", "error"),
        ({"aof_enabled": 0}, "log of Redis", "warning"),
        ({}, "log of Redis", "ok"),
    ],
)
def test_what_a_redis_says_of_itself_is_judged(changed: dict[str, Any], check: str, state: str) -> None:
    sound = {"redis_version": "7.2.4", "used_memory": 1, "maxmemory_policy": "noeviction", "aof_enabled": 1}
    found = {one.check: one for one in stores._of_redis(sound | changed)}
    assert found[check].state == state
    assert bool(found[check].todo) == (state != "ok")


async def test_a_store_that_is_away_is_an_error(redis_server: RedisServer) -> None:
    assert redis_server.running
    nowhere = free_port()
    away = load_settings(
        database_url=f"postgresql://lotkeeper:{PASSWORD}@127.0.0.1:{nowhere}/x",
        redis_url=f"redis://127.0.0.1:{nowhere}",
    )
    for findings in (stores.postgresql(away), stores.redis(away)):
        [one] = (await all_of(findings)).values()
        assert one.state == "error"
        assert PASSWORD not in one.told + one.todo


@asynccontextmanager
async def listening(answer: bytes | None) -> AsyncIterator[int]:
    """Something that takes connections, says this and hangs up; ``None``: it says nothing for ever."""
    done = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(64)
        if answer is None:
            await done.wait()
        else:
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        done.set()
        server.close()


def framed(text: str) -> bytes:
    return len(text.encode()).to_bytes(4, "big") + text.encode()


async def asked(port: int) -> dict[str, Finding]:
    return await all_of(gateway.gateway(load_settings(ib_port=port)))


async def test_a_gateway_that_greets_tells_its_version_and_its_time() -> None:
    async with Simulator.start("quiet") as simulator:
        found = await asked(simulator.port)
    assert {name: one.state for name, one in found.items()} == {"gateway": "ok", "clock of the gateway": "ok"}


@pytest.mark.parametrize(
    ("answer", "check", "state", "told"),
    [
        (b"", "gateway", "error", "is no TWS or IB Gateway"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "gateway", "error", "is no TWS or IB Gateway"),
        (framed("100\x0020200101 10:00:00 US/Eastern\0"), "gateway", "error", "version 100"),
        (framed("178\x0020200101 10:00:00 US/Eastern\0"), "clock of the gateway", "warning", "behind"),
        (
            framed("178\x0020200101 10:00:00 Mitteleuropäische Zeit\0"),
            "clock of the gateway",
            "note",
            "Mittel",
        ),
        (framed("178"), "gateway", "error", "is no TWS"),
        (framed("178\x0020200101 10:00:00 Nowhere\0"), "clock of the gateway", "note", "it says 20200101"),
    ],
)
async def test_what_answers_otherwise_is_told(answer: bytes, check: str, state: str, told: str) -> None:
    async with listening(answer) as port:
        found = (await asked(port))[check]
    assert found.state == state
    assert told in found.told


async def test_one_that_says_nothing_may_wait_for_a_login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "_ANSWER_SECONDS", 0.1)
    async with listening(None) as port:
        found = (await asked(port))["gateway"]
    assert (found.state, "says nothing" in found.told, "login" in found.todo) == ("error", True, True)


def test_a_home_that_others_look_into_and_a_port_that_is_taken_are_found(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path, api_port=free_port())
    settings.data_dir.mkdir(mode=0o755)
    settings.data_dir.chmod(0o755)
    found = {one.check: one for one in of_the_machine.home(settings)}
    assert (found["home"].state, found["home"].todo) == ("warning", f"chmod 711 {settings.data_dir}")
    [port] = of_the_machine.ports(settings)
    assert port.state == "ok"


async def test_a_taken_port_names_its_holder() -> None:
    async with listening(b"") as port:
        [found] = of_the_machine.ports(load_settings(api_port=port))
    assert (found.state, "process" in found.told) == ("error", True)


def test_an_archive_has_what_was_found_and_nothing_secret(
    lotkeeper: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(
        "LOTKEEPER_DATABASE_URL", f"postgresql://lotkeeper:{PASSWORD}@127.0.0.1:{free_port()}/x"
    )
    monkeypatch.setenv("LOTKEEPER_API_TOKEN", PASSWORD[::-1])
    said = lotkeeper("doctor", "--bundle", str(tmp_path / "doctor.tar.gz"))
    assert said.code == 3
    with tarfile.open(tmp_path / "doctor.tar.gz") as archive:
        names = archive.getnames()
        contents = [archive.extractfile(name).read().decode() for name in names]  # type: ignore[union-attr]
    assert names == ["lotkeeper-doctor/doctor.json", "lotkeeper-doctor/settings.json"]
    assert any(one["check"] == "gateway" for one in json.loads(contents[0]))
    for secret in (PASSWORD, PASSWORD[::-1]):
        assert secret not in said.out + "".join(contents)
    again = lotkeeper("doctor", "--bundle", str(tmp_path / "doctor.tar.gz"))
    assert (again.code, "cannot be written: File exists" in again.err) == (6, True)


def test_a_log_is_handed_on_without_secrets_and_account_numbers() -> None:
    settings = load_settings(api_token="the-token-of-this-instance-is-long")
    log = (
        "token=the-token-of-this-instance-is-long url=redis://:pass@host:1/0 key=lk_abc-DEF_1 "
        "account=DU1234567 other=U7654321 conid=265598"
    )
    assert redacted(log, settings) == (
        "token=<api_token> url=redis://<secret>@host:1/0 key=<token> account=DU…567 other=U…321 conid=265598"
    )
