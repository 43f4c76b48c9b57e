"""What is set, and by what: never a secret."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from core.settings import PREFIX, Settings
from services.api.schemas.settings import Setting, SettingSource


def settings_told(settings: Settings, environment: Mapping[str, str] = os.environ) -> list[Setting]:
    """Every setting of the process, in the order of the documentation."""
    return [_setting(settings, name, environment) for name in Settings.model_fields]


def _setting(settings: Settings, name: str, environment: Mapping[str, str]) -> Setting:
    field, value = Settings.model_fields[name], getattr(settings, name)
    secret = "SecretStr" in str(field.annotation)
    default = None if field.default is PydanticUndefined else field.default
    return Setting(
        name=name,
        variable=f"{PREFIX}{name.upper()}",
        meaning=field.description or "",
        value=None if secret else _plain(value),
        default=None if secret else _plain(default),
        source=_source(settings, name, environment),
        secret=secret,
        is_set=value is not None and not (isinstance(value, SecretStr) and not value.get_secret_value()),
    )


def _plain(value: Any) -> str | int | float | bool | tuple[str, ...] | None:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (str, int, float, bool, tuple)) or value is None:
        return value
    return str(value)


def _source(settings: Settings, name: str, environment: Mapping[str, str]) -> SettingSource:
    if name not in settings.model_fields_set:
        return "default"
    variable = f"{PREFIX}{name.upper()}"
    if environment.get(f"{variable}_FILE"):
        return "file"
    return "environment" if environment.get(variable) or _is_in_env_file(variable) else "given"


def _is_in_env_file(variable: str) -> bool:
    try:
        lines = Path(".env").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return False
    return any(line.strip().removeprefix("export ").startswith(f"{variable}=") for line in lines)
