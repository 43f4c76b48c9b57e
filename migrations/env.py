"""Alembic's entry: run the revisions on the connection handed over by ``models.migrate``."""

from alembic import context
from sqlalchemy import text

import models.tables
from models.types import metadata

assert models.tables.metadata is metadata  # noqa: S101 - importing the tables fills the metadata

connection = context.config.attributes["connection"]
if connection is None:
    raise SystemExit("Run migrations with `lotkeeper migrate`.")
# A migration that cannot get its lock gives up instead of stopping everyone else behind it.
connection.execute(text("SET LOCAL lock_timeout = '10s'"))
connection.execute(text("SET LOCAL statement_timeout = '15min'"))
context.configure(connection=connection, target_metadata=metadata, compare_type=True)
context.run_migrations()
