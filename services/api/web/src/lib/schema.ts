/**
 * Generated from the OpenAPI and AsyncAPI documents; not to be changed by hand.
 *
 * `UPDATE_CONTRACT=1 pytest tests/services/api/test_typescript.py` writes it anew.
 */

/** An account of the login. Paper accounts are labelled, and so is what the login's last list lacks. */
export interface Account {
	account: string;
	alias: string | null;
	base_currency: string | null;
	paper: boolean;
	listed: boolean;
	cost_method: 'average' | 'fifo' | 'hifo' | 'lifo';
	freshness: Freshness;
}

/** What of an account is to be otherwise; what is left out stays. */
export interface AccountChange {
	alias?: string | null;
	cost_method?: 'average' | 'fifo' | 'hifo' | 'lifo';
}

/** Accounts that are looked at together. */
export interface AccountGroup {
	name: string;
	accounts: string[];
}

/** Groups, in the order of their names. */
export interface AccountGroupList {
	items: AccountGroup[];
	next_cursor: string | null;
	freshness: Freshness;
}

/** Every account that was ever seen. */
export interface AccountPage {
	items: Account[];
	next_cursor: string | null;
	freshness: Freshness;
}

/** What is kept of an account's own. `lotkeeper ledger method` sets the cost method, and folds anew. */
export interface AccountSettings {
	account: string;
	cost_method: 'average' | 'fifo' | 'hifo' | 'lifo';
	base_currency: string | null;
}

/** What an account was worth. Amounts are in `base_currency`. */
export interface AccountValuation {
	account: string;
	base_currency: string | null;
	positions: ValuedPosition[];
	cash: ValuationCash[];
	positions_value: string | null;
	cash_value: string | null;
	due_value: string | null;
	trades_apart: number | null;
	total: string | null;
	oldest_rate_at: string | null;
	coverage: ValuationCoverage;
	net_liquidation: NearestValue | null;
}

/** What somebody has to say of an issue. */
export interface Acknowledgement {
	note?: string | null;
}

/** Something that wants attention now. */
export interface Alert {
	id: string;
	source: 'dataset' | 'dead_fact' | 'difference' | 'gap' | 'issue' | 'job' | 'link' | 'rule' | 'watch' | 'work';
	severity: 'error' | 'review' | 'warning';
	account: string | null;
	summary: string;
	remedy: string;
	since: string | null;
	href: string;
}

/** How many there are of each severity, on all pages. */
export interface AlertCounts {
	error: number;
	warning: number;
	review: number;
}

/** What wants attention now, the gravest first, of the same the one that came last. */
export interface AlertPage {
	items: Alert[];
	next_cursor: string | null;
	counts: AlertCounts;
	is_cut: boolean;
	freshness: Freshness;
}

/** What accounts hold, the largest first: each account by itself, and all together. */
export interface Allocation {
	by: 'account' | 'asset_class' | 'country' | 'currency' | 'global_instrument' | 'instrument';
	group: string | null;
	currency: string | null;
	accounts: AllocationAccount[];
	items: AllocationItem[];
	totals: AllocationTotal[] | null;
	freshness: Freshness;
}

/** The newest snapshot of an account, which is what its items are of. Amounts are in `base_currency`. */
export interface AllocationAccount {
	account: string;
	snapshot_id: number;
	asof_ts: string;
	base_currency: string;
	net_liquidation: string;
	total_cash: string | null;
	coverage: string;
}

/** What an account holds of one thing, in the account's base currency. */
export interface AllocationItem {
	account: string;
	key: string | null;
	name: string | null;
	cash: boolean;
	rest: boolean;
	market_value: string | null;
	long_value: string | null;
	short_value: string | null;
	share: string | null;
	holdings: number;
	holdings_valued: number;
	holdings_fresh: number;
}

/** What all accounts in question hold of one thing together, in the currency that they share. */
export interface AllocationTotal {
	key: string | null;
	name: string | null;
	cash: boolean;
	rest: boolean;
	market_value: string | null;
	long_value: string | null;
	short_value: string | null;
	share: string | null;
	holdings: number;
	holdings_valued: number;
	holdings_fresh: number;
}

/** Where an account's gain came from, in `currency`, its base currency. */
export interface Attribution {
	account: string;
	from: string;
	to: string;
	start_source: 'snapshot' | 'statement';
	end_source: 'snapshot' | 'statement';
	by: 'asset_class' | 'currency' | 'instrument' | 'kind';
	currency: string;
	start_value: string;
	end_value: string;
	net_contribution: string;
	gain: string;
	items: AttributionItem[];
	unexplained: string;
	unknown: AttributionUnknown[];
	unclassified: AttributionUnclassified[];
	rate_age_seconds: number;
	data_quality: 'complete' | 'estimated' | 'incomplete';
	freshness: Freshness;
}

/** What an instrument, a class, a currency or a kind gained, and by what; in the account's base currency. */
export interface AttributionItem {
	key: string;
	conid: number | null;
	symbol: string | null;
	asset_class: string | null;
	currency: string | null;
	price: string | null;
	dividends: string | null;
	interest: string | null;
	fees: string | null;
	fx: string | null;
	total: string;
	complete: boolean;
}

/** Cash that came (or, negative, went) without anything that tells what it was; `worth`: in base. */
export interface AttributionUnclassified {
	currency: string;
	amount: string;
	worth: string | null;
}

/** A part that is not known, and why. Without a `kind` it is what the owner brought or took. */
export interface AttributionUnknown {
	kind: 'dividends' | 'fees' | 'fx' | 'interest' | 'price' | null;
	conid: number | null;
	symbol: string | null;
	asset_class: string | null;
	currency: string | null;
	reason: 'cash_not_told' | 'commission_awaited' | 'contribution_not_known' | 'no_mark' | 'no_rate' | 'not_valued' | 'trades_missing';
}

/** Who did what, and how it went: `ok`, or the code of the problem. */
export interface AuditEntry {
	id: number;
	at: string;
	actor: string;
	kind: 'cli' | 'nobody' | 'owner' | 'token' | 'user';
	action: string;
	target: string;
	address: string;
	outcome: string;
	request_id: string;
}

/** What was done, newest first. */
export interface AuditPage {
	items: AuditEntry[];
	next_cursor: string | null;
}

/** The first message of a client without a session cookie. */
export interface Authenticate {
	type: 'auth';
	token: string;
}

/** Benchmarks, in the order of their names. */
export interface BenchmarkList {
	items: BenchmarkSeries[];
	next_cursor: string | null;
	freshness: Freshness;
}

/** The account beside a benchmark, over the days that both have. */
export interface BenchmarkMeasures {
	name: string | null;
	currency: string | null;
	time_weighted: Figure;
	beta: Figure;
	alpha: Figure;
	correlation: Figure;
	tracking_error: Figure;
	information_ratio: Figure;
}

/** A benchmark whose levels are kept; `currency` is null where its file did not come with one. */
export interface BenchmarkSeries {
	name: string;
	currency: string | null;
	levels: number;
	first_day: string;
	last_day: string;
}

/** The server is going; come back after `retry_after_ms`. */
export interface Bye {
	type: 'bye';
	retry_after_ms: number;
}

/** How each day of a year ended, of accounts together, in `currency`; by the broker's days. */
export interface Calendar {
	year: number;
	accounts: string[];
	group: string | null;
	currency: string | null;
	days: CalendarDay[];
	months: CalendarMonth[];
	unknown_days: number;
	pnl: string | null;
	return: string | null;
	freshness: Freshness;
}

/** What a day of the broker's gained (`pnl`, contributions taken out), and that as a fraction. */
export interface CalendarDay {
	day: string;
	net_liquidation: string;
	net_contribution: string | null;
	pnl: string | null;
	return: string | null;
}

/** The days of a month together: `days` of them, `unknown_days` of which cannot be told. */
export interface CalendarMonth {
	month: number;
	days: number;
	unknown_days: number;
	pnl: string | null;
	return: string | null;
}

