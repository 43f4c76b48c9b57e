"""Which link an account goes by, and which sessions listened to it."""

from typing import Final

LINK_OF: Final = "broker_accounts a JOIN broker_links l ON l.login = a.login OR a.login IS NULL"
"""An account, ``a``, with the link of its login, ``l``; with every link while nobody knows its login."""

ITS_LOGINS: Final = (
    "(SELECT a.login FROM broker_accounts a WHERE a.account = :account AND a.login IS NOT NULL "
    "UNION SELECT n.login FROM broker_sessions n WHERE :account = ANY(n.accounts))"
)
"""The names of the gateways that ever listed ``:account``: one may get another name."""

LISTENED_TO: Final = (
    "CASE WHEN s.accounts IS NOT NULL THEN :account = ANY(s.accounts) "
    # From before installations were told apart, when there was one login at a time.
    f"ELSE s.place IS NULL OR s.login IN {ITS_LOGINS} "
    "OR EXISTS (SELECT FROM broker_accounts a WHERE a.account = :account AND a.login IS NULL) END"
)
"""Whether a session, ``s``, listened to ``:account``: it listed it; where nobody knows, its login did."""
