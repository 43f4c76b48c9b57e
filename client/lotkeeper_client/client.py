"""The client: a method for each question, typed rows for each answer."""

import os
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Final, Self, TypeAlias, TypeVar

import msgspec

from lotkeeper_client import rows as r
from lotkeeper_client.address import token_from, url_from
from lotkeeper_client.errors import LotkeeperClientError
from lotkeeper_client.frame import Frame, Page
from lotkeeper_client.transport import Parameters, Transport, Value

Row = TypeVar("Row", bound=msgspec.Struct)
Accounts: TypeAlias = str | Iterable[str] | None

PAGE_ROWS: Final = 500
_ENDED: Final = frozenset({"succeeded", "failed"})


class _JobAnswer(msgspec.Struct, frozen=True, kw_only=True):
    job: r.Job


class Client:
    """Reads a portfolio from a Lotkeeper server. Close it, or use it in a ``with`` block.

    Lists are ``Frame``s: lazily paged rows. What a method takes beyond its own parameters is handed to the
    server as it is: the reference of the API lists all there is. Names with a trailing underscore
    (``from_``) lose it.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        timeout: float = 30.0,
        retries: int = 3,
        insecure: bool = False,
        page_rows: int = PAGE_ROWS,
    ) -> None:
        """``retries`` is how often a question is asked again that the server cannot answer just now."""
        self._transport = Transport(url, token, timeout=timeout, retries=retries, insecure=insecure)
        self._page_rows = page_rows

    @classmethod
    def from_env(cls, environment: Mapping[str, str] = os.environ, **options: Any) -> Self:
        """The server that ``LOTKEEPER_URL`` names (default: this machine), with the token that is found.

        That is ``LOTKEEPER_API_TOKEN``, or the token file of the installation in ``LOTKEEPER_HOME``.

        Raises:
            LotkeeperClientError: there is no token, or it would go over the network in the clear.
        """
        return cls(url_from(environment), token_from(environment), **options)

    def __enter__(self) -> Self:
        """The client itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close its connections."""
        self.close()

    def __repr__(self) -> str:
        """Where it is; never the token."""
        return f"<lotkeeper_client.Client of {self._transport.url}>"

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    # -- positions and what they are made of -------------------------------------------------------------

    def positions(self, **asked: Any) -> Frame[r.Position]:
        """Positions: ``account``, ``status`` (open, closed, all), ``symbol``, ``as_of``, ``known_at``."""
        return self.rows("/positions", r.Position, **asked)

    def position(self, position_id: str) -> r.PositionDetail:
        """One position."""
        return self.one(f"/positions/{position_id}", r.PositionDetail)

    def position_events(self, position_id: str) -> Frame[r.PositionEvent]:
        """How a position came about, oldest first."""
        return self.rows(f"/positions/{position_id}/events", r.PositionEvent)

    def position_notes(self, position_id: str) -> Frame[r.PositionNote]:
        """What was written about a position, newest first."""
        return self.rows(f"/positions/{position_id}/notes", r.PositionNote)

    def position_prices(self, position_id: str, points: int = 500) -> Frame[r.Price]:
        """What a position's instrument was worth while it was held, about so many prices, oldest first."""
        return self.rows(f"/positions/{position_id}/prices", r.Price, points=points)

    def tags(self) -> Frame[r.Tag]:
        """Tags of positions, by their names."""
        return self.rows("/tags", r.Tag)

    def position_lots(self, position_id: str) -> Frame[r.Lot]:
        """A position's lots and what became of them, oldest first."""
        return self.rows(f"/positions/{position_id}/lots", r.Lot)

    def executions(self, **asked: Any) -> Frame[r.Execution]:
        """Executions: ``account``, ``symbol``, ``from_``, ``to``, ``include="corrected"``."""
        return self.rows("/executions", r.Execution, **asked)

    def realized(self, **asked: Any) -> Frame[r.Realized]:
        """What was realized: ``account``, ``from_``, ``to``, ``group_by``, ``method``."""
        return self.rows("/realized", r.Realized, **asked)

    def realized_differences(self, **asked: Any) -> Frame[r.RealizedDifference]:
        """Fills whose realized figure is not the broker's."""
        return self.rows("/realized/differences", r.RealizedDifference, **asked)

    def statistics(self, **asked: Any) -> Frame[r.Statistics]:
        """How closed positions ended: ``account``, ``symbol``, ``from_``, ``to``, ``group_by``."""
        return self.rows("/statistics", r.Statistics, **asked)

    # -- accounts together -------------------------------------------------------------------------------

    def accounts(self) -> Frame[r.Account]:
        """The accounts that this token may see."""
        return self.rows("/accounts", r.Account)

    def account_summary(self, account: str) -> r.Summary:
        """What one account is worth; ``ALL``: the sums over all."""
        return self.one(f"/accounts/{account}/summary", r.Summary)

    def summary(self, account: Accounts = None, group: str | None = None) -> r.PortfolioSummary:
        """What accounts are worth together, and what of them wants attention."""
        return self.one("/portfolio/summary", r.PortfolioSummary, account=account, group=group)

    def drawdowns(self, **asked: Any) -> r.Drawdowns:
        """How far accounts fell: ``account``, ``group``, ``currency``, ``from_``, ``to``, ``resolution``."""
        return self.one("/portfolio/drawdowns", r.Drawdowns, **asked)

    def history(self, **asked: Any) -> r.PortfolioHistory:
        """What accounts were worth together: ``account``, ``from_``, ``to``, ``benchmark``, ``points``."""
        return self.one("/portfolio/history", r.PortfolioHistory, **asked)

    def calendar(self, year: int | None = None, **asked: Any) -> r.Calendar:
        """How each day of a year ended: ``account``, ``group``, ``currency``."""
        return self.one("/portfolio/calendar", r.Calendar, year=year, **asked)

    def allocation(self, by: str = "global_instrument", **asked: Any) -> r.Allocation:
        """What accounts hold: ``account``, ``group``, ``top``."""
        return self.one("/portfolio/allocation", r.Allocation, by=by, **asked)

    def attribution(self, account: str, **asked: Any) -> r.Attribution:
        """Where an account's gain came from: ``from_``, ``to``, ``by``."""
        return self.one("/portfolio/attribution", r.Attribution, account=account, **asked)

    # -- history -----------------------------------------------------------------------------------------

    def performance(self, **asked: Any) -> Frame[r.Performance]:
        """Values and returns: ``account``, ``from_``, ``to``, ``resolution``, ``points``."""
        return self.rows("/performance", r.Performance, **asked)

    def measures(self, **asked: Any) -> r.Measures:
        """Returns, risk and drawdowns: ``account``, ``group``, ``currency``, ``from_``, ``to`` and more."""
        return self.one("/performance/measures", r.Measures, **asked)

    def snapshots(self, **asked: Any) -> Frame[r.Snapshot]:
        """What accounts were worth hour by hour: ``account``, ``from_``, ``to``."""
        return self.rows("/snapshots", r.Snapshot, **asked)

    def snapshot(self, snapshot_id: int) -> r.SnapshotDetail:
        """One snapshot, with its positions."""
        return self.one(f"/snapshots/{snapshot_id}", r.SnapshotDetail)

    def snapshot_gaps(self, **asked: Any) -> Frame[r.SnapshotGap]:
        """Hours without a snapshot: ``account``, ``from_``, ``to``."""
        return self.rows("/snapshots/gaps", r.SnapshotGap, **asked)

    def valuation(self, **asked: Any) -> r.ValuationReport:
        """What accounts were worth at a moment: ``account``, ``as_of``."""
        return self.one("/valuation", r.ValuationReport, **asked)

    # -- cash, instruments, statements -------------------------------------------------------------------

    def cash_balances(self, **asked: Any) -> Frame[r.CashBalance]:
        """Cash by currency: ``account``, ``currency``, ``from_``, ``to``, ``latest``."""
        return self.rows("/cash/balances", r.CashBalance, **asked)

    def cash_flows(self, **asked: Any) -> Frame[r.CashFlow]:
        """Money that came or went: ``account``, ``currency``, ``kind``, ``external``, ``from_``, ``to``."""
        return self.rows("/cash/flows", r.CashFlow, **asked)

    def currency_rates(self, **asked: Any) -> Frame[r.CurrencyRate]:
        """What currencies were worth: ``currency``, ``from_``, ``to``."""
        return self.rows("/cash/rates", r.CurrencyRate, **asked)

    def instruments(self, **asked: Any) -> Frame[r.Instrument]:
        """Instruments: ``symbol``, ``isin``, ``mapping``."""
        return self.rows("/instruments", r.Instrument, **asked)

    def instrument(self, conid: int, **asked: Any) -> r.InstrumentDetail:
        """One instrument: what is held of it, what it realized and paid; ``account``, ``group``."""
        return self.one(f"/instruments/{conid}", r.InstrumentDetail, **asked)

    def statements(self, **asked: Any) -> Frame[r.Statement]:
        """Imported statements, by account and time: ``account``."""
        return self.rows("/statements", r.Statement, **asked)

    def statement_coverage(self, **asked: Any) -> Frame[r.StatementCoverage]:
        """Of which days statements tell, and between which they do not: ``account``, ``group``."""
        return self.rows("/statements/coverage", r.StatementCoverage, **asked)

    def statement_differences(self, **asked: Any) -> Frame[r.StatementDifference]:
        """Figures of statements that are not the ledger's: ``account``, ``import_id`` and more."""
        return self.rows("/statements/differences", r.StatementDifference, **asked)

    def imports(self) -> Frame[r.Import]:
        """Imported files."""
        return self.rows("/imports", r.Import)

    # -- what wants attention, and the server itself -----------------------------------------------------

    def alerts(self, **asked: Any) -> Frame[r.Alert]:
        """What wants attention now: ``account``, ``severity``."""
        return self.rows("/alerts", r.Alert, **asked)

    def issues(self, **asked: Any) -> Frame[r.Issue]:
        """What the rules found: ``status``, ``severity``, ``rule``, ``account``."""
        return self.rows("/issues", r.Issue, **asked)

    def reconciliations(self, **asked: Any) -> Frame[r.Reconciliation]:
        """Comparisons with the broker: ``account``."""
        return self.rows("/reconciliations", r.Reconciliation, **asked)

    def differences(self, **asked: Any) -> Frame[r.Difference]:
        """Differences from the broker: ``account``, ``symbol``, ``kind``, ``status``."""
        return self.rows("/reconciliations/differences", r.Difference, **asked)

    def validation(self) -> r.Validation:
        """How what is kept stands to the rules."""
        return self.one("/validation", r.Validation)

    def sync(self) -> r.SyncReport:
        """Links, downloads, gaps, streams and jobs."""
        return self.one("/sync", r.SyncReport)

    def meta(self) -> r.Meta:
        """Version, profile and limits of the server."""
        return self.one("/meta", r.Meta)

    def jobs(self, **asked: Any) -> Frame[r.JobRecord]:
        """Jobs: ``status``, ``kind``."""
        return self.rows("/jobs", r.JobRecord, **asked)

    def job(self, job_id: str) -> r.Job:
        """How a job is doing."""
        return self.one(f"/jobs/{job_id}", _JobAnswer).job

    def resync(self) -> r.Job:
        """Have everything compared with the broker; ``wait`` waits for the job."""
        return self._transport.post("/sync/resync", _JobAnswer).job

    def save_snapshot(self, account: str | None = None) -> r.Job:
        """Have a snapshot saved now; ``wait`` waits for the job."""
        headers = {"idempotency-key": uuid.uuid4().hex}
        return self._transport.post("/snapshots", _JobAnswer, {"account": account}, headers=headers).job

    def wait(self, job: r.Job, *, seconds: float = 120.0, every: float = 0.5) -> r.Job:
        """The job once it has ended, well or badly.

        Raises:
            LotkeeperClientError: it has not, in so many seconds.
        """
        until = time.monotonic() + seconds
        while job.status not in _ENDED:
            if time.monotonic() >= until:
                raise LotkeeperClientError(f"The job {job.id} has not ended in {seconds:g} seconds.")
            time.sleep(every)
            job = self.job(job.id)
        return job

    def watch(self, topic: str = "positions") -> "Iterator[Any]":
        """Live rows of a topic, each change as it comes; see ``lotkeeper_client.live``.

        Raises:
            ExtraMissingError: websockets is not installed.
        """
        from lotkeeper_client.live import watch  # noqa: PLC0415 - needs what is optional

        return watch(self._transport.url, self._transport.token, topic)

    # -- any question ------------------------------------------------------------------------------------

    def rows(self, path: str, row_type: type[Row], **asked: Any) -> Frame[Row]:
        """A list of the API as a frame, whatever it is of: ``path`` is that behind ``/api/v1``."""
        page_type = msgspec.defstruct(
            f"{row_type.__name__}Page",
            [
                ("items", tuple[row_type, ...]),  # type: ignore[valid-type]
                ("next_cursor", str | None, None),
                ("freshness", r.Freshness | None, None),
            ],
            frozen=True,
        )
        parameters = {"limit": self._page_rows, **_named(asked)}
        if "points" in parameters:
            del parameters["limit"]

        def fetch(cursor: str | None) -> Page:
            page: Any = self._transport.get(path, page_type, {**parameters, "cursor": cursor})
            return Page(page.items, page.next_cursor, page.freshness)

        return Frame(row_type, fetch)

    def one(self, path: str, kind: type[Row], **asked: Any) -> Row:
        """A single answer of the API, read as this type."""
        return self._transport.get(path, kind, _named(asked))


def _named(asked: Mapping[str, Any]) -> dict[str, Value | Iterable[Value]]:
    named: Parameters = {name.removesuffix("_"): value for name, value in asked.items()}
    return dict(named)
