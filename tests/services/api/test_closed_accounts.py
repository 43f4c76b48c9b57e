"""An account that was closed leaves its group; nothing else ends before the others."""

from datetime import date
from decimal import Decimal

from sqlalchemy import insert

from core.domain.days import end_of
from models import tables as t
from models.session import Database
from tests.services.api.conftest import Api
from tests.services.api.measured import Day, new_import, weekdays, write_days
from tests.services.api.portfolio import PAPER, USD

PATH = "/api/v1/performance/measures"


async def close(database: Database, import_id: int, account: str, on: date | None) -> None:
    async with database.write() as writer:
        await writer.execute(
            insert(t.stated_accounts).values(import_id=import_id, line=1, account=account, closed_on=on)
        )


async def test_what_a_closed_account_was_last_worth_leaves_its_group(api: Api, seeded: Database) -> None:
    days = weekdays(5)
    await write_days(seeded, USD, [Day(day, Decimal(100 + number)) for number, day in enumerate(days)])
    await write_days(seeded, PAPER, [Day(day, Decimal(40)) for day in days[:2]])
    cut = await api.get(PATH, account=[USD, PAPER])
    assert (cut["span"]["points"], cut["money"]["end_value"]["value"]) == (2, "141")
    await close(seeded, await new_import(seeded), PAPER, days[1])
    # A later statement that does not say so does not open it again.
    await close(seeded, await new_import(seeded), PAPER, None)
    found = await api.get(PATH, account=[USD, PAPER])
    assert (found["span"]["points"], found["data_quality"]) == (5, "estimated")
    assert {name: one["value"] for name, one in found["money"].items() if name != "average_value"} == {
        "start_value": "140",
        "end_value": "104",
        "net_contribution": "-40",
        "gain": "4",
    }
    alone = await api.get(PATH, account=PAPER)
    assert alone["money"]["end_value"]["value"] == "40"


async def test_one_that_was_closed_before_the_time_that_is_asked_for_leaves_the_others_theirs(
    api: Api, seeded: Database
) -> None:
    days = weekdays(5)
    await write_days(seeded, USD, [Day(day, Decimal(100 + number)) for number, day in enumerate(days)])
    await write_days(seeded, PAPER, [Day(day, Decimal(40)) for day in days[:2]])
    asked = {"account": [USD, PAPER], "from": end_of(days[2]).isoformat()}
    assert (await api.get(PATH, **asked))["span"]["points"] == 0, "it may be worth anything"
    await close(seeded, await new_import(seeded), PAPER, days[1])
    found = await api.get(PATH, **asked)
    value = found["money"]["end_value"]["value"]
    assert (found["span"]["points"], value, found["data_quality"]) == (3, "104", "complete")
    assert {one["account"]: one["points"] for one in found["accounts"]} == {USD: 3, PAPER: 0}
    # On its last day it was there.
    asked["from"] = end_of(days[1]).isoformat()
    assert (await api.get(PATH, **asked))["money"]["net_contribution"]["value"] == "-40"
    asked["from"] = end_of(days[2]).isoformat()
    alone = await api.get(PATH, **{**asked, "account": PAPER})
    assert alone["span"]["points"] == 0
