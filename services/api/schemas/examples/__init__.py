"""One example of each answer, typed, so that the documentation cannot drift from the contract."""

from types import MappingProxyType

from msgspec import Struct

from services.api.schemas.examples import (
    accounts,
    cash,
    imports,
    measures,
    performance,
    positions,
    realized,
    reconciliations,
    snapshots,
    sync,
)

EXAMPLES: MappingProxyType[type[Struct], Struct] = MappingProxyType(
    accounts.EXAMPLES
    | cash.EXAMPLES
    | imports.EXAMPLES
    | measures.EXAMPLES
    | performance.EXAMPLES
    | positions.EXAMPLES
    | realized.EXAMPLES
    | reconciliations.EXAMPLES
    | snapshots.EXAMPLES
    | sync.EXAMPLES
)
