"""instruments across brokers

Revision ID: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

LATEST_SNAPSHOT = """
CREATE VIEW latest_snapshot_per_broker_account AS
SELECT a.account, a.alias, a.paper, s.id AS snapshot_id, s.run_id, s.hour, s.asof_ts, s.taken_at,
    s.base_currency, s.net_liquidation, s.total_cash, s.gross_position_value, s.coverage, s.source
FROM broker_accounts a
CROSS JOIN LATERAL (
    SELECT * FROM snapshots n WHERE n.account = a.account ORDER BY n.asof_ts DESC, n.id DESC LIMIT 1
) s
"""

DAILY_VALUE = """
CREATE VIEW daily_portfolio_value AS
SELECT DISTINCT ON (v.account, v.day) v.account, v.day, v.ts, v.base_currency, v.net_liquidation,
    v.total_cash, v.gross_position_value, v.coverage, v.source, v.snapshot_id, v.import_id
FROM (
    SELECT p.account, p.day, p.ts, p.currency AS base_currency, p.net_liquidation, p.total_cash,
        p.gross_position_value, NULL::numeric AS coverage, p.source, NULL::bigint AS snapshot_id,
        p.import_id, CASE p.source WHEN 'statement' THEN 1 ELSE 3 END AS rank
    FROM performance_metrics p WHERE p.resolution = 'day'
    UNION ALL
    SELECT s.account, (s.asof_ts AT TIME ZONE 'America/New_York')::date, s.asof_ts, s.base_currency,
        s.net_liquidation, s.total_cash, s.gross_position_value, s.coverage, 'snapshot', s.id, NULL, 2
    FROM snapshots s
) v
ORDER BY v.account, v.day, v.rank, v.ts DESC, v.snapshot_id DESC
"""

POSITIONS_HISTORY = """
CREATE VIEW positions_history AS
SELECT p.id AS position_id, p.account, p.conid, i.symbol, i.local_symbol, i.sec_type, i.currency,
    m.global_instrument_id, g.name AS global_instrument, p.ordinal, p.status, p.side, p.quantity,
    p.max_quantity, p.opened_at, p.closed_at,
    CAST(extract(epoch FROM p.closed_at - p.opened_at) AS bigint) AS holding_seconds, p.average_cost,
    p.cost_basis, p.realized_pnl, p.commission, p.provisional, p.estimated, l.lots, l.open_lots,
    d.disposals, d.disposed_quantity, d.disposed_cost, d.proceeds, d.open_commission, d.close_commission,
    d.lots_realized_pnl, d.average_open_price, d.average_close_price
FROM positions p
JOIN instruments i USING (conid)
LEFT JOIN instrument_mapping m USING (conid)
LEFT JOIN global_instruments g ON g.id = m.global_instrument_id
CROSS JOIN LATERAL (
    SELECT count(*) AS lots, count(*) FILTER (WHERE t.remaining <> 0) AS open_lots
    FROM lots t WHERE t.position_id = p.id
) l
CROSS JOIN LATERAL (
    SELECT count(*) AS disposals, sum(t.quantity) AS disposed_quantity,
        CASE WHEN bool_and(t.cost IS NOT NULL) THEN sum(t.cost) END AS disposed_cost,
        CASE WHEN bool_and(t.proceeds IS NOT NULL) THEN sum(t.proceeds) END AS proceeds,
        sum(t.open_commission) AS open_commission, sum(t.close_commission) AS close_commission,
        CASE WHEN bool_and(t.realized_pnl IS NOT NULL) THEN sum(t.realized_pnl) END AS lots_realized_pnl,
        CASE WHEN bool_and(t.open_price IS NOT NULL)
            THEN sum(t.quantity * t.open_price) / nullif(sum(t.quantity), 0) END AS average_open_price,
        CASE WHEN bool_and(t.close_price IS NOT NULL)
            THEN sum(t.quantity * t.close_price) / nullif(sum(t.quantity), 0) END AS average_close_price
    FROM lot_disposals t WHERE t.position_id = p.id
) d
"""

ALLOCATION = """
CREATE VIEW asset_allocation_by_global_instrument AS
SELECT h.account, h.snapshot_id, h.asof_ts, h.base_currency, h.net_liquidation, h.global_instrument_id,
    min(h.name) AS name, min(h.kind) AS kind, min(h.isin) AS isin, min(h.country) AS country, h.is_cash,
    sum(h.worth) AS market_value_base,
    CASE WHEN count(h.worth) > 0 THEN coalesce(sum(h.worth) FILTER (WHERE h.worth > 0), 0) END
        AS long_value_base,
    CASE WHEN count(h.worth) > 0 THEN coalesce(sum(h.worth) FILTER (WHERE h.worth < 0), 0) END
        AS short_value_base,
    CASE WHEN h.net_liquidation > 0 THEN sum(h.worth) / h.net_liquidation END AS share_of_net_liquidation,
    count(*) AS holdings, count(h.worth) AS holdings_valued,
    count(*) FILTER (WHERE h.fresh) AS holdings_fresh
