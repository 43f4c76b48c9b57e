from decimal import Decimal

import pytest

from core.domain.executions import has_quantity, split_exec_id
from core.domain.instruments import Instrument


@pytest.mark.parametrize(
    ("exec_id", "base", "revision"),
    [
        ("0000e0d5.69cbfe2a.01.01", "0000e0d5.69cbfe2a.01", 1),
        ("0000e0d5.69cbfe2a.01.02", "0000e0d5.69cbfe2a.01", 2),
        ("F-12345.10", "F-12345", 10),
        ("no-dots", "no-dots", 0),
        ("ends.with.word", "ends.with.word", 0),
        ("ends.with.dot.", "ends.with.dot.", 0),
        ("odd.²", "odd.²", 0),
    ],
)
def test_an_execution_id_is_a_base_and_a_revision(exec_id: str, base: str, revision: int) -> None:
    assert split_exec_id(exec_id) == (base, revision)


@pytest.mark.parametrize(
    ("exec_id", "quantity", "allowed"),
    [
        ("a.01", "1", True),
        ("a.01", "0", False),
        ("a.02", "0", True),
        ("a.02", "-1", False),
        ("a", "0", False),
    ],
)
def test_only_a_correction_may_report_a_quantity_of_zero(exec_id: str, quantity: str, allowed: bool) -> None:
    assert has_quantity(exec_id, Decimal(quantity)) is allowed


def test_the_magnifier_divides_what_a_point_is_worth() -> None:
    instrument = Instrument(
        conid=1, symbol="Z", sec_type="FUT", currency="GBP", multiplier=Decimal(1000), price_magnifier=100
    )
    assert instrument.point_value == Decimal(10)
