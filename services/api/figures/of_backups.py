"""Families of backups: how old the last good one is, and the last that was restored on trial."""

from collections.abc import Iterator
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily

from core.domain.backups import BackupKind
from core.metrics.make import family, one
from core.settings import Settings
from models.queries.backups import LastRun, WalSlot
from services.api.freshness import whole_age


def of_backups(
    runs: dict[BackupKind, LastRun], slot: WalSlot | None, settings: Settings, now: datetime
) -> Iterator[GaugeMetricFamily]:
    """Ages are absent while there was none: an alert asks for that, too."""
    ages = {
        kind: None if last.succeeded_at is None else whole_age(last.succeeded_at, now)
        for kind, last in runs.items()
    }
    yield one("lotkeeper_backup_age_seconds", ages.get("backup"))
    yield one("lotkeeper_backup_verified_restore_age_seconds", ages.get("drill"))
    yield family(
        "lotkeeper_backup_last_succeeded",
        [((kind,), int(last.outcome == "success")) for kind, last in runs.items()],
    )
    days = settings.backup_drill_days if settings.backs_up_daily else 0
    yield one("lotkeeper_backup_wanted", int(settings.backs_up_daily))
    yield one("lotkeeper_backup_drill_interval_seconds", days * 86_400 or None)
    yield one("lotkeeper_recovery_base_age_seconds", ages.get("base"))
    yield one("lotkeeper_recovery_wal_fetched", None if slot is None else int(slot.is_fetched))
    yield one("lotkeeper_recovery_wal_behind_bytes", None if slot is None else slot.behind_bytes)
    yield one("lotkeeper_backup_size_bytes", runs["backup"].bytes if "backup" in runs else None)
