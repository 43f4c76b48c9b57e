"""Where what statements say is not what the ledger comes to: one query for each kind of figure.

Each compares all that an account's standing statements state of its kind, in the database, and yields a row
for every figure: the day it is about, ``kind``, ``conid``, ``currency``, ``reference``, ``ours``, ``stated``,
``cause``, whether it ``differs``, and the statement's ``import_id`` and ``line``.
"""
