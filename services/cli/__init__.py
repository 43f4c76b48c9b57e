"""One front door: ``lotkeeper …``."""

from services.cli.commands import main

__all__ = ["main"]
