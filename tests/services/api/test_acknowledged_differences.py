"""A difference from the broker that somebody knows of, over HTTP: said, shown apart, taken back."""

from decimal import Decimal
from typing import Any

import httpx
import pytest

from core.domain.access import Scope
from core.domain.rules import Finding
from models.session import Database
from models.stores.reconciliation import Difference, record_differences
from tests.services.api.conftest import Api
from tests.services.api.people import make_user, signed_in
from tests.services.api.portfolio import AAPL, NOW, PAPER, USD, position_id, seed_comparisons
from tests.services.api.test_issues import record

LIST = "/api/v1/reconciliations/differences"
WHY = "the transfer of Monday"


@pytest.fixture
async def compared(api: Api, seeded: Database) -> Api:
    """The portfolio, compared with the broker."""
    await seed_comparisons(seeded)
    return api


async def of_kind(api: Api, kind: str, status: str = "all") -> dict[str, Any]:
    found = (await api.get(LIST, status=status, kind=kind))["items"]
    assert len(found) == 1
    row: dict[str, Any] = found[0]
    return row


async def say(api: Api, kind: str = "quantity_mismatch", note: str = WHY) -> httpx.Response:
    number = (await of_kind(api, kind))["id"]
    return await api.http.post(f"{LIST}/{number}/acknowledge", json={"note": note})


async def kinds(api: Api, status: str) -> list[str]:
    return [row["kind"] for row in (await api.get(LIST, status=status))["items"]]


async def found_anew(database: Database, brokers: str) -> None:
    found = Difference(
        *(USD, AAPL, "quantity_mismatch", "unexplained", False, Decimal("90.5"), Decimal(brokers), NOW)
    )
    async with database.write() as writer:
        await record_differences(writer, [found])


async def test_what_somebody_knows_of_is_told_apart_with_who_and_why(compared: Api) -> None:
    answer = await say(compared)
    told = answer.json()
    assert answer.status_code == 200
    assert (told["status"], told["acknowledged_by"], told["note"]) == ("acknowledged", "owner", WHY)
    assert (told["acknowledged_ours"], told["acknowledged_brokers"]) == ("90.5", "100")
    assert told["acknowledged_at"] is not None
    assert told["freshness"]["as_of"] == "2026-11-20T15:00:00Z"
    assert await kinds(compared, "open") == ["missing_local", "cost_mismatch"]
    assert await kinds(compared, "acknowledged") == ["quantity_mismatch"]
    assert await kinds(compared, "resolved") == ["missing_broker"]
    assert len(await kinds(compared, "all")) == 4


async def test_again_it_is_of_who_says_it_last(compared: Api, database: Database) -> None:
    first = (await say(compared)).json()
    await make_user(database, "anna", Scope.SYNC)
    async with signed_in(compared, "anna") as anna:
        answer = await anna.post(f"{LIST}/{first['id']}/acknowledge", json={"note": "a gift"})
    assert (answer.json()["acknowledged_by"], answer.json()["note"]) == ("anna", "a gift")


async def test_it_is_open_again_once_a_figure_is_another_and_says_what_was_known(
    compared: Api, database: Database
) -> None:
    await say(compared)
    await found_anew(database, "100.00")
    assert (await of_kind(compared, "quantity_mismatch"))["status"] == "acknowledged"
    await found_anew(database, "110")
    row = await of_kind(compared, "quantity_mismatch", "open")
    assert (row["brokers"], row["acknowledged_brokers"], row["note"]) == ("110", "100", WHY)
    assert row["acknowledgement_ended_at"] == "2026-11-20T15:00:00Z"
    await found_anew(database, "100")
    assert (await of_kind(compared, "quantity_mismatch"))["status"] == "open", "what ended has ended"
    told = (await say(compared, note="settled tomorrow")).json()
    assert (told["status"], told["acknowledgement_ended_at"]) == ("acknowledged", None)