FROM (
    SELECT s.account, s.snapshot_id, s.asof_ts, s.base_currency, s.net_liquidation,
        m.global_instrument_id, coalesce(m.global_instrument_id, 'conid:' || p.conid) AS what,
        coalesce(g.name, nullif(i.description, ''), i.symbol) AS name, coalesce(g.kind, i.sec_type) AS kind,
        g.isin, g.country, false AS is_cash, p.market_value_base AS worth, p.fresh
    FROM latest_snapshot_per_broker_account s
    JOIN snapshot_positions p ON p.snapshot_id = s.snapshot_id AND p.asof_ts = s.asof_ts
    JOIN instruments i ON i.conid = p.conid AND i.sec_type NOT IN ('CASH', 'BAG')
    LEFT JOIN instrument_mapping m ON m.conid = p.conid
    LEFT JOIN global_instruments g ON g.id = m.global_instrument_id
    UNION ALL
    SELECT s.account, s.snapshot_id, s.asof_ts, s.base_currency, s.net_liquidation, NULL, '', 'Cash',
        'CASH', NULL, NULL, true, s.total_cash, s.total_cash IS NOT NULL
    FROM latest_snapshot_per_broker_account s
) h
GROUP BY h.account, h.snapshot_id, h.asof_ts, h.base_currency, h.net_liquidation, h.is_cash, h.what,
    h.global_instrument_id
