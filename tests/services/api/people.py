"""Users and tokens for tests, and clients that come as them."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import httpx

from core.clock import utc_now
from core.domain.access import Accounts, Scope
from core.passwords import hash_password
from models.session import Database
from models.stores.api_tokens import create_api_token
from models.stores.users import create_user
from services.api.security.tokens import digest
from tests.environment import NO_AUTHORITIES
from tests.services.api.conftest import Api
from tests.waiting import SECONDS

PASSWORD = "violin harbour lamp 9"
HASHED = hash_password(PASSWORD)


async def make_user(
    database: Database, name: str, scope: Scope = Scope.READ, accounts: Accounts = None
) -> int:
    """A user whose password is ``PASSWORD``."""
    async with database.write() as writer:
        return await create_user(
            writer, name=name, password_hash=HASHED, scope=scope, accounts=accounts, now=utc_now()
        )


async def make_token(
    database: Database,
    scope: Scope = Scope.READ,
    accounts: Accounts = None,
    *,
    user_id: int | None = None,
    expires_at: datetime | None = None,
) -> tuple[int, str]:
    """A token's number and its secret."""
    secret = f"lk_{secrets.token_urlsafe(32)}"
    async with database.write() as writer:
        number = await create_api_token(
            writer,
            name="a program's",
            prefix=secret[:9],
            secret_hash=digest(secret),
            scope=scope,
            accounts=accounts,
            user_id=user_id,
            now=utc_now() - timedelta(days=2),
            expires_at=expires_at,
        )
    return number, secret


def client(api: Api, token: str | None = None, **options: object) -> httpx.AsyncClient:
    """Somebody's client."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return httpx.AsyncClient(
        base_url=f"http://{api.address}",
        headers=headers,
        trust_env=False,
        timeout=SECONDS,
        verify=NO_AUTHORITIES,
        **options,
    )


@asynccontextmanager
async def signed_in(api: Api, name: str, password: str = PASSWORD) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a user's session."""
    async with client(api) as one:
        answer = await one.post("/api/v1/session", json={"name": name, "password": password})
        assert answer.status_code == 204, answer.text
        yield one
