"""The contract that this version of the API speaks, as a document."""

from typing import Literal

import msgspec
import typer

from core.settings import load_settings
from core.version import installed_version
from services.api import asyncapi
from services.api.app import create_app
from services.api.openapi import document

_NOWHERE = {"database_url": "postgresql://nobody@nowhere/nothing", "redis_url": "redis://nowhere"}
"""The contract is the same wherever it is kept; nothing is connected to."""


def run_openapi(what: Literal["openapi", "asyncapi"]) -> None:
    """Print a document of the API as JSON."""
    app = create_app(load_settings(**_NOWHERE))
    version = installed_version()
    told = document(app, version) if what == "openapi" else asyncapi.document(version)
    typer.echo(msgspec.json.format(msgspec.json.encode(told), indent=2).decode())
