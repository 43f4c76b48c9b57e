"""All rules there are, in the order in which they are told."""

from typing import Final

from models.queries.rules import dates, gaps, orphans, outliers, standing, values
from models.queries.rules.rule import Rule

RULES: Final[tuple[Rule, ...]] = (
    values.ACCOUNT_VALUE,
    values.FX_HOLE,
    values.STALE_MARKS,
    orphans.SHORT_FLAG,
    orphans.LOTS_SUM,
    orphans.POSITION_ALONE,
    orphans.TRADE_WITHOUT_EXECUTION,
    orphans.COMMISSION_WITHOUT_EXECUTION,
    orphans.MARK_WITHOUT_BOOK,
    orphans.FILE_WITHOUT_IMPORT,
    dates.FUTURE_DATE,
    dates.DATE_ORDER,
    outliers.PRICE_OUTLIER,
    outliers.PNL_OUTLIER,
    gaps.SNAPSHOT_GAP,
    gaps.DATA_GAP,
    standing.BROKER_DIFFERENCE,
    standing.COST_DIFFERENCE,
    standing.REALIZED_DIFFERENCE,
    standing.MISSING_COMMISSION,
    standing.STATEMENT_DIFFERENCE,
    standing.DEAD_FACT,
)

BY_NAME: Final = {rule.name: rule for rule in RULES}
