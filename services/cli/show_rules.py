"""Rules and what they found, as text and tables for people."""

from collections.abc import Sequence
from typing import Any

from rich.markup import escape

from models.queries.rules.catalogue import RULES
from services.cli.show import new_console, new_table
from services.position_sync.rule_check import MOST_FINDINGS, RuleReport

SHOWN = 50
COLOURS = {"error": "red", "warning": "yellow", "review": "cyan"}


def found(reports: Sequence[RuleReport]) -> None:
    """What the rules found, and what to do about it."""
    console = new_console()
    count = sum(len(one.findings) for one in reports)
    for report in reports:
        if report.error is not None:
            console.print(f"[red]{report.rule.name} could not be looked at[/]: {escape(report.error)}")
    if not count:
        console.print(f"[green]All {len(reports)} rules are obeyed[/].")
        return
    table = new_table("What the rules found", "severity", "rule", "account", "what")
    listed = [(one.rule, finding) for one in reports for finding in one.findings]
    for rule, finding in listed[:SHOWN]:
        severity = f"[{COLOURS[rule.severity]}]{rule.severity}[/]"
        table.add_row(severity, rule.name, finding.account or "–", escape(finding.summary))
    console.print(table)
    if count > SHOWN:
        console.print(f"… and {count - SHOWN:,} more; --json lists them.")
    for report in reports:
        if report.findings:
            more = f" (more than {MOST_FINDINGS:,})" if report.is_cut else ""
            console.print(f"[bold]{report.rule.name}[/]{more}: {escape(report.rule.remedy)}")


def rules() -> None:
    """Every rule with all that is to be said of it."""
    console = new_console()
    for rule in RULES:
        console.print(f"[bold]{rule.name}[/] ([{COLOURS[rule.severity]}]{rule.severity}[/]) {rule.title}")
        console.print(f"  checks: {escape(rule.checks)}")
        for one in rule.tolerances:
            console.print(f"  {one.name} = {one.spelled}: {escape(one.meaning)}")
        if rule.magnitude:
            console.print(f"  how bad it is: {escape(rule.magnitude.meaning)}")
            console.print(f"  worse: {rule.magnitude.worse}")
        console.print(f"  remedy: {escape(rule.remedy)}")


def found_as_json(reports: Sequence[RuleReport]) -> list[dict[str, Any]]:
    """The same for programs, rule by rule."""
    return [
        {
            "rule": one.rule.name,
            "severity": one.rule.severity,
            "findings": [finding._asdict() for finding in one.findings],
            "is_cut": one.is_cut,
            "error": one.error,
            "seconds": round(one.seconds, 3),
        }
        for one in reports
    ]


def rules_as_json() -> list[dict[str, Any]]:
    """Every rule for programs."""
    return [
        {
            "name": rule.name,
            "title": rule.title,
            "severity": rule.severity,
            "checks": rule.checks,
            "tolerances": [
                {"name": one.name, "value": one.spelled, "meaning": one.meaning} for one in rule.tolerances
            ],
            "magnitude": None if rule.magnitude is None else rule.magnitude.meaning,
            "magnitude_kind": None if rule.magnitude is None else rule.magnitude.kind,
            "worse": None if rule.magnitude is None else rule.magnitude.worse,
            "remedy": rule.remedy,
        }
        for rule in RULES
    ]
