"""``user …``, ``token …`` and ``audit``. What they need is imported when they run, as in ``commands``."""

from typing import Annotated, Literal

import typer

from services.cli.options import AsJson, WhichProfile

user = typer.Typer(no_args_is_help=True, help="Who may sign in by name, what they may do and see.")
token = typer.Typer(no_args_is_help=True, help="API tokens, for programs.")

UserName = Annotated[str, typer.Argument(metavar="NAME", help="The user's name.")]
ScopeName = Annotated[
    Literal["read", "sync", "admin"],
    typer.Option("--scope", help="read; sync: also ask for work; admin: also decide who may do what."),
]
SeenAccounts = Annotated[
    list[str] | None,
    typer.Option("--account", metavar="ACCOUNT", help="May see this one; again for several."),
]
AllAccounts = Annotated[bool, typer.Option("--all", help="May see every account, also those to come.")]


@user.command("add")
def add_user(
    name: UserName,
    scope: ScopeName = "read",
    account: SeenAccounts = None,
    every: AllAccounts = False,
    profile: WhichProfile = None,
    as_json: AsJson = False,
) -> None:
    """Make a user. The password is asked for, or read from standard input."""
    from services.cli.users import run_add  # noqa: PLC0415 - takes a while, not needed for help

    run_add(profile, name, scope, account or [], every=every, as_json=as_json)


@user.command("list")
def list_users(profile: WhichProfile = None, as_json: AsJson = False) -> None:
    """List the users, what they may do and which accounts they see."""
    from services.cli.users import run_list  # noqa: PLC0415 - takes a while, not needed for help

    run_list(profile, as_json=as_json)


@user.command("password")
def set_password(
    name: UserName,
    keep_tokens: Annotated[
        bool, typer.Option("--keep-tokens", help="Leave their API tokens as they are.")
    ] = False,
    profile: WhichProfile = None,
) -> None:
    """Set a user's password, end their sessions and revoke their API tokens.

    It is asked for, or read from standard input.
    """
    from services.cli.users import run_password  # noqa: PLC0415 - takes a while, not needed for help

    run_password(profile, name, keep_tokens=keep_tokens)


@user.command()
def scope(
    name: UserName,
    wanted: Annotated[
        Literal["read", "sync", "admin"], typer.Argument(metavar="SCOPE", help="read, sync or admin.")
    ],
    profile: WhichProfile = None,
) -> None:
    """Say what a user may do."""
    from services.cli.users import run_scope  # noqa: PLC0415 - takes a while, not needed for help

    run_scope(profile, name, wanted)


@user.command("accounts")
def set_accounts(
    name: UserName,
    account: Annotated[
        list[str] | None, typer.Argument(metavar="[ACCOUNT]...", help="All that they may see.")
    ] = None,
    every: AllAccounts = False,
    profile: WhichProfile = None,
) -> None:
    """Say which accounts a user may see: just these, or all."""
    from services.cli.users import run_accounts  # noqa: PLC0415 - takes a while, not needed for help

    run_accounts(profile, name, account or [], every=every)


@user.command()
def disable(name: UserName, profile: WhichProfile = None) -> None:
    """Let a user in no more: neither they nor their tokens. Their sessions end."""
    from services.cli.users import run_disable  # noqa: PLC0415 - takes a while, not needed for help

    run_disable(profile, name, disabled=True)


@user.command()
def enable(name: UserName, profile: WhichProfile = None) -> None:
    """Let a user in again."""
    from services.cli.users import run_disable  # noqa: PLC0415 - takes a while, not needed for help

    run_disable(profile, name, disabled=False)


@user.command()
def remove(
    name: UserName,
    yes: Annotated[bool, typer.Option("--yes", help="Yes, with their sessions and tokens.")] = False,
    profile: WhichProfile = None,
) -> None:
    """Forget a user, and with them their sessions and tokens; needs --yes."""
    from services.cli.users import run_remove  # noqa: PLC0415 - takes a while, not needed for help

    if not yes:
        raise typer.BadParameter("To remove a user with their sessions and tokens, add --yes.")
    run_remove(profile, name)


@user.command("second-factor")
def second_factor(
    name: UserName,
    remove_it: Annotated[
        bool, typer.Option("--remove", help="Ask for it no more, as where the app is lost.")
    ] = False,
    profile: WhichProfile = None,
    as_json: AsJson = False,
) -> None:
    """Set up a second factor: codes of an app, asked for when the user signs in by name."""
    from services.cli.second_factor import run_remove_factor, run_set_up  # noqa: PLC0415 - takes a while, not needed for help

    if remove_it:
        run_remove_factor(profile, name)
    else:
        run_set_up(profile, name, as_json=as_json)


@user.command("setup-token")
def setup_token(profile: WhichProfile = None) -> None:
    """Print the token that makes the first user on the page. There is none once there is a user."""
    from services.cli.users import run_setup_token  # noqa: PLC0415 - takes a while, not needed for help

    run_setup_token(profile)


@token.command("create")
def create_token(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is for.")],
    scope: ScopeName = "read",
    account: SeenAccounts = None,
    days: Annotated[
        int, typer.Option(min=0, max=3650, help="How long it is good for; 0: until revoked.")
    ] = 365,
    of_user: Annotated[
        str | None,
        typer.Option("--user", metavar="NAME", help="Of this user, who bounds it. [default: the owner]"),
    ] = None,
    profile: WhichProfile = None,
    as_json: AsJson = False,
) -> None:
    """Make an API token and print its secret, this once. Without --account it sees all its user sees."""
    from services.cli.tokens import Wanted, run_create  # noqa: PLC0415 - takes a while, not needed for help

    run_create(profile, Wanted(name, scope, tuple(account or ()), days, of_user), as_json=as_json)


@token.command("list")
def list_tokens(profile: WhichProfile = None, as_json: AsJson = False) -> None:
    """List the API tokens, without their secrets."""
    from services.cli.tokens import run_list  # noqa: PLC0415 - takes a while, not needed for help

    run_list(profile, as_json=as_json)


@token.command()
def revoke(
    token_id: Annotated[int, typer.Argument(metavar="ID", help="As `lotkeeper token list` tells it.")],
    profile: WhichProfile = None,
) -> None:
    """Revoke an API token. It lets nobody in any more within seconds."""
    from services.cli.tokens import run_revoke  # noqa: PLC0415 - takes a while, not needed for help

    run_revoke(profile, token_id)