/** Cash in one currency at the end of a broker's day, as a statement states it. */
export interface CashBalance {
	account: string;
	currency: string;
	as_of: string;
	cash: string;
	settled_cash: string | null;
	starts_on: string | null;
	starting_cash: string | null;
	trades: string | null;
	commissions: string | null;
	futures: string | null;
	flows: string | null;
	source: 'statement';
	import_id: number;
}

/** Cash balances, newest first. */
export interface CashBalancePage {
	items: CashBalance[];
	next_cursor: string | null;
	freshness: Freshness;
}

/** Money that came (or, negative, went), other than by trades in instruments. */
export interface CashFlow {
	id: string;
	account: string;
	kind: 'bond_interest' | 'commission_adjustment' | 'conversion' | 'deposit' | 'dividend' | 'fee' | 'interest' | 'other' | 'payment_in_lieu' | 'tax' | 'transfer' | 'withdrawal' | 'withholding_tax';
	external: boolean;
	at: string;
	reported_on: string | null;
	amount: string;
	currency: string;
	fx_rate_to_base: string | null;
	conid: number | null;
	symbol: string;
	transaction_id: string;
	description: string;
	source: 'statement';
	import_id: number;
}

/** Flows of cash, newest first. */
export interface CashFlowPage {
	items: CashFlow[];
	next_cursor: string | null;
	freshness: Freshness;
}

/** How many of the open positions have a fresh mark. */
export interface Coverage {
	fresh: number;
	total: number;
}

/** What is traded for a session cookie: a token, or a name and its password. */
export interface Credentials {
	token?: string | null;
	name?: string | null;
	password?: string | null;
	code?: string | null;
}

/** What one unit of `currency` was worth in `into_currency` at the end of a broker's day. */
export interface CurrencyRate {
	currency: string;
	into_currency: string;
	as_of: string;
	rate: string;
	source: 'statement';
	import_id: number;
}

/** Rates of currencies, newest first. */
export interface CurrencyRatePage {
	items: CurrencyRate[];
	next_cursor: string | null;
	freshness: Freshness;
}

/** One download of one account. `cadence_seconds` null: it comes on change. */
export interface DatasetReport {
	account: string;
	dataset: string;
	as_of: string;
	age_seconds: number;
	cadence_seconds: number | null;
	complete: boolean;
	error: string | null;
}

/** A day's return, and which day that was. */
export interface DayFigure {
	value: string | null;
	reason?: 'incomplete_data' | 'negative_capital' | 'no_benchmark' | 'no_holdings' | 'no_loss' | 'no_root' | 'no_snapshot' | 'no_variation' | 'nothing_closed' | 'out_of_range' | 'several_currencies' | 'several_roots' | 'too_few_points' | 'under_a_year' | null;
	day?: string | null;
}

/** How days of trading ended; amounts in `currency`. */
export interface DayOutcomeMeasures {
	days: number;
	decided: number;
	won: number;
	lost: number;
	gross_profit: string;
	gross_loss: string;
	win_rate: Figure;
	profit_factor: Figure;
}

/** Something that could not be read or applied and was set aside whole. */
export interface DeadFact {
	id: number;
	status: 'dropped' | 'open' | 'retried';
	category: 'auth' | 'database' | 'network' | 'parsing' | 'rate_limit' | 'validation';
	reason: string;
	source: string;
	account: string | null;
	epoch: number | null;
	seq: number | null;
	occurrences: number;
	first_seen_at: string;
	last_seen_at: string;
	resolved_at: string | null;
	retries: number;
}

/** One of them with its whole content, which may tell amounts and accounts. */
export interface DeadFactDetail {
	id: number;
	status: 'dropped' | 'open' | 'retried';
	category: 'auth' | 'database' | 'network' | 'parsing' | 'rate_limit' | 'validation';
	reason: string;
	source: string;
	account: string | null;
	epoch: number | null;
	seq: number | null;
	occurrences: number;
	first_seen_at: string;
	last_seen_at: string;
	resolved_at: string | null;
	retries: number;
	payload: string;
	freshness: Freshness;
}

/** What was set aside, the one that came last first; never its content. */
export interface DeadFactPage {
	items: DeadFact[];
	next_cursor: string | null;
	freshness: Freshness;
}

/** Messages that could not be read, kept aside. */
export interface DeadReport {
	category: string;
	kinds: number;
	occurrences: number;
	last_seen_at: string;
}

/** Something in which our ledger and the broker did not agree, and do not until `resolved_at`. */
export interface Difference {
	id: number;
	account: string;
	conid: number;
	symbol: string;
	local_symbol: string;
	sec_type: string;
	currency: string;
	kind: 'cost_mismatch' | 'missing_broker' | 'missing_local' | 'provisional' | 'quantity_mismatch';
	cause: 'corporate_action' | 'exercise_or_assignment' | 'expiry' | 'merger' | 'missed_executions' | 'opening_balance' | 'spin_off' | 'split' | 'symbol_change' | 'tender' | 'transfer' | 'unexplained' | null;
	inferred: boolean;
	ours: string | null;
	brokers: string | null;
	since: string;
	resolved_at: string | null;
	position_id: string | null;
	status: 'acknowledged' | 'open' | 'resolved';
	acknowledged_at: string | null;
	acknowledged_by: string | null;
	note: string | null;
	acknowledged_ours: string | null;
	acknowledged_brokers: string | null;
	acknowledgement_ended_at: string | null;
}

/** Why a difference may stand as it is. */
export interface DifferenceAcknowledgement {
	note: string;
	ours?: string | null;
	brokers?: string | null;
}

/** How many figures of a kind differ for one cause. */
export interface DifferenceCount {
	kind: 'cash' | 'change' | 'contribution' | 'cost' | 'lot' | 'quantity' | 'realized' | 'trade' | 'twr' | 'value';
	cause: 'awaited_commission' | 'contradiction' | 'converted_commission' | 'corporate_action' | 'cost_method' | 'flow_convention' | 'futures_settlement' | 'holdings_differ' | 'missing_opening' | 'missing_rate' | 'not_covered' | 'not_itemized' | 'opening_balance' | 'return_of_capital' | 'told_otherwise' | 'unexplained' | 'unknown_cost';
	figures: number;
}

/** A difference by itself. */
export interface DifferenceDetail {
	id: number;
	account: string;
	conid: number;
	symbol: string;
	local_symbol: string;
	sec_type: string;
	currency: string;
	kind: 'cost_mismatch' | 'missing_broker' | 'missing_local' | 'provisional' | 'quantity_mismatch';
	cause: 'corporate_action' | 'exercise_or_assignment' | 'expiry' | 'merger' | 'missed_executions' | 'opening_balance' | 'spin_off' | 'split' | 'symbol_change' | 'tender' | 'transfer' | 'unexplained' | null;
	inferred: boolean;
	ours: string | null;
	brokers: string | null;
	since: string;
	resolved_at: string | null;
	position_id: string | null;
	status: 'acknowledged' | 'open' | 'resolved';
	acknowledged_at: string | null;
	acknowledged_by: string | null;
	note: string | null;
	acknowledged_ours: string | null;
	acknowledged_brokers: string | null;
	acknowledgement_ended_at: string | null;
	freshness: Freshness;
}

/** Differences from the broker, newest first. */
export interface DifferencePage {
	items: Difference[];
	next_cursor: string | null;
	freshness: Freshness;
}

/** How far the linked return was below its highest so far: fractions, never above zero. */
export interface DrawdownMeasures {
	maximum: Figure;
	current: Figure;
	worst: DrawdownSpell[];
}

/** A time below the highest so far. `recovered_at` is null while it lasts. */
export interface DrawdownSpell {
	depth: string;
	peak_at: string;
	trough_at: string;
	recovered_at: string | null;
	length_days: string;
	recovery_days: string | null;
}

/** How far accounts together fell, and for how long; flows taken out. */
export interface Drawdowns {
	accounts: string[];
	group: string | null;
	resolution: 'day' | 'hour';
	currency: string | null;
	span: Span;
	data_quality: 'complete' | 'estimated' | 'incomplete';
	maximum: Figure;
	current: Figure;
	episodes: DrawdownSpell[];
	episodes_found: number;
	underwater: UnderwaterPoint[];
	freshness: Freshness;
}

