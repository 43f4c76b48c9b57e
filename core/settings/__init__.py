"""Settings: one prefix, built once in ``main`` and passed down, never read at import."""

import os
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.errors import SettingsError
from core.settings.alerting import Alerting
from core.settings.backup import Backup
from core.settings.gateway import Gateway
from core.settings.place import Place
from core.settings.statements import Statements
from core.settings.stores import Stores
from core.settings.upkeep import Upkeep
from core.settings.values import PREFIX, Profile
from core.settings.watching import Watching
from core.settings.web import Web

__all__ = ["PREFIX", "Profile", "Settings", "load_settings"]


# The last of the bases comes first in the reference.
class Settings(Alerting, Watching, Backup, Statements, Upkeep, Stores, Web, Gateway, Place, BaseSettings):
    """What can be set from outside: ``LOTKEEPER_<NAME>``, ``LOTKEEPER_<NAME>_FILE`` or ``.env``."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        # `LOTKEEPER_API_TOKEN=` in a template or a compose file means "not set", and never an empty token.
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        validate_default=True,
    )

    def variables(self) -> dict[str, str]:
        """The environment that gives a process these settings, secrets and all."""
        return {
            f"{PREFIX}{name.upper()}": _spelled(value)
            for name, value in self.model_dump().items()
            if value is not None
        }


def _spelled(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _file_variants() -> dict[str, Any]:
    """Values of ``LOTKEEPER_<NAME>_FILE``: secrets as files (Docker and systemd hand them over so)."""
    values: dict[str, Any] = {}
    for name in Settings.model_fields:
        variable = f"{PREFIX}{name.upper()}_FILE"
        path = os.environ.get(variable)
        if not path:
            continue
        try:
            values[name] = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise SettingsError(f"{variable} names {path}, which cannot be read: {reason}.") from None
        if not values[name]:
            raise SettingsError(f"{variable} names {path}, which is empty.")
    return values


def load_settings(**overrides: Any) -> Settings:
    """Read the environment; ``overrides`` win over it.

    Raises:
        SettingsError: one clear sentence that names the first wrong variable.
    """
    try:
        return Settings(**{**_file_variants(), **overrides})
    except ValidationError as error:
        first = error.errors()[0]
        name = f"{PREFIX}{str(first['loc'][0]).upper()}" if first["loc"] else PREFIX
        # The value itself may be a secret: only what is wrong with it is told.
        raise SettingsError(f"{name} is wrong: {first['msg']}.") from None
