// Everything is drawn in the browser: the server only hands out files and JSON.
export const ssr = false;
export const prerender = false;
