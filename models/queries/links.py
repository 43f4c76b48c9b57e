"""Which link an account goes by."""

from typing import Final

LINK_OF: Final = "broker_accounts a JOIN broker_links l ON l.login = a.login OR a.login IS NULL"
"""An account, ``a``, with the link of its login, ``l``; with every link while nobody knows its login."""
