"""Who is asking: a bearer of a token, or a session that was traded for one or for a password."""

import asyncio
import secrets
import time
from collections import OrderedDict
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import Headers
from starlette.requests import cookie_parser

from core.clock import Clock
from core.domain.access import is_user_name
from core.passwords import hash_password, is_outdated, verify_password
from core.settings import Settings
from models.queries.access import (
    Grant,
    SessionRow,
    grant_of_token,
    grant_of_user,
    standing_session,
)
from models.queries.users import password_of
from models.session import Database, Writer
from models.stores.api_tokens import hold_token, use_api_token
from models.stores.sessions import create_session, drop_expired_sessions, end_session, touch_session
from models.stores.sign_in_tries import Begun, SignIn, begin_sign_in, end_sign_in, take_back_sign_in
from models.stores.users import hold_password, renew_hash
from services.api.problems import unauthorized
from services.api.security.hashing import Hashing
from services.api.security.identity import Identity, granted, owner_identity
from services.api.security.second_factor import SecondFactor, too_many_attempts
from services.api.security.throttle import Throttle, network_of
from services.api.security.tokens import TOKEN_PREFIX, TokenSource, digest

SESSION_DAYS = 30
IDLE_DAYS = 7
_SEEN_ANEW = timedelta(minutes=10)
_REMEMBER_SECONDS = 5.0
_REMEMBERED = 10_000
_KNOWN_GOOD = 1_000
_WRONG_PASSWORD = "The name or the password is wrong."  # noqa: S105 - says so of one

_How = Literal["bearer", "session"]


def cookie_name(settings: Settings, *, secure: bool) -> str:
    """Cookies know no ports: each instance on a machine needs a name of its own.

    Over HTTPS browsers take one of this name only from this very host, and send it only there.
    """
    name = f"lotkeeper_session_{settings.api_port}"
    return f"__Host-{name}" if secure else name


def is_secure(scheme: str) -> bool:
    """Whether that is HTTPS, or a WebSocket over it."""
    return scheme in {"https", "wss"}


def bearer_of(headers: Headers) -> str | None:
    """The token of the Authorization header; an empty text when the header is something else."""
    value = headers.get("authorization")
    if value is None:
        return None
    scheme, _, token = value.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


class SignedIn(NamedTuple):
    """Whoever showed a token, or the password that was theirs since ``password_changed_at``."""

    identity: Identity
    password_changed_at: datetime | None = None


