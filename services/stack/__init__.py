"""The machine room: embedded PostgreSQL and Redis, and the supervisor of the whole stack."""

from services.stack.postgres import PostgresServer
from services.stack.redis_server import RedisServer

__all__ = ["PostgresServer", "RedisServer"]
