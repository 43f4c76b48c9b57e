"""what statements replace

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "commission_reports",
        sa.Column(
            "other_days_rate",
            sa.Numeric(),
            nullable=True,
            comment="the rate of another day that a statement's took the place of",
        ),
    )
    op.add_column(
        "commission_reports",
        sa.Column("other_days_rate_as_of", postgresql.TIMESTAMP(timezone=True), nullable=True),
    )
    op.create_index(
        "ix_commission_reports_other_days_rate",
        "commission_reports",
        ["exec_id"],
        postgresql_where=sa.text("rate_source = 'ExchangeRate of another day'"),
    )
    op.create_table(
        "stated_identities",
        sa.Column("conid", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("isin", sa.Text(), nullable=False, comment="as the next two: empty where it is not stated"),
        sa.Column("cusip", sa.Text(), nullable=False),
        sa.Column("figi", sa.Text(), nullable=False),
        sa.Column("underlying_conid", sa.BigInteger(), nullable=True),
        sa.Column("import_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("line", sa.Integer(), nullable=False, comment="where in its file"),
        sa.ForeignKeyConstraint(
            ["import_id"],
            ["imports.id"],
            name=op.f("fk_stated_identities_import_id_imports"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("conid", "import_id", name=op.f("pk_stated_identities")),
        comment="what identifies instruments elsewhere, as statements state it",
    )
    op.create_index("ix_stated_identities_import_id", "stated_identities", ["import_id"])
    op.create_index("ix_stated_identities_conid", "stated_identities", ["conid"])
    op.create_table(
        "stated_accounts",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("base_currency", sa.Text(), nullable=True),
        sa.Column("alias", sa.Text(), nullable=True),
        sa.Column("import_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("line", sa.Integer(), nullable=False, comment="where in its file"),
        sa.ForeignKeyConstraint(
            ["import_id"],
            ["imports.id"],
            name=op.f("fk_stated_accounts_import_id_imports"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("account", "import_id", name=op.f("pk_stated_accounts")),
        comment="what statements state of accounts",
    )
    op.create_index("ix_stated_accounts_import_id", "stated_accounts", ["import_id"])