async def test_what_was_said_is_taken_back(compared: Api) -> None:
    number = (await say(compared)).json()["id"]
    for _ in range(2):
        answer = await compared.http.delete(f"{LIST}/{number}/acknowledge")
        told = answer.json()
        assert (answer.status_code, told["status"], told["note"]) == (200, "open", None)
        assert told["acknowledged_by"] is told["acknowledged_at"] is told["acknowledged_ours"] is None
    assert await kinds(compared, "acknowledged") == []


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"{}", b'{"note": null}', b'{"note": ""}', b'{"note": " "}', b'{"note": "\\u0000"}'),
        *(b'{"note": "x", "by": "me"}', b'{"note": "%s"}' % (b"x" * 2_001), b"x" * 20_000),
    ],
)
async def test_without_a_reason_nothing_is_changed(compared: Api, body: bytes) -> None:
    number = (await of_kind(compared, "quantity_mismatch"))["id"]
    answer = await compared.http.post(f"{LIST}/{number}/acknowledge", content=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    assert await kinds(compared, "acknowledged") == []


@pytest.mark.parametrize(
    ("seen", "status", "code"),
    [
        ({"ours": "90.5", "brokers": "100"}, 200, None),
        ({"ours": "90.500", "brokers": "100.0"}, 200, None),
        ({"ours": "90.5", "brokers": "101"}, 409, "difference_changed"),
        ({"ours": None, "brokers": "100"}, 409, "difference_changed"),
        ({"ours": "90.5"}, 422, "validation_failed"),
        ({"ours": "NaN", "brokers": "100"}, 422, "validation_failed"),
        ({"ours": 90.5, "brokers": 100}, 422, "validation_failed"),
    ],
)
async def test_only_figures_that_were_seen_are_known_of(
    compared: Api, seen: dict[str, Any], status: int, code: str | None
) -> None:
    number = (await of_kind(compared, "quantity_mismatch"))["id"]
    answer = await compared.http.post(f"{LIST}/{number}/acknowledge", json={"note": WHY, **seen})
    assert (answer.status_code, answer.json().get("code")) == (status, code)
    assert await kinds(compared, "acknowledged") == (["quantity_mismatch"] if status == 200 else [])


async def test_what_is_gone_or_never_was_is_refused(compared: Api) -> None:
    gone = (await of_kind(compared, "missing_broker"))["id"]
    for number, status, code in (
        (gone, 409, "difference_resolved"),
        (99, 404, "difference_not_found"),
        (2**70, 404, "difference_not_found"),
    ):
        path = f"{LIST}/{number}/acknowledge"
        for answer in (
            await compared.http.post(path, json={"note": WHY}),
            await compared.http.delete(path),
        ):
            assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (await of_kind(compared, "missing_broker"))["note"] is None


async def test_who_may_only_read_says_nothing(compared: Api, database: Database) -> None:
    await make_user(database, "ben", Scope.READ)
    number = (await of_kind(compared, "quantity_mismatch"))["id"]
    async with signed_in(compared, "ben") as ben:
        refused = [
            await ben.post(f"{LIST}/{number}/acknowledge", json={"note": WHY}),
            await ben.delete(f"{LIST}/{number}/acknowledge"),
        ]
    assert [(one.status_code, one.json()["code"]) for one in refused] == [(403, "scope_needed")] * 2
    assert await kinds(compared, "acknowledged") == []


async def test_sent_again_with_its_key_it_is_the_same_answer(compared: Api) -> None:
    path = f"{LIST}/{(await of_kind(compared, 'quantity_mismatch'))['id']}/acknowledge"
    key = {"idempotency-key": "once"}
    first = await compared.http.post(path, json={"note": WHY}, headers=key)
    again = await compared.http.post(path, json={"note": WHY}, headers=key)
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"


async def test_it_wants_no_attention_in_any_place_and_is_counted_apart(
    compared: Api, database: Database
) -> None:
    subject = f"{AAPL}/quantity_mismatch"
    await record(database, "broker-difference", NOW, Finding(USD, subject, "differs", {}))
    before = await compared.get("/api/v1/portfolio/summary", account=USD)
    assert (before["open_differences"], before["acknowledged_differences"]) == (2, 0)
    assert before["open_issues"]["error"] == 1
    number = (await say(compared)).json()["id"]
    after = await compared.get("/api/v1/portfolio/summary", account=USD)
    assert (after["open_differences"], after["acknowledged_differences"]) == (1, 1)
    assert after["open_issues"]["error"] == 0
    paper = await compared.get("/api/v1/portfolio/summary", account=PAPER)
    assert (paper["open_differences"], paper["acknowledged_differences"]) == (1, 0)

    async def told() -> list[str]:
        return [one["id"] for one in (await compared.get("/api/v1/alerts"))["items"]]

    assert f"difference:{number}" not in await told()
    await compared.http.delete(f"{LIST}/{number}/acknowledge")
    assert f"difference:{number}" in await told(), "it wants attention at once, before any rule is looked at"


async def test_a_position_goes_on_telling_it(compared: Api) -> None:
    await say(compared)
    row = await compared.get(f"/api/v1/positions/{position_id('aapl')}")
    told = {one["kind"]: (one["status"], one["acknowledged_by"], one["note"]) for one in row["differences"]}
    assert told == {
        "cost_mismatch": ("open", None, None),
        "quantity_mismatch": ("acknowledged", "owner", WHY),
    }
