from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from core.domain.freshness import VALUE_CADENCE
from core.events.changes import AccountValueChanged
from core.events.facts import PnlReported
from models.queries.accounts import AccountRow
from models.queries.sync import DatasetRow
from services.api.freshness import Verdict
from services.api.live.feed import Feed, Judged
from services.api.live.picture import Loaded, Picture
from services.api.live.rows import summary_row
from services.api.schemas.common import Coverage, Links
from tests.services.api.portfolio import NOW, USD, beat, changed, mark

LIVE = Verdict(links=Links(gateway="up", ibkr="up"), reason=None, since=NOW, epoch=1)


def value(key: str, amount: str, as_of: datetime) -> AccountValueChanged:
    return AccountValueChanged(account=USD, key=key, currency="USD", value=amount, as_of=as_of)


def dataset(name: str, as_of: datetime) -> DatasetRow:
    return DatasetRow(account=USD, dataset=name, as_of=as_of, complete=True, error="", epoch=1)


def loaded(*values: AccountValueChanged, datasets: tuple[DatasetRow, ...] = ()) -> Loaded:
    who = AccountRow(
        account=USD,
        alias=None,
        base_currency="USD",
        paper=False,
        listed=True,
        last_seen_at=NOW,
        cost_method="fifo",
        login=None,
    )
    return Loaded(
        accounts=[who],
        values=list(values),
        pnl=[],
        figures={},
        positions=[],
        marks=[],
        datasets=list(datasets),
    )


def figures(picture: Picture) -> tuple[str | None, str | None]:
    block = Feed(picture).summary_freshness([USD], Judged(NOW, LIVE))
    row = summary_row(picture.accounts[USD], Coverage(fresh=0, total=0), block)
    return row.net_liquidation, row.total_cash


def test_values_of_different_ages_are_all_read_from_the_database() -> None:
    picture = Picture()
    picture.merge(
        loaded(
            value("NetLiquidation", "104230.75", NOW),
            value("TotalCashValue", "12044.1", NOW - timedelta(minutes=3)),
        )
    )
    assert figures(picture) == ("104230.75", "12044.1")


def test_a_value_from_the_database_does_not_replace_a_newer_one_of_the_stream() -> None:
    picture = Picture()
    picture.apply(value("NetLiquidation", "105000", NOW))
    picture.merge(
        loaded(
            value("NetLiquidation", "104230.75", NOW - timedelta(seconds=1)),
            value("TotalCashValue", "12044.1", NOW - timedelta(seconds=1)),
        )
    )
    assert figures(picture) == ("105000", "12044.1")


def test_what_the_database_still_has_as_it_was_is_not_told_to_everybody_again() -> None:
    picture = Picture()

    def reload() -> set[str]:
        picture.touched.clear()
        picture.merge(known)
        return picture.take_dirty().positions

    known = loaded()
    known.positions = [changed(), changed("other", conid=7)]
    known.marks = [mark(NOW), mark(NOW, conid=7)]
    assert reload() == {each.id for each in known.positions}
    assert reload() == set()
    later = NOW + timedelta(seconds=1)
    known.marks = [mark(NOW), mark(later, conid=7)]
    assert reload() == {changed("other").id}
    known.positions = [changed(version=7, quantity=Decimal(5))]
    assert reload() == {changed().id, changed("other").id}
    assert picture.positions.keys() == {changed().id}


def test_a_flip_keeps_the_price_whichever_episode_is_told_first() -> None:
    picture = Picture()
    picture.apply(changed())
    picture.tick(mark(NOW), epoch=1, now=NOW)
    picture.apply(changed(version=7, status="closed", quantity=Decimal(0), closed_at=NOW))
    after = changed("flipped", version=7, side="short", quantity=Decimal(-20))
    picture.apply(after)
    kept = picture.mark_of(after)
    assert kept is not None
    assert kept.market_price == Decimal(161)


def test_positions_are_listed_anew_when_a_correction_moves_an_opening() -> None:
    picture = Picture()
    feed = Feed(picture)
    picture.apply(changed())
    picture.apply(changed("other", conid=7, opened_at=NOW - timedelta(days=5)))
    assert [each.conid for each in feed.sorted_positions()] == [7, 265598]
    picture.apply(changed(version=7, opened_at=NOW - timedelta(days=1)))
    assert [each.conid for each in feed.sorted_positions()] == [265598, 7]


def test_profit_that_keeps_ticking_does_not_make_an_old_net_liquidation_live() -> None:
    picture = Picture()
    long_ago = NOW - VALUE_CADENCE - timedelta(minutes=1)
    picture.merge(
        loaded(
            value("NetLiquidation", "104230.75", long_ago), datasets=(dataset("account_values", long_ago),)
        )
    )
    picture.tick(PnlReported(received_at=NOW, account=USD, daily_pnl=Decimal(1)), epoch=1, now=NOW)
    block = Feed(picture).summary_freshness([USD], Judged(NOW, LIVE))
    assert (block.source, block.reason, block.as_of) == ("last_known", "old", long_ago)


