"""What the broker link counts. Names start with ``lotkeeper_broker_``."""

from typing import Final

from core.metrics.declared import Declarations

DECLARED: Final = Declarations("broker")
_counter, _gauge = DECLARED.counter, DECLARED.gauge

_counter("lotkeeper_broker_facts_total", "Facts taken from the gateway, by type.", "type")
_counter("lotkeeper_broker_ticks_total", "Ticks published after conflation.")
_counter("lotkeeper_broker_ticks_shed_total", "Ticks dropped because Redis was away.")
_counter(
    "lotkeeper_broker_unreadable_total",
    "Messages of the gateway that could not be read, by reason.",
    "reason",
)
_counter("lotkeeper_broker_codes_total", "Messages and errors of the gateway, by IBKR's code.", "code")
_counter("lotkeeper_broker_connects_total", "Connections to the gateway that became ready.")
_counter("lotkeeper_broker_connect_failures_total", "Attempts to connect that failed, by reason.", "reason")
_counter("lotkeeper_broker_resyncs_total", "Full comparisons with the gateway, by outcome.", "outcome")
_gauge("lotkeeper_broker_queue_facts", "Facts that wait in memory for Redis.", at_start=0)
_gauge("lotkeeper_broker_redis_up", "1 while facts reach Redis.")
_gauge("lotkeeper_broker_link_up", "1 while the link is up, by link (gateway, ibkr).", "link")
_gauge("lotkeeper_broker_link_state", "1 for the state that the link is in, else 0.", "state")
_counter(
    "lotkeeper_broker_link_transitions_total",
    "Changes of the link's state, by the one before and after.",
    *("before", "after"),
)
_gauge("lotkeeper_broker_lease", "1 while this process holds the lock on its login.", at_start=0)
_gauge(
    "lotkeeper_broker_register_waiting",
    "Notes on sessions that wait to be written to PostgreSQL.",
    at_start=0,
)
_gauge(
    "lotkeeper_broker_gate_facts",
    "Facts held back until it is known whether the login is ours.",
    at_start=0,
)
_counter(
    "lotkeeper_broker_gate_dropped_total",
    "Facts that were too many to be held back; the comparison that follows asks for them.",
)
_counter(
    "lotkeeper_broker_forbidden_messages_total",
    "Outgoing messages that a read-only link must not send; none was sent.",
)
_gauge("lotkeeper_broker_link_complete", "1 once this connection's resync ended well.")
_gauge(
    "lotkeeper_broker_clock_offset_seconds",
    "The gateway's clock minus ours; absent until it told the time.",
    unit="seconds",
)
_counter("lotkeeper_broker_replays_skipped_total", "Executions told again in a periodic replay, unchanged.")
_gauge("lotkeeper_broker_spooling", "1 while new facts go to the disk instead of Redis.")
_gauge("lotkeeper_broker_spool_facts", "Facts on disk that Redis does not have yet.")
_gauge("lotkeeper_broker_spool_bytes", "What they take.", unit="bytes")
_gauge("lotkeeper_broker_spool_limit_bytes", "What they may take: LOTKEEPER_SPOOL_MEGABYTES.", unit="bytes")
_gauge(
    "lotkeeper_broker_spool_oldest_seconds",
    "Age of the oldest of them; absent while there is none.",
    unit="seconds",
)
_gauge("lotkeeper_broker_spool_refuses", "1 while the disk takes or gives back no facts.", at_start=0)
_counter("lotkeeper_broker_spool_damaged_total", "Files of the spool found damaged, and kept aside.")
_gauge("lotkeeper_broker_backlog_entries", "Entries of the facts stream not yet trimmed.")
_counter("lotkeeper_broker_redis_lost_total", "Times that Redis came back without its newest facts.")
_gauge(
    "lotkeeper_broker_no_room",
    "1 while so many facts wait in memory that the gateway must.",
    at_start=0,
)
_counter("lotkeeper_broker_holds_total", "Times that the gateway had to wait for room in memory.")
_counter(
    "lotkeeper_broker_executions_missing_total",
    "Executions that were told and that PostgreSQL lacked all the same; they are told again.",
)
