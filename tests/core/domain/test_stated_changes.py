"""What a statement says besides trades: changes of what is held, in the fold of one book."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from core.domain.anchors import Anchor
from core.domain.fills import Fill
from core.domain.lifecycle import Ledger, fold_book

START = datetime(2025, 3, 3, 14, 30, tzinfo=UTC)


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def fill(days: float, quantity: str, price: str = "10", commission: str = "0") -> Fill:
    return Fill(
        day(days),
        f"{days}",
        f"{days}.01",
        Decimal(quantity),
        Decimal(price),
        Decimal(commission),
        complete=True,
    )


def change(days: float, quantity: str, cause: str, **more: object) -> Anchor:
    told = {name: Decimal(value) if isinstance(value, str) else value for name, value in more.items()}
    return Anchor(day(days), Decimal(quantity), None, cause=cause, relative=True, **told)  # type: ignore[arg-type]


def held(days: float, quantity: str, average: str | None = None) -> Anchor:
    return Anchor(day(days), Decimal(quantity), None if average is None else Decimal(average))


def fold(fills: list[Fill], *anchors: Anchor) -> Ledger:
    return fold_book("U1", 1, Decimal(1), fills, anchors)


def events(ledger: Ledger) -> list[tuple[str, str, str | None]]:
    return [
        (event.type, format(event.quantity, "f"), event.cause)
        for episode in ledger.touched
        for event in episode.events
    ]


def test_a_split_restates_what_is_held_and_keeps_its_cost() -> None:
    ledger = fold([fill(1, "10"), fill(3, "-30", "5")], change(2, "20", "split"))
    assert events(ledger) == [("opened", "10", None), ("adjusted", "20", "split"), ("closed", "-30", None)]
    assert ledger.touched[0].realized == Decimal(50)
    assert not ledger.touched[0].estimated


def test_a_split_of_what_nobody_holds_is_nothing() -> None:
    assert fold([], change(2, "20", "split")).touched == []


def test_a_change_explains_what_the_broker_holds_later() -> None:
    ledger = fold([fill(1, "10")], change(2, "5", "transfer", cost="60"), held(3, "15"))
    assert events(ledger) == [("opened", "10", None), ("adjusted", "5", "transfer")]
    assert ledger.episode is not None
    assert ledger.episode.cost == Decimal(160)
    assert not ledger.episode.estimated


def test_what_comes_without_a_cost_is_an_estimate_and_never_free() -> None:
    ledger = fold([], change(2, "5", "spin_off"))
    assert ledger.episode is not None
    assert ledger.episode.cost is None
    assert ledger.episode.estimated


def test_a_short_that_comes_has_its_proceeds_as_cost() -> None:
    ledger = fold([fill(3, "5", "10")], change(2, "-5", "exercise_or_assignment", cost="-55"))
    assert ledger.touched[0].realized == Decimal(5)


def test_what_is_carried_away_realizes_nothing() -> None:
    ledger = fold([fill(1, "10")], change(2, "-10", "exercise_or_assignment", carried=True))
    assert ledger.touched[0].realized == Decimal(0)
    assert ledger.touched[0].closed_at == day(2)


def test_an_expiry_realizes_the_premium() -> None:
    ledger = fold([fill(1, "-1", "250")], change(2, "1", "expiry", price="0"))
    assert ledger.touched[0].realized == Decimal(250)


def test_a_change_through_zero_closes_one_episode_and_opens_the_next() -> None:
    ledger = fold([fill(1, "10")], change(2, "-15", "transfer", price="12"))
    assert [episode.quantity for episode in ledger.touched] == [Decimal(0), Decimal(-5)]
    assert ledger.touched[0].realized == Decimal(20)


def test_what_was_held_before_is_reckoned_back_over_changes_too() -> None:
    ledger = fold([fill(3, "-5", "12")], change(2, "10", "split"), held(4, "15", "5"))
    begun = [event.quantity for event in ledger.touched[0].events if event.cause == "opening_balance"]
    assert sum(begun) == 10
    assert ledger.quantity == Decimal(15)


def test_without_a_word_of_what_was_held_a_book_begins_flat() -> None:
    ledger = fold([fill(3, "5")], change(2, "10", "transfer", cost="100"))
    assert ledger.quantity == Decimal(15)


def test_what_expires_or_is_carried_away_had_been_there() -> None:
    for leaving in (change(2, "-10", "expiry", price="0"), change(2, "-10", "transfer", carried=True)):
        ledger = fold([], leaving)
        assert ledger.quantity == 0
        assert [event.cause for event in ledger.touched[0].events] == ["opening_balance", leaving.cause]
        assert ledger.touched[0].estimated, "what it had cost nobody says"


def test_what_expired_of_a_stated_cost_lost_just_that() -> None:
    ledger = fold([], change(2, "-10", "expiry", price="0", cost="-250"))
    assert ledger.touched[0].realized == Decimal(-250)
    assert not ledger.touched[0].estimated
