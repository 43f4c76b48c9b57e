"""Alembic's entry: run the revisions on the connection handed over by ``models.migrate``."""

from alembic import context
from sqlalchemy import text

import models.tables
from models.types import metadata

assert models.tables.metadata is metadata  # noqa: S101 - importing the tables fills the metadata

connection = context.config.attributes["connection"]
if connection is None:
    raise SystemExit("Run migrations with `lotkeeper migrate`.")
lock_timeout_ms = round(context.config.attributes["lock_timeout_seconds"] * 1000)
connection.execute(text(f"SET LOCAL lock_timeout = {lock_timeout_ms}"))
connection.execute(text("SET LOCAL statement_timeout = '15min'"))
context.configure(connection=connection, target_metadata=metadata, compare_type=True)
context.run_migrations()
