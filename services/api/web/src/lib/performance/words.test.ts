import { expect, it } from 'vitest';
import openapi from '../../../../../../docs/reference/openapi.json';
import { reasonWord } from './words';

it('has words for every reason that the server may give', () => {
	const reasons = openapi.components.schemas.Figure.properties.reason.anyOf.flatMap((one) => ('enum' in one ? (one.enum ?? []) : []));
	expect(reasons.length).toBeGreaterThan(10);
	for (const reason of reasons) expect(reasonWord(reason)).not.toBe(String(reason).replaceAll('_', ' '));
	expect([reasonWord(null), reasonWord('a_new_one')]).toEqual(['', 'a new one']);
});
