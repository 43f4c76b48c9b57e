"""``snapshot thin``: keep of long ago one snapshot a day in full."""

import json

import typer

from core.errors import LotkeeperError
from core.settings import Profile, Settings
from models.session import Database
from services.cli.auditing import note
from services.cli.on_database import on_database
from services.cli.show import new_console, new_table
from services.snapshot.thin import Thinner, ThinReport


class NotConfirmedError(LotkeeperError):
    """What cannot be had again is dropped only if somebody says so."""

    code = "not_confirmed"
    exit_code = 2


def run(profile: Profile | None, *, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Thin what the settings say, or with ``dry_run`` say what that would be.

    Raises:
        NotConfirmedError: nobody said yes.
        LotkeeperError: as ``on_database``.
    """

    async def preview(database: Database, settings: Settings) -> ThinReport:
        return await Thinner(database, settings).preview()

    async def thin(database: Database, settings: Settings) -> ThinReport:
        report = await Thinner(database, settings, by_hand=True).run()
        await note(database, "snapshot_thin", "" if report.before is None else f"{report.before:%Y-%m-%d}")
        return report

    report = on_database(profile, None, preview)
    if not dry_run and report.months:
        if not yes:
            raise NotConfirmedError(
                f"The detail of {report.total.snapshots:,} snapshots would be dropped for good. To see of "
                "which, say --dry-run; to do it, --yes."
            )
        report = on_database(profile, None, thin)
    if as_json:
        typer.echo(json.dumps(_as_json(report, dry_run=dry_run)))
    else:
        _show(report, dry_run=dry_run)


def _show(report: ThinReport, *, dry_run: bool) -> None:
    console = new_console()
    if report.before is None:
        console.print("Everything is kept: LOTKEEPER_SNAPSHOT_HOURLY_YEARS is 0.")
        return
    if not report.months:
        console.print(f"There is nothing to thin before {report.before:%Y-%m-%d}.")
        return
    columns = ("month", "snapshots", "positions", "payloads", "their bytes")
    table = new_table("Would be dropped" if dry_run else "Dropped", *columns, right_from=1)
    for month, one in report.months.items():
        table.add_row(
            f"{month:%Y-%m}",
            *(f"{number:,}" for number in (one.snapshots, one.positions, one.payloads, one.payload_bytes)),
        )
    console.print(table)
    total = report.total
    verb = "would lose" if dry_run else "lost"
    console.print(f"{total.snapshots:,} snapshots {verb} their detail; what accounts were worth is kept.")


def _as_json(report: ThinReport, *, dry_run: bool) -> dict[str, object]:
    return {
        "dry_run": dry_run,
        "before": None if report.before is None else report.before.isoformat(),
        "total": report.total._asdict(),
        "months": [{"month": f"{month:%Y-%m}", **one._asdict()} for month, one in report.months.items()],
    }
