/** Why a measure cannot be told, and how each is reckoned: in words. */

const REASONS: Record<string, string> = {
	incomplete_data: 'some values of this time are not known',
	negative_capital: 'nothing was left to earn on',
	no_benchmark: 'no benchmark is chosen',
	no_holdings: 'nothing was held',
	no_loss: 'there was no loss to divide by',
	no_root: 'no rate explains these flows',
	no_snapshot: 'there is no snapshot yet',
	no_variation: 'it did not move',
	nothing_closed: 'nothing was closed',
	out_of_range: 'it is too large to tell',
	several_currencies: 'it is in several currencies',
	several_roots: 'several rates explain these flows',
	too_few_points: 'there are too few values',
	under_a_year: 'the time is shorter than a year'
};

export function reasonWord(reason: string | null | undefined): string {
	return reason ? (REASONS[reason] ?? reason.replaceAll('_', ' ')) : '';
}
