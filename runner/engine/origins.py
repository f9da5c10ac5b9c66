"""Steps that fetch secrets before anything else runs: a stage of their own, which every other stage stands on."""

from dataclasses import replace

from runner.naming import ORIGINS
from runner.plan.model import Plan, Ruleset, Stage


def unfold(plan: Plan) -> Plan:
    """Return a plan whose origins are its first stage, ``ORIGINS``, needed by all others.

    So layers, journal, report and recovery treat them as the steps of any stage. It is done once, where a run is made:
    what stores, drives and reports it must see the same stages. A plan without origins comes back as it is.

    They run one after the other, and the first that fails ends the run: neither rules nor ``continue`` are looked at
    any more (``executor/linux/secret.go`` of go-vela/worker).
    """
    if not plan.origins:
        return plan
    origins = Stage(name=ORIGINS, steps=tuple(replace(step, ruleset=Ruleset()) for step in plan.origins))
    others = (replace(stage, needs=(ORIGINS, *stage.needs)) for stage in plan.stages)
    return replace(plan, stages=(origins, *others), origins=())
