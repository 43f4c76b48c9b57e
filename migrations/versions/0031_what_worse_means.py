"""what worse means, by rule; differences from statements by currency; warrants by identifier only

Revision ID: 0031
Revises: 0030
"""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

_DIGESTED = " || '/' || ".join(
    (
        *(
            f"instruments.{name}"
            for name in (
                *("sec_type", "symbol", "local_symbol", "currency", "exchange", "trading_class", "expiry"),
                *("option_right", "description", "isin", "cusip", "figi", "issuer"),
            )
        ),
        *(
            f"coalesce(CAST({one} AS text), '')"
            for one in (
                "trim_scale(instruments.multiplier)",
                "trim_scale(instruments.strike)",
                "instruments.underlying_conid",
            )
        ),
    )
)


def upgrade() -> None:
    _magnitudes()
    op.drop_index("ix_instruments_stale", table_name="instruments")
    op.create_index(
        "ix_instruments_stale",
        "instruments",
        ["conid"],
        unique=False,
        postgresql_where=sa.text(f"instruments.mapped_identity IS DISTINCT FROM md5('3/' || {_DIGESTED})"),
    )


def _magnitudes() -> None:
    # What was one finding of all currencies is that of the one currency, where there is but one.
    op.execute(
        "UPDATE issues i SET subject = i.subject || '/' || d.currency FROM ("
        "SELECT account, kind, cause, min(currency) AS currency FROM statement_differences "
        "GROUP BY account, kind, cause HAVING count(DISTINCT currency) = 1) d "
        "WHERE i.rule = 'statement-difference' AND i.account = d.account "
        "AND i.subject = d.kind || '/' || d.cause AND d.currency <> ''"
    )
    # They are told in another unit from now on: what somebody knew of is held against the first in that.
    rules = "('account-value', 'statement-difference')"
    op.execute(f"UPDATE issues SET magnitude = NULL, acknowledged_magnitude = NULL WHERE rule IN {rules}")  # noqa: S608 - a constant
    op.execute(
        "UPDATE issue_acknowledgements a SET magnitude = NULL FROM issues i "  # noqa: S608 - as above
        f"WHERE i.id = a.issue_id AND i.rule IN {rules}"
    )
