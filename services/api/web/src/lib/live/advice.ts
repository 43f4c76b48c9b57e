/** What is behind each reason and what to do about it. Loaded only when somebody asks. */

const ADVICE: Record<string, string> = {
	not_yet_synced:
		'Lotkeeper is fetching accounts, positions and executions. This takes a few seconds after the gateway answers.',
	broker_link_down:
		"Lotkeeper's own process that talks to IB Gateway has stopped. It is started again by itself; if it stays down, the log says why.",
	gateway_unreachable:
		'Nothing answers at the configured address. Check that TWS or IB Gateway is running and that its API port matches LOTKEEPER_IB_HOST and LOTKEEPER_IB_PORT.',
	gateway_not_answering:
		'The port is open but there is no API greeting. Gateway may be waiting at a login or a confirmation window.',
	gateway_silent:
		'The connection is open but the heartbeat is not answered. Lotkeeper reconnects by itself.',
	ib_1100:
		"This is between the gateway and IBKR's servers (code 1100). It comes back by itself, usually within minutes; nightly resets are normal.",
	needs_login:
		'Sign in to TWS or IB Gateway (about once a week IBKR asks for the second factor). Everything resumes afterwards.',
	client_id_in_use:
		'Another program is connected with the same client id (code 326). Close it, or set LOTKEEPER_IB_CLIENT_ID to another number.',
	fenced:
		'Only one broker link records a login at a time. This one stands by and takes over when the other ends; stop the one that is not wanted.',
	data_stale:
		'The gateway tells the time and nothing else. Lotkeeper asks for everything again, then connects anew; if it stays so, restart TWS or IB Gateway.',
	no_room:
		'Redis cannot take more and the disk space for waiting data is used up. Bring Redis or the worker back, or raise LOTKEEPER_SPOOL_MEGABYTES; what was missed is asked for afterwards.',
	stream_down:
		'The server cannot reach Redis, which carries live values. Stored values stay available.',
	worker_down:
		"Lotkeeper's own process that records what the broker reports has stopped or cannot reach the database. Nothing is lost: what waits is recorded when it is back.",
	incomplete:
		'Not everything has arrived since the last connection. Missing values are shown as missing.',
	old:
		'The link works, but this value is older than it should be. Markets may be closed, or market data for it is not available.',
	browser_link_down:
		'The connection between this page and the Lotkeeper server is down. It reconnects by itself; no reload is needed.'
};

export function adviceOn(code: string): string {
	return ADVICE[code] ?? 'The log of Lotkeeper says more.';
}
