"""Examples of what wants attention: rules, and all of it in one list."""

from msgspec import Struct

from services.api.schemas.alerts import Alert, AlertCounts, AlertPage
from services.api.schemas.examples.common import AT, CHECKED, OPENED, OWN
from services.api.schemas.validation import OpenIssues, RuleState, Validation

EXAMPLES: dict[type[Struct], Struct] = {
    AlertPage: AlertPage(
        items=(
            Alert(
                id="link",
                source="link",
                severity="error",
                account=None,
                summary="What is shown is not live: needs login",
                remedy="Log in to TWS or IB Gateway: it waits for a person.",
                since=AT,
                href="/api/v1/sync",
            ),
        ),
        next_cursor=None,
        counts=AlertCounts(error=1, warning=0, review=0),
        is_cut=False,
        freshness=OWN,
    ),
    Validation: Validation(
        ok=False,
        checked_at=AT,
        open=OpenIssues(error=1, warning=0, review=0, acknowledged=2),
        rules=(
            RuleState(
                name="broker-difference",
                title="The ledger holds what the broker says is held",
                severity="error",
                ok=False,
                open=1,
                acknowledged=0,
                oldest=OPENED,
                checked_at=AT,
                seconds="0.012",
                found=1,
                error=None,
            ),
        ),
        job=None,
        freshness=CHECKED,
    ),
}
