"""Backups and WAL: where they go, for whom they are encrypted, when they are taken and how long kept."""

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

from core.settings.place import Place
from core.settings.values import recipients


class Backup(Place):
    """Archives of the database and of the few files it needs."""

    backup_dir: Path | None = Field(
        None, description="where archives are kept; default: `backups` in the profile's folder"
    )
    backup_recipient: Annotated[tuple[str, ...], NoDecode, BeforeValidator(recipients)] = Field(
        (),
        description="age public keys, with commas between, that archives are encrypted to. Without any a key "
        "pair is made once in the profile's folder (`backup-identity`): keep a copy of that file elsewhere",
    )
    backup_identity: Path | None = Field(
        None,
        description="the file with the age identity that opens archives; default: `backup-identity` in the "
        "profile's folder",
    )
    backup_days: int = Field(
        30, ge=1, le=36_500, description="that an archive is kept for; the newest stays however old it is"
    )
    backup_hour: int = Field(4, ge=0, le=23, description="UTC: from then on a worker takes the day's backup")
    backup_scheduled: bool | None = Field(
        None,
        description="whether workers take a backup each day and restore one on trial; default: of a real "
        "portfolio they do, of the demo they do not",
    )
    backup_drill_days: int = Field(
        7,
        ge=0,
        le=365,
        description="from one restore on trial, into a database beside, to the next; 0: never",
    )
    backup_before_migration: bool | None = Field(
        None,
        description="whether a backup is taken before the schema of a database with data is changed; "
        "default: of a real portfolio yes, of the demo no",
    )

    recovery: bool | None = Field(
        None,
        description="whether every change of an embedded database is put away too, so that it can be "
        "brought back to any moment; default: of a real portfolio yes, of the demo no",
    )
    recovery_days: int = Field(7, ge=1, le=365, description="that any moment can be brought back for")
    recovery_dir: Path | None = Field(
        None,
        description="where base backups and the WAL after them are kept, encrypted as archives are; default: "
        "`recovery` in the profile's folder. On another disk it survives this one",
    )
    recovery_base_days: int = Field(7, ge=1, le=30, description="from one base backup to the next")
    recovery_wal_minutes: int = Field(
        60,
        ge=1,
        le=1440,
        description="after which a segment of WAL (16 MB) is put away though it is not full: what another "
        "disk may lack when this one dies. PostgreSQL's `archive_timeout`",
    )

    @property
    def recovery_folder(self) -> Path:
        """Where base backups and WAL are put away."""
        return self.recovery_dir or self.data_dir / "recovery"

    @property
    def keeps_wal(self) -> bool:
        """Whether an embedded database can be brought back to any moment."""
        return self.profile == "main" if self.recovery is None else self.recovery

    @property
    def backup_folder(self) -> Path:
        """Where archives are kept."""
        return self.backup_dir or self.data_dir / "backups"

    @property
    def backup_identity_file(self) -> Path:
        """What opens archives (mode 0600): not there where they are encrypted to somebody else's key."""
        return self.backup_identity or self.data_dir / "backup-identity"

    @property
    def backs_up_daily(self) -> bool:
        """Whether workers take backups by themselves."""
        return self.profile == "main" if self.backup_scheduled is None else self.backup_scheduled

    @property
    def backs_up_before_migration(self) -> bool:
        """Whether a migration begins with a backup."""
        return (
            self.profile == "main" if self.backup_before_migration is None else self.backup_before_migration
        )
