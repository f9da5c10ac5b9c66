"""The daemon is killed with many runs in flight; how soon are all of them driven again, and is anything missing?

With ``--all`` there are fifty, else a few.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.fleet import killed
from tests.support.lives import lives_in

RUNS, SAMPLE = 50, 5
MUST = 10.0
"""Seconds from the start of the daemon until all runs are driven again."""


@pytest.mark.timeout(900)
def test_all_runs_are_driven_again_soon_after_the_daemon_was_killed(
    tmp_path: Path, request: pytest.FixtureRequest, tell: Callable[[str], None]
) -> None:
    count = RUNS if request.config.option.all else SAMPLE
    with lives_in(tmp_path, RUNNER_QUEUES=f"default={count}") as lives:
        fleet, seen = killed(lives, count)
        tell(f"{count} runs begun in {seen.begun:.1f} s, {seen.idle:.0f} MB idle, {seen.each:.2f} MB for each; killed,")
        tell(f"answers after {seen.answered:.1f} s, half are driven after {seen.half:.1f}, all after {seen.last:.1f} s")
        fleet.end()
        complaints, code, left = fleet.complaints(), lives.end(), lives.objects()

    assert (complaints, code, left) == ([], 0, [])
    assert seen.last <= MUST
