"""``config``, ``openapi``, ``version`` and ``doctor``: what is set, what this is, what it lacks."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from services.cli.options import AsJson, WhichProfile

config = typer.Typer(help="What is set, and by what.", no_args_is_help=True)

ORIGIN_OPTION = typer.Option("--origin", help="Also by what each is set, and what it is by default.")


@config.command("show")
def show(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Only these. [default: all]")
    ] = None,
    *,
    origin: Annotated[bool, ORIGIN_OPTION] = False,
    only_set: Annotated[bool, typer.Option("--set", help="Only what is not as it is by default.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the settings of a process that would start here and now. A secret is never shown."""
    from services.cli.configuration import run_show  # noqa: PLC0415 - takes a while, not needed for help

    run_show(names or [], origin=origin, only_set=only_set, as_json=as_json)


def openapi(
    what: Annotated[
        Literal["openapi", "asyncapi"], typer.Argument(help="The API over HTTP, or the live stream.")
    ] = "openapi",
) -> None:
    """Print the contract of the API: OpenAPI 3.1, or AsyncAPI 3.0 of its stream."""
    from services.cli.contract import run_openapi  # noqa: PLC0415 - takes a while, not needed for help

    run_openapi(what)


def completion(
    shell: Annotated[Literal["bash", "zsh", "fish", "powershell"], typer.Argument(help="Which shell.")],
) -> None:
    """Print a script that completes commands and options: `source <(lotkeeper completion bash)`."""
    from services.cli.versions import run_completion  # noqa: PLC0415 - not needed for help

    run_completion(shell)


def version(*, as_json: AsJson = False) -> None:
    """Show which Lotkeeper this is, the schema it needs, and what it runs on."""
    from services.cli.versions import run_version  # noqa: PLC0415 - takes a while, not needed for help

    run_version(as_json=as_json)


def doctor(
    *,
    bundle: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Also write what was found, settings and log, without secrets, to a .tar.gz."
        ),
    ] = None,
    profile: WhichProfile = None,
    as_json: AsJson = False,
) -> None:
    """Look at all that Lotkeeper needs, and say what to do. Exit code 3 if something is missing."""
    from services.cli.doctor.run import run_doctor  # noqa: PLC0415 - takes a while, not needed for help

    run_doctor(profile, bundle, as_json=as_json)
