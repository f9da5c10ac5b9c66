"""What is kept of runs: journals, logs, locks."""
