from structlog.testing import capture_logs

from core import logs
from services.broker import problems
from services.broker.problems import Problems


def test_a_problem_is_told_once_until_it_is_solved() -> None:
    known = Problems(logs.get_logger(__name__))
    with capture_logs() as told:
        for _ in range(3):
            known.tell("farm", "farm_down")
        known.solved("farm", "farm_back")
        known.solved("farm", "farm_back")
        known.tell("farm", "farm_down")
    assert [line["event"] for line in told] == ["farm_down", "farm_back", "farm_down"]
    assert told[1]["occurrences"] == 3


def test_endlessly_many_problems_neither_fill_the_log_nor_the_memory() -> None:
    known = Problems(logs.get_logger(__name__))
    with capture_logs() as told:
        for number in range(problems.MOST_TOLD + 50):
            known.tell(number, "message_unreadable", message=str(number))
    events = [line["event"] for line in told]
    assert events == ["message_unreadable"] * problems.MOST_TOLD + ["further_problems_only_counted"]
