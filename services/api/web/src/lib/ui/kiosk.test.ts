import { describe, expect, it } from 'vitest';
import { nextTurn } from './kiosk';

describe('nextTurn', () => {
	it('goes round, and begins at the overview from anywhere else', () => {
		expect(nextTurn('/', 30)).toBe('/positions?kiosk=30');
		expect(nextTurn('/positions', 30)).toBe('/performance?kiosk=30');
		expect(nextTurn('/performance', 30)).toBe('/?kiosk=30');
		expect(nextTurn('/sync', 5)).toBe('/?kiosk=5');
		expect(nextTurn('/', 5, 'U1')).toBe('/positions?kiosk=5&account=U1');
	});
});
