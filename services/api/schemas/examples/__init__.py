"""One example of each answer, typed, so that the documentation cannot drift from the contract."""

from types import MappingProxyType

from msgspec import Struct

from services.api.schemas.examples import accounts, imports, positions, realized, reconciliations, sync

EXAMPLES: MappingProxyType[type[Struct], Struct] = MappingProxyType(
    accounts.EXAMPLES
    | imports.EXAMPLES
    | positions.EXAMPLES
    | realized.EXAMPLES
    | reconciliations.EXAMPLES
    | sync.EXAMPLES
)
