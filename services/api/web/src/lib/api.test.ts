import { expect, it } from 'vitest';
import { Api } from './api';

it('reads the events of a position to the last page', async () => {
	const asked: string[] = [];
	const pages = [
		{ items: [{ id: 'p:1' }, { id: 'p:2' }], next_cursor: 'a+b' },
		{ items: [{ id: 'p:3' }], next_cursor: null }
	];
	const api = new Api(undefined, (input) => {
		asked.push(String(input));
		return Promise.resolve(Response.json(pages[asked.length - 1]));
	});
	expect((await api.events('p')).map((event) => event.id)).toEqual(['p:1', 'p:2', 'p:3']);
	expect(asked).toEqual([
		'/api/v1/positions/p/events?limit=500',
		'/api/v1/positions/p/events?limit=500&cursor=a%2Bb'
	]);
});
