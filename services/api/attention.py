"""Everything that wants attention now, gathered for whoever lists it and for whoever tells people of it."""

from datetime import datetime, timedelta
from typing import Final

from core.domain.account_values import NET_LIQUIDATION
from core.domain.alerting import WATCHED_SOURCES, Condition
from core.domain.watched import Seen, WatchedAccount, WatchedPrice, told_name
from models.queries.alerts import standing_conditions
from models.queries.differences import differences_page
from models.queries.gaps import open_gaps
from models.queries.issues import issues_page, rule_checks_of, unresolved_of
from models.queries.jobs_listed import failed_jobs, failing_work
from models.queries.rules.catalogue import BY_NAME
from models.queries.sync import dead_by_category
from models.queries.watched import hours_of_what_is_held
from models.session import Reader
from services.api import metrics
from services.api.alerts import MOST_OF_ONE, TOLD_BY_RULES, Known, alerts_of, links_in_trouble
from services.api.context import Context
from services.api.figures.counted import is_any_open
from services.api.live.feed import Judged
from services.api.live.rows import market_price
from services.api.schemas.alerts import Alert

_JOBS_OF: Final = timedelta(days=7)
_LOOKED_AT: Final = timedelta(minutes=2)
"""What nobody looked at for longer is not told: there may be nobody who looks any more."""

_SERVER_ERROR: Final = "5"


async def known_of(
    context: Context, reader: Reader, judged: Judged, account: str | None, *, watch: Reader | None = None
) -> Known:
    """All that alerts are made of; of one account, or of all.

    ``watch`` reads what was looked at for people's sake: of no account, and for whoever may see all of them.
    """
    picture = context.hub.picture
    return Known(
        judged=judged,
        datasets=picture.datasets,
        watched={name for name, state in picture.accounts.items() if state.listed},
        issues=await issues_page(reader, status="open", account=account, limit=MOST_OF_ONE),
        told=await unresolved_of(reader, TOLD_BY_RULES),
        checks=await rule_checks_of(reader),
        gaps=await open_gaps(reader),
        differences=await differences_page(reader, status="open", account=account, limit=MOST_OF_ONE),
        dead=await dead_by_category(reader),
        jobs=await failed_jobs(reader, now=judged.now, within=_JOBS_OF, most=MOST_OF_ONE),
        work=await failing_work(reader, most=MOST_OF_ONE),
        watch=[] if watch is None else await _watched(watch, judged.now),
    )


async def _watched(reader: Reader, now: datetime) -> list[Condition]:
    """What was looked at for people's sake and stands, as of a short while ago."""
    return [
        one.condition._replace(since=one.condition.since or one.first_seen)
        for one in (await standing_conditions(reader)).values()
        if one.condition.source in WATCHED_SOURCES
        and one.gone_at is None
        and now - one.last_seen < _LOOKED_AT
    ]


class Watch:
    """Looks at this process's picture and at the database, for those who tell people."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def look(self) -> Seen | None:
        """What there is now; ``None`` while nothing was loaded yet."""
        context = self._context
        if not context.hub.loaded.is_set():
            return None
        judged = context.hub.judge()
        async with context.behind_live.read() as reader:
            known = await known_of(context, reader, judged, None)
            hours = await hours_of_what_is_held(reader)
        requests, failures = _counted()
        fullest = min(context.database.pools(), key=lambda one: one.most - one.in_use)
        return Seen(
            at=judged.now,
            conditions=[self._condition(one, known) for one in alerts_of(known, judged.now)],
            accounts=self._accounts(judged),
            prices=self._prices(judged),
            requests=requests,
            failures=failures,
            connections_taken=fullest.in_use,
            connections=fullest.most,
            markets_open=is_any_open(hours, judged.now),
        )

    def _condition(self, alert: Alert, known: Known) -> Condition:
        kind: str = alert.source
        summary = alert.summary
        if alert.source == "link":
            told = {one.id: one.verdict.reason for one in links_in_trouble(known.judged)}
            kind = f"link:{told[alert.id]}"
        if not self._context.settings.alerts_details:
            summary = self._without_details(alert, known)
        return Condition(
            id=alert.id,
            kind=kind,
            severity=alert.severity,
            account=None if alert.account is None else self._name(alert.account),
            summary=summary,
            remedy=alert.remedy,
            since=alert.since,
        )

    def _without_details(self, alert: Alert, known: Known) -> str:
        """The same with nothing in it that tells how much, or of which account: what a rule is called."""
        if alert.source == "issue":
            rule = next((row.rule for row in known.issues if f"issue:{row.id}" == alert.id), "")
            return BY_NAME[rule].title if rule in BY_NAME else rule.replace("_", " ")
        return self._masked(alert.summary)

    def _masked(self, text: str) -> str:
        for account in self._context.hub.picture.accounts:
            text = text.replace(account, self._name(account))
        # Nor where the gateways are.
        for login in self._context.hub.picture.links if not self._context.settings.alerts_details else ():
            text = text.replace(f"The gateway {login}", "A gateway")
        return text

    def _name(self, account: str) -> str:
        if self._context.settings.alerts_details:
            return account
        state = self._context.hub.picture.accounts.get(account)
        return told_name(account, None if state is None else state.alias)

    def _accounts(self, judged: Judged) -> list[WatchedAccount]:
        """Of those that are live."""
        return [
            WatchedAccount(
                account=state.account,
                name=self._name(state.account),
                net_liquidation=state.values.get(NET_LIQUIDATION),
                daily_pnl=None if state.pnl is None else state.pnl.daily_pnl,
                currency=state.base_currency,
            )
            for state in self._context.hub.picture.accounts.values()
            if state.listed and judged.of([state.account]).reason is None
        ]

    def _prices(self, judged: Judged) -> dict[int, WatchedPrice]:
        """Of what live accounts hold."""
        picture = self._context.hub.picture
        found: dict[int, WatchedPrice] = {}
        for position in picture.positions.values():
            mark = picture.mark_of(position)
            price = None if mark is None else market_price(position, mark)
            state = picture.accounts.get(position.account)
            is_live = state is not None and state.listed and judged.of([position.account]).reason is None
            if mark is None or price is None or not is_live:
                continue
            known = found.get(position.conid)
            if known is None or known.as_of < mark.received_at:
                found[position.conid] = WatchedPrice(
                    position.symbol, price, position.currency, mark.received_at
                )
        return found


def _counted() -> tuple[int, int]:
    requests = failures = 0
    for family in metrics.REQUESTS.collect():
        for sample in family.samples:
            if sample.name.endswith("_total"):
                requests += int(sample.value)
                failures += int(sample.value) if sample.labels["status"].startswith(_SERVER_ERROR) else 0
    return requests, failures
