"""How money of several accounts is placed: what each of them holds counts for itself."""

from datetime import UTC, datetime
from decimal import Decimal

from core.domain.rate_history import RateHistory
from models.queries.placed import HeldValue, Placed
from services.api.measures import placement
from tests.core.domain.measures.building import days

AT = datetime(2026, 11, 20, 13, tzinfo=UTC)
ONE_THOUSAND = Decimal(1000)


def test_what_one_account_is_long_of_and_another_short_of_is_held_by_both() -> None:
    first = Placed("A", AT, ONE_THOUSAND, "USD", (HeldValue(1, "ACME", Decimal(600)),))
    others = HeldValue(1, "ACME", Decimal(-600)), HeldValue(2, "VOD", Decimal(300))
    second = Placed("B", AT, ONE_THOUSAND, "USD", others)
    found = placement(days(1000, 1000), ["A", "B"], [first, second], [], RateHistory("USD", []))
    shares = found.long_exposure, found.short_exposure, found.gross_exposure, found.net_exposure
    assert [one.value for one in shares] == ["0.45", "-0.3", "0.75", "0.15"]
    assert found.largest is not None
    assert (found.largest.conid, found.largest_share.value) == (1, "0.8")
