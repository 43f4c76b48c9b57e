"""Examples of issues and rules."""

from datetime import timedelta

from msgspec import Struct

from services.api.schemas.common import Freshness, Links
from services.api.schemas.examples.common import AT
from services.api.schemas.issues import (
    Acknowledgement,
    EarlierAcknowledgement,
    Issue,
    IssueDetail,
    IssuePage,
    RuleInfo,
    RulePage,
    RuleTolerance,
)

_CHECKED = AT - timedelta(hours=9)
_FRESHNESS = Freshness(
    source="last_known",
    as_of=_CHECKED,
    received_at=_CHECKED,
    age_seconds=32_400,
    stale=True,
    reason="check",
    links=Links(gateway="up", ibkr="up"),
)
_ISSUE = Issue(
    id=17,
    rule="broker-difference",
    severity="error",
    status="open",
    account="U1234567",
    subject="265598/quantity_mismatch",
    summary="AAPL: quantity mismatch since 2026-11-19 20:11Z, ours 90, the broker's 100",
    details={"conid": 265598, "symbol": "AAPL", "ours": "90", "brokers": "100"},
    about_at=None,
    first_seen=_CHECKED - timedelta(days=1),
    opened_at=_CHECKED - timedelta(days=1),
    last_seen=_CHECKED,
    times_seen=2,
    reopened=0,
    resolved_at=None,
    magnitude="10",
    acknowledged_at=None,
    acknowledged_by=None,
    acknowledged_magnitude=None,
    note=None,
)

EXAMPLES: dict[type[Struct], Struct] = {
    IssuePage: IssuePage(items=(_ISSUE,), next_cursor=None, checked_at=_CHECKED, freshness=_FRESHNESS),
    IssueDetail: IssueDetail(
        **{name: getattr(_ISSUE, name) for name in Issue.__struct_fields__},
        remedy="`lotkeeper resync` asks the broker again.",
        acknowledged_before=(
            EarlierAcknowledgement(
                acknowledged_at=_CHECKED - timedelta(days=3),
                acknowledged_by="page",
                magnitude="2",
                note="A transfer that is under way",
                ended_at=_CHECKED - timedelta(days=1),
                ended="worse",
            ),
        ),
        freshness=_FRESHNESS,
    ),
    Acknowledgement: Acknowledgement(note="A transfer that is under way"),
    RulePage: RulePage(
        items=(
            RuleInfo(
                name="broker-difference",
                title="The ledger holds what the broker says is held",
                severity="error",
                checks="No book differs in quantity from the broker's last word.",
                tolerances=(
                    RuleTolerance(
                        name="difference_stands",
                        value="10 min",
                        meaning="a difference may settle by itself in so long",
                    ),
                ),
                magnitude="how many units they are apart",
                magnitude_kind="count",
                worse="by however little",
                remedy="`lotkeeper resync` asks the broker again.",
                checked_at=_CHECKED,
                since=_CHECKED - timedelta(days=35),
                seconds="0.004",
                found=1,
                is_cut=False,
                error=None,
            ),
        ),
        next_cursor=None,
        freshness=_FRESHNESS,
    ),
}
