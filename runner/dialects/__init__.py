"""Text to plan: what a user wrote, in one of three dialects, becomes a ``plan.model.Plan``.

``source`` is the only loader of YAML and JSON: bounded, with a place for every node. ``vela`` (also our native
dialect), ``ibm`` and ``metalus`` each compile its tree into a plan; none of them imports another.
"""
