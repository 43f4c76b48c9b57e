"""The commands. What they need is imported when they run, so that ``lotkeeper --help`` answers at once."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from core.errors import LotkeeperError
from services.cli.account_commands import accounts, benchmark
from services.cli.alert_commands import alerts
from services.cli.backup_commands import backup
from services.cli.config_commands import completion, config, doctor, openapi, version
from services.cli.dead_commands import dead
from services.cli.export_commands import export
from services.cli.flex_commands import flex
from services.cli.import_commands import imports
from services.cli.instrument_commands import instruments
from services.cli.issue_commands import issues
from services.cli.job_commands import jobs, setup
from services.cli.ledger_commands import ledger, validate
from services.cli.login_commands import login
from services.cli.options import AsJson, WhichProfile
from services.cli.snapshot_commands import snapshot
from services.cli.usage import AsPlain, RootGroup, run
from services.cli.user_commands import token, user

INTERRUPTED = 130
DEFAULT_SCENARIO = "default"

app = typer.Typer(
    name="lotkeeper",
    help="Keeps your Interactive Brokers portfolio in your own database, and shows it also when the broker "
    "is offline. Start with: lotkeeper demo",
    no_args_is_help=True,
    cls=RootGroup,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

WebPort = Annotated[
    int | None,
    typer.Option("--port", min=1, max=65535, help="Port of the web page and the API. [default: 8321]"),
]
START, SERVICES, ASK = "Start", "Single services", "Ask a running Lotkeeper"
TRUST, STATEMENTS = "Prove and mend the ledger", "The broker's statements"
HISTORY = "What it was worth"
FILES = "Take it elsewhere"
ACCESS = "Who may do what"
WATCH = "Have it watched"
KEEPING = "Backups"
ABOUT = "About this Lotkeeper"
app.command(rich_help_panel=START)(setup)
app.add_typer(jobs, name="jobs", rich_help_panel=ASK)
app.add_typer(login, name="login", rich_help_panel=ASK)
app.add_typer(ledger, name="ledger", rich_help_panel=TRUST)
app.add_typer(validate, name="validate", rich_help_panel=TRUST)
app.add_typer(issues, name="issues", rich_help_panel=TRUST)
app.add_typer(dead, name="dead", rich_help_panel=TRUST)
app.add_typer(imports, name="import", rich_help_panel=STATEMENTS)
app.add_typer(flex, name="flex", rich_help_panel=STATEMENTS)
app.add_typer(instruments, name="instruments", rich_help_panel=HISTORY)
app.add_typer(snapshot, name="snapshot", rich_help_panel=HISTORY)
app.add_typer(accounts, name="accounts", rich_help_panel=HISTORY)
app.add_typer(benchmark, name="benchmark", rich_help_panel=HISTORY)
app.add_typer(export, name="export", rich_help_panel=FILES)
app.add_typer(user, name="user", rich_help_panel=ACCESS)
app.add_typer(token, name="token", rich_help_panel=ACCESS)
app.add_typer(alerts, name="alerts", rich_help_panel=WATCH)
app.add_typer(backup, name="backup", rich_help_panel=KEEPING)
app.add_typer(config, name="config", rich_help_panel=ABOUT)
app.command(rich_help_panel=ABOUT)(doctor)
app.command(rich_help_panel=ABOUT)(completion)
app.command(rich_help_panel=ABOUT)(openapi)
app.command(rich_help_panel=ABOUT)(version)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415 - only when asked for

        typer.echo(f"lotkeeper {version('lotkeeper')}")
        raise typer.Exit


@app.callback()
def options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
    plain: AsPlain = False,
) -> None:
    """Options that need no command, or hold for any."""


@app.command(rich_help_panel=START)
def demo(
    port: WebPort = None,
    scenario: Annotated[
        str, typer.Option(help="What the simulated market does: a name, or a scenario file of yours.")
    ] = DEFAULT_SCENARIO,
) -> None:
    """Try it: everything on this machine, with a simulated broker. Ctrl-C stops it; its data stay."""
    from core.settings import load_settings  # noqa: PLC0415 - takes a while, not needed for help
    from services.simulator.scenario import load_scenario  # noqa: PLC0415 - the same
    from services.stack.app import Options, run  # noqa: PLC0415 - the same

    chosen = {} if port is None else {"api_port": port}
    settings = load_settings(profile="demo", **chosen)
    load_scenario(scenario)  # so that nothing is started for one that there is not
    run(settings, Options(scenario=scenario, port_is_chosen="api_port" in settings.model_fields_set))


@app.command(rich_help_panel=START)
def up(port: WebPort = None) -> None:
    """Run it for real, against your TWS or IB Gateway (LOTKEEPER_IB_HOST, LOTKEEPER_IB_PORT)."""
    from core.settings import load_settings  # noqa: PLC0415 - takes a while, not needed for help
    from services.stack.app import Options, run  # noqa: PLC0415 - the same

    chosen = {} if port is None else {"api_port": port}
    run(load_settings(profile="main", **chosen), Options(port_is_chosen=True))


@app.command(rich_help_panel=SERVICES)
def broker() -> None:
    """Run the broker link: from the gateway's socket to the Redis stream."""
    from core.settings import load_settings  # noqa: PLC0415 - takes a while, not needed for help
    from services.broker.app import run  # noqa: PLC0415 - the same

    run(load_settings())


