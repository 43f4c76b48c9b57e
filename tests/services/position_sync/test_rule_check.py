"""Rules held against what is kept, and the inbox that says what they found."""

from core.settings import Settings
from models.queries.rules.catalogue import RULES
from models.session import Database
from services.position_sync.rule_check import check_rules


async def test_of_nothing_nothing_is_found(database: Database) -> None:
    reports = await check_rules(database)
    assert [report.rule for report in reports] == list(RULES)
    assert [report.error for report in reports] == [None] * len(RULES)
    assert [finding for report in reports for finding in report.findings] == []
