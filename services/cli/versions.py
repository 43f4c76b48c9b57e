"""Which Lotkeeper this is, the schema it needs, and what it runs on."""

import json
import platform
from importlib.metadata import version as version_of

import typer
from rich.markup import escape
from typer.completion import get_completion_script  # type: ignore[attr-defined]  # not marked as its own

from core.version import installed_version
from models.migrate import head_revision
from services.cli.show import new_console, new_table

_LIBRARIES = ("ib_async", "asyncpg", "sqlalchemy", "redis", "arq", "fastapi", "pydantic")


def versions() -> dict[str, str]:
    """The version, the schema's revision, Python, the machine and the libraries that matter."""
    return {
        "lotkeeper": installed_version(),
        "schema": head_revision(),
        "python": platform.python_version(),
        "system": platform.platform(),
        **{name: version_of(name) for name in _LIBRARIES},
    }


def run_completion(shell: str) -> None:
    """Print the script that completes commands in a shell."""
    script = get_completion_script(prog_name="lotkeeper", complete_var="_LOTKEEPER_COMPLETE", shell=shell)
    typer.echo(script)


def run_version(*, as_json: bool) -> None:
    """Print the versions."""
    told = versions()
    if as_json:
        typer.echo(json.dumps(told))
        return
    table = new_table("Versions", "what", "version")
    for name, version in told.items():
        table.add_row(name, escape(version))
    new_console().print(table)