/** What the workers have to do: `due` now, for `overdue_seconds` at most, and `failing` so far. */
export interface DueReport {
	due: number;
	overdue_seconds: number;
	failing: number;
}

/** What somebody knew of an issue until it came `again` or became `worse`. */
export interface EarlierAcknowledgement {
	acknowledged_at: string;
	acknowledged_by: string;
	magnitude: string | null;
	note: string | null;
	ended_at: string;
	ended: 'again' | 'worse';
}

/** One recent failure. */
export interface ErrorReport {
	at: string;
	category: string;
	message: string;
}

/** A fill. `quantity` is positive, of a cancellation zero; `side` carries the direction. */
export interface Execution {
	exec_id: string;
	order_ref: string;
	perm_id: number;
	account: string;
	conid: number;
	symbol: string;
	local_symbol: string;
	sec_type: string;
	side: 'BOT' | 'SLD';
	quantity: string;
	price: string;
	commission: string | null;
	commission_currency: string | null;
	commission_rate: string | null;
	realized_pnl: string | null;
	broker_realized_pnl: string | null;
	currency: string;
	executed_at: string;
	corrected_by: string | null;
	position_id: string | null;
	source: string;
}

/** Executions, newest first. */
export interface ExecutionPage {
	items: Execution[];
	next_cursor: string | null;
	freshness: Freshness;
}

/** The topic does not show this key any more. */
export interface ExecutionsDelete {
	op: 'delete';
	key: string;
}

/** What changed in the topic executions with the frame `seq`. */
export interface ExecutionsDelta {
	type: 'delta';
	topic: 'executions';
	epoch: string;
	seq: number;
	prev_seq: number;
	ops: (ExecutionsUpsert | ExecutionsDelete)[];
	freshness: Freshness;
}

/** All rows of the topic executions by key, after the frame `seq`. */
export interface ExecutionsSnapshot {
	type: 'snapshot';
	topic: 'executions';
	epoch: string;
	seq: number;
	data: Record<string, Execution>;
	freshness: Freshness;
}

/** The row under this key is this one now. */
export interface ExecutionsUpsert {
	op: 'upsert';
	key: string;
	value: Execution;
}

/** The password once more, of who sets up a second factor. */
export interface FactorBegin {
	current_password: string;
}

/** A secret for an app that shows codes by time, in Base32, and the same as such apps read it. */
export interface FactorBegun {
	secret: string;
	address: string;
}

/** The code that the app shows. */
export interface FactorProof {
	code: string;
}

/** Whoever removes their own second factor gives password and code; an admin nothing for another's. */
export interface FactorRemoval {
	current_password?: string | null;
	code?: string | null;
}

/** What is wrong with one field of a request. */
export interface FieldError {
	location: string;
	message: string;
}

/** A figure, or null and the reason why it cannot be told (docs/reference/metrics.md). */
export interface Figure {
	value: string | null;
	reason?: 'incomplete_data' | 'negative_capital' | 'no_benchmark' | 'no_holdings' | 'no_loss' | 'no_root' | 'no_snapshot' | 'no_variation' | 'nothing_closed' | 'out_of_range' | 'several_currencies' | 'several_roots' | 'too_few_points' | 'under_a_year' | null;
}

/** Who is to be the first admin, and the token that only somebody on the machine can read. */
export interface FirstUser {
	setup_token: string;
	name: string;
	password: string;
}

/** How far the values beside it can be trusted as current. */
export interface Freshness {
	source: 'delayed' | 'last_known' | 'live';
	as_of: string | null;
	received_at: string | null;
	age_seconds: number | null;
	stale: boolean;
	reason: string | null;
	links: Links;
}

/** A time of which the gateway can tell an account's executions no more: a statement has to. */
export interface GapReport {
	account: string;
	started_at: string;
	ended_at: string;
	reason: string;
	detected_at: string;
}

/** An instrument across brokers, exchanges and currencies. What is not known of it is null. */
export interface GlobalInstrument {
	id: string;
	name: string;
	symbol: string;
	kind: string;
	isin: string | null;
	cusip: string | null;
	figi: string | null;
	currency: string | null;
	country: string | null;
	underlying_id: string | null;
}

/** A consumer group of a stream. */
export interface GroupReport {
	name: string;
	pending_entries: number;
	lag_entries: number | null;
}

/** The newest sequence of each subscribed topic. */
export interface Heartbeat {
	type: 'heartbeat';
	seqs: Record<string, number>;
	server_time: string;
}

/** The client is known: it may subscribe. */
export interface Hello {
	type: 'hello';
	server_time: string;
	profile: string;
	version: string;
	heartbeat_seconds: number;
	topics: string[];
}

/** What accounts together were worth at a time, on a day of the broker's, and what they had returned. */
export interface HistoryPoint {
	at: string;
	day: string;
	net_liquidation: string;
	net_contribution: string | null;
	return: string | null;
	drawdown: string | null;
	benchmark: string | null;
}

/** A file that was imported. `stated_at` is when it was written, by its own word. */
export interface Import {
	id: number;
	kind: string;
	name: string;
	sha256: string;
	status: string;
	trigger: string;
	stated_at: string;
	imported_at: string;
	undone_at: string | null;
	report: Record<string, unknown>;
}

/** An import, and in how many figures what it states is not what the ledger comes to. */
export interface ImportDetail {
	id: number;
	kind: string;
	name: string;
	sha256: string;
	status: string;
	trigger: string;
	stated_at: string;
	imported_at: string;
	undone_at: string | null;
	report: Record<string, unknown>;
	differences: DifferenceCount[];
	freshness: Freshness;
}

/** Imports, newest first. */
export interface ImportPage {
	items: Import[];
	next_cursor: string | null;
	freshness: Freshness;
}

/** An instrument as one broker knows it, and what it is across brokers. */
export interface Instrument {
	conid: number;
	symbol: string;
	local_symbol: string;
	sec_type: string;
	currency: string;
	exchange: string;
	trading_class: string;
	multiplier: string;
	expiry: string;
	strike: string | null;
	right: string;
	description: string;
	isin: string;
	cusip: string;
	figi: string;
	underlying_conid: number | null;
	issuer: string;
	details_as_of: string | null;
	global_instrument_id: string | null;
	source: 'conid' | 'cusip' | 'figi' | 'isin' | 'manual' | 'symbol' | 'underlying' | null;
	confidence: string | null;
	review: 'cusip_contradicts_isin' | 'cusip_of_several' | 'figi_of_several' | 'identifier_invalid' | 'manual_contradicts' | 'symbol_of_several' | 'terms_of_several' | null;
	mapped_by: string | null;
	mapped_at: string | null;
}

/** An instrument, what it is, and the conids of at most 500 others that are the same. */
export interface InstrumentDetail {
	conid: number;
	symbol: string;
	local_symbol: string;
	sec_type: string;
	currency: string;
	exchange: string;
	trading_class: string;
	multiplier: string;
	expiry: string;
	strike: string | null;
	right: string;
	description: string;
	isin: string;
	cusip: string;
	figi: string;
	underlying_conid: number | null;
	issuer: string;
	details_as_of: string | null;
	global_instrument_id: string | null;
	source: 'conid' | 'cusip' | 'figi' | 'isin' | 'manual' | 'symbol' | 'underlying' | null;
	confidence: string | null;
	review: 'cusip_contradicts_isin' | 'cusip_of_several' | 'figi_of_several' | 'identifier_invalid' | 'manual_contradicts' | 'symbol_of_several' | 'terms_of_several' | null;
	mapped_by: string | null;
	mapped_at: string | null;
	global_instrument: GlobalInstrument | null;
	same: number[];
	open_positions: Position[];
	closed_positions: number;
	realized_pnl: string | null;
	commission: string;
	unknown_positions: number;
	provisional: boolean;
	first_opened_at: string | null;
	last_closed_at: string | null;
	income: InstrumentIncome[];
	last_mark: InstrumentMark | null;
	freshness: Freshness;
}

