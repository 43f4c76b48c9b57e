"""One example of each answer, typed, so that the documentation cannot drift from the contract."""

from types import MappingProxyType

from msgspec import Struct

from services.api.schemas.examples import (
    access,
    accounts,
    allocation,
    attention,
    attribution,
    cash,
    imports,
    instruments,
    issues,
    jobs,
    measures,
    meta,
    notes,
    performance,
    portfolio,
    positions,
    realized,
    reconciliations,
    snapshots,
    statements,
    sync,
    valuation,
)

EXAMPLES: MappingProxyType[type[Struct], Struct] = MappingProxyType(
    access.EXAMPLES
    | accounts.EXAMPLES
    | allocation.EXAMPLES
    | attribution.EXAMPLES
    | cash.EXAMPLES
    | imports.EXAMPLES
    | issues.EXAMPLES
    | instruments.EXAMPLES
    | measures.EXAMPLES
    | performance.EXAMPLES
    | notes.EXAMPLES
    | positions.EXAMPLES
    | realized.EXAMPLES
    | reconciliations.EXAMPLES
    | snapshots.EXAMPLES
    | sync.EXAMPLES
    | valuation.EXAMPLES
    | statements.EXAMPLES
    | portfolio.EXAMPLES
    | meta.EXAMPLES
    | jobs.EXAMPLES
    | attention.EXAMPLES
)
