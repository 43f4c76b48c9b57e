"""``validate statements``: whether the ledger comes to what statements say."""

from typing import Any

import msgspec
import typer

from core.settings import Profile, Settings
from models.session import Database
from services.cli import show_statements
from services.cli.on_database import KEPT_DIFFERENCES, on_database
from services.cli.validating import DiffersError
from services.position_sync.statement_check import (
    StatementDifference,
    StatementsFound,
    validate_statements,
)


class StatementDifferences:
    """The first differences, and how many there were."""

    def __init__(self) -> None:
        self.kept: list[StatementDifference] = []
        self.count = 0

    def __call__(self, one: StatementDifference) -> None:
        """Take one in."""
        self.count += 1
        if len(self.kept) < KEPT_DIFFERENCES:
            self.kept.append(one)


def run(profile: Profile | None, account: str | None, import_id: int | None, *, as_json: bool) -> None:
    """Compare with the statements, and print what differs.

    Raises:
        DiffersError: a statement says something else.
        UnknownImportError: there is no such import that stands.
        LotkeeperError: as ``on_database``.
    """
    differences = StatementDifferences()

    async def work(database: Database, _settings: Settings) -> StatementsFound:
        return await validate_statements(database, differences, account=account, import_id=import_id)

    found = on_database(profile, account, work)
    if as_json:
        typer.echo(msgspec.json.encode(_as_json(found, differences)).decode())
    else:
        show_statements.found(found, differences.kept, differences.count)
    if differences.count:
        raise DiffersError(
            "Statements say something else than the ledger. docs/statements.md tells what each cause means "
            "and what to do about it."
        )


def _as_json(found: StatementsFound, differences: StatementDifferences) -> dict[str, Any]:
    return {
        "accounts": found.accounts,
        "compared": dict(sorted(found.compared.items())),
        "differing": [
            {"kind": kind, "cause": cause, "figures": figures}
            for (kind, cause), figures in sorted(found.differing.items())
        ],
        "differences": [{"account": one.account, **one.found._asdict()} for one in differences.kept],
        "differences_left_out": differences.count - len(differences.kept),
    }