/** What it paid (or, negative, what was kept back) in one currency, as statements tell of it. */
export interface InstrumentIncome {
	kind: 'bond_interest' | 'commission_adjustment' | 'conversion' | 'deposit' | 'dividend' | 'fee' | 'interest' | 'other' | 'payment_in_lieu' | 'tax' | 'transfer' | 'withdrawal' | 'withholding_tax';
	currency: string;
	amount: string;
	flows: number;
	last_at: string;
}

/** The last price that the broker told of it, as quoted. */
export interface InstrumentMark {
	price: string;
	as_of: string;
	age_seconds: number;
}

/** Instruments, by conid. */
export interface InstrumentPage {
	items: Instrument[];
	next_cursor: string | null;
	freshness: Freshness;
}

/** Something that a rule found, once however often it is found. */
export interface Issue {
	id: number;
	rule: string;
	severity: 'error' | 'review' | 'warning';
	status: 'acknowledged' | 'open' | 'resolved';
	account: string | null;
	subject: string;
	summary: string;
	details: Record<string, unknown>;
	about_at: string | null;
	first_seen: string;
	opened_at: string;
	last_seen: string;
	times_seen: number;
	reopened: number;
	resolved_at: string | null;
	magnitude: string | null;
	acknowledged_at: string | null;
	acknowledged_by: string | null;
	acknowledged_magnitude: string | null;
	note: string | null;
}

/** An issue with what its rule says to do about it, and when it was acknowledged before, last first. */
export interface IssueDetail {
	id: number;
	rule: string;
	severity: 'error' | 'review' | 'warning';
	status: 'acknowledged' | 'open' | 'resolved';
	account: string | null;
	subject: string;
	summary: string;
	details: Record<string, unknown>;
	about_at: string | null;
	first_seen: string;
	opened_at: string;
	last_seen: string;
	times_seen: number;
	reopened: number;
	resolved_at: string | null;
	magnitude: string | null;
	acknowledged_at: string | null;
	acknowledged_by: string | null;
	acknowledged_magnitude: string | null;
	note: string | null;
	remedy: string | null;
	acknowledged_before: EarlierAcknowledgement[];
	freshness: Freshness;
}

/** Issues, the one that opened last first. */
export interface IssuePage {
	items: Issue[];
	next_cursor: string | null;
	checked_at: string | null;
	freshness: Freshness;
}

/** Long work that was asked for. `progress` runs from 0 to 1 where it is known. */
export interface Job {
	id: string;
	kind: string;
	status: string;
	progress: string | null;
	error: string | null;
	result?: Record<string, unknown> | null;
}

/** The job to follow. */
export interface JobAnswer {
	job: Job;
}

/** Jobs, the one that was asked for last first. */
export interface JobPage {
	items: JobRecord[];
	next_cursor: string | null;
	freshness: Freshness;
}

/** A job with its times. */
export interface JobRecord {
	id: string;
	kind: string;
	status: string;
	progress: string | null;
	error: string | null;
	created_at: string;
	started_at: string | null;
	finished_at: string | null;
}

/** The topic does not show this key any more. */
export interface JobsDelete {
	op: 'delete';
	key: string;
}

/** What changed in the topic jobs with the frame `seq`. */
export interface JobsDelta {
	type: 'delta';
	topic: 'jobs';
	epoch: string;
	seq: number;
	prev_seq: number;
	ops: (JobsUpsert | JobsDelete)[];
	freshness: Freshness;
}

/** All rows of the topic jobs by key, after the frame `seq`. */
export interface JobsSnapshot {
	type: 'snapshot';
	topic: 'jobs';
	epoch: string;
	seq: number;
	data: Record<string, JobRecord>;
	freshness: Freshness;
}

/** The row under this key is this one now. */
export interface JobsUpsert {
	op: 'upsert';
	key: string;
	value: JobRecord;
}

/** The holding with the largest share. */
export interface LargestHolding {
	conid: number;
	symbol: string;
}

/** The links as the broker process last told; `complete` once this connection's resync ended well. */
export interface LinkReport {
	gateway: 'down' | 'unknown' | 'up';
	ibkr: 'down' | 'unknown' | 'up';
	reason: string | null;
	since: string | null;
	complete: boolean;
	state: 'connecting' | 'degraded' | 'disconnected' | 'fenced' | 'live' | 'needs_login' | 'syncing' | null;
	last_beat_at: string | null;
	last_message_at: string | null;
	clock_offset_seconds: number | null;
}

/** From us to the gateway, and from the gateway to IBKR. */
export interface Links {
	gateway: 'down' | 'unknown' | 'up';
	ibkr: 'down' | 'unknown' | 'up';
}

/** The link of one login, named by its gateway's `host:port`, and the accounts that it lists. */
export interface LoginReport {
	gateway: 'down' | 'unknown' | 'up';
	ibkr: 'down' | 'unknown' | 'up';
	reason: string | null;
	since: string | null;
	complete: boolean;
	state: 'connecting' | 'degraded' | 'disconnected' | 'fenced' | 'live' | 'needs_login' | 'syncing' | null;
	last_beat_at: string | null;
	last_message_at: string | null;
	clock_offset_seconds: number | null;
	login: string;
	accounts: string[];
}

/** What one fill opened (or, without `exec_id`, an adjustment), and what became of it. */
export interface Lot {
	seq: number;
	exec_id: string | null;
	opened_at: string;
	carried_at: string | null;
	quantity: string;
	remaining: string;
	price: string | null;
	unit_cost: string | null;
	commission: string;
	remaining_commission: string;
	provisional: boolean;
	disposals: LotDisposal[];
}

/** A lot, or a part of it, closed by one fill (or, without `exec_id`, by an adjustment). */
export interface LotDisposal {
	seq: number;
	exec_id: string | null;
	closed_at: string;
	holding_seconds: number;
	quantity: string;
	close_price: string | null;
	cost: string | null;
	proceeds: string | null;
	open_commission: string;
	close_commission: string;
	realized_pnl: string | null;
	provisional: boolean;
}

/** A position's lots, oldest first, and the averages of its whole life. */
export interface LotPage {
	average_entry_price: string | null;
	average_exit_price: string | null;
	max_quantity: string;
	holding_seconds: number;
	items: Lot[];
	next_cursor: string | null;
	freshness: Freshness;
}

/** An account that was measured: the currency of its rows, how many there are, and from when to when. */
export interface MeasuredAccount {
	account: string;
	currency: string | null;
	points: number;
	first_at: string | null;
	last_at: string | null;
}

/** What accounts together were worth, earned and risked. */
export interface Measures {
	accounts: MeasuredAccount[];
	group: string | null;
	resolution: 'day' | 'hour';
	currency: string | null;
	span: Span;
	data_quality: 'complete' | 'estimated' | 'incomplete';
	money: MoneyMeasures;
	returns: ReturnMeasures;
	drawdown: DrawdownMeasures;
	risk: RiskMeasures;
	benchmark: BenchmarkMeasures;
	days: DayOutcomeMeasures;
	closed_positions: PositionOutcomeMeasures;
	placement: PlacementMeasures;
	years: YearReturns[];
	freshness: Freshness;
}

/** What a client needs to begin. */
export interface Meta {
	name: 'lotkeeper';
	version: string;
	api_version: 'v1';
	schema: string;
	profile: 'demo' | 'main';
	server_time: string;
	server_time_zone: string;
	broker_time_zone: string;
	accounts: number;
	features: string[];
	topics: string[];
	limits: MetaLimits;
	links: MetaLinks;
	freshness: Freshness;
}

/** What one question may have at most. */
export interface MetaLimits {
	page_default: number;
	page_most: number;
	points_most: number;
	import_bytes: number;
	imports_at_once: number;
}

/** Where to go from here, on this server. */
export interface MetaLinks {
	openapi: string;
	asyncapi: string;
	stream: string;
	events: string;
	livez: string;
	readyz: string;
	metrics: string;
}

