"""Databases of tests on the server that they share."""

import uuid
from typing import Any

import asyncpg

from services.stack import PostgresServer


async def run_sql(url: str, *statements: str) -> list[dict[str, Any]]:
    """Run statements one after the other; returns the rows of the last."""
    connection = await asyncpg.connect(url)
    try:
        rows: list[asyncpg.Record] = []
        for statement in statements:
            rows = await connection.fetch(statement)
        return [dict(row) for row in rows]
    finally:
        await connection.close()


async def create_database(server: PostgresServer, template: str) -> str:
    """Make a copy of ``template``; returns its URL."""
    name = f"test_{uuid.uuid4().hex}"
    await run_sql(server.url, f"CREATE DATABASE {name} TEMPLATE {template}")
    return server.url_of(name)


async def drop_database(server: PostgresServer, url: str) -> None:
    """Drop it, whoever is still connected."""
    await run_sql(server.url, f"DROP DATABASE {url.rpartition('/')[2]} WITH (FORCE)")
