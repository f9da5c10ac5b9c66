"""Events and lines as JSON objects: ``--output events`` prints them, and the daemon sends them to whoever follows.

Each has ``event``: ``status`` (an address enters a status), ``log`` (complete lines of a step), ``pull``, ``notice``;
over the wire also ``printing`` (an address is about to print).
"""

from datetime import datetime
from typing import Any

from runner.dispatch.feed import Item, Lines
from runner.engine.backend import PullProgress
from runner.engine.events import Changed, Notice, Printing, Pulling
from runner.engine.journal import Entry
from runner.errors import InfrastructureError
from runner.logs.follow import Block
from runner.logs.index import Stream
from runner.logs.lines import decode
from runner.naming import Address
from runner.plan.status import Status

Document = dict[str, str | int | float | None]


def document(item: Item) -> Document:
    """Return an item as JSON data."""
    match item:
        case Lines(address, block):
            stream, time = block.stream.name.lower(), block.time.isoformat(timespec="microseconds")
            text = decode(block.data)
            return {"event": "log", **_address(address), "log": block.log, "stream": stream, "time": time, "text": text}
        case Changed(entry):
            return {
                "event": "status",
                **_address(entry.address),
                "status": entry.status,
                "exit_code": entry.exit_code,
                "reason": entry.reason,
                "at": round(entry.at, 3),
                **({} if entry.branches is None else {"branches": entry.branches}),
            }
        case Notice(text, address):
            return {"event": "notice", **(_address(address) if address else {}), "text": text}
        case Pulling(progress):
            done: Document = {"current": progress.current, "total": progress.total}
            return {"event": "pull", "image": progress.image, "text": progress.text, **done}
        case Printing(where, log):
            return {"event": "printing", **_address(where), "log": log}


def item(document: dict[str, Any]) -> Item:
    """Return what ``document`` has made a document of.

    Raises:
        InfrastructureError: it is none.
    """
    try:
        return _READ[document["event"]](document)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise InfrastructureError(
            f"the daemon has sent something that means nothing here: {error!r}",
            hint="are its version and that of this command the same?",
        ) from error


def _address(address: Address) -> Document:
    return {
        "run": address.run,
        "stage": address.stage,
        "step": address.step,
        "round": address.round,
        "attempt": address.attempt,
    }


def _read_address(told: dict[str, Any]) -> Address:
    return Address(told["run"], told["stage"], told["step"], told["round"], told["attempt"])


def _read_lines(told: dict[str, Any]) -> Item:
    data = told["text"].encode("utf-8", "surrogateescape")
    stream, time = Stream[told["stream"].upper()], datetime.fromisoformat(told["time"])
    return Lines(_read_address(told), Block(log=told["log"], stream=stream, time=time, data=data))


def _read_status(told: dict[str, Any]) -> Item:
    entry = Entry(
        address=_read_address(told),
        status=Status(told["status"]),
        at=told["at"],
        exit_code=told["exit_code"],
        reason=told["reason"],
        branches=told.get("branches"),
    )
    return Changed(entry)


def _read_notice(told: dict[str, Any]) -> Item:
    return Notice(told["text"], _read_address(told) if "run" in told else None)


def _read_pull(told: dict[str, Any]) -> Item:
    return Pulling(PullProgress(image=told["image"], text=told["text"], current=told["current"], total=told["total"]))


def _read_printing(told: dict[str, Any]) -> Item:
    return Printing(_read_address(told), told["log"])


_READ = {
    "log": _read_lines,
    "status": _read_status,
    "notice": _read_notice,
    "pull": _read_pull,
    "printing": _read_printing,
}
