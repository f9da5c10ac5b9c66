"""Vela's pipelines, which are also our native ones, compiled into plans.

``keys`` says which keys there are, ``fields`` and ``environment`` read values, ``rulesets``, ``secrets``, ``steps`` and
``stages`` the parts of a file, ``prune`` decides what of it runs, and ``compiler`` puts it together.
"""