/** A fill that closed something (or, without `exec_id`, an adjustment), under each cost method. */
export interface MethodClosing {
	seq: number;
	type: 'adjusted' | 'closed' | 'corrected' | 'flipped' | 'increased' | 'opened' | 'reduced';
	executed_at: string;
	exec_id: string | null;
	quantity: string;
	price: string | null;
	methods: MethodFigure[];
}

/** A position's closings under every cost method, oldest first; the totals are those of all of them. */
export interface MethodComparison {
	position_id: string;
	method: 'average' | 'fifo' | 'hifo' | 'lifo';
	totals: MethodTotal[];
	items: MethodClosing[];
	next_cursor: string | null;
	freshness: Freshness;
}

/** A lot, or a part of it, that a cost method has a closing consume. */
export interface MethodDisposal {
	lot_seq: number;
	opened_at: string;
	quantity: string;
	open_price: string | null;
	cost: string | null;
	proceeds: string | null;
	open_commission: string;
	close_commission: string;
	realized_pnl: string | null;
	provisional: boolean;
}

/** What a closing realized under one cost method, disposal by disposal. */
export interface MethodFigure {
	method: 'average' | 'fifo' | 'hifo' | 'lifo';
	realized_pnl: string | null;
	difference_from_own: string | null;
	commission: string;
	provisional: boolean;
	disposals: MethodDisposal[];
}

/** What all closings of a position realized under one cost method; `closings` of them. */
export interface MethodTotal {
	method: 'average' | 'fifo' | 'hifo' | 'lifo';
	realized_pnl: string | null;
	difference_from_own: string | null;
	commission: string;
	closings: number;
	disposals: number;
	unknown_disposals: number;
	provisional: boolean;
}

/** Amounts in `currency`. What was gained is the change in value less what was contributed. */
export interface MoneyMeasures {
	start_value: Figure;
	end_value: Figure;
	net_contribution: Figure;
	gain: Figure;
	average_value: Figure;
}

/** The broker's own net liquidation, told nearest to the moment. */
export interface NearestValue {
	amount: string;
	as_of: string;
	source: 'last_known' | 'snapshot' | 'statement';
}

/** A password to have from now on. Whoever changes their own gives the one they have. */
export interface NewPassword {
	new_password: string;
	current_password?: string | null;
	keep_tokens?: boolean;
}

/** A token to make. Without `expires_at` and `days` it is good for a year; null: for ever. */
export interface NewToken {
	name: string;
	scope: 'admin' | 'read' | 'sync';
	accounts?: string[] | null;
	expires_at?: string | null;
	days?: number;
}

/** A user to make. */
export interface NewUser {
	name: string;
	password: string;
	scope: 'admin' | 'read' | 'sync';
	accounts: string[] | null;
}

/** The words of a note. */
export interface NoteText {
	body: string;
}

/** How many issues want attention, by how grave they are, and of how many somebody knows. */
export interface OpenIssues {
	error: number;
	warning: number;
	review: number;
	acknowledged: number;
}

/** A session that stands. `name` is whose it is, by `kind` as in `SessionInfo`. */
export interface OpenSession {
	id: number;
	name: string;
	kind: 'owner' | 'token' | 'user';
	current: boolean;
	address: string;
	created_at: string;
	last_seen_at: string;
	expires_at: string;
}

/** What an account was worth at the end of an hour or a day, and what it had earned. */
export interface Performance {
	account: string;
	resolution: 'day' | 'hour';
	ts: string;
	day: string;
	source: 'snapshot' | 'statement';
	currency: string | null;
	net_liquidation: string;
	total_cash: string | null;
	gross_position_value: string | null;
	daily_pnl: string | null;
	unrealized_pnl: string | null;
	realized_pnl: string | null;
	net_contribution: string | null;
	twr: string | null;
	drawdown: string | null;
	data_quality: 'complete' | 'estimated' | 'incomplete';
	import_id: number | null;
}

/** Performance, newest first. */
export interface PerformancePage {
	resolution: 'day' | 'hour';
	stretch_seconds: number | null;
	items: Performance[];
	next_cursor: string | null;
	freshness: Freshness;
}

/** How money is placed, as fractions. */
export interface PlacementMeasures {
	as_of: string | null;
	long_exposure: Figure;
	short_exposure: Figure;
	gross_exposure: Figure;
	net_exposure: Figure;
	concentration: Figure;
	largest_share: Figure;
	largest: LargestHolding | null;
	turnover: Figure;
	average_gross_exposure: Figure;
	average_cash_share: Figure;
	cash_drag: Figure;
}

/** What is held, as shares of net liquidation, by the newest snapshot of each account; as of the oldest. */
export interface PortfolioExposure {
	as_of: string | null;
	long: Figure;
	short: Figure;
	gross: Figure;
	net: Figure;
}

/** What accounts together were worth, point by point, oldest first, in `currency`. */
export interface PortfolioHistory {
	accounts: string[];
	group: string | null;
	resolution: 'day' | 'hour';
	currency: string | null;
	benchmark: string | null;
	span: Span;
	data_quality: 'complete' | 'estimated' | 'incomplete';
	points: HistoryPoint[];
	points_found: number;
	freshness: Freshness;
}

/** What accounts are worth together, in `base_currency`, and what of them wants attention. */
export interface PortfolioSummary {
	group: string | null;
	base_currency: string | null;
	net_liquidation: string | null;
	total_cash: string | null;
	gross_position_value: string | null;
	daily_pnl: string | null;
	unrealized_pnl: string | null;
	realized_pnl: string | null;
	win_rate: string | null;
	open_positions: number;
	total_trades: number;
	coverage: Coverage;
	exposure: PortfolioExposure;
	open_issues: OpenIssues;
	open_differences: number;
	acknowledged_differences: number;
	gaps: number;
	accounts: Summary[];
	freshness: Freshness;
}

/** One episode of one instrument in one account, from flat to flat. */
export interface Position {
	id: string;
	account: string;
	conid: number;
	symbol: string;
	local_symbol: string;
	description: string;
	sec_type: string;
	currency: string;
	multiplier: string;
	side: 'long' | 'short';
	status: 'closed' | 'open';
	quantity: string;
	average_cost: string | null;
	cost_basis: string | null;
	market_price: string | null;
	market_value: string | null;
	daily_pnl: string | null;
	unrealized_pnl: string | null;
	realized_pnl: string | null;
	commission: string;
	mark_as_of: string | null;
	opened_at: string;
	closed_at: string | null;
	holding_seconds: number;
	broker_quantity: string | null;
	reconciled: boolean;
	provisional: boolean;
	freshness: Freshness;
}

/** A position with what its own page shows beyond the row of a list. */
export interface PositionDetail {
	id: string;
	account: string;
	conid: number;
	symbol: string;
	local_symbol: string;
	description: string;
	sec_type: string;
	currency: string;
	multiplier: string;
	side: 'long' | 'short';
	status: 'closed' | 'open';
	quantity: string;
	average_cost: string | null;
	cost_basis: string | null;
	market_price: string | null;
	market_value: string | null;
	daily_pnl: string | null;
	unrealized_pnl: string | null;
	realized_pnl: string | null;
	commission: string;
	mark_as_of: string | null;
	opened_at: string;
	closed_at: string | null;
	holding_seconds: number;
	broker_quantity: string | null;
	reconciled: boolean;
	provisional: boolean;
	freshness: Freshness;
	average_entry_price: string | null;
	average_exit_price: string | null;
	max_quantity: string | null;
	cost_method: 'average' | 'fifo' | 'hifo' | 'lifo' | null;
	broker_average_cost: string | null;
	differences: PositionDifference[] | null;
}

