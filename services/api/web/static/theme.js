// Runs before the first paint, so that a chosen theme never flashes the other one.
(function () {
	try {
		var theme = localStorage.getItem('lotkeeper.theme');
		if (theme === '"dark"' || theme === '"light"') {
			document.documentElement.dataset.theme = JSON.parse(theme);
		}
		var pnl = localStorage.getItem('lotkeeper.palette');
		if (pnl === '"blue"' || pnl === '"ink"') document.documentElement.dataset.pnl = JSON.parse(pnl);
	} catch {
		// Storage may be switched off: the system's theme applies.
	}
})();
