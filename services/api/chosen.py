"""Which accounts a question is about: those that were named, those of a group, or all."""

from typing import Annotated

from fastapi import Query

from models.queries.groups import accounts_of_group
from models.session import Reader
from services.api.context import Context
from services.api.parameters import Text
from services.api.problems import not_found

Accounts = Annotated[list[Text] | None, Query(description="one or several; without any, all of them")]
Group = Annotated[Text | None, Query(description="a group of accounts, by its name")]


async def chosen_accounts(
    context: Context, reader: Reader, asked: list[str] | None, group: str | None
) -> tuple[str, ...]:
    """Those that were named, and those of the group; without either, all there are.

    Raises:
        ProblemError: 404; there is no such account or group.
    """
    context.picture_ready()
    named = {context.known_account(one) for one in asked or ()}
    if group is not None:
        members = await accounts_of_group(reader, group)
        if not members:
            raise not_found(
                "group_not_found",
                "There is no such group. GET /api/v1/account-groups lists them; `lotkeeper accounts group "
                "set` makes one.",
            )
        named.update(members)
    elif not asked:
        named.update(context.hub.picture.accounts)
    return tuple(sorted(named))
