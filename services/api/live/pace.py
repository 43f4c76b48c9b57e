"""How often things happen, and how much is kept."""

from dataclasses import dataclass, field

from services.api.live.numbering import Terms
from services.api.live.topic import RING_BYTES, RING_FRAMES


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Of one process's hub."""

    heartbeat_seconds: float = 5.0
    watch_seconds: float = 0.25
    reload_seconds: float = 60.0
    retry_seconds: float = 1.0
    weigh_seconds: float = 1.0
    worker_seconds: float = 5.0
    refresh_seconds: float = 0.2
    look_seconds: float = 1.0
    ring_frames: int = RING_FRAMES
    ring_bytes: int = RING_BYTES
    terms: Terms = field(default_factory=Terms)
