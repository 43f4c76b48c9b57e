from typing import Literal

from msgspec import Struct

from core.domain.lots import CostMethod
from services.api.schemas.common import Freshness

SettingSource = Literal["default", "environment", "file", "given"]


class Setting(Struct, frozen=True, kw_only=True):
    """A setting of this process, as it was when it began.

    ``source``: its ``default``; the ``environment``, also by ``.env``; a ``file`` that the variable with
    ``_FILE`` behind it names; or ``given`` by what started the process. ``value`` is null of a ``secret``,
    and where nothing is set; ``is_set`` tells which.
    """

    name: str
    variable: str
    meaning: str
    value: str | int | float | bool | tuple[str, ...] | None
    default: str | int | float | bool | tuple[str, ...] | None
    source: SettingSource
    secret: bool
    is_set: bool


class AccountSettings(Struct, frozen=True, kw_only=True):
    """What is kept of an account's own. ``lotkeeper ledger method`` sets the cost method, and folds anew."""

    account: str
    cost_method: CostMethod
    base_currency: str | None


class SettingsReport(Struct, frozen=True, kw_only=True):
    """What is set, and where. Nothing of it can be changed over the API: it holds from start to end."""

    items: tuple[Setting, ...]
    accounts: tuple[AccountSettings, ...]
    freshness: Freshness