"""

VIEWS = {
    "latest_snapshot_per_broker_account": (
        LATEST_SNAPSHOT,
        "the newest snapshot of each account that has one; see docs/reference/views.md",
    ),
    "daily_portfolio_value": (
        DAILY_VALUE,
        "what an account was worth at the end of each of the broker's days, as docs/reference/views.md says",
    ),
    "positions_history": (
        POSITIONS_HISTORY,
        "positions from open to close with what their lots realized; see docs/reference/views.md",
    ),
    "asset_allocation_by_global_instrument": (
        ALLOCATION,
        "what each account held when its newest snapshot was taken; see docs/reference/views.md",
    ),
}


def upgrade() -> None:
    _add_global_instruments()
    _add_instrument_mapping()
    op.create_index("ix_instruments_symbol", "instruments", ["symbol", "conid"], unique=False)
    op.create_index(
        "ix_instruments_isin",
        "instruments",
        ["isin", "conid"],
        unique=False,
        postgresql_where=sa.text("isin <> ''"),
    )
    for name, (statement, about) in VIEWS.items():
        op.execute(statement)
        op.execute(f"COMMENT ON VIEW {name} IS '{about.replace(chr(39), chr(39) * 2)}'")


def _add_global_instruments() -> None:
    op.create_table(
        "global_instruments",
        sa.Column("id", sa.Text(), nullable=False, comment="made of what it is known by, so always the same"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="what kind of instrument, as sec_type"),
        sa.Column(
            "isin",
            sa.Text(),
            nullable=True,
            comment="as what follows: null where it is not known, or not the same for all",
        ),
        sa.Column("cusip", sa.Text(), nullable=True),
        sa.Column("figi", sa.Text(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True, comment="in which it is traded, if that is one"),
        sa.Column("country", sa.Text(), nullable=True, comment="that its ISIN begins with, if that is one"),
        sa.Column("underlying_id", sa.Text(), nullable=True),
        sa.Column(
            "merged_into", sa.Text(), nullable=True, comment="what it is by a person's word; null: itself"
        ),
        sa.Column("merged_by", sa.Text(), nullable=True),
        sa.Column("merged_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("merged_into <> id", name=op.f("ck_global_instruments_merged_elsewhere")),
        sa.CheckConstraint(
            "(merged_into IS NULL) = (merged_by IS NULL) AND (merged_into IS NULL) = (merged_at IS NULL)",
            name=op.f("ck_global_instruments_merged"),
        ),
        sa.ForeignKeyConstraint(
            ["merged_into"],
            ["global_instruments.id"],
            name=op.f("fk_global_instruments_merged_into_global_instruments"),
        ),
        sa.ForeignKeyConstraint(
            ["underlying_id"],
            ["global_instruments.id"],
            name=op.f("fk_global_instruments_underlying_id_global_instruments"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_global_instruments")),
        comment="instruments across brokers, exchanges and currencies",
    )
    op.create_index(
        "ix_global_instruments_underlying_id", "global_instruments", ["underlying_id"], unique=False
    )
    op.create_index(
        "ix_global_instruments_merged_into",
        "global_instruments",
        ["merged_into"],
        unique=False,
        postgresql_where=sa.text("merged_into IS NOT NULL"),
    )


def _add_instrument_mapping() -> None:
    op.create_table(
        "instrument_mapping",
        sa.Column("conid", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("global_instrument_id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False, comment="by what it was found"),
        sa.Column(
            "confidence", sa.Numeric(), nullable=False, comment="from 0 to 1; see docs/how-it-works.md"
        ),
        sa.Column(
            "review", sa.Text(), nullable=True, comment="why a person should look at it; null: no reason"
        ),
        sa.Column(
            "target",
            sa.Text(),
            nullable=True,
            comment="what a person said that it is: an id, or conid:N for what that one is",
        ),
        sa.Column(
            "forced",
            sa.Boolean(),
            server_default="false",
            nullable=False,
            comment="the person said so though identifiers contradict it",
        ),
        sa.Column("mapped_by", sa.Text(), nullable=True, comment="the person"),
        sa.Column(
            "mapped_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=False,
            comment="when it became what it is",
        ),
        sa.Column("identity", sa.Text(), nullable=False, comment="digest of what it was mapped by"),
        sa.CheckConstraint(
            "source IN ('isin', 'cusip', 'figi', 'underlying', 'symbol', 'conid', 'manual')",
            name=op.f("ck_instrument_mapping_source"),
        ),
        sa.CheckConstraint(
            "review IN ('identifier_invalid', 'cusip_contradicts_isin', 'cusip_of_several', "
            "'figi_of_several', 'symbol_of_several', 'terms_of_several', 'manual_contradicts')",
            name=op.f("ck_instrument_mapping_review"),
        ),
        sa.CheckConstraint("confidence BETWEEN 0 AND 1", name=op.f("ck_instrument_mapping_confidence")),
        sa.CheckConstraint(
            "(source = 'manual') = (target IS NOT NULL) AND (source = 'manual') = (mapped_by IS NOT NULL)",
            name=op.f("ck_instrument_mapping_manual"),
        ),
        sa.ForeignKeyConstraint(
            ["conid"],
            ["instruments.conid"],
            name=op.f("fk_instrument_mapping_conid_instruments"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["global_instrument_id"],
            ["global_instruments.id"],
            name=op.f("fk_instrument_mapping_global_instrument_id_global_instruments"),
        ),
        sa.PrimaryKeyConstraint("conid", name=op.f("pk_instrument_mapping")),
        comment="what each instrument is across brokers",
    )
    op.create_index(
        "ix_instrument_mapping_global_instrument_id",
        "instrument_mapping",
        ["global_instrument_id", "conid"],
        unique=False,
    )
    op.create_index(
        "ix_instrument_mapping_low",
        "instrument_mapping",
        ["conid"],
        unique=False,
        postgresql_where=sa.text("confidence < 0.5"),
    )
    op.create_index(
        "ix_instrument_mapping_review",
        "instrument_mapping",
        ["conid"],
        unique=False,
        postgresql_where=sa.text("review IS NOT NULL"),
    )
    op.create_index(
        "ix_instrument_mapping_manual",
        "instrument_mapping",
        ["conid"],
        unique=False,
        postgresql_where=sa.text("source = 'manual'"),
    )
