"""What will run, as plain data: no I/O, no YAML, no Docker."""
