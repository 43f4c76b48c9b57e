/** Hands a file in. `fetch` tells nothing of how much is sent, so this is an XMLHttpRequest. */
import { ApiError, Unreachable } from '#lib/api.ts';
import type { Job } from '#lib/contract.ts';

export function handIn(file: File, options: { dryRun: boolean; key: string; onsent: (share: number) => void }): Promise<Job> {
	return new Promise((resolve, reject) => {
		const request = new XMLHttpRequest();
		request.open('POST', `/api/v1/imports?${new URLSearchParams({ name: file.name, dry_run: String(options.dryRun) })}`);
		request.setRequestHeader('content-type', file.name.toLowerCase().endsWith('.csv') ? 'text/csv' : 'application/xml');
		request.setRequestHeader('idempotency-key', options.key);
		request.upload.onprogress = (event) => event.lengthComputable && options.onsent(event.loaded / event.total);
		request.onerror = () => reject(new Unreachable('Lotkeeper does not answer.'));
		request.onload = () => {
			let answer: { job?: Job; detail?: string; title?: string; code?: string } = {};
			try {
				answer = JSON.parse(request.responseText);
			} catch {
				// Not ours: a proxy's page, say.
			}
			if (request.status === 202 && answer.job) resolve(answer.job);
			else reject(new ApiError(request.status, answer.code ?? '', answer.detail ?? answer.title ?? `The server answered ${request.status}.`));
		};
		request.send(file);
	});
}
