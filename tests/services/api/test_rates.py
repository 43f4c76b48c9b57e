"""How many requests anybody may send."""

import pytest

from core.settings import Settings
from models.session import Database
from services.api.problems import ProblemError
from services.api.security import throttle
from services.api.security.rates import Rates
from services.api.security.throttle import Throttle, network_of
from tests.services.api.conftest import Start
from tests.services.api.people import client, make_token
from tests.services.api.portfolio import TOKEN


def test_a_bucket_holds_so_many_and_fills_up_steadily() -> None:
    now = 100.0
    rates = Rates(60, 3, monotonic=lambda: now)
    assert rates.policy == '"requests";q=3;w=3'
    assert [rates.take("a") for _ in range(3)] == [(2, 1), (1, 2), (0, 3)]
    with pytest.raises(ProblemError) as refused:
        rates.take("a")
    assert refused.value.headers == {
        "retry-after": "1",
        "ratelimit-policy": '"requests";q=3;w=3',
        "ratelimit": '"requests";r=0;t=3',
    }
    assert rates.take("b") == (2, 1)
    now += 1.0
    assert rates.take("a") == (0, 3)
    with pytest.raises(ProblemError):
        rates.take("a")
    now += 60.0
    assert rates.take("a") == (2, 1)


def test_without_a_limit_nothing_is_counted() -> None:
    rates = Rates(0, 1)
    assert [rates.take("a") for _ in range(5)] == [None] * 5


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("local", "local"),
    ],
)
def test_who_can_choose_among_addresses_is_one(address: str, network: str) -> None:
    assert network_of(address) == network


def test_a_right_guess_is_taken_back() -> None:
    counted = Throttle(lambda: 0.0, attempts=2)
    counted.take_back("a")
    counted.note_wrong("a")
    counted.note_wrong("a")
    assert counted.wait_seconds("a")
    counted.take_back("a")
    assert not counted.wait_seconds("a")


def test_strangers_choose_their_addresses_and_fill_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "_ENTRIES", 3)
    wrong = Throttle(lambda: 1.0, attempts=1)
    for number in range(10):
        wrong.note_wrong(f"192.0.2.{number}")
    assert len(wrong._wrong) == 3
    assert wrong.wait_seconds("192.0.2.9")
    assert not wrong.wait_seconds("192.0.2.1")


async def test_tokens_and_strangers_are_held_up_and_the_owner_is_not(
    start: Start, settings: Settings, seeded: Database
) -> None:
    few = settings.model_copy(update={"api_requests_per_minute": 1, "api_requests_burst": 2})
    api = await start(few)
    _, one = await make_token(seeded)
    _, other = await make_token(seeded)
    async with client(api, one) as program, client(api, other) as another, client(api) as stranger:
        first = await program.get("/api/v1/accounts")
        assert first.headers["ratelimit-policy"] == '"requests";q=2;w=120'
        assert first.headers["ratelimit"] == '"requests";r=1;t=60'
        await program.get("/api/v1/accounts")
        refused = await program.get("/api/v1/accounts")
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
        assert 0 < int(refused.headers["retry-after"]) <= 60
        assert refused.headers["ratelimit"].startswith('"requests";r=0;t=')
        assert (await another.get("/api/v1/accounts")).status_code == 200
        assert [(await stranger.get("/api/v1/accounts")).status_code for _ in range(3)] == [401, 401, 429]
        assert (await stranger.get("/api/v1/setup")).status_code == 429
        assert (await stranger.get("/livez")).status_code == 200
        answers = [await api.http.get("/api/v1/accounts") for _ in range(5)]
        assert {answer.status_code for answer in answers} == {200}
        assert "ratelimit" not in answers[0].headers
        assert TOKEN in api.http.headers["authorization"]
