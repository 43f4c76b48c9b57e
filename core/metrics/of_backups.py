"""What backups tell, by way of the API."""

from typing import Final

from core.metrics.declared import Declarations

DECLARED: Final = Declarations("api")

DECLARED.gauge(
    "lotkeeper_backup_age_seconds",
    "Since the moment that the last good backup shows; absent while there is none.",
    unit="seconds",
)
DECLARED.gauge(
    "lotkeeper_backup_verified_restore_age_seconds",
    "Since a backup was last restored on trial and was what had been saved; absent while none was.",
    unit="seconds",
)
DECLARED.gauge(
    "lotkeeper_backup_last_succeeded",
    "Whether the last backup, restore on trial, base backup and putting away of WAL went well.",
    "kind",
)
DECLARED.gauge("lotkeeper_backup_size_bytes", "Of the last good backup's archive.", unit="bytes")
DECLARED.gauge(
    "lotkeeper_backup_wanted",
    "Whether workers are to take backups by themselves.",
)
DECLARED.gauge(
    "lotkeeper_backup_drill_interval_seconds",
    "From one restore on trial to the next; absent where none is wanted.",
    unit="seconds",
)
DECLARED.gauge(
    "lotkeeper_recovery_base_age_seconds",
    "Since the end of the last base backup that moments are brought back from; absent while there is none.",
    unit="seconds",
)
DECLARED.gauge(
    "lotkeeper_recovery_wal_fetched",
    "Whether WAL is fetched from the embedded server; absent where it is not to be.",
)
DECLARED.gauge(
    "lotkeeper_recovery_wal_behind_bytes",
    "WAL that the embedded server keeps because it was not fetched yet.",
    unit="bytes",
)
