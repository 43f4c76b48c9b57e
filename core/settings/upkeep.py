"""What workers do by the clock."""

from pydantic import BaseModel, Field


class Upkeep(BaseModel):
    """Comparisons, rules and snapshots."""

    settle_seconds: float = Field(3.0, ge=0, le=300, description="quiet time before a difference counts")
    sweep_seconds: float = Field(300.0, gt=0, le=3600, description="between full comparisons with the broker")
    last_known_flush_seconds: float = Field(
        5.0, gt=0, le=60, description="marks and values reach the database"
    )

    rules_hour: int = Field(
        6,
        ge=0,
        le=23,
        description="UTC: from then on what is kept is held to the rules, once a day",
    )
    snapshot_hourly_years: int = Field(
        2,
        ge=0,
        le=100,
        description="what is older may be thinned to one snapshot a day; 0: nothing ever. See SNAPSHOT_THIN",
    )
    snapshot_thin: bool = Field(
        False,
        description="have the worker do so by itself; otherwise only `lotkeeper snapshot thin` does. What is "
        "dropped cannot be had again",
    )
