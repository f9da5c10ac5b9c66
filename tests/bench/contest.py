"""All runners at the same work, in the same rounds."""

import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from tests.bench.peers import Job, Peer
from tests.bench.pipelines import LINE, write
from tests.bench.results import Entry
from tests.bench.running import BenchError, Finished, Place, run

Run = Callable[[Sequence[str], Place], Finished]


def entries(peers: Sequence[Peer], rounds: int, place: Place, running: Run = run) -> Iterator[Entry]:
    """Let each runner do each job that it can do, and yield what it took.

    One that fails is told with its failure, and does not take part in further rounds of that job.
    """
    places = {peer.name: prepared(peer, place) for peer in peers}
    for job in Job:
        able = [peer for peer in peers if job in peer.commands]
        taken = {peer.name: Entry(job=job, peer=peer.name, seconds=()) for peer in able}
        for _ in range(rounds):
            for peer in able:
                if not taken[peer.name].failure:
                    taken[peer.name] = _with_one_more(taken[peer.name], peer, places[peer.name], running)
        yield from taken.values()


def prepared(peer: Peer, place: Place) -> Place:
    """Give a runner a repository with its files, of one commit."""
    folder = place.folder / "peers" / peer.name.replace(" ", "-")
    folder.mkdir(parents=True)
    write(folder, peer.files)
    who = ("-c", "user.name=bench", "-c", "user.email=bench@example.com")
    for arguments in (
        ("init", "--quiet", "--initial-branch", "main"),
        ("remote", "add", "origin", "https://example.com/bench/bench.git"),
        ("add", "--all"),
        (*who, "commit", "--quiet", "--allow-empty", "--message", "the work"),
    ):
        subprocess.run(("git", *arguments), cwd=folder, check=True, capture_output=True)
    return replace(place, folder=folder)


def arrived(printed: Path) -> int:
    """Count the lines that a runner has passed on, whatever stands before each; not a trace of the command."""
    with printed.open("rb") as lines:
        return _count(lines)


def _count(lines: Iterable[bytes]) -> int:
    payload = LINE.encode()
    return sum(line.rstrip().endswith(payload) and b"yes " not in line for line in lines)


def _with_one_more(entry: Entry, peer: Peer, place: Place, running: Run) -> Entry:
    try:
        finished = running(peer.commands[Job(entry.job)], place)
    except BenchError as error:
        return replace(entry, failure=str(error))
    lines = entry.lines
    if entry.job == Job.LOG:
        came = arrived(finished.printed)
        lines = came if lines is None else min(lines, came)
    return replace(entry, seconds=(*entry.seconds, finished.seconds), lines=lines)
