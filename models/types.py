"""Column types and naming that every table shares."""

from sqlalchemy import BigInteger, Boolean, Integer, LargeBinary, MetaData, Numeric, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

metadata = MetaData(naming_convention=NAMING)

Money = Numeric(asdecimal=True)
"""NUMERIC without a scale: PostgreSQL keeps every digit."""

Instant = TIMESTAMP(timezone=True)
BigInt = BigInteger
Bool = Boolean
Int = Integer
Bytes = LargeBinary
String = Text
Json = JSONB
Id = Uuid(as_uuid=True)


def one_of(column: str, *values: str) -> str:
    """SQL of a CHECK that ``column`` is one of ``values``."""
    listed = ", ".join(f"'{value}'" for value in values)
    return f"{column} IN ({listed})"
