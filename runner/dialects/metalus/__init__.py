"""Metalus' applications, with containers as steps, compiled into plans.

A document has executions, which form a graph, and pipelines, of which each execution runs some. ``keys`` says which
keys there are, ``steps`` and ``pipelines`` read what runs, ``values`` what it knows, ``executions`` when it runs;
``checks`` judges all of them together, and ``compiler`` makes the plan.
"""