@app.command(rich_help_panel=SERVICES)
def worker() -> None:
    """Run a worker: from the Redis stream to PostgreSQL. Start as many as you like."""
    from core.settings import load_settings  # noqa: PLC0415 - takes a while, not needed for help
    from services.cli.backup_keeper import keep_backups  # noqa: PLC0415 - the same
    from services.cli.dead_keeper import keep_dead  # noqa: PLC0415 - the same
    from services.cli.snapshot_keeper import SNAPSHOTS, keep_snapshots  # noqa: PLC0415 - the same
    from services.cli.statement_keeper import keep_statements  # noqa: PLC0415 - the same
    from services.position_sync.app import run  # noqa: PLC0415 - the same

    run(load_settings(), [keep_statements, keep_snapshots, keep_dead, keep_backups], [SNAPSHOTS])


@app.command(rich_help_panel=SERVICES)
def api(port: WebPort = None) -> None:
    """Run the API and the web page."""
    from core.settings import load_settings  # noqa: PLC0415 - takes a while, not needed for help
    from services.api.app import run  # noqa: PLC0415 - the same
    from services.cli.alert_keeper import tell_people  # noqa: PLC0415 - the same

    run(load_settings() if port is None else load_settings(api_port=port), [tell_people])


@app.command(rich_help_panel=SERVICES)
def simulator(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Where it listens as a gateway; 0: any.")
    ] = 4002,
    control_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Where it takes orders to misbehave, over HTTP.")
    ] = None,
    scenario: Annotated[str, typer.Option(help="A scenario's name or file.")] = DEFAULT_SCENARIO,
    book: Annotated[Path | None, typer.Option(help="The file that keeps its book over restarts.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed, the same market.")] = 0,
    statements: Annotated[
        Path | None,
        typer.Option(help="Where a new book puts the statements of the three years before it began."),
    ] = None,
) -> None:
    """Run a pretended TWS that speaks the real protocol, for demos and tests."""
    from core.settings import load_settings  # noqa: PLC0415 - takes a while, not needed for help
    from services.simulator.app import SimulatorOptions, run  # noqa: PLC0415 - the same

    chosen = SimulatorOptions(port, control_port, scenario, book, seed, statements)
    run(load_settings(), chosen)


@app.command(rich_help_panel=SERVICES)
def migrate(profile: WhichProfile = None, as_json: AsJson = False) -> None:
    """Bring the database to this version's schema (LOTKEEPER_DATABASE_URL, or that of the running stack)."""
    from services.cli.migrating import run  # noqa: PLC0415 - takes a while, not needed for help

    run(profile, as_json=as_json)


@app.command(rich_help_panel=ASK)
def status(profile: WhichProfile = None, as_json: AsJson = False) -> None:
    """Show what runs, how fresh the data are and what went wrong. Exit code 3 while the API is down."""
    from services.cli.asking import show_status  # noqa: PLC0415 - takes a while, not needed for help

    show_status(profile, as_json=as_json)