/** Something in which ledger and broker do not agree, as `/reconciliations/differences` has it. */
export interface PositionDifference {
	id: number;
	kind: 'cost_mismatch' | 'missing_broker' | 'missing_local' | 'provisional' | 'quantity_mismatch';
	cause: 'corporate_action' | 'exercise_or_assignment' | 'expiry' | 'merger' | 'missed_executions' | 'opening_balance' | 'spin_off' | 'split' | 'symbol_change' | 'tender' | 'transfer' | 'unexplained' | null;
	inferred: boolean;
	ours: string | null;
	brokers: string | null;
	since: string;
	status: 'acknowledged' | 'open' | 'resolved';
	acknowledged_at: string | null;
	acknowledged_by: string | null;
	note: string | null;
}

/** One step of a position's life. `quantity` is the signed change. */
export interface PositionEvent {
	id: string;
	position_id: string;
	type: string;
	executed_at: string;
	quantity: string;
	price: string | null;
	position_after: string;
	realized_pnl: string | null;
	commission: string | null;
	exec_id: string | null;
	cause: string | null;
	inferred: boolean;
	replaced_quantity: string | null;
}

/** A position's events, oldest first. */
export interface PositionEventPage {
	items: PositionEvent[];
	next_cursor: string | null;
	freshness: Freshness;
}

/** What somebody wrote about a position. The last two are null of one as it was written. */
export interface PositionNote {
	id: number;
	position_id: string;
	body: string;
	author: string;
	written_at: string;
	changed_at: string | null;
	changed_by: string | null;
}

/** Notes of a position, newest first, and its tags. */
export interface PositionNotePage {
	items: PositionNote[];
	tags: string[];
	next_cursor: string | null;
}

/** How positions ended that were closed in that time (`GET /api/v1/statistics` has more). */
export interface PositionOutcomeMeasures {
	closed: number;
	decided: number;
	won: number;
	lost: number;
	currency: string | null;
	gross_profit: Figure;
	gross_loss: Figure;
	win_rate: Figure;
	profit_factor: Figure;
}

/** Positions, newest first. */
export interface PositionPage {
	items: Position[];
	next_cursor: string | null;
	freshness: Freshness;
}

/** Prices of a position's instrument, oldest first, while it was held. */
export interface PositionPrices {
	position_id: string;
	currency: string;
	since: string;
	until: string;
	stretch_seconds: number;
	items: Price[];
	freshness: Freshness;
}

/** The tags that a position has now, in their order. */
export interface PositionTags {
	tags: string[];
}

/** The topic does not show this key any more. */
export interface PositionsDelete {
	op: 'delete';
	key: string;
}

/** What changed in the topic positions with the frame `seq`. */
export interface PositionsDelta {
	type: 'delta';
	topic: 'positions';
	epoch: string;
	seq: number;
	prev_seq: number;
	ops: (PositionsUpsert | PositionsDelete)[];
	freshness: Freshness;
}

/** All rows of the topic positions by key, after the frame `seq`. */
export interface PositionsSnapshot {
	type: 'snapshot';
	topic: 'positions';
	epoch: string;
	seq: number;
	data: Record<string, Position>;
	freshness: Freshness;
}

/** The row under this key is this one now. */
export interface PositionsUpsert {
	op: 'upsert';
	key: string;
	value: Position;
}

/** What one unit was worth, as it is quoted, and when that was told. */
export interface Price {
	ts: string;
	price: string;
}

/** RFC 9457. `code` is stable; `detail` says what to do. `request_id` stands in the log as well. */
export interface Problem {
	type: string;
	title: string;
	status: number;
	detail: string;
	code: string;
	errors?: FieldError[];
	request_id?: string;
}

/** What one account realized in one currency, in one period or symbol. */
export interface Realized {
	key: string;
	account: string;
	currency: string;
	realized_pnl: string | null;
	commission: string;
	broker_realized_pnl: string | null;
	difference: string | null;
	realized_without_fill: string | null;
	disposals: number;
	disposals_without_fill: number;
	unknown_disposals: number;
	missing_broker_figures: number;
	provisional: boolean;
	method: 'average' | 'fifo' | 'hifo' | 'lifo' | null;
	difference_from_own: string | null;
}

/** A closing fill on which ours and the broker's realized figure differ by more than half a cent. */
export interface RealizedDifference {
	exec_id: string;
	account: string;
	conid: number;
	symbol: string;
	currency: string;
	executed_at: string;
	realized_pnl: string;
	broker_realized_pnl: string;
	difference: string;
	provisional: boolean;
	position_id: string;
}

/** Where ours and the broker's realized figures differ, newest first; the totals are of all pages. */
export interface RealizedDifferencePage {
	items: RealizedDifference[];
	totals: RealizedTotal[];
	next_cursor: string | null;
	freshness: Freshness;
}

/** Realized profit and loss: periods newest first, symbols in order. */
export interface RealizedPage {
	items: Realized[];
	next_cursor: string | null;
	freshness: Freshness;
}

/** Ours against the broker's over all closing fills in question of one account and currency. */
export interface RealizedTotal {
	account: string;
	currency: string;
	realized_pnl: string;
	broker_realized_pnl: string;
	difference: string;
	compared_fills: number;
	differing_fills: number;
	estimated_fills: number;
	missing_broker_figures: number;
	unknown_fills: number;
}

/** One comparison of an account with what the broker says is held. */
export interface Reconciliation {
	id: number;
	account: string;
	started_at: string;
	finished_at: string | null;
	trigger: string;
	checked: number;
	differences: number;
	counts: Record<string, number>;
}

/** Comparisons, newest first. */
export interface ReconciliationPage {
	items: Reconciliation[];
	compared_at: string | null;
	next_cursor: string | null;
	freshness: Freshness;
}

/** Each lets in once in the place of a code of the app. They are never told again. */
export interface RecoveryCodes {
	codes: string[];
}

/** What the client knows of the topic is void; a snapshot follows. */
export interface Reset {
	type: 'reset';
	topic: string;
	reason: string;
}

/** The deltas after `after_seq` follow. */
export interface Resumed {
	type: 'resumed';
	topic: string;
	epoch: string;
	after_seq: number;
	replayed: number;
	freshness: Freshness;
}

/** A return as a fraction: by the year where `is_annualised`, else of the whole time, under a year. */
export interface ReturnFigure {
	value: string | null;
	reason?: 'incomplete_data' | 'negative_capital' | 'no_benchmark' | 'no_holdings' | 'no_loss' | 'no_root' | 'no_snapshot' | 'no_variation' | 'nothing_closed' | 'out_of_range' | 'several_currencies' | 'several_roots' | 'too_few_points' | 'under_a_year' | null;
	is_annualised?: boolean | null;
}

/** Returns, as fractions. */
export interface ReturnMeasures {
	time_weighted: Figure;
	annualised: ReturnFigure;
	money_weighted: ReturnFigure;
	modified_dietz: Figure;
	best_day: DayFigure;
	worst_day: DayFigure;
	positive_days: Figure;
}

/** Ratios by the year, of the series' own periods; `risk_free` is the annual rate that was asked for. */
export interface RiskMeasures {
	risk_free: string;
	volatility: Figure;
	downside_deviation: Figure;
	sharpe_ratio: Figure;
	sortino_ratio: Figure;
	calmar_ratio: Figure;
}

/** A rule, what to do about what it finds, and when it was last looked at. */
export interface RuleInfo {
	name: string;
	title: string;
	severity: 'error' | 'review' | 'warning';
	checks: string;
	tolerances: RuleTolerance[];
	magnitude: string | null;
	magnitude_kind: 'amount' | 'count' | 'share' | 'time' | null;
	worse: string | null;
	remedy: string;
	checked_at: string | null;
	since: string | null;
	seconds: string | null;
	found: number | null;
	is_cut: boolean;
	error: string | null;
}

/** All rules. */
export interface RulePage {
	items: RuleInfo[];
	next_cursor: string | null;
	freshness: Freshness;
}

/** A rule and how it stands: `ok` where its last look came to an end and nothing wants attention. */
export interface RuleState {
	name: string;
	title: string;
	severity: 'error' | 'review' | 'warning';
	ok: boolean;
	open: number;
	acknowledged: number;
	oldest: string | null;
	checked_at: string | null;
	seconds: string | null;
	found: number | null;
	error: string | null;
}

