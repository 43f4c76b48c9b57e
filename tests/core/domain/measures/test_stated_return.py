"""The one return that a recorded statement states, tried against every way to place a flow within its day.

Its amounts were changed by whoever published it. That none of them fits is what docs/reference/metrics.md
says; a statement that can tell them apart belongs here.
"""

from xml.etree.ElementTree import parse

import pytest

from tests.services.statements.statements import DATA

COLLAGE = DATA / "flex-ibflex" / "test_types_elements.xml"


@pytest.mark.parametrize("with_commissions", [True, False])
@pytest.mark.parametrize("at_work_share", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("flow_is", ["stated", "what the parts leave"])
def test_no_convention_gives_the_return_that_a_statement_with_changed_amounts_states(
    with_commissions: bool, at_work_share: float, flow_is: str
) -> None:
    [change] = parse(COLLAGE).getroot().iter("ChangeInNAV")  # noqa: S314 - a file of ours
    told = {
        name: float(change.attrib[name]) for name in ("startingValue", "endingValue", "mtm", "commissions")
    }
    gain = told["mtm"] + (told["commissions"] if with_commissions else 0.0)
    left = told["endingValue"] - told["startingValue"] - gain
    assert abs(left) > 900, "they do not add up by themselves"
    flow = float(change.attrib["depositsWithdrawals"]) if flow_is == "stated" else left
    percent = 100 * gain / (told["startingValue"] + at_work_share * flow)
    assert percent != pytest.approx(float(change.attrib["twr"]), rel=1e-3)
