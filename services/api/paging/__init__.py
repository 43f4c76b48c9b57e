"""Keyset pages: a limit, and cursors; the places of lists stand in modules of what they are of."""

from services.api.paging.alerts import (
    AlertKey,
    alert_cursor,
    alert_key,
)
from services.api.paging.cash import (
    balance_cursor,
    balance_key,
    flow_cursor,
    flow_key,
    rate_cursor,
    rate_key,
)
from services.api.paging.executions import (
    execution_cursor,
    execution_key,
    fill_cursor,
    fill_key,
    group_cursor,
    group_key,
)
from services.api.paging.gaps import (
    gap_cursor,
    gap_key,
)
from services.api.paging.jobs import (
    job_cursor,
    job_key,
)
from services.api.paging.moments import moment_cursor, moment_place
from services.api.paging.names import (
    Named,
    last_name,
    name_cursor,
)
from services.api.paging.numbers import (
    Numbered,
    conid_cursor,
    conid_place,
    is_conid,
    is_row_number,
    number_cursor,
    row_number,
)
from services.api.paging.performance import (
    performance_cursor,
    performance_key,
)
from services.api.paging.places import (
    DEFAULT_LIMIT,
    LAST_NUMBER,
    MAX_LIMIT,
    Cursor,
    Limit,
    cursor_foreign,
    cut,
    json_response,
)
from services.api.paging.positions import (
    event_cursor,
    event_seq,
    lot_cursor,
    lot_seq,
    past_cursor,
    past_key,
    position_cursor,
    position_key,
)
from services.api.paging.statements import (
    difference_cursor,
    difference_key,
    statement_cursor,
    statement_key,
)

__all__ = [
    "DEFAULT_LIMIT",
    "LAST_NUMBER",
    "MAX_LIMIT",
    "AlertKey",
    "Cursor",
    "Limit",
    "Named",
    "Numbered",
    "alert_cursor",
    "alert_key",
    "balance_cursor",
    "balance_key",
    "conid_cursor",
    "conid_place",
    "cursor_foreign",
    "cut",
    "difference_cursor",
    "difference_key",
    "event_cursor",
    "event_seq",
    "execution_cursor",
    "execution_key",
    "fill_cursor",
    "fill_key",
    "flow_cursor",
    "flow_key",
    "gap_cursor",
    "gap_key",
    "group_cursor",
    "group_key",
    "is_conid",
    "is_row_number",
    "job_cursor",
    "job_key",
    "json_response",
    "last_name",
    "lot_cursor",
    "lot_seq",
    "moment_cursor",
    "moment_place",
    "name_cursor",
    "number_cursor",
    "past_cursor",
    "past_key",
    "performance_cursor",
    "performance_key",
    "position_cursor",
    "position_key",
    "rate_cursor",
    "rate_key",
    "row_number",
    "statement_cursor",
    "statement_key",
]
