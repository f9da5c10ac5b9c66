"""What the daemon remembers, in SQLite or PostgreSQL: runs and their journals, pipelines, properties and secrets."""
