"""Where a portfolio lives on this machine."""

from pathlib import Path

from pydantic import BaseModel, Field

from core.settings.values import Profile, default_home


class Place(BaseModel):
    """The home, and which portfolio of it."""

    home: Path = Field(
        default_factory=default_home, description="where embedded servers, tokens and logs live"
    )
    profile: Profile = Field(
        "main", description="which portfolio of the home this is: the demo's or the real one"
    )

    @property
    def data_dir(self) -> Path:
        """The profile's own folder: ``<home>/demo`` or ``<home>/main``."""
        return self.home / self.profile
