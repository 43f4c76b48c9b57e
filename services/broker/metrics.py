"""What the broker link counts. Names start with ``lotkeeper_broker_``."""

from prometheus_client import Counter, Gauge

FACTS = Counter("lotkeeper_broker_facts", "Facts taken from the gateway, by type.", ["type"])
TICKS = Counter("lotkeeper_broker_ticks", "Ticks published after conflation.")
TICKS_SHED = Counter("lotkeeper_broker_ticks_shed", "Ticks dropped because Redis was away.")
UNREADABLE = Counter(
    "lotkeeper_broker_unreadable", "Messages of the gateway that could not be read, by reason.", ["reason"]
)
CODES = Counter("lotkeeper_broker_codes", "Messages and errors of the gateway, by IBKR's code.", ["code"])
CONNECTS = Counter("lotkeeper_broker_connects", "Connections to the gateway that became ready.")
CONNECT_FAILURES = Counter(
    "lotkeeper_broker_connect_failures", "Attempts to connect that failed, by reason.", ["reason"]
)
RESYNCS = Counter("lotkeeper_broker_resyncs", "Full comparisons with the gateway, by outcome.", ["outcome"])
QUEUE_FACTS = Gauge("lotkeeper_broker_queue_facts", "Facts that wait in memory for Redis.")
REDIS_UP = Gauge("lotkeeper_broker_redis_up", "1 while facts reach Redis.")
LINK_UP = Gauge("lotkeeper_broker_link_up", "1 while the link is up, by link (gateway, ibkr).", ["link"])
LINK_STATE = Gauge("lotkeeper_broker_link_state", "1 for the state that the link is in, else 0.", ["state"])
LINK_TRANSITIONS = Counter(
    "lotkeeper_broker_link_transitions",
    "Changes of the link's state, by the one before and after.",
    ["before", "after"],
)
LEASE = Gauge("lotkeeper_broker_lease", "1 while this process holds the lock on its login.")
REGISTER_WAITING = Gauge(
    "lotkeeper_broker_register_waiting", "Notes on sessions that wait to be written to PostgreSQL."
)
GATE_FACTS = Gauge(
    "lotkeeper_broker_gate_facts", "Facts held back until it is known whether the login is ours."
)
GATE_DROPPED = Counter(
    "lotkeeper_broker_gate_dropped",
    "Facts that were too many to be held back; the comparison that follows asks for them.",
)
FORBIDDEN = Counter(
    "lotkeeper_broker_forbidden_messages",
    "Outgoing messages that a read-only link must not send; none was sent.",
)
LINK_COMPLETE = Gauge("lotkeeper_broker_link_complete", "1 once this connection's resync ended well.")
CLOCK_OFFSET_SECONDS = Gauge("lotkeeper_broker_clock_offset_seconds", "The gateway's clock minus ours.")
REPLAYS_SKIPPED = Counter(
    "lotkeeper_broker_replays_skipped", "Executions told again in a periodic replay, unchanged."
)
SPOOLING = Gauge("lotkeeper_broker_spooling", "1 while new facts go to the disk instead of Redis.")
SPOOL_FACTS = Gauge("lotkeeper_broker_spool_facts", "Facts on disk that Redis does not have yet.")
SPOOL_BYTES = Gauge("lotkeeper_broker_spool_bytes", "What they take.")
SPOOL_OLDEST_SECONDS = Gauge("lotkeeper_broker_spool_oldest_seconds", "Age of the oldest of them.")
SPOOL_REFUSES = Gauge("lotkeeper_broker_spool_refuses", "1 while the disk takes or gives back no facts.")
SPOOL_DAMAGED = Counter("lotkeeper_broker_spool_damaged", "Files of the spool found damaged, and kept aside.")
BACKLOG_ENTRIES = Gauge("lotkeeper_broker_backlog_entries", "Entries of the facts stream not yet trimmed.")
REDIS_LOST = Counter("lotkeeper_broker_redis_lost", "Times that Redis came back without its newest facts.")
NO_ROOM = Gauge("lotkeeper_broker_no_room", "1 while so many facts wait in memory that the gateway must.")
HOLDS = Counter("lotkeeper_broker_holds", "Times that the gateway had to wait for room in memory.")
EXECUTIONS_MISSING = Counter(
    "lotkeeper_broker_executions_missing",
    "Executions that were told and that PostgreSQL lacked all the same; they are told again.",
)