@app.command(rich_help_panel=ASK)
def resync(
    profile: WhichProfile = None,
    wait: Annotated[bool, typer.Option("--wait", help="Follow it to its end.")] = False,
    timeout: Annotated[int, typer.Option(min=1, help="Seconds to wait at most.")] = 300,
    as_json: AsJson = False,
) -> None:
    """Compare everything with the broker now."""
    from services.cli.asking import ask_for_resync  # noqa: PLC0415 - takes a while, not needed for help

    ask_for_resync(profile, wait_seconds=timeout if wait else None, as_json=as_json)


@app.command(rich_help_panel=HISTORY)
def attribution(
    account: Annotated[
        str | None, typer.Option("--account", metavar="ACCOUNT", help="Which one. [default: the only one]")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TIME",
            help="From the value told last by then: a day (its start) or a time. [default: the first]",
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="TIME",
            help="To the value told last by then: a day (its end) or a time. [default: the last]",
        ),
    ] = None,
    by: Annotated[
        Literal["instrument", "asset_class", "currency", "kind"],
        typer.Option("--by", help="What is told apart: instrument, asset_class, currency or kind."),
    ] = "instrument",
    profile: WhichProfile = None,
    as_json: AsJson = False,
) -> None:
    """Show where an account's gain came from. A TIME is a day, or a time with its zone."""
    from services.cli.attributing import run  # noqa: PLC0415 - takes a while, not needed for help

    run(profile, account, since, until, by, as_json=as_json)


@app.command(rich_help_panel=HISTORY)
def valuation(
    account: Annotated[
        list[str] | None,
        typer.Option(metavar="ACCOUNT", help="Only this account; several times for several. [default: all]"),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="A day (its end) or a time. [default: now]"),
    ] = None,
    profile: WhichProfile = None,
    as_json: AsJson = False,
) -> None:
    """Show what accounts were worth at any moment: what was held then, at the nearest marks and their age."""
    from services.cli.valuing import run  # noqa: PLC0415 - takes a while, not needed for help

    run(profile, account or [], as_of, as_json=as_json)


@app.command(rich_help_panel=HISTORY)
def performance(
    account: Annotated[
        list[str] | None,
        typer.Option("--account", metavar="ACCOUNT", help="This one; may be given again. [default: all]"),
    ] = None,
    group: Annotated[str | None, typer.Option(metavar="NAME", help="The accounts of this group.")] = None,
    currency: Annotated[str | None, typer.Option(help="In this currency, as USD. [default: theirs]")] = None,
    since: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="A day (its start) or a time.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="A day (its end) or a time.")
    ] = None,
    resolution: Annotated[
        Literal["day", "hour"], typer.Option(help="Of the values that it is made of.")
    ] = "day",
    benchmark_name: Annotated[
        str | None, typer.Option("--benchmark", metavar="NAME", help="Hold it against this.")
    ] = None,
    risk_free: Annotated[
        float, typer.Option(help="Annual rate without risk, as a fraction: 0.03 is 3 %.")
    ] = 0.0,
    profile: WhichProfile = None,
    as_json: AsJson = False,
) -> None:
    """Show what accounts together returned, risked and lost at most. Times may stand for days."""
    from services.cli.performing import Wanted, run  # noqa: PLC0415 - takes a while, not needed for help

    wanted = Wanted(account or [], group, currency, since, until, resolution, benchmark_name, risk_free)
    run(profile, wanted, as_json=as_json)


@app.command(rich_help_panel=ACCESS)
def audit(
    actor: Annotated[str | None, typer.Option(metavar="NAME", help="Only what this one did.")] = None,
    action: Annotated[str | None, typer.Option(help="Only this, as sign_in.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 100,
    profile: WhichProfile = None,
    as_json: AsJson = False,
) -> None:
    """Show who did what, newest first: sign-ins, users, tokens, work that was asked for, and refusals."""
    from services.cli.auditing import run_audit  # noqa: PLC0415 - takes a while, not needed for help

    run_audit(profile, actor, action, limit=limit, as_json=as_json)


def main() -> None:
    """Run the command line; an expected failure is one sentence on stderr and its exit code."""
    try:
        run(app)
    except LotkeeperError as error:
        sys.stdout.flush()
        sys.stderr.write(f"Error: {error}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
