"""rows of statements without foreign keys, which were looked up for each of them

Revision ID: 0023
Revises: 0022
"""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_constraint(op.f("fk_stated_trades_import_id_imports"), "stated_trades", type_="foreignkey")
    for column, table in (("account", "broker_accounts"), ("import_id", "imports")):
        op.drop_constraint(
            op.f(f"fk_statement_differences_{column}_{table}"), "statement_differences", type_="foreignkey"
        )
