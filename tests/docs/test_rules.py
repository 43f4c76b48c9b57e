"""The page of rules says what the rules say. ``UPDATE_DOCS=1`` writes it anew."""

import os
import re
from pathlib import Path

from models.queries.rules.catalogue import RULES
from models.queries.rules.rule import LOOKED_BACK

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "rules.md"
HEAD = f"""# Rules

What has to be true of what is kept. A worker looks at all of it once a day, from `LOTKEEPER_RULES_HOUR`
(UTC) on; `lotkeeper validate` and `POST /api/v1/issues/check` do so at once. Of what happened the last
{LOOKED_BACK.days} days are looked at (`lotkeeper validate --since 2026-01-01` looks further back); of what
stands open everything.

What is found stands in the inbox of issues (`lotkeeper issues list`, `GET /api/v1/issues`), each finding
once however often it is found: `open` until it is found no more (`resolved`) or you say that you know of it
(`acknowledged`, by `lotkeeper issues acknowledge` or `POST /api/v1/issues/{{id}}/acknowledge`, with a note).
Found again after it was resolved, it is open again; and so it is once it is worse than what you acknowledged,
where its rule tells how bad it is and what is worse. What you said before is kept beside
(`lotkeeper issues show`). Of what is older than what is looked at, an issue stays as it was. A look at one
account, or at fewer days, says nothing of the rest, and is none of the night. The metric
`lotkeeper_issues_open` counts the open ones by rule and severity; `lotkeeper_validation_timestamp_seconds` is
when that was last looked at.

| severity | |
|---|---|
| `error` | something that is kept is wrong; `lotkeeper validate` ends with 5 until it is acknowledged |
| `warning` | something is missing, late or not explained |
| `review` | it may well be right, and is so unusual that somebody should look at it |

Some things need no rule, for PostgreSQL refuses them: a lot, a disposal or an event without its position, a
position of a snapshot without its instrument or its snapshot, a position that was closed before it was
opened.

| rule | severity | |
|---|---|---|
"""


def rules_page() -> str:
    table = [f"| [`{rule.name}`](#{rule.name}) | `{rule.severity}` | {rule.title} |" for rule in RULES]
    parts = [HEAD + "\n".join(table) + "\n"]
    for rule in RULES:
        tolerances = [f"- `{one.name}` {one.spelled}: {one.meaning}" for one in rule.tolerances]
        listed = ("\n".join(["Tolerated:", "", *tolerances]) + "\n\n") if tolerances else ""
        grows = ""
        if rule.magnitude is not None:
            grows = f"How bad it is: {rule.magnitude.meaning}. Worse: {rule.magnitude.worse}.\n\n"
        parts.append(
            f"\n## `{rule.name}`\n\n{rule.title}. Severity `{rule.severity}`.\n\n{rule.checks}\n\n{listed}"
            f"{grows}**What to do:** {rule.remedy}\n"
        )
    return "".join(parts)


def test_the_page_of_rules_lists_every_rule() -> None:
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(rules_page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == rules_page(), "run `UPDATE_DOCS=1 pytest tests/docs`"


def test_every_rule_is_told_in_full_and_by_a_name_of_its_own() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    tolerances = [one.name for rule in RULES for one in rule.tolerances]
    assert len(tolerances) == len({(one.name, one.spelled) for rule in RULES for one in rule.tolerances}) + 1
    for rule in RULES:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", rule.name)
        assert not rule.title.endswith(".")
        assert all(told.endswith(".") for told in (rule.checks, rule.remedy)), rule.name
        assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", one.name) for one in rule.tolerances)
