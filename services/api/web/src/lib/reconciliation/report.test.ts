import { expect, it } from 'vitest';
import { periodSaid } from './report.ts';

it('tells a period by the days of the broker, the last of them included', () => {
	const year = { account: 'U1', starts_at: '2026-01-01T05:00:00Z', ends_at: '2027-01-01T05:00:00Z', complete: true };
	expect(periodSaid(year, 'en-GB')).toBe('1 Jan 2026 to 31 Dec 2026');
});