/** How far something may be off: `value` is a number, or a time as `5 min`. */
export interface RuleTolerance {
	name: string;
	value: string;
	meaning: string;
}

/** Who is asking, and what is answering. `accounts` are those they may see, null: all. */
export interface SessionInfo {
	authenticated: boolean;
	profile: string;
	version: string;
	name: string;
	kind: 'owner' | 'token' | 'user';
	scope: 'admin' | 'read' | 'sync';
	accounts: string[] | null;
}

/** Sessions, newest first. */
export interface SessionPage {
	items: OpenSession[];
	next_cursor: string | null;
}

/** A setting of this process, as it was when it began. */
export interface Setting {
	name: string;
	variable: string;
	meaning: string;
	value: string | number | boolean | string[] | null;
	default: string | number | boolean | string[] | null;
	source: 'default' | 'environment' | 'file' | 'given';
	secret: boolean;
	is_set: boolean;
}

/** What is set, and where. Nothing of it can be changed over the API: it holds from start to end. */
export interface SettingsReport {
	items: Setting[];
	accounts: AccountSettings[];
	freshness: Freshness;
}

/** Whether there is no user yet. */
export interface SetupState {
	needed: boolean;
}

/** What an account was worth at `asof_ts`, the broker's time of `net_liquidation`. */
export interface Snapshot {
	id: number;
	run_id: number;
	account: string;
	hour: string | null;
	asof_ts: string;
	taken_at: string;
	net_liquidation: string;
	total_cash: string | null;
	gross_position_value: string | null;
	base_currency: string;
	coverage: string;
	source: 'ibkr';
	payload_sha256: string | null;
	thinned_at?: string | null;
}

/** Cash in one currency; `BASE_SUMMARY` is all of it, in the base currency. */
export interface SnapshotCash {
	currency: string;
	cash: string;
	at: string;
}

/** A snapshot with all that belongs to it; null: that is not kept any more, see `thinned_at`. */
export interface SnapshotDetail {
	id: number;
	run_id: number;
	account: string;
	hour: string | null;
	asof_ts: string;
	taken_at: string;
	net_liquidation: string;
	total_cash: string | null;
	gross_position_value: string | null;
	base_currency: string;
	coverage: string;
	source: 'ibkr';
	payload_sha256: string | null;
	thinned_at?: string | null;
	positions: SnapshotPosition[] | null;
	rates: SnapshotRate[];
	cash: SnapshotCash[];
	freshness: Freshness;
}

/** Why an account has no snapshot of a run. */
export interface SnapshotFailure {
	account: string;
	category: 'auth' | 'database' | 'network' | 'parsing' | 'rate_limit' | 'validation';
	reason: string;
}

/** Hours in a row of which an account has no snapshot, for one `reason`: `first` to `last`. */
export interface SnapshotGap {
	account: string;
	first: string;
	last: string;
	hours: number;
	reason: string;
}

/** Gaps of the time from `since` until `until`, newest first. */
export interface SnapshotGapPage {
	items: SnapshotGap[];
	next_cursor: string | null;
	since: string;
	until: string;
	freshness: Freshness;
}

/** Snapshots, newest first. */
export interface SnapshotPage {
	items: Snapshot[];
	next_cursor: string | null;
	freshness: Freshness;
}

/** What was held of an instrument, as the broker told it, and what it was worth. */
export interface SnapshotPosition {
	conid: number;
	symbol: string;
	sec_type: string;
	quantity: string;
	average_cost: string | null;
	currency: string;
	mark_price: string | null;
	mark_as_of: string | null;
	fresh: boolean;
	market_value: string | null;
	fx_rate: string | null;
	market_value_base: string | null;
	unrealized_pnl: string | null;
	daily_pnl: string | null;
	market_open: boolean | null;
}

/** What one unit of `currency` was worth in `into_currency`, as the broker had told it `at`. */
export interface SnapshotRate {
	currency: string;
	into_currency: string;
	rate: string;
	at: string;
}

/** An attempt to take snapshots, of an `hour` or for who asked; of one `account`, or of all. */
export interface SnapshotRun {
	id: number;
	trigger: 'api' | 'cli' | 'hourly';
	hour: string | null;
	account: string | null;
	job_id: string | null;
	status: 'fail' | 'partial' | 'running' | 'success';
	attempts: number;
	taken: number;
	failures: SnapshotFailure[];
	error_category: 'auth' | 'database' | 'network' | 'parsing' | 'rate_limit' | 'validation' | null;
	summary: string;
	schema_version: string;
	app_version: string;
	started_at: string;
	finished_at: string | null;
}

/** Runs, newest first. */
export interface SnapshotRunPage {
	items: SnapshotRun[];
	next_cursor: string | null;
	freshness: Freshness;
}

/** The time that the figures are about: from the first value to the last. */
export interface Span {
	first_at: string | null;
	last_at: string | null;
	points: number;
	days: string;
	unknown_since: string | null;
}

/** What an imported file states of one account, and of which of the broker's days. */
export interface Statement {
	import_id: number;
	account: string;
	kind: 'csv' | 'flex';
	name: string;
	trigger: string;
	first_day: string;
	last_day: string;
	days: number;
	complete: boolean;
	generated_at: string;
	imported_at: string;
	differences: number;
}

/** Of which days the `statements` of an account tell all executions, and between which they do not. */
export interface StatementCoverage {
	account: string;
	statements: number;
	first_day: string | null;
	last_day: string | null;
	days_covered: number;
	gaps_found: number;
	gaps: StatementGap[];
}

/** Coverage by account. */
export interface StatementCoveragePage {
	items: StatementCoverage[];
	next_cursor: string | null;
	freshness: Freshness;
}

/** A figure of a statement that is not the one that the ledger comes to. */
export interface StatementDifference {
	id: string;
	account: string;
	day: string;
	kind: 'cash' | 'change' | 'contribution' | 'cost' | 'lot' | 'quantity' | 'realized' | 'trade' | 'twr' | 'value';
	cause: 'awaited_commission' | 'contradiction' | 'converted_commission' | 'corporate_action' | 'cost_method' | 'flow_convention' | 'futures_settlement' | 'holdings_differ' | 'missing_opening' | 'missing_rate' | 'not_covered' | 'not_itemized' | 'opening_balance' | 'return_of_capital' | 'told_otherwise' | 'unexplained' | 'unknown_cost';
	conid: number | null;
	symbol: string | null;
	currency: string;
	reference: string;
	ours: string | null;
	stated: string;
	difference: string | null;
	import_id: number;
	line: number;
	found_at: string;
}

/** Differences from statements, newest day first. */
export interface StatementDifferencePage {
	items: StatementDifference[];
	compared_at: string | null;
	next_cursor: string | null;
	freshness: Freshness;
}

/** Days of which no statement tells, though others tell of days before and after; not weekends alone. */
export interface StatementGap {
	first_day: string;
	last_day: string;
	days: number;
}

/** Statements, the one that ends last first. */
export interface StatementPage {
	items: Statement[];
	next_cursor: string | null;
	freshness: Freshness;
}

/** How the closed positions of one account in one currency ended, by account, symbol or period. */
export interface Statistics {
	key: string;
	account: string;
	currency: string;
	closed: number;
	decided: number;
	won: number;
	lost: number;
	even: number;
	unknown: number;
	provisional: number;
	win_rate: string | null;
	gross_profit: string;
	gross_loss: string;
	profit_factor: string | null;
	average_win: string | null;
	average_loss: string | null;
	largest_win: string | null;
	largest_loss: string | null;
	expectancy: string | null;
	realized_pnl: string | null;
	commission: string;
	average_holding_seconds: number;
	average_winner_holding_seconds: number | null;
	average_loser_holding_seconds: number | null;
}

/** Statistics of closed positions: periods newest first, accounts and symbols in order. */
export interface StatisticsPage {
	items: Statistics[];
	next_cursor: string | null;
	freshness: Freshness;
}

