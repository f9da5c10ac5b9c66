"""The HTTP interface of the daemon: thin over ``dispatch``."""
