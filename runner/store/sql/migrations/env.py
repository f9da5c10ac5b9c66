"""What Alembic runs to migrate: on the connection, and in the transaction, that ``upgrade`` gives it."""

from alembic import context

# Alembic knows that SQLite can undo changes of the schema only if it is told.
context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
context.run_migrations()
