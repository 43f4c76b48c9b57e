"""Note of which times the gateway tells the executions no more, and take it back where it does after all."""

from collections.abc import Iterable
from datetime import datetime

from core import logs
from core.domain.coverage import Answer, Span, covered_by, gap_before, joined
from core.events.facts import LINK_REASONS, DatasetCompleted, LinkChanged
from models.queries import gaps as queries
from models.session import Writer
from models.stores.gaps import Gap, cover, record_gaps
from models.tables.sync import CUT_OFF
from services.position_sync.intake import Intake

log = logs.get_logger(__name__)

_BY = "a later answer of the gateway"
_WORDS = {
    "broker_link_down": "the broker link was stopped",
    "stopped": "the broker link was stopped",
    CUT_OFF: "the broker link ended without a word",
    "gateway_unreachable": "the gateway could not be reached",
    "gateway_not_answering": "the gateway did not answer",
    "gateway_silent": "the gateway fell silent",
    "ib_1100": "the gateway had no connection to IBKR",
    "needs_login": "the gateway waited for a login",
    "client_id_in_use": "another program used our client id",
    "fenced": "another broker link had taken over",
    "data_stale": "the gateway's data stood still",
    "no_room": "there was no room left for what the gateway told",
}
_LOST = "what the broker link had told was lost with Redis or its disk"
_UNTOLD = "the gateway did not tell its executions"


async def note_gaps(connection: Writer, intake: Intake, now: datetime) -> list[Gap]:
    """Record the gaps that answers leave behind, and close those that they cover; returns the new ones.

    Has to come before these answers themselves are stored.
    """
    answers = [
        (epoch, fact) for epoch, fact in intake.datasets if fact.dataset == "executions" and fact.complete
    ]
    if not answers:
        return []
    accounts = {fact.account for _, fact in answers}
    last = await queries.last_answers(connection, accounts)
    found: list[Gap] = []
    for epoch, fact in answers:
        answer, before = Answer(epoch, fact.as_of), last.get(fact.account)
        if before is not None and answer <= before:
            continue  # another worker was faster with what came after it
        if before is not None and fact.covers_from is not None and before.as_of < fact.covers_from:
            words = await _words_of(connection, epoch, intake)
            broken_at = (
                fact.as_of if fact.facts_lost else await _changed_at(connection, [fact.account], words)
            )
            span = gap_before(before, answer, fact.covers_from, broken_at)
            if span is not None:
                until = Span(span.start, fact.received_at)
                reason = (
                    _LOST
                    if fact.facts_lost
                    else await _why(connection, fact.account, before, answer, until, words)
                )
                found.append(Gap(fact.account, *span, reason, now, epoch))
        last[fact.account] = answer
    new = await record_gaps(connection, found)
    with_gaps = await queries.accounts_with_gaps(connection, accounts)
    broken_at = await _broken_at(connection, with_gaps, intake, answers) if with_gaps else None
    for account in with_gaps:
        for span in _covered(answers, account, last[account], broken_at):
            await cover(connection, account, *span, by=_BY, now=now)
    return new


def tell_gaps(gaps: Iterable[Gap]) -> None:
    """Say in the log what was recorded; to be called after the commit."""
    for gap in gaps:
        hours = round((gap.ended_at - gap.started_at).total_seconds() / 3600, 2)
        log.warning("executions_not_observed", hours=hours, until=gap.ended_at.isoformat(), why=gap.reason)


def _covered(
    answers: Iterable[tuple[int, DatasetCompleted]],
    account: str,
    newest: Answer,
    broken_at: datetime | None,
) -> list[Span]:
    return joined(
        covered_by(Answer(epoch, fact.as_of), fact.covers_from, newest, broken_at)
        for epoch, fact in answers
        if fact.account == account
    )


async def _words_of(connection: Writer, epoch: int, intake: Intake) -> list[LinkChanged]:
    """What is told just now of the link of the login that this epoch is of."""
    epochs = {word.epoch for word in intake.links}
    if epochs <= {epoch}:
        return [word.fact for word in intake.links]
    logins = await queries.logins_of(connection, {*epochs, epoch})
    ours = logins.get(epoch)
    return [word.fact for word in intake.links if logins.get(word.epoch, ours) == ours]


async def _changed_at(
    connection: Writer, accounts: Iterable[str], words: Iterable[LinkChanged]
) -> datetime | None:
    stored = await queries.links_changed_at(connection, accounts)
    return max((at for at in (stored, *(word.since for word in words)) if at), default=None)


async def _broken_at(
    connection: Writer,
    accounts: Iterable[str],
    intake: Intake,
    answers: Iterable[tuple[int, DatasetCompleted]],
) -> datetime | None:
    changed_at = await _changed_at(connection, accounts, [word.fact for word in intake.links])
    lost_by = (fact.as_of for _, fact in answers if fact.facts_lost)
    return max((at for at in (changed_at, *lost_by) if at), default=None)


async def _why(
    connection: Writer,
    account: str,
    before: Answer,
    answer: Answer,
    span: Span,
    heard: Iterable[LinkChanged],
) -> str:
    """Why nobody listened, as far as it was noted: what ended the listening, then what kept it from anew."""
    ended = await queries.why_ended(connection, before.epoch) if before.epoch != answer.epoch else None
    said = await queries.said_of_links(connection, account, span)
    told = [word for word in heard if span.start < word.received_at <= span.end]
    noted = (reason for message in said for reason in LINK_REASONS if reason in message)
    reasons = [ended, *noted, *(link.reason for link in told)]
    words = dict.fromkeys(_WORDS[reason] for reason in reasons if reason in _WORDS)
    return "; then ".join(words) or _UNTOLD
