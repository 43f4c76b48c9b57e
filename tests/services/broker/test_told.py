"""What was told of executions, and what an answer repeats of it."""

from datetime import UTC, datetime, timedelta

from ib_async import IB, CommissionReport, Execution

from core.domain.money import UNSET_DOUBLE
from services.broker.decode import RecordingDecoder
from services.broker.gateway_time import GatewayTimes
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


def test_what_is_known_is_known_by_the_text_of_its_message() -> None:
    told = Told()
    told.note(Execution(execId="a.01", shares=100, price=201.94, time=NOON), NOON)
    told.note_commission(CommissionReport(execId="a.01", commission=1.25, realizedPNL=UNSET_DOUBLE), NOON)
    assert not told.repeats_text("1", "a.01", "100", "201.94", NOON), "nothing was asked for"
    assert not told.repeats_commission_text("a.01", "1.25", "")
    told.begin(1, skip_known=True)
    assert told.repeats_text("1", "a.01", "100", "201.940", NOON)
    assert (told.repeated, told.replayed, told.oldest) == ({"a.01"}, 1, NOON)
    for request, exec_id, shares, price in (
        ("2", "a.01", "100", "201.94"),
        ("1", "b.01", "100", "201.94"),
        ("1", "a.01", "101", "201.94"),
        ("1", "a.01", "100", "201.95"),
        ("1", "a.01", "many", "201.94"),
    ):
        assert not told.repeats_text(request, exec_id, shares, price, NOON)
    assert told.replayed == 1
    assert told.repeats_commission_text("a.01", "1.25", "1.7976931348623157E308")
    assert not told.repeats_commission_text("a.01", "1.25", "0")
    assert not told.repeats_commission_text("a.01", "1.26", "")
    assert not told.repeats_commission_text("b.01", "1.25", "")


def test_what_was_told_lately_is_known_beside_what_is_recorded() -> None:
    told = Told()
    late = NOON + timedelta(seconds=1)
    for exec_id, at in (("early.01", NOON), ("late.01", late)):
        told.note(fill(exec_id), at)
        told.note_commission(CommissionReport(execId=exec_id, commission=1.0), at)
    told.know([], but_after=NOON)
    told.begin(1, skip_known=True)
    assert not told.repeats(1, fill("early.01"))
    assert told.repeats(1, fill("late.01"))
    assert not told.repeats_commission(CommissionReport(execId="early.01", commission=1.0))
    assert told.repeats_commission(CommissionReport(execId="late.01", commission=1.0))
    told.know([])
    assert not told.repeats(1, fill("late.01"))


def test_what_repeats_is_not_even_decoded() -> None:
    told, heard = Told(), list[str]()
    ib = IB()
    decoder = RecordingDecoder(ib.wrapper, GatewayTimes(UTC), lambda *_: heard.append("unreadable"), told)
    decoder.serverVersion = 178
    ib.wrapper.execDetails = lambda _request, _contract, one: heard.append(one.execId)  # type: ignore[method-assign]
    ib.wrapper.commissionReport = lambda one: heard.append(f"{one.execId} {one.commission:g}")  # type: ignore[method-assign]
    told.note(Execution(execId="a.01", shares=100, price=201.94, time=NOON), NOON)
    told.note_commission(CommissionReport(execId="a.01", commission=1.25), NOON)
    contract = ["265598", "AAPL", "STK", "", "0.0", "", "", "SMART", "USD", "AAPL", "NMS"]
    rest = ["1", "0", "0", "100", "201.94", "", "", "", "", "2", "0"]

    def tell(exec_id: str, shares: str, price: str) -> None:
        when = ["20261120-17:00:00", "DU1", "IEX", "BOT"]
        decoder.interpret(["11", "1", "0", *contract, exec_id, *when, shares, price, *rest])

    told.begin(1, skip_known=True)
    tell("a.01", "100", "201.94")
    decoder.interpret(["59", "1", "a.01", "1.25", "USD", "0.0", "", ""])
    assert (heard, told.repeated, told.oldest) == ([], {"a.01"}, NOON)
    tell("a.01", "100", "201.95")
    tell("b.01", "100", "201.94")
    decoder.interpret(["59", "1", "a.01", "1.5", "USD", "0.0", "", ""])
    decoder.interpret(["11", "1", "0", *contract, "a.01"])
    assert heard == ["a.01", "b.01", "a.01 1.5", "unreadable"]
