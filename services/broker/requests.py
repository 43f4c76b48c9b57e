"""What others ask of the broker, read from the requests stream."""

import asyncio

import msgspec

from core import logs
from core.errors import StreamLostError, StreamUnavailableError
from core.events.requests import InstrumentsRequested, ResyncRequested, decode
from core.settings import Settings
from core.streams.port import START, Entry, StreamPort
from services.broker.session import Session

log = logs.get_logger(__name__)

_BLOCK_MS = 1000
_RETRY_SECONDS = 0.5


class Requests:
    """Follows the requests stream from where it stood at the start: older asks are nobody's any more."""

    def __init__(self, streams: StreamPort, settings: Settings, session: Session) -> None:
        self._streams = streams
        self._stream = settings.requests_stream
        self._session = session

    async def run(self) -> None:
        """Hand requests to the session until cancelled. The publisher tells when Redis is away."""
        after: str | None = None
        while True:
            try:
                if after is None:
                    after = await self._streams.last_id(self._stream)
                entries = await self._streams.tail(self._stream, after, count=100, block_ms=_BLOCK_MS)
            except StreamLostError:
                after = START  # what is there now was asked since
                continue
            except StreamUnavailableError:
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            for entry in entries:
                after = entry.id
                self._handle(entry)

    def _handle(self, entry: Entry) -> None:
        try:
            request = decode(entry.data).request
        except msgspec.MsgspecError as error:
            log.warning("request_unreadable", reason=str(error))
            return
        if isinstance(request, ResyncRequested):
            # A job has the id of the request that began it.
            with logs.caused_by(request.job_id or None):
                log.info("resync_requested", by=request.requested_by or "unknown", job=request.job_id)
                self._session.request_resync("request", request.job_id)
        elif isinstance(request, InstrumentsRequested):
            self._session.request_descriptions(request.conids)
