"""The ``runner`` command: thin, each command in a module of its own that is imported when it is asked for."""