/** The links, or what follows from them, changed. `state` is the link's own; null while it is silent. */
export interface Status {
	type: 'status';
	links: Links;
	state: 'connecting' | 'degraded' | 'disconnected' | 'fenced' | 'live' | 'needs_login' | 'syncing' | null;
	since: string | null;
	reason: string | null;
	freshness: Freshness;
	server_time: string;
}

/** A message of the client could not be followed. */
export interface StreamError {
	type: 'error';
	code: string;
	detail: string;
	topic?: string;
}

/** A stream's length and readers. */
export interface StreamReport {
	name: string;
	length_entries: number;
	last_id: string;
	groups: GroupReport[];
}

/** Asks for topics; a topic asked for again starts again. */
export interface Subscribe {
	type: 'subscribe';
	topics: Subscription[];
}

/** A topic, and where to go on from after a reconnect. */
export interface Subscription {
	topic: string;
	epoch?: string | null;
	after_seq?: number | null;
}

/** What an account is worth, in its base currency. */
export interface Summary {
	account: string;
	base_currency: string | null;
	net_liquidation: string | null;
	total_cash: string | null;
	gross_position_value: string | null;
	daily_pnl: string | null;
	unrealized_pnl: string | null;
	realized_pnl: string | null;
	win_rate: string | null;
	open_positions: number;
	total_trades: number;
	coverage: Coverage;
	freshness: Freshness;
}

/** The topic does not show this key any more. */
export interface SummaryDelete {
	op: 'delete';
	key: string;
}

/** What changed in the topic summary with the frame `seq`. */
export interface SummaryDelta {
	type: 'delta';
	topic: 'summary';
	epoch: string;
	seq: number;
	prev_seq: number;
	ops: (SummaryUpsert | SummaryDelete)[];
	freshness: Freshness;
}

/** All rows of the topic summary by key, after the frame `seq`. */
export interface SummarySnapshot {
	type: 'snapshot';
	topic: 'summary';
	epoch: string;
	seq: number;
	data: Record<string, Summary>;
	freshness: Freshness;
}

/** The row under this key is this one now. */
export interface SummaryUpsert {
	op: 'upsert';
	key: string;
	value: Summary;
}

/** A part of the time, with the worst that was in it, and why. */
export interface SyncBar {
	start: string;
	end: string;
	status: 'interrupted' | 'missing' | 'ok' | 'unknown';
	reasons: string[];
}

/** The topic does not show this key any more. */
export interface SyncDelete {
	op: 'delete';
	key: string;
}

/** What changed in the topic sync with the frame `seq`. */
export interface SyncDelta {
	type: 'delta';
	topic: 'sync';
	epoch: string;
	seq: number;
	prev_seq: number;
	ops: (SyncUpsert | SyncDelete)[];
	freshness: Freshness;
}

/** Whether data came, bar by bar, oldest first; the last bar is not over yet. */
export interface SyncHistory {
	range: '24h' | '7d' | '90d';
	items: SyncBar[];
	relogin_at: string;
	freshness: Freshness;
}

/** A row of the topic `sync`: one of these, as `GET /api/v1/sync` has it. */
export interface SyncPart {
	links?: LinkReport | null;
	dataset?: DatasetReport | null;
	stream?: StreamReport | null;
	outbox_entries?: number | null;
	jobs_due?: DueReport | null;
}

/** Why the data is as fresh as it is. `streams` is null while Redis is away. */
export interface SyncReport {
	links: LinkReport;
	logins: LoginReport[];
	datasets: DatasetReport[];
	gaps: GapReport[];
	streams: StreamReport[] | null;
	outbox_entries: number;
	dead_facts: DeadReport[];
	jobs: JobRecord[];
	jobs_due: DueReport;
	last_errors: ErrorReport[];
	freshness: Freshness;
}

/** All rows of the topic sync by key, after the frame `seq`. */
export interface SyncSnapshot {
	type: 'snapshot';
	topic: 'sync';
	epoch: string;
	seq: number;
	data: Record<string, SyncPart>;
	freshness: Freshness;
}

/** The row under this key is this one now. */
export interface SyncUpsert {
	op: 'upsert';
	key: string;
	value: SyncPart;
}

/** A tag, and how many positions have it. */
export interface Tag {
	name: string;
	positions: number;
}

/** Tags that positions have, by their names. */
export interface TagPage {
	items: Tag[];
	next_cursor: string | null;
}

/** One tag. */
export interface TagText {
	tag: string;
}

/** An API token. `user` made it, and bounds what it may; null: the instance's owner did. */
export interface Token {
	id: number;
	name: string;
	prefix: string;
	scope: 'admin' | 'read' | 'sync';
	accounts: string[] | null;
	user: string | null;
	created_at: string;
	expires_at: string | null;
	last_used_at: string | null;
}

/** A fresh token, and its secret, which is never told again. */
export interface TokenMade {
	secret: string;
	token: Token;
}

/** API tokens, newest first. */
export interface TokenPage {
	items: Token[];
	next_cursor: string | null;
}

/** How far the linked return was below its highest so far: a fraction, never above zero. */
export interface UnderwaterPoint {
	at: string;
	drawdown: string;
}

/** Ends topics. */
export interface Unsubscribe {
	type: 'unsubscribe';
	topics: string[];
}

/** Somebody who signs in by name. */
export interface User {
	name: string;
	scope: 'admin' | 'read' | 'sync';
	accounts: string[] | null;
	created_at: string;
	password_changed_at: string;
	disabled_at: string | null;
	second_factor: boolean;
}

/** What of a user is to be otherwise; what is left out stays. */
export interface UserChange {
	scope?: 'admin' | 'read' | 'sync';
	accounts?: string[] | null;
	disabled?: boolean;
}

/** Users, newest first. */
export interface UserPage {
	items: User[];
	next_cursor: string | null;
}

/** How what is kept stands to the rules. `ok`: each rule was looked at, and no error wants attention. */
export interface Validation {
	ok: boolean;
	checked_at: string | null;
	open: OpenIssues;
	rules: RuleState[];
	job: Job | null;
	freshness: Freshness;
}

/** Cash in one currency, as it was told nearest to the moment. */
export interface ValuationCash {
	currency: string;
	amount: string;
	as_of: string;
	source: 'last_known' | 'snapshot' | 'statement';
}

/** How many `positions` have a value in the base currency. */
export interface ValuationCoverage {
	positions: number;
	valued: number;
	share: string;
}

/** What accounts were worth at `as_of`. */
export interface ValuationReport {
	as_of: string;
	items: AccountValuation[];
	freshness: Freshness;
}

/** What the ledger held of an instrument at the moment, and what that was worth at the nearest mark. */
export interface ValuedPosition {
	position_id: string;
	conid: number;
	symbol: string;
	sec_type: string;
	currency: string;
	quantity: string;
	average_cost: string | null;
	cost_basis: string | null;
	mark_price: string | null;
	mark_as_of: string | null;
	mark_age_seconds: number | null;
	mark_source: 'last_known' | 'snapshot' | 'statement' | null;
	mark_restated: boolean;
	market_value: string | null;
	fx_rate: string | null;
	fx_as_of: string | null;
	market_value_base: string | null;
	unrealized_pnl: string | null;
	counted: string | null;
}

/** What the twelve months of a year returned, and what is known of the year. */
export interface YearReturns {
	year: number;
	months: Figure[];
	whole: Figure;
}

/** The rows of each topic of the stream. */
export interface TopicRows {
	positions: Position;
	summary: Summary;
	executions: Execution;
	sync: SyncPart;
	jobs: JobRecord;
}

/** What the server says on the stream. */
export type ServerMessage =
	| Hello
	| Resumed
	| Reset
	| Heartbeat
	| Status
	| StreamError
	| Bye
	| PositionsSnapshot
	| PositionsDelta
	| SummarySnapshot
	| SummaryDelta
	| ExecutionsSnapshot
	| ExecutionsDelta
	| SyncSnapshot
	| SyncDelta
	| JobsSnapshot
	| JobsDelta;

/** What a client may say on the stream. */
export type ClientMessage =
	| Authenticate
	| Subscribe
	| Unsubscribe;
