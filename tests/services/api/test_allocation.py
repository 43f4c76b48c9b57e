"""What accounts hold, over HTTP."""

from decimal import Decimal
from typing import Any

import pytest

from core.settings import Settings
from models.session import Database
from models.stores.identity import refresh_mapping
from services.snapshot.runs import Snapshots
from tests.services.api.conftest import Api, Start
from tests.services.snapshot.world import ACME, FIRST, HOUR, SECOND, VOD, Hand, run_sql, seed, tell

PATH = "/api/v1/allocation"
WORTH = Decimal("118902.44")


@pytest.fixture
async def kept(start: Start, settings: Settings, database: Database) -> Api:
    """Two accounts with their snapshots, the second of which is an hour older."""
    await seed(database, FIRST, SECOND)
    await run_sql(
        database,
        "UPDATE instruments SET isin = CASE conid WHEN :acme THEN 'US0378331005' WHEN :vod THEN "
        "'GB0002634946' ELSE '' END, underlying_conid = CASE WHEN sec_type = 'OPT' THEN :acme END",
        acme=ACME,
        vod=VOD,
    )
    clock = Hand()
    taker = Snapshots(database, settings, clock=clock)
    await taker.take_hour()
    await tell(database, clock.forward(hours=1), FIRST)
    await taker.take_hour()
    async with database.write() as writer:
        await refresh_mapping(writer, HOUR)
    return await start(settings, clock=clock)


def told(found: Any, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(item[name] for name in names) for item in found["items"]]


async def test_what_is_held_is_told_by_account_the_largest_first_cash_included(kept: Api) -> None:
    found = await kept.get(PATH)
    assert found["by"] == "global_instrument"
    assert told(found, "account", "name", "market_value", "cash")[:4] == [
        (FIRST, "Cash", "20482.11", True),
        (FIRST, "ACME", "16000", False),
        (FIRST, "VOD", "948.802", False),
        (FIRST, "ACME C", "-300", False),
    ]
    assert [item["account"] for item in found["items"]] == [FIRST] * 4 + [SECOND] * 4
    acme, option = found["items"][1], found["items"][3]
    assert acme["key"] == "isin:US0378331005"
    assert Decimal(acme["share"]).quantize(Decimal("1E-9")) == (16000 / WORTH).quantize(Decimal("1E-9"))
    assert (option["long_value"], option["short_value"]) == ("0", "-300")
    counts = ("holdings", "holdings_valued", "holdings_fresh")
    assert told(found, *counts)[1] == (1, 1, 1)


async def test_it_is_as_old_as_the_account_that_has_gone_longest_without_a_snapshot(kept: Api) -> None:
    found = await kept.get(PATH)
    first, second = (row["asof_ts"] for row in found["accounts"])
    assert first > second == found["freshness"]["as_of"]
    assert (found["freshness"]["source"], found["freshness"]["reason"]) == ("last_known", "snapshot")
    one = await kept.get(PATH, account=FIRST)
    assert [row["account"] for row in one["accounts"]] == [FIRST]
    assert {item["account"] for item in one["items"]} == {FIRST}
    assert one["freshness"]["as_of"] == first


@pytest.mark.parametrize(
    ("by", "items"),
    [
        (
            "asset_class",
            [("CASH", "20482.11", True), ("STK", "16948.802", False), ("OPT", "-300", False)],
        ),
        (
            "currency",
            [
                ("USD", "20400", True),
                ("USD", "15700", False),
                ("GBP", "948.802", False),
                ("GBP", "81.90625", True),
            ],
        ),
        (
            "country",
            [
                (None, "20482.11", True),
                ("US", "16000", False),
                ("GB", "948.802", False),
                (None, "-300", False),
            ],
        ),
    ],
)
async def test_what_is_held_is_summed_by_class_currency_or_country(
    kept: Api, by: str, items: list[tuple[Any, ...]]
) -> None:
    found = await kept.get(PATH, by=by, account=FIRST)
    assert told(found, "key", "market_value", "cash") == items
    assert sum(Decimal(item["market_value"]) for item in found["items"]) in {
        Decimal("37130.912"),
        Decimal("37130.70825"),
    }


async def test_what_is_beyond_the_largest_is_one_item_more(kept: Api) -> None:
    found = await kept.get(PATH, account=FIRST, top=2)
    assert told(found, "name", "rest") == [("Cash", False), ("ACME", False), (None, True)]
    rest = found["items"][2]
    assert (rest["market_value"], rest["long_value"], rest["short_value"]) == ("648.802", "948.802", "-300")
    assert (rest["key"], rest["holdings"], rest["cash"]) == (None, 2, False)


async def test_what_is_not_known_is_null_and_counted(kept: Api, database: Database) -> None:
    await run_sql(
        database, "UPDATE snapshot_positions SET market_value_base = NULL, fresh = false WHERE conid = 107550"
    )
    await run_sql(database, "DELETE FROM fx_rates")
    await run_sql(database, "UPDATE snapshots SET total_cash = NULL")
    found = await kept.get(PATH, account=FIRST)
    by_name = {item["name"]: item for item in found["items"]}
    for name in ("VOD", "Cash"):
        item = by_name[name]
        assert [item[key] for key in ("market_value", "long_value", "share", "holdings_valued")] == [
            None,
            None,
            None,
            0,
        ]
    stocks = (await kept.get(PATH, account=FIRST, by="asset_class"))["items"][0]
    assert (stocks["market_value"], stocks["holdings"], stocks["holdings_valued"]) == ("16000", 2, 1)
    currencies = await kept.get(PATH, account=FIRST, by="currency")
    assert ("GBP", None, True) in told(currencies, "key", "market_value", "cash"), "no rate, no value"
    await run_sql(database, "DELETE FROM cash_balances")
    currencies = await kept.get(PATH, account=FIRST, by="currency")
    assert (None, None, True) in told(currencies, "key", "market_value", "cash"), (
        "told as a sum alone, or not at all"
    )


async def test_without_a_snapshot_there_is_nothing_to_tell(
    start: Start, settings: Settings, seeded: Database
) -> None:
    api = await start(settings)
    found = await api.get(PATH)
    assert (found["accounts"], found["items"], found["freshness"]["as_of"]) == ([], [], None)
    assert seeded is not None


async def test_what_cannot_be_meant_is_refused(kept: Api) -> None:
    for wrong, code in (
        ("?account=U0", "account_not_found"),
        ("?by=whim", "validation_failed"),
        ("?top=0", "validation_failed"),
    ):
        assert (await kept.http.get(PATH + wrong)).json()["code"] == code
