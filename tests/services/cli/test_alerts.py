"""`lotkeeper alerts …`, as a person or a program uses it."""

import io
from collections.abc import Callable, Iterator

import pytest

from tests.services.alerts.receiver import Receiver, receiver
from tests.services.cli.conftest import Said, Sql, noted

Run = Callable[..., Said]


@pytest.fixture
def lk(lotkeeper: Run, monkeypatch: pytest.MonkeyPatch, url: str) -> Run:
    monkeypatch.setenv("LOTKEEPER_DATABASE_URL", url)
    return lotkeeper


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


@pytest.fixture
def standing(lk: Run, sql: Sql) -> Run:
    sql(
        "INSERT INTO alert_conditions (id, kind, severity, summary, remedy, first_seen, last_seen, gone_at, "
        "told_at, told_kind, told_severity) VALUES "
        "('disk', 'disk', 'warning', 'The disk is [full]', '', now(), now(), NULL, NULL, NULL, NULL), "
        "('link', 'link:needs_login', 'error', 'Not live', 'Log in.', now(), now(), NULL, now(), "
        "'link:needs_login', 'error'), "
        "('gone', 'pool', 'error', 'No more', '', now(), now(), now(), NULL, NULL, NULL)"
    )
    return lk


def test_what_stands_wrong_is_listed_the_gravest_first(standing: Run) -> None:
    rows = standing("alerts", "list", "--json").data["conditions"]
    assert [(one["id"], one["told_at"] is not None) for one in rows] == [("link", True), ("disk", False)]
    said = standing("alerts", "list")
    assert "The disk is [full]" in said.out
    assert "not yet" in said.out


def test_nothing_stands_wrong_and_nothing_was_to_tell(lk: Run) -> None:
    assert "Nothing stands wrong" in lk("alerts", "list").out
    assert "There was nothing to tell" in lk("alerts", "messages").out
    assert "No price is watched" in lk("alerts", "prices").out


def test_a_thing_is_muted_and_heard_of_again(standing: Run, sql: Sql) -> None:
    assert standing("alerts", "mute", "disk", "--hours", "2").code == 0
    assert "muted until" in standing("alerts", "list").out
    assert standing("alerts", "mute", "disk", "--hours", "0").code == 0
    assert sql("SELECT muted_until FROM alert_conditions WHERE id = 'disk'") == [{"muted_until": None}]
    refused = standing("alerts", "mute", "nonsense")
    assert (refused.code, "lotkeeper alerts list" in refused.err) == (2, True)
    assert noted(standing) == [("alert_mute", "disk", "ok"), ("alert_unmute", "disk", "ok")]


def test_messages_are_listed_with_how_they_went(lk: Run, sql: Sql) -> None:
    sql(
        "INSERT INTO alert_messages (made_at, severity, title, body) VALUES "
        "(now(), 'error', 'Not [live]', 'x'), "
        "(now() - interval '1 hour', 'error', 'Nobody', 'x')",
        "INSERT INTO alert_deliveries (message_id, channel, attempts, next_try_at, sent_at, error) VALUES "
        "(1, 'a-1', 1, NULL, now(), NULL), (1, 'b-2', 2, now(), NULL, 'busy'), "
        "(1, 'c-3', 11, NULL, NULL, 'no'), (1, 'd-4', 0, now(), NULL, NULL)",
    )
    said = lk("alerts", "messages")
    for words in ("Not [live]", "taken", "tried 2 times busy", "given up after 11 attempts: no", "waits"):
        assert words in said.out
    assert "no channel was set up" in said.out
    rows = lk("alerts", "messages", "--json", "--limit", "1").data["messages"]
    assert [len(one["deliveries"]) for one in rows] == [4]


def test_a_channel_is_added_tried_and_removed(
    lotkeeper: Run, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "alerts add" in lotkeeper("alerts", "channels").out
    none = lotkeeper("alerts", "test")
    assert (none.code, "LOTKEEPER_ALERTS_URLS" in none.err) == (6, True)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{hook.url}\n"))
    added = lotkeeper("alerts", "add", "--url-file", "-")
    assert added.code == 0
    assert "hush" not in added.out
    [channel] = lotkeeper("alerts", "channels", "--json").data["channels"]
    assert channel["stored"]
    assert channel["name"] in lotkeeper("alerts", "channels").out
    tried = lotkeeper("alerts", "test")
    assert (tried.code, f"{channel['name']}: taken" in tried.out) == (0, True)
    assert hook.titles == ["Lotkeeper (main): a test"]
    hook.status = 500
    failed = lotkeeper("alerts", "test", "--json")
    assert failed.code == 1
    assert failed.data["channels"][0]["taken"] is False
    assert "hush" not in failed.out + failed.err
    assert lotkeeper("alerts", "remove", channel["name"]).code == 0
    assert lotkeeper("alerts", "remove", channel["name"]).code == 2


@pytest.mark.parametrize("text", ["nonsense", "nonsense://x", ""])
def test_nonsense_is_no_channel(lotkeeper: Run, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    said = lotkeeper("alerts", "add", "--url-file", "-")
    assert (said.code, "begins with its service" in said.err) == (2, True)
    assert "--url-file" in lotkeeper("alerts", "add").err
    assert lotkeeper("alerts", "add", "--url-file", "no-such-file").code == 6


def test_a_price_is_watched_and_forgotten(lk: Run, sql: Sql) -> None:
    sql(
        "INSERT INTO instruments (conid, symbol, local_symbol, sec_type, currency, multiplier, exchange, "
        "trading_class, expiry, option_right, updated_at) "
        "SELECT n, symbol, symbol, 'STK', currency, 1, '', '', '', '', now() "
        "FROM (VALUES (1, 'AAPL', 'USD'), (2, 'VOD', 'GBP'), (3, 'VOD', 'USD')) "
        "AS one(n, symbol, currency)"
    )
    said = lk("alerts", "price", "aapl", "--above", "187.50", "--note", "sell [half]")
    assert "AAPL above 187.5 USD" in said.out
    assert lk("alerts", "price", "3", "--below", "0.8").code == 0
    rows = lk("alerts", "prices", "--json").data["prices"]
    assert [(one["symbol"], one["direction"], one["price"]) for one in rows] == [
        ("AAPL", "above", "187.50"),
        ("VOD", "below", "0.8"),
    ]
    assert "sell [half]" in lk("alerts", "prices").out
    sql("UPDATE price_limits SET met_at = now(), met_price = 188 WHERE conid = 1")
    assert "at 188" in lk("alerts", "prices").out
    assert "One price is forgotten" in lk("alerts", "forget", str(rows[0]["id"])).out
    assert "No prices are forgotten" in lk("alerts", "forget", "99").out
    several = lk("alerts", "price", "VOD", "--above", "1")
    assert (several.code, "2 (VOD, GBP), 3 (VOD, USD)" in several.err) == (2, True)
    unknown = lk("alerts", "price", "NOPE", "--above", "1")
    assert (unknown.code, "instruments list" in unknown.err) == (2, True)


@pytest.mark.parametrize(
    "asked",
    [[], ["--above", "1", "--below", "2"], ["--above", "much"], ["--below", "-1"], ["--above", "NaN"]],
)
def test_nonsense_is_no_price(lk: Run, asked: list[str]) -> None:
    said = lk("alerts", "price", "AAPL", *asked)
    assert said.code == 2
    assert "price" in said.err.lower()
