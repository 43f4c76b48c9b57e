"""Who is asking: a bearer token, or a session that was traded for it."""

import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers

from core.clock import Clock
from core.settings import Settings
from models.queries.sessions import session_is_valid
from models.session import Database
from models.stores.sessions import create_session, drop_expired_sessions, end_session
from services.api.problems import ProblemError, unauthorized
from services.api.security.throttle import Throttle
from services.api.security.tokens import TokenSource, digest

SESSION_DAYS = 30
_REMEMBER_SECONDS = 10.0
_REMEMBERED = 10_000
_KNOWN_GOOD = 1_000


@dataclass(frozen=True, slots=True)
class Identity:
    """Who was let in. ``session`` is the session's hash, empty for a bearer of the token itself."""

    token_digest: str
    session: str = ""


def cookie_name(settings: Settings) -> str:
    """Cookies know no ports: each instance on a machine needs a name of its own."""
    return f"lotkeeper_session_{settings.api_port}"


def bearer_of(headers: Headers) -> str | None:
    """The token of the Authorization header; an empty text when the header is something else."""
    value = headers.get("authorization")
    if value is None:
        return None
    scheme, _, token = value.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


class Authenticator:
    """Tells who is asking, and keeps the sessions."""

    def __init__(self, settings: Settings, database: Database, clock: Clock) -> None:
        self.tokens = TokenSource(settings)
        self.cookie = cookie_name(settings)
        self.throttle = Throttle(time.monotonic)
        self._database = database
        self._clock = clock
        self._remembered: OrderedDict[Identity, float] = OrderedDict()
        self._known_good: OrderedDict[tuple[str, str], None] = OrderedDict()

    # -- tokens ------------------------------------------------------------------------------------------

    def check_token(self, token: str, address: str) -> Identity:
        """Let the bearer of the token in.

        Raises:
            ProblemError: 401, or 429 after too many wrong ones. Whoever showed the right token from the same
                address before is not shut out by others there.
        """
        known = (address, digest(token))
        wait_seconds = self.throttle.wait_seconds(address)
        if wait_seconds and known not in self._known_good:
            raise ProblemError(
                HTTPStatus.TOO_MANY_REQUESTS,
                "too_many_attempts",
                f"Too many wrong tokens from your address. Try again in {wait_seconds} seconds.",
                headers={"retry-after": str(wait_seconds)},
            )
        if not token or not self.tokens.accepts(token):
            self.throttle.note_wrong(address)
            self._known_good.pop(known, None)
            raise unauthorized("This is not the API token.")
        self._known_good[known] = None
        while len(self._known_good) > _KNOWN_GOOD:
            self._known_good.popitem(last=False)
        return Identity(self.tokens.current_digest())

    # -- sessions ----------------------------------------------------------------------------------------

    def session_cookie(self, headers: Headers) -> str | None:
        """The value of our cookie."""
        raw = headers.get("cookie")
        if raw is None:
            return None
        try:
            morsel = SimpleCookie(raw).get(self.cookie)
        except CookieError:
            return None
        return morsel.value if morsel is not None else None

    async def open_session(self, identity: Identity) -> str:
        """Begin a session; returns the value for the cookie, which nobody else ever learns."""
        secret = secrets.token_urlsafe(32)
        now = self._clock()
        async with self._database.write() as writer:
            await drop_expired_sessions(writer, now=now)
            await create_session(
                writer,
                id_hash=digest(secret),
                token_hash=identity.token_digest,
                now=now,
                expires_at=now + timedelta(days=SESSION_DAYS),
            )
        return secret

    async def check_session(self, secret: str) -> Identity:
        """Let the owner of a session in.

        Raises:
            ProblemError: 401; the session is over, or the token it was traded for is no longer the token.
        """
        identity = Identity(self.tokens.current_digest(), digest(secret))
        if not await self.still_valid(identity):
            raise unauthorized("The session is over. Sign in again.")
        return identity

    async def still_valid(self, identity: Identity) -> bool:
        """Whether who was let in would be let in again. An answer counts for some seconds."""
        if identity.token_digest != self.tokens.current_digest():
            return False
        if not identity.session:
            return True
        until = self._remembered.get(identity, 0.0)
        if time.monotonic() < until:
            return True
        async with self._database.read() as reader:
            valid = await session_is_valid(
                reader, id_hash=identity.session, token_hash=identity.token_digest, now=self._clock()
            )
        if valid:
            self._remembered[identity] = time.monotonic() + _REMEMBER_SECONDS
            self._remembered.move_to_end(identity)
            while len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)
        else:
            self._remembered.pop(identity, None)
        return valid

    async def close_session(self, secret: str) -> None:
        """End a session, everywhere at once in this process and within seconds in others."""
        hashed = digest(secret)
        for identity in [known for known in self._remembered if known.session == hashed]:
            del self._remembered[identity]
        async with self._database.write() as writer:
            await end_session(writer, id_hash=hashed)

    # -- requests ----------------------------------------------------------------------------------------

    async def identify(self, headers: Headers, address: str) -> Identity:
        """Who sends this request.

        Raises:
            ProblemError: 401 or 429.
        """
        token = bearer_of(headers)
        if token is not None:
            return self.check_token(token, address)
        secret = self.session_cookie(headers)
        if secret is None:
            raise unauthorized()
        return await self.check_session(secret)
