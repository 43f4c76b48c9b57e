"""Options that several commands share."""

from typing import Annotated, Literal

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text for people.")]
WhichProfile = Annotated[
    Literal["main", "demo"] | None,
    typer.Option("--profile", help="Which portfolio. [default: the one that is running]"),
]
OneAccount = Annotated[
    str | None, typer.Option("--account", metavar="ACCOUNT", help="Only this account. [default: all]")
]
