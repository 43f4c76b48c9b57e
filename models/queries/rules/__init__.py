"""Rules that what is kept has to obey: each an object with its name, severity, tolerances and remedy."""
