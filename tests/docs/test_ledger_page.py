"""The page's examples are folded by the code that keeps the ledger. ``UPDATE_DOCS=1`` writes the tables."""

import ast
import operator
import os
import re
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from core.domain.anchors import Anchor
from core.domain.episodes import Episode
from core.domain.executions import split_exec_id
from core.domain.fills import Report, effective_fills
from core.domain.lifecycle import Ledger, fold_book
from core.domain.lots import CostMethod
from tests.core.domain.making import anchor, at

PAGE = Path(__file__).parents[2] / "docs" / "ledger.md"
TRADES = "| id | trade | quantity | price | commission |"
ANSWER = "What comes of it:"
METHODS: dict[str, CostMethod] = {"average": "average"}
FORMULA = re.compile(r"`([-+*/().0-9 ]+) = (-?[0-9.]+)`")
OPERATORS: dict[type[ast.operator], Callable[[Decimal, Decimal], Decimal]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def folded(rows: Iterable[str], method: CostMethod) -> Ledger:
    """What the ledger makes of a table of trades, one second after another."""
    reports: list[Report] = []
    anchors: list[Anchor] = [anchor(-1, "0")]
    for second, row in enumerate(rows):
        exec_id, trade, quantity, price, fee = cells(row)
        if not exec_id:
            assert trade.startswith("split"), row
            anchors.append(anchor(second, quantity, cause="split"))
            continue
        base, revision = split_exec_id(exec_id)
        signed = Decimal(quantity) * {"buy": 1, "sell": -1}[trade]
        known = None if fee == "not yet" else Decimal(fee)
        currency = None if known is None else "USD"
        reports.append(Report(at(second), base, revision, exec_id, signed, Decimal(price), known, currency))
    fills = effective_fills(reports, "USD")
    return fold_book("U1", 1, Decimal(1), fills, anchors if len(anchors) > 1 else (), method=method)


def number(value: Decimal | None) -> str:
    return "" if value is None else f"{value.normalize():f}".replace("-", "−")


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return (
        "\n".join(f"| {' | '.join(row)} |" for row in lines).replace("| --- ", "|---").replace("---|", "---|")
    )


def answer(ledger: Ledger) -> str:
    """The events of each position, and the lots that were closed."""

    def mark(episode: Episode) -> str:
        return f"{episode.ordinal}" + (" (provisional)" if episode.provisional else "")

    events = [
        [
            *(mark(one), event.type, event.exec_id or event.cause or ""),
            *map(number, (event.quantity, event.position_after, event.realized_pnl)),
        ]
        for one in ledger.touched
        for event in one.events
    ]
    closed = [
        [
            *(str(one.ordinal), str(part.lot_seq), part.exec_id or ""),
            *map(number, (part.quantity, part.cost, part.proceeds)),
            *map(number, (part.open_commission, part.close_commission, part.realized_pnl)),
        ]
        for one in ledger.touched
        for part in one.disposals
    ]
    left = [
        [str(one.ordinal), number(one.quantity), number(one.cost), number(one.average_cost)]
        for one in ledger.touched
        if one.quantity
    ]
    told = [
        ANSWER,
        table(("position", "event", "by", "quantity", "held after", "realized"), events),
        table(
            (
                *("position", "lot", "closed by", "quantity", "cost", "proceeds"),
                *("commission of the lot", "of the closing", "realized"),
            ),
            closed,
        ),
    ]
    if left:
        told.append(table(("position", "still held", "cost with commission", "average cost"), left))
    return "\n\n".join(told)


def section_with_answer(section: str) -> str:
    """The section as it is to be: below its trades, what the code makes of them."""
    blocks = section.rstrip("\n").split("\n\n")
    asked = next((one for one in blocks if one.startswith(TRADES)), None)
    if asked is None:
        return section
    chosen = re.search(r"^Cost method: (\w+)\.", section, re.MULTILINE)
    method = METHODS[chosen[1]] if chosen else "fifo"
    kept = [one for one in blocks if one == asked or not (one == ANSWER or one.startswith("| position |"))]
    place = kept.index(asked) + 1
    kept.insert(place, answer(folded(asked.splitlines()[2:], method)))
    return "\n\n".join(kept) + "\n"


def page_with_answers(text: str) -> str:
    head, *sections = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    return head + "\n".join(section_with_answer(one) for one in sections)


def test_the_tables_are_what_the_ledger_makes_of_the_trades() -> None:
    text = PAGE.read_text(encoding="utf-8")
    if os.environ.get("UPDATE_DOCS"):
        text = page_with_answers(text)
        PAGE.write_text(text, encoding="utf-8")
    assert text.count(ANSWER) == text.count(TRADES) == 9
    assert text == page_with_answers(text), "run `UPDATE_DOCS=1 pytest tests/docs`"


def value(node: ast.AST) -> Decimal:
    if isinstance(node, ast.Constant):
        return Decimal(str(node.value))
    if isinstance(node, ast.UnaryOp):
        assert isinstance(node.op, ast.USub)
        return -value(node.operand)
    assert isinstance(node, ast.BinOp)
    return OPERATORS[type(node.op)](value(node.left), value(node.right))


FORMULAS = list(FORMULA.finditer(PAGE.read_text(encoding="utf-8")))


@pytest.mark.parametrize("found", FORMULAS, ids=lambda one: one[0])
def test_the_sums_are_right_and_are_in_a_table_of_their_section(found: re.Match[str]) -> None:
    assert value(ast.parse(found[1].strip(), mode="eval").body) == Decimal(found[2])
    text = PAGE.read_text(encoding="utf-8")
    start = text.rindex("\n## ", 0, found.start())
    section = text[start : (text.find("\n## ", found.end()) + 1 or len(text) + 1) - 1]
    shown = {cell for line in section.splitlines() if line.startswith("|") for cell in cells(line)}
    assert found[2].replace("-", "−") in shown or "/20" in found[1]
