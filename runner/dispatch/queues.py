"""Whose turn it is: limits of queues, priorities, and fairness between pipelines."""

from collections import Counter
from collections.abc import Iterable, Mapping

from runner.store.sql.runs import Waiting


def chosen(waiting: Iterable[Waiting], going: Iterable[Waiting], limits: Mapping[str, int]) -> list[Waiting]:
    """Return the runs that may begin now, in the order in which they should.

    ``limits`` says how many of a queue may go on at a time; of one that is not named there, as settings no longer know
    it, that is one.
    """
    queues = Counter(run.queue for run in going)
    pipelines = Counter((run.queue, run.pipeline) for run in going)
    left: dict[tuple[str, str], list[Waiting]] = {}
    for run in sorted(
        (run for run in waiting if not run.cancelled), key=lambda run: (-run.priority, run.number), reverse=True
    ):
        left.setdefault((run.queue, run.pipeline), []).append(run)
    found: list[Waiting] = []

    def rank(key: tuple[str, str]) -> tuple[int, int, int]:
        first = left[key][-1]
        return -first.priority, pipelines[key], first.number

    while open_ := [key for key in left if queues[key[0]] < limits.get(key[0], 1)]:
        key = min(open_, key=rank)
        found.append(left[key].pop())
        if not left[key]:
            del left[key]
        queues[key[0]] += 1
        pipelines[key] += 1
    return found
