"""references of the rows that trades become, looked up once a statement and no longer for each row

Revision ID: 0026
Revises: 0025
"""

from typing import Final, NamedTuple

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


class Reference(NamedTuple):
    """A column, and what it refers to."""

    table: str
    column: str
    parent: str
    key: str

    @property
    def constraint(self) -> str:
        """The name of the foreign key that it was."""
        return f"fk_{self.table}_{self.column}_{self.parent}"

    @property
    def refuses(self) -> str:
        """The statement that refuses what the foreign key refused. It names no values: they may be logged."""
        return (
            f"RAISE EXCEPTION '{self.table}.{self.column} has to be in {self.parent}' "
            f"USING ERRCODE = 'foreign_key_violation', CONSTRAINT = '{self.constraint}'"
        )


_BOOKED: Final = (
    Reference("executions", "account", "broker_accounts", "account"),
    Reference("executions", "conid", "instruments", "conid"),
)
_FOLDED: Final = tuple(
    Reference(table, "position_id", "positions", "id")
    for table in ("position_events", "lots", "lot_disposals")
)
"""They go with their position."""

# Plans are kept for as long as a connection lives, and the first is made while there are few rows.
_FUNCTION: Final = (
    "CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off "
    "AS $$ BEGIN {body}; RETURN NULL; END $$"
)
_TRIGGER: Final = "CREATE OR REPLACE TRIGGER {name} AFTER {event} EXECUTE FUNCTION {name}()"
# Who deletes while somebody refers to it waits, and then has to see what was written meanwhile.
_IN_A_NEW_MOMENT: Final = (
    "IF current_setting('transaction_isolation') <> 'read committed' THEN "
    "RAISE EXCEPTION '{parent} can only be deleted in READ COMMITTED' "
    "USING ERRCODE = 'invalid_transaction_state'; END IF"
)


def _trigger(name: str, event: str, body: str) -> None:
    op.execute(_FUNCTION.format(name=name, body=body))
    op.execute(_TRIGGER.format(name=name, event=event))


def _look_up(one: Reference) -> None:
    """What is written refers to something that is there, and that nobody deletes before this is committed."""
    found = f"SELECT FROM {one.parent} p WHERE p.{one.key} = {{}} FOR KEY SHARE"
    _trigger(
        f"{one.table}_{one.column}_inserted",
        f"INSERT ON {one.table} REFERENCING NEW TABLE AS written FOR EACH STATEMENT",
        f"IF EXISTS (SELECT FROM (SELECT DISTINCT {one.column} AS key FROM written ORDER BY 1) w "  # noqa: S608 - names of this file's own
        f"WHERE NOT EXISTS ({found.format('w.key')})) THEN {one.refuses}; END IF",
    )
    _trigger(
        f"{one.table}_{one.column}_updated",
        f"UPDATE ON {one.table} FOR EACH ROW WHEN (OLD.{one.column} IS DISTINCT FROM NEW.{one.column})",
        f"IF NOT EXISTS ({found.format(f'NEW.{one.column}')}) THEN {one.refuses}; END IF",
    )


def _keep(one: Reference) -> None:
    """What is referred to stays, under its name."""
    refers = f"SELECT FROM {one.table} c WHERE c.{one.column} = OLD.{one.key}"
    refuses = f"IF EXISTS ({refers}) THEN {one.refuses}; END IF"
    _trigger(
        f"{one.parent}_{one.table}_renamed",
        f"UPDATE ON {one.parent} FOR EACH ROW WHEN (OLD.{one.key} IS DISTINCT FROM NEW.{one.key})",
        f"{_IN_A_NEW_MOMENT.format(parent=one.parent)}; {refuses}",
    )
    _trigger(
        f"{one.parent}_{one.table}_truncated",
        f"TRUNCATE ON {one.parent} FOR EACH STATEMENT",
        f"IF EXISTS (SELECT FROM {one.table}) THEN {one.refuses}; END IF",
    )


def upgrade() -> None:
    for one in (*_BOOKED, *_FOLDED):
        op.execute(f"ALTER TABLE {one.table} DROP CONSTRAINT IF EXISTS {one.constraint}")
        _look_up(one)
        _keep(one)
    for one in _BOOKED:
        _trigger(
            f"{one.parent}_{one.table}_deleted",
            f"DELETE ON {one.parent} FOR EACH ROW",
            f"{_IN_A_NEW_MOMENT.format(parent=one.parent)}; "
            f"IF EXISTS (SELECT FROM {one.table} c WHERE c.{one.column} = OLD.{one.key}) "
            f"THEN {one.refuses}; END IF",
        )
    _trigger(
        "positions_folded_deleted",
        "DELETE ON positions REFERENCING OLD TABLE AS gone FOR EACH STATEMENT",
        "; ".join(
            (
                _IN_A_NEW_MOMENT.format(parent="positions"),
                *(
                    f"DELETE FROM {one.table} c USING gone WHERE c.{one.column} = gone.{one.key}"  # noqa: S608 - the same
                    for one in _FOLDED
                ),
            )
        ),
    )
