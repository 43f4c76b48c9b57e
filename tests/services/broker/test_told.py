"""What was told of executions, and what an answer repeats of it."""

from datetime import UTC, datetime, timedelta

from ib_async import CommissionReport, Execution

from services.broker.told import Told

NOON = datetime(2026, 11, 20, 17, tzinfo=UTC)


def fill(exec_id: str, *, shares: float = 1, at: datetime = NOON) -> Execution:
    return Execution(execId=exec_id, shares=shares, price=10.0, time=at)


def test_what_is_told_for_the_first_time_repeats_nothing() -> None:
    told = Told()
    told.begin(1, skip_known=True)
    assert not told.repeats(1, fill("a.01"))
    told.note(fill("a.01"), NOON)
    assert told.repeats(1, fill("a.01"))
    assert told.repeated == {"a.01"}


def test_other_figures_under_a_known_id_are_told() -> None:
    told = Told()
    told.note(fill("a.01"), NOON)
    told.begin(1, skip_known=True)
    assert not told.repeats(1, fill("a.01", shares=2))


def test_only_an_answer_that_may_be_skipped_is() -> None:
    told = Told()
    told.note(fill("a.01"), NOON)
    told.begin(1, skip_known=False)
    assert not told.repeats(1, fill("a.01"))
    assert not told.repeats(-1, fill("a.01")), "a fill that comes by itself"
    told.begin(2, skip_known=True)
    assert not told.repeats(1, fill("a.01")), "an earlier answer that came late"
    assert told.replayed == 0
    told.end()
    assert not told.repeats(2, fill("a.01"))


def test_the_oldest_of_an_answer_is_no_correction_of_an_earlier_day() -> None:
    told = Told()
    told.begin(1, skip_known=False)
    told.repeats(1, fill("old.02", at=NOON - timedelta(days=1)))
    assert told.oldest is None
    told.repeats(1, fill("b.01", at=NOON))
    told.repeats(1, fill("a.01", at=NOON - timedelta(hours=1)))
    told.repeats(1, fill("nameless", at=NOON + timedelta(hours=1)))
    assert told.oldest == NOON - timedelta(hours=1)
    told.begin(2, skip_known=False)
    assert told.oldest is None


def test_what_was_told_a_while_ago_is_known_with_or_without_its_commission() -> None:
    told = Told()
    report = CommissionReport(execId="a.01", commission=1.0)
    for exec_id in ("a.01", "b.01"):
        told.note(fill(exec_id), NOON)
    told.note(fill("c.01"), NOON + timedelta(seconds=9))
    told.note_commission(report, NOON + timedelta(seconds=1))
    told.begin(1, skip_known=True)
    for exec_id in ("a.01", "b.01", "c.01"):
        told.repeats(1, fill(exec_id))
    assert told.repeated_since_before(NOON + timedelta(seconds=5)) == {"a.01": True, "b.01": False}
    assert told.repeated_since_before(NOON + timedelta(seconds=1)) == {"a.01": False, "b.01": False}
    assert told.repeats_commission(report)
    told.forget(["a.01", "unknown"])
    assert not told.repeats_commission(report)
    assert not told.repeats(1, fill("a.01"))
    assert told.repeats(1, fill("b.01"))
