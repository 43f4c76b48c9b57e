"""``ledger …`` and ``validate …``. What they need is imported when they run, as in ``commands``."""

from typing import Annotated, Literal

import typer

from services.cli.options import AsJson, OneAccount, WhichProfile

ledger = typer.Typer(no_args_is_help=True, help="Fold the ledger anew, or set an account's cost method.")
validate = typer.Typer(
    invoke_without_command=True,
    help="Prove the ledger, compare it with the broker, hold it to the rules. Exit code 5 if something is "
    "wrong.",
)


@ledger.command()
def rebuild(
    account: OneAccount = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would change; nothing is written.")
    ] = False,
    profile: WhichProfile = None,
    as_json: AsJson = False,
) -> None:
    """Fold every book from the stored executions and write what differs. Workers may go on meanwhile."""
    from services.cli.rebuilding import run  # noqa: PLC0415 - takes a while, not needed for help

    run(profile, account, dry_run=dry_run, as_json=as_json)


@ledger.command()
def method(
    account: str,
    chosen: Annotated[
        Literal["fifo", "lifo", "hifo", "average"] | None,
        typer.Argument(metavar="[METHOD]", help="Which lot a fill closes: fifo, lifo, hifo or average."),
    ] = None,
    profile: WhichProfile = None,
    as_json: AsJson = False,
) -> None:
    """Show an account's cost method, or set it and fold the account's books anew."""
    from services.cli.rebuilding import run_method  # noqa: PLC0415 - takes a while, not needed for help

    run_method(profile, account, chosen, as_json=as_json)


@validate.callback()
def everything(
    context: typer.Context,
    account: OneAccount = None,
    days: Annotated[bool, typer.Option("--days", help="Also compare realized figures day by day.")] = False,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="From when on the rules look at what happened: a day (its start) or a time. "
            "[default: 35 days ago]",
        ),
    ] = None,
    profile: WhichProfile = None,
    as_json: AsJson = False,
) -> None:
    """Prove the ledger, compare it with the broker, hold it to the rules. Exit code 5 if that fails."""
    if context.invoked_subcommand is not None:
        if account or days or since or profile or as_json:
            raise typer.BadParameter(f"Put the options after `{context.invoked_subcommand}`.")
        return
    from services.cli.validating import run  # noqa: PLC0415 - takes a while, not needed for help

    run(profile, account, since, days=days, as_json=as_json)


@validate.command()
def rules(as_json: AsJson = False) -> None:
    """List the rules: what each checks, how grave it is, what is tolerated, and what to do about it."""
    from services.cli.validating import run_rules  # noqa: PLC0415 - takes a while, not needed for help

    run_rules(as_json=as_json)


@validate.command("ledger")
def ledger_only(account: OneAccount = None, profile: WhichProfile = None, as_json: AsJson = False) -> None:
    """Prove that every stored row equals a fresh fold. Exit code 5, and the differences, if one does not."""
    from services.cli.validating import run_ledger  # noqa: PLC0415 - takes a while, not needed for help

    run_ledger(profile, account, as_json=as_json)


@validate.command()
def statements(
    account: OneAccount = None,
    import_id: Annotated[
        int | None,
        typer.Option("--import", help="Only what this import states, by its number."),
    ] = None,
    profile: WhichProfile = None,
    as_json: AsJson = False,
) -> None:
    """Hold the ledger to what imported statements say. Exit code 5, and each cause, if they differ."""
    from services.cli.validating_statements import run  # noqa: PLC0415 - takes a while, not needed for help

    run(profile, account, import_id, as_json=as_json)
