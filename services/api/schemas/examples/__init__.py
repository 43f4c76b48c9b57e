"""One example of each answer, typed, so that the documentation cannot drift from the contract."""

from types import MappingProxyType

from msgspec import Struct

from services.api.schemas.examples import (
    accounts,
    allocation,
    attribution,
    cash,
    imports,
    instruments,
    issues,
    measures,
    performance,
    positions,
    realized,
    reconciliations,
    snapshots,
    sync,
    valuation,
)

EXAMPLES: MappingProxyType[type[Struct], Struct] = MappingProxyType(
    accounts.EXAMPLES
    | allocation.EXAMPLES
    | attribution.EXAMPLES
    | cash.EXAMPLES
    | imports.EXAMPLES
    | issues.EXAMPLES
    | instruments.EXAMPLES
    | measures.EXAMPLES
    | performance.EXAMPLES
    | positions.EXAMPLES
    | realized.EXAMPLES
    | reconciliations.EXAMPLES
    | snapshots.EXAMPLES
    | sync.EXAMPLES
    | valuation.EXAMPLES
)
