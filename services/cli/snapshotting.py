"""``snapshot``: save what accounts are worth now."""

import json

import typer

from core.errors import LotkeeperError
from core.settings import Profile, Settings
from models.session import Database
from services.cli.auditing import note
from services.cli.on_database import on_database
from services.snapshot.runs import RunReport, Snapshots


class SnapshotFailedError(LotkeeperError):
    """What is known of the accounts is not fresh enough to be kept."""

    code = "snapshot_failed"
    exit_code = 3


class SnapshotPartialError(LotkeeperError):
    """Of some accounts there is a snapshot, of others not."""

    code = "snapshot_partial"
    exit_code = 5


def run(profile: Profile | None, account: str | None, *, as_json: bool) -> None:
    """Take a snapshot of all accounts, or of one, and print what came of it.

    Raises:
        SnapshotFailedError: of no account could one be taken.
        SnapshotPartialError: of some accounts none could be taken.
        LotkeeperError: as ``on_database``.
    """

    async def work(database: Database, settings: Settings) -> RunReport:
        report = await Snapshots(database, settings).take_now("cli", account=account)
        outcome = {"success": "ok", "partial": SnapshotPartialError.code}.get(
            report.status, SnapshotFailedError.code
        )
        await note(database, "snapshot", account or "", outcome)
        return report

    report = on_database(profile, account, work)
    if as_json:
        typer.echo(json.dumps(_as_json(report)))
    elif report.taken:
        typer.echo(f"Run {report.run_id}: {report.taken} accounts with {report.positions:,} positions kept.")
    if report.status == "success":
        return
    why = "; ".join(f"{name}: {one.reason}" for name, one in sorted(report.failures.items()))
    if report.status == "partial":
        raise SnapshotPartialError(f"No snapshot could be taken of {why}.")
    raise SnapshotFailedError(
        f"No snapshot could be taken. {why or report.summary}. "
        "Is the gateway there, and the broker link? See: lotkeeper status"
    )


def _as_json(report: RunReport) -> dict[str, object]:
    return {
        "run_id": report.run_id,
        "status": report.status,
        "taken": report.taken,
        "positions": report.positions,
        "summary": report.summary,
        "failures": {name: why._asdict() for name, why in report.failures.items()},
    }
