"""of which accounts an imported file tells

Revision ID: 0028
Revises: 0026
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0028"
down_revision = "0026"
branch_labels = None
depends_on = None

_TELLING = (
    *("stated_trades", "corporate_actions", "stated_positions", "stated_inventories", "cash_flows"),
    *("cash_balances", "stated_values", "stated_accounts", "stated_changes", "stated_periods", "stated_lots"),
)


def upgrade() -> None:
    op.add_column(
        "imports",
        sa.Column(
            "accounts",
            postgresql.ARRAY(sa.Text()),
            server_default="{}",
            nullable=False,
            comment="of which it tells, or whose books it changed",
        ),
    )
    told = " UNION ".join(
        f"SELECT import_id, account FROM {name} WHERE import_id IS NOT NULL"  # noqa: S608 - names of ours
        for name in _TELLING
    )
    op.execute(
        "UPDATE imports i SET accounts = t.accounts FROM (SELECT import_id, "  # noqa: S608 - as above
        f"array_agg(account ORDER BY account) AS accounts FROM ({told}) u GROUP BY import_id) t "
        "WHERE t.import_id = i.id"
    )