class Authenticator:
    """Tells who is asking, and keeps the sessions."""

    def __init__(self, settings: Settings, database: Database, clock: Clock) -> None:
        self.tokens = TokenSource(settings)
        self.throttle = Throttle(time.monotonic)
        self.hashing = Hashing()
        self.second_factor = SecondFactor(settings, database, clock, self.throttle)
        self._settings = settings
        self._database = database
        self._clock = clock
        # Who was let in by what, and until when that is not looked up again.
        self._remembered: OrderedDict[tuple[_How, str], tuple[Identity, float]] = OrderedDict()
        self._known_good: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._era = 0
        self._changed = asyncio.Event()

    # -- secrets -----------------------------------------------------------------------------------------

    async def check_token(self, token: str, address: str, *, anew: bool = False) -> Identity:
        """Let the bearer of a token in; ``anew``: by what the database says now.

        Raises:
            ProblemError: 401, or 429 after too many wrong ones. Whoever showed the right token from the same
                address before is not shut out by others there.
        """
        known = (address, digest(token))
        self._wait_for(self.throttle.wait_seconds(address), known)
        # What begins like none of ours needs no look into the database, which may be away.
        is_ours = token.startswith(TOKEN_PREFIX) or self.tokens.is_current(known[1])
        identity = await self._let_in("bearer", known[1], anew=anew) if is_ours else None
        if identity is None:
            self.throttle.note_wrong(address)
            self._known_good.pop(known, None)
            raise unauthorized("This is no token that is let in here.")
        self._note_good(known)
        return identity

    async def check_password(self, name: str, password: str, address: str) -> SignedIn:
        """Let a user in by name.

        Raises:
            ProblemError: 401, the same whether there is such a user or not; or 429 after too many wrong ones.
        """
        known = (address, f"name {name}")
        self._wait_for(self.throttle.wait_seconds(address), None)
        tried = SignIn(network_of(address), name if is_user_name(name) else None)
        # Counted before it is known: many at once must not get ahead of the count.
        self.throttle.note_wrong(address)
        try:
            begun = await self._count_everywhere(tried, known)
        except BaseException:  # nothing was tried
            self.throttle.take_back(address)
            raise
        try:
            found = await self._by_password(name, password)
        except BaseException:  # nothing was compared: the database is away, or too many sign in
            self.throttle.take_back(address)
            with suppress(SQLAlchemyError, OSError, TimeoutError):
                async with self._database.write() as writer:
                    await take_back_sign_in(writer, begun)
            raise
        if found is None:
            raise unauthorized(_WRONG_PASSWORD)
        self.throttle.take_back(address)
        async with self._database.write() as writer:
            await end_sign_in(writer, begun)
        self._note_good(known)
        return found

    async def _by_password(self, name: str, password: str) -> SignedIn | None:
        kept = None
        if is_user_name(name):
            async with self._database.read() as reader:
                kept = await password_of(reader, name)
        right = await self.hashing(verify_password, None if kept is None else kept.password_hash, password)
        if kept is None or not right or kept.disabled:
            return None
        if is_outdated(kept.password_hash):
            fresh = await self.hashing(hash_password, password)
            async with self._database.write() as writer:
                await renew_hash(writer, kept.id, stale=kept.password_hash, fresh=fresh)
        async with self._database.read() as reader:
            grant = await grant_of_user(reader, kept.id)
        return None if grant is None else SignedIn(granted(grant, ""), kept.changed_at)

    async def _count_everywhere(self, tried: SignIn, known: tuple[str, str]) -> Begun:
        """The same for all replicas together. Whoever is known does not wait for what others have filled.

        Raises:
            ProblemError: 429; nothing was tried, and so nothing is counted.
        """
        async with self._database.write() as writer:
            begun = await begin_sign_in(writer, tried)
            self._wait_for(begun.seconds, known)
        return begun

    def may_try(self, address: str) -> None:
        """Refuse who has guessed too often.

        Raises:
            ProblemError: 429.
        """
        self._wait_for(self.throttle.wait_seconds(address), None)

    def _wait_for(self, seconds: int, known: tuple[str, str] | None) -> None:
        if seconds and known not in self._known_good:
            raise too_many_attempts(seconds)

    def _note_good(self, known: tuple[str, str]) -> None:
        self._known_good[known] = None
        while len(self._known_good) > _KNOWN_GOOD:
            self._known_good.popitem(last=False)

    # -- sessions ----------------------------------------------------------------------------------------

    def cookie(self, *, secure: bool = False) -> str:
        """What our cookie is called."""
        return cookie_name(self._settings, secure=secure)

    def session_cookie(self, headers: Headers, *, secure: bool = False) -> str | None:
        """The value of our cookie."""
        # As browsers mean it: other programs of this machine leave cookies that no strict reader gets past.
        return cookie_parser(headers.get("cookie", "")).get(self.cookie(secure=secure))

    async def open_session(self, who: SignedIn, address: str) -> str:
        """Begin a session; returns the value for the cookie, which nobody else ever learns.

        Raises:
            ProblemError: 401; what they showed is good no more.
        """
        identity, secret, now = who.identity, secrets.token_urlsafe(32), self._clock()
        async with self._database.write() as writer:
            if not await _still_good(writer, who):
                raise unauthorized("What you signed in with has just been changed or revoked.")
            await drop_expired_sessions(writer, now=now, idle_since=idle_since(now))
            await create_session(
                writer,
                id_hash=digest(secret),
                token_hash=identity.owner_digest or None,
                user_id=identity.user_id if identity.token_id is None else None,
                token_id=identity.token_id,
                address=address,
                now=now,
                expires_at=now + timedelta(days=SESSION_DAYS),
            )
        return secret

    async def check_session(self, secret: str, *, anew: bool = False) -> Identity:
        """Let the owner of a session in; ``anew``: by what the database says now.

        Raises:
            ProblemError: 401; the session is over, or what it was traded for is good no more.
        """
        identity = await self._let_in("session", digest(secret), anew=anew)
        if identity is None:
            raise unauthorized("The session is over. Sign in again.")
        return identity

    async def close_session(self, secret: str) -> None:
        """End a session, everywhere at once in this process and within seconds in others."""
        async with self._database.write() as writer:
            await end_session(writer, id_hash=digest(secret))
        self.forget()

    # -- who that is -------------------------------------------------------------------------------------

    async def still_valid(self, identity: Identity) -> bool:
        """Whether who was let in would be let in again, just so. An answer counts for some seconds."""
        how: _How = "session" if identity.session else "bearer"
        return await self._let_in(how, identity.credential) == identity

    def forget(self) -> None:
        """Something about users, tokens or sessions has changed: ask the database anew, and sockets too."""
        self._era += 1
        self._remembered.clear()
        self._changed.set()

    async def changed_within(self, seconds: float) -> None:
        """Return when something has changed, or after some time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        self._changed.clear()

    async def _let_in(self, how: _How, credential: str, *, anew: bool = False) -> Identity | None:
        if how == "bearer" and self.tokens.is_current(credential):
            return owner_identity(credential)
        owner = self.tokens.current_digest()
        identity, until = self._remembered.get((how, credential), (None, 0.0))
        is_fresh = time.monotonic() < until and not anew
        if identity is not None and is_fresh and identity.owner_digest in {"", owner}:
            return identity
        era, now = self._era, self._clock()
        if how == "bearer":
            found, lasts = await self._by_token(credential, now)
        else:
            found, lasts = await self._by_session(credential, now)
        if found is None:
            self._remembered.pop((how, credential), None)
        elif era == self._era:
            seconds = _REMEMBER_SECONDS if lasts is None else (lasts - now).total_seconds()
            self._remembered[how, credential] = found, time.monotonic() + min(_REMEMBER_SECONDS, seconds)
            self._remembered.move_to_end((how, credential))
            while len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)
        return found

    async def _by_token(self, credential: str, now: datetime) -> tuple[Identity | None, datetime | None]:
        async with self._database.read() as reader:
            grant = await grant_of_token(reader, credential, now)
        if grant is None:
            return None, None
        await self._note_use(grant, now)
        return granted(grant, credential), grant.expires_at

    async def _by_session(self, credential: str, now: datetime) -> tuple[Identity | None, datetime | None]:
        async with self._database.read() as reader:
            row = await standing_session(reader, id_hash=credential, now=now, idle_since=idle_since(now))
            if row is None:
                return None, None
            grant = None
            if row.user_id is not None:
                grant = await grant_of_user(reader, row.user_id)
            elif row.token_id is not None:
                grant = await grant_of_token(reader, row.token_id, now)
        identity = self._of_session(row, grant, credential)
        if identity is not None:
            if now - row.last_seen_at > _SEEN_ANEW:
                async with self._database.write() as writer:
                    await touch_session(writer, id_hash=credential, now=now)
            if grant is not None:
                await self._note_use(grant, now)
        ends = (
            row.expires_at
            if grant is None or grant.expires_at is None
            else min(row.expires_at, grant.expires_at)
        )
        return identity, ends

    def _of_session(self, row: SessionRow, grant: Grant | None, credential: str) -> Identity | None:
        if grant is not None:
            needs_factor = self._settings.api_second_factor_required
            return granted(grant, credential, session=row.number, needs_factor=needs_factor)
        if row.token_hash is not None and self.tokens.is_current(row.token_hash):
            return owner_identity(row.token_hash, credential=credential, session=row.number)
        return None

    async def _note_use(self, grant: Grant, now: datetime) -> None:
        hour = now.replace(minute=0, second=0, microsecond=0)
        if grant.token_id is not None and (grant.last_used_at is None or grant.last_used_at < hour):
            async with self._database.write() as writer:
                await use_api_token(writer, grant.token_id, now)

    def close(self) -> None:
        """Let go of what was held."""
        self.hashing.close()

    # -- requests ----------------------------------------------------------------------------------------

    async def identify(self, headers: Headers, address: str, *, secure: bool, anew: bool) -> Identity:
        """Who sends this request. Whoever wants to change something is looked up ``anew``.

        Raises:
            ProblemError: 401 or 429.
        """
        token = bearer_of(headers)
        if token is not None:
            return await self.check_token(token, address, anew=anew)
        secret = self.session_cookie(headers, secure=secure)
        if secret is None:
            raise unauthorized()
        return await self.check_session(secret, anew=anew)


async def _still_good(writer: Writer, who: SignedIn) -> bool:
    """Whoever takes a password or a token away ends its sessions; what begins meanwhile waits for that."""
    identity = who.identity
    if identity.token_id is not None:
        return await hold_token(writer, identity.token_id)
    if identity.user_id is not None and who.password_changed_at is not None:
        return await hold_password(writer, identity.user_id, who.password_changed_at)
    return True


def idle_since(now: datetime) -> datetime:
    """Sessions that were not used since then are over."""
    return now - timedelta(days=IDLE_DAYS)