def test_a_download_is_as_old_as_its_newest_value_and_not_as_the_last_resync() -> None:
    picture = Picture()
    resync, sweep = NOW - timedelta(minutes=10), NOW - timedelta(minutes=2)
    names = ("account_values", "executions", "pnl", "positions")
    told = tuple(dataset(name, sweep if name == "positions" else resync) for name in names)
    feed = Feed(picture)
    picture.merge(loaded(datasets=told))
    ages = {name: feed.dataset_as_of(USD, name) for name in names}
    assert ages == {"account_values": resync, "executions": resync, "pnl": resync, "positions": sweep}
    picture.apply(value("NetLiquidation", "104230.75", NOW - timedelta(seconds=40)))
    picture.tick(PnlReported(received_at=NOW, account=USD, daily_pnl=Decimal(1)), epoch=1, now=NOW)
    assert feed.dataset_as_of(USD, "account_values") == NOW - timedelta(seconds=40)
    assert feed.dataset_as_of(USD, "pnl") == NOW
    assert feed.dataset_as_of(USD, "positions") == sweep
    assert feed.dataset_as_of("U9", "pnl") is None


def test_what_a_replaced_link_still_says_is_not_shown() -> None:
    picture = Picture()
    picture.merge(loaded())
    picture.apply(changed())
    picture.tick(beat(NOW), epoch=7, now=NOW)
    picture.tick(mark(NOW, market_price=Decimal(161)), epoch=7, now=NOW)
    later = NOW + timedelta(seconds=1)
    picture.tick(beat(later, state="fenced", gateway="unknown"), epoch=6, now=later)
    picture.tick(mark(later, market_price=Decimal(99)), epoch=6, now=later)
    picture.tick(PnlReported(received_at=later, account=USD, daily_pnl=Decimal(-5)), epoch=6, now=later)
    link = picture.links[""]
    assert (link.state, link.epoch, link.beat_at) == ("live", 7, NOW)
    (shown,) = picture.marks.values()
    assert shown.market_price == Decimal(161)
    assert picture.accounts[USD].pnl is None
    picture.tick(mark(later, market_price=Decimal(162)), epoch=8, now=later)
    (shown,) = picture.marks.values()
    assert shown.market_price == Decimal(162)


def test_a_link_that_was_replaced_before_we_began_is_known_by_what_its_successor_recorded() -> None:
    picture = Picture()
    picture.merge(loaded(datasets=(dataset("positions", NOW)._replace(epoch=7),)))
    picture.tick(beat(NOW), epoch=6, now=NOW)
    assert picture.links == {}
    picture.tick(beat(NOW), epoch=7, now=NOW)
    assert list(picture.links) == [""]


def test_an_account_that_nobody_has_read_yet_is_no_login_of_its_own() -> None:
    """Its first value may be told before the database is asked whose it is."""
    picture = Picture()
    picture.merge(loaded())
    picture.accounts[USD].login = "one:1"
    picture.apply(msgspec.structs.replace(value("NetLiquidation", "1", NOW), account="U9"))
    assert picture.logins() == {"one:1": [USD]}


def test_before_any_account_is_listed_the_newest_link_counts() -> None:
    picture = Picture()
    assert picture.logins() == {}
    for login, epoch in (("paper:1", 3), ("real:1", 4)):
        picture.tick(beat(NOW), epoch=epoch, now=NOW, login=login)
    assert picture.logins() == {"real:1": []}


def test_a_link_that_was_not_connected_yet_speaks_while_no_other_of_its_login_does() -> None:
    picture = Picture()

    def state_after(seconds: float, epoch: int, state: str) -> str:
        now = NOW + timedelta(seconds=seconds)
        gateway = "up" if state == "live" else "down"
        picture.tick(beat(now, state=state, gateway=gateway), epoch=epoch, now=now, login="a:1")
        return picture.links["a:1"].state

    assert state_after(0, 5, "live") == "live"
    assert state_after(2, 0, "needs_login") == "live"
    assert state_after(3, 0, "fenced") == "live"
    assert state_after(4, 0, "needs_login") == "needs_login"
    assert state_after(5, 0, "disconnected") == "disconnected"
    # Whoever is connected has an epoch: this one, back from standing by, would record nothing.
    assert state_after(5.5, 0, "live") == "disconnected"
    assert state_after(6, 4, "live") == "disconnected"
    assert picture.logins_without_accounts(NOW + timedelta(seconds=6)) == ["a:1"]
    assert picture.logins_without_accounts(NOW + timedelta(seconds=9)) == []
    assert state_after(7, 5, "live") == "live"
    # Nothing else that it could say is of any account.
    picture.tick(mark(NOW), epoch=0, now=NOW, login="a:1")
    assert not picture.marks
