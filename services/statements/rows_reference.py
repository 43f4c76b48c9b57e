"""The rows that say who and what: the account itself, and each instrument that a statement mentions."""

from datetime import date
from decimal import Decimal
from typing import Annotated

from services.statements.rows import Held, Owned


class AccountInformation(Owned, frozen=True, gc=False):
    """The account. ``currency`` is its base currency; names and addresses stay raw."""

    alias: Annotated[str, "acctAlias"]
    account_type: Annotated[str, "accountType"]
    customer_type: Annotated[str, "customerType"]
    capabilities: Annotated[str, "accountCapabilities"]
    permissions: Annotated[str, "tradingPermissions"]
    entity: Annotated[str, "ibEntity"]
    opened_on: Annotated[date | None, "dateOpened"]
    funded_on: Annotated[date | None, "dateFunded"]
    closed_on: Annotated[date | None, "dateClosed"]


class SecurityInfo(Held, frozen=True, gc=False):
    """An instrument, once a statement. ``principal_adjust_factor`` is of a bond that is repaid by and by."""

    type: Annotated[str, "type"]
    underlying_category: Annotated[str, "underlyingCategory"]
    underlying_security_id: Annotated[str, "underlyingSecurityID"]
    underlying_listing_exchange: Annotated[str, "underlyingListingExchange"]
    issuer: Annotated[str, "issuer"]
    multiplier: Annotated[Decimal | None, "multiplier"]
    strike: Annotated[Decimal | None, "strike"]
    principal_adjust_factor: Annotated[Decimal | None, "principalAdjustFactor"]
    conid: Annotated[int | None, "conid"]
    underlying_conid: Annotated[int | None, "underlyingConid"]
    expires_on: Annotated[date | None, "expiry"]
    matures_on: Annotated[date | None, "maturity"]
    issued_on: Annotated[date | None, "issueDate"]
    codes: Annotated[tuple[str, ...], "code"]
