"""What is set here, and by what."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import typer
from rich.markup import escape

from core.errors import LotkeeperError
from core.settings import PREFIX, load_settings
from services.api.schemas.settings import Setting
from services.api.settings_told import settings_told
from services.cli.show import new_console, new_table


class UnknownSettingError(LotkeeperError):
    """There is no setting of this name."""

    code = "unknown_setting"
    exit_code = 2


def run_show(names: Sequence[str], *, origin: bool, only_set: bool, as_json: bool) -> None:
    """Print settings, named as in the environment or without the prefix.

    Raises:
        UnknownSettingError: one is not known.
        SettingsError: what is set is wrong.
    """
    told = {one.name: one for one in settings_told(load_settings())}
    wanted = [name.lower().removeprefix(PREFIX.lower()) for name in names]
    for name in wanted:
        if name not in told:
            raise UnknownSettingError(
                f"There is no setting {PREFIX}{name.upper()}. `lotkeeper config show` lists all there are."
            )
    chosen = [told[name] for name in wanted] if wanted else list(told.values())
    shown = [one for one in chosen if not only_set or one.source != "default"]
    if as_json:
        typer.echo(json.dumps([msgspec.to_builtins(one) for one in shown]))
        return
    columns = ("setting", "value", *(("set by", "default") if origin else ()))
    table = new_table("Settings", *columns)
    for one in shown:
        more = (one.source, _spelled(one.default)) if origin else ()
        table.add_row(*map(escape, (one.variable, _value(one), *more)))
    new_console().print(table)


def _value(one: Setting) -> str:
    if one.secret:
        return "(a secret, set)" if one.is_set else "–"
    return _spelled(one.value)


def _spelled(value: Any) -> str:
    if value is None or value == ():
        return "–"
    return ", ".join(value) if isinstance(value, tuple) else str(value)
