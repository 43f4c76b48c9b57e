"""Whom to tell when something stands wrong, of what, and when not."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from core.settings.place import Place
from core.settings.values import known_zone, quiet_hours


class Alerting(Place):
    """Messages to people."""

    alerts_urls: SecretStr | None = Field(
        None,
        description="where to: Apprise URLs with white space between (mailto://, slack://, tgram://, "
        "ntfy://, json://, ...), besides those of `lotkeeper alerts add`",
    )
    alerts_severity: Literal["error", "warning", "review"] = Field(
        "warning", description="the least that is told"
    )
    alerts_remind_hours: float = Field(
        24, ge=0, le=8760, description="what stands is told again after these; 0: never"
    )
    alerts_quiet: Annotated[str | None, BeforeValidator(quiet_hours)] = Field(
        None,
        description="from when to when only errors are told, as 22:00-07:00; the rest waits for the end",
    )
    alerts_quiet_all: bool = Field(False, description="then errors wait as well")
    alerts_timezone: Annotated[str, AfterValidator(known_zone)] = Field(
        "UTC", description="zone of quiet hours, and of times in messages"
    )
    alerts_details: bool = Field(
        False,
        description="tell account numbers and amounts too: messages go through others' hands. Otherwise "
        "accounts are told by alias or last digits",
    )
    alerts_drawdown_percent: float | None = Field(
        None, gt=0, le=100, description="tell when an account is so far below its highest"
    )
    alerts_daily_loss_percent: float | None = Field(
        None, gt=0, le=100, description="tell when an account lost so much since the close before"
    )
    alerts_disk_percent: float = Field(90, gt=0, le=100, description="tell when the disk is so full")
    alerts_error_percent: float = Field(
        5, gt=0, le=100, description="tell when the API fails at so many of the requests of five minutes"
    )
    alerts_heartbeat_url: SecretStr | None = Field(
        None,
        description="asked for (GET) every minute while everything was looked at: a service that misses it "
        "tells you that Lotkeeper itself is gone",
    )

    @property
    def alerts_file(self) -> Path:
        """Where `lotkeeper alerts add` keeps URLs (mode 0600)."""
        return self.data_dir / "alerts.json"
