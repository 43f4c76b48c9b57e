"""A frame that was kept aside, read again without a gateway."""

import json
from datetime import UTC, datetime

import pytest

from core.events.facts import AccountValueReported, ExecutionReported, PositionReported
from core.settings import load_settings
from services.broker.reread import reread
from services.broker.unreadable import UnreadableError
from tests.services.broker.test_recorded_frames import fill

CAME_AT = datetime(2026, 4, 15, 20, 0, tzinfo=UTC)


def again(
    *fields: str, version: int | None = 178, zone: str | None = "Europe/Berlin", **settings: str
) -> list[object]:
    frame = json.dumps(fields)
    return list(reread(frame, CAME_AT, load_settings(**settings), server_version=version, time_zone=zone))


async def test_a_fill_is_read_as_if_it_had_been_read_when_it_came() -> None:
    (told,) = again(*fill(when="20260415 19:38:31"))
    assert isinstance(told, ExecutionReported)
    assert (told.exec_id, told.account, told.received_at) == ("0000e0d5.1.01.01", "DU1234567", CAME_AT)
    assert (told.executed_at, told.zone_assumed) == (datetime(2026, 4, 15, 17, 38, 31, tzinfo=UTC), True)


@pytest.mark.parametrize(
    ("zone", "settings", "hour"),
    [
        (None, {}, 23),
        ("Central European Standard Time", {}, 17),
        ("Europe/Berlin", {"ib_timezone": "UTC"}, 19),
        ("Nowhere/At all", {}, 23),
    ],
)
async def test_the_zone_of_times_that_carry_none_is_that_of_the_session(
    zone: str | None, settings: dict[str, str], hour: int
) -> None:
    (told,) = again(*fill(when="20260415 19:38:31"), zone=zone, **settings)
    assert isinstance(told, ExecutionReported)
    assert told.executed_at.hour == hour


async def test_a_position_is_as_of_when_it_came_and_an_account_value_too() -> None:
    contract = ("265598", "AAPL", "STK", "", "0.0", "", "", "NASDAQ", "USD", "AAPL", "NMS")
    (held,) = again("61", "3", "DU1", *contract, "5", "3.2")
    assert isinstance(held, PositionReported)
    assert (held.quantity, held.as_of, held.sweep) == (5, CAME_AT, "")
    (value,) = again("63", "1", "9", "DU1", "NetLiquidation", "7.5", "USD", version=None)
    assert isinstance(value, AccountValueReported)
    assert (value.value, value.received_at) == ("7.5", CAME_AT)


async def test_what_only_has_a_meaning_while_it_is_live_gives_no_facts() -> None:
    assert again("94", "7", "1.5", "2.5", "3.5") == []


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        ("11|x", "not kept in a form"),
        ("[]", "unknown message id"),
        ('["4711","1"]', "unknown message id"),
        (json.dumps(fill()[:10]), "does not decode"),
        (json.dumps(fill(when="20260415 19:38:31 Atlantis/Time")), "unknown time zone"),
        (json.dumps(fill(at_20="")), "no price|no quantity"),
    ],
)
async def test_what_cannot_be_read_still_says_why(frame: str, reason: str) -> None:
    with pytest.raises(UnreadableError, match=reason):
        reread(frame, CAME_AT, load_settings(), server_version=178, time_zone=None)
