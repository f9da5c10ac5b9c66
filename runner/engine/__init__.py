"""How a plan runs: scheduling, attempts, cancelling. Knows no YAML, no SQL, no Docker."""
