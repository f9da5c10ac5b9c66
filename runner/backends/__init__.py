"""Implementations of ``engine.backend``: ``docker`` makes real containers, ``fake`` pretends."""
