"""A run as it is asked for, and as the store keeps it until it is driven, and again after every crash."""

import base64
import json
from collections.abc import Mapping
from dataclasses import field, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from runner.engine.inputs import Inputs
from runner.engine.job import Job, Keep, default_parallel
from runner.engine.specs import Placed, Source
from runner.errors import InfrastructureError
from runner.naming import Address
from runner.pipelinectl.saved import Saved
from runner.plan import codec
from runner.plan.model import Plan
from runner.plan.trigger import Trigger
from runner.records import record
from runner.workspace.git.spec import SourceSpec

_VERSION: Final = 1


@record
class Clone:
    """A repository, and where in the workspace its tree lies."""

    target: str
    source: SourceSpec


@record
class Tree:
    """What a run works on: a repository at a commit, else a directory of this machine, else nothing.

    ``beside`` are further repositories. One whose address is a path of this machine is the directory of a run.
    """

    repository: SourceSpec | None = None
    directory: str = ""
    beside: tuple[Clone, ...] = ()


@record
class _Given:
    """What any order is given. ``secrets`` are values by name."""

    inputs: Inputs = field(default_factory=Inputs)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def confidential(self) -> dict[str, str]:
        """All that is secret of it, by name."""
        return {**self.inputs.secure, **self.secrets}


@record
class Order(_Given):
    """A run as it is asked for; all is as in ``Job``.

    Without ``artifacts`` those of the steps are kept in the folder of the run; so are the values at the start of its
    stages, if they are to be ``saved``. ``tree`` says how the same source is had again; ``handed`` is as in
    ``StoredOrder``.
    """

    plan: Plan
    source: Source | None = None
    beside: tuple[Placed, ...] = ()
    tree: Tree = field(default_factory=Tree)
    handed: bool = False
    max_parallel: int = field(default_factory=default_parallel)
    keep: Keep = Keep.NEVER
    export: Path | None = None
    artifacts: Path | None = None
    values: bool = False
    saved: bool = False
    resumable: bool = False
    inherited: Mapping[str, Address] = field(default_factory=dict)
    restored: Saved = field(default_factory=Saved)
    began: datetime | None = None

    def stored(self) -> "StoredOrder":
        """Return it as its async stages are made from it, and reruns."""
        return StoredOrder(
            plan=self.plan,
            tree=self.tree,
            inputs=self.inputs,
            secrets=self.secrets,
            max_parallel=self.max_parallel,
            handed=self.handed,
        )

    def job(
        self,
        run: str,
        *,
        grace: float = 0.0,
        prestart: bool = True,
        artifacts: Path | None = None,
        saves: Path | None = None,
    ) -> Job:
        """Return it as what a driver is given."""
        return Job(
            id=run,
            plan=self.plan,
            source=self.source,
            beside=self.beside,
            secrets=self.secrets,
            inputs=self.inputs,
            max_parallel=self.max_parallel,
            grace=grace,
            prestart=prestart,
            keep=self.keep,
            export=self.export,
            artifacts=artifacts,
            values=self.values,
            saves=saves,
            resumable=self.resumable,
            inherited=self.inherited,
            restored=self.restored,
            began=self.began,
        )


@record
class Place:
    """The trees of a run, which are there: ``source`` and ``beside`` as in ``RunSpec``."""

    source: Source | None = None
    beside: tuple[Placed, ...] = ()


@record
class StoredOrder(_Given):
    """A run of a daemon. ``plan`` is unfolded; ``inherited`` as in ``Job``.

    A rerun from a stage begins with values that are saved in its folder (``restored``), an async stage with those that
    it was ``handed`` with its payload. Its secrets, the secure properties among them, are kept apart from the rest,
    sealed.
    """

    plan: Plan
    tree: Tree = field(default_factory=Tree)
    max_parallel: int = field(default_factory=default_parallel)
    inherited: Mapping[str, Address] = field(default_factory=dict)
    restored: bool = False
    handed: bool = False

    def document(self) -> str:
        """Return all but the secrets, as JSON."""
        inputs = self.inputs
        return json.dumps(
            {
                "version": _VERSION,
                "plan": codec.to_document(self.plan),
                "tree": codec.encode(self.tree),
                "properties": dict(inputs.properties),
                "kind": inputs.kind,
                "file": inputs.file,
                "payload": base64.b64encode(inputs.payload).decode(),
                "hook": inputs.hook,
                "trigger": codec.encode(inputs.trigger),
                "max_parallel": self.max_parallel,
                "inherited": codec.encode(self.inherited),
                "restored": self.restored,
                "handed": self.handed,
                "confidential": sorted(self.confidential),
            }
        )

    def hidden(self) -> str:
        """Return the secrets, as JSON, for a vault."""
        return json.dumps({"secrets": dict(self.secrets), "secure": dict(self.inputs.secure)})

    @classmethod
    def read_open(cls, document: str) -> tuple["StoredOrder", tuple[str, ...]]:
        """Return what ``document`` has been made from, without secrets, and the names of these.

        Raises:
            InfrastructureError: it is damaged, or of another version.
        """
        order = cls.read(document, json.dumps({"secrets": {}, "secure": {}}))
        return order, tuple(json.loads(document).get("confidential", ()))

    @classmethod
    def read(cls, document: str, hidden: str) -> "StoredOrder":
        """Return what ``document`` and ``hidden`` have been made from.

        Raises:
            InfrastructureError: they are damaged, or of another version.
        """
        try:
            found, secret = json.loads(document), json.loads(hidden)
            if found["version"] != _VERSION:
                raise InfrastructureError(f"this run was stored by another version of runner ({found['version']})")
            return cls(
                plan=codec.from_document(found["plan"]),
                tree=codec.decode(Tree, found["tree"]),
                inputs=Inputs(
                    properties=found["properties"],
                    secure=secret["secure"],
                    kind=found["kind"],
                    file=found["file"],
                    payload=base64.b64decode(found["payload"]),
                    hook=found.get("hook", ""),
                    trigger=codec.decode(Trigger, found["trigger"]),
                ),
                secrets=secret["secrets"],
                max_parallel=found["max_parallel"],
                inherited={name: codec.decode(Address, each) for name, each in found["inherited"].items()},
                restored=found["restored"],
                handed=found.get("handed", False),
            )
        except (ValueError, LookupError, TypeError) as error:
            raise InfrastructureError(f"a stored run cannot be read: {error!r}", hint="it is damaged") from error

    def order(self, place: Place, restored: Saved, began: datetime | None = None) -> Order:
        """Return the run as a daemon drives it, on trees that are there: what failed is kept, and what is paused."""
        if self.handed:
            from runner.pipelinectl.payload import read_payload  # noqa: PLC0415 - most runs are handed nothing

            handed = read_payload(self.inputs.payload, most=None)
            restored = replace(restored, values={**handed.store(), **restored.values})
        return Order(
            plan=self.plan,
            source=place.source,
            beside=place.beside,
            tree=self.tree,
            handed=self.handed,
            secrets=self.secrets,
            inputs=self.inputs,
            max_parallel=self.max_parallel,
            keep=Keep.FAILED,
            values=True,
            saved=True,
            resumable=True,
            inherited=self.inherited,
            restored=restored,
            began=began,
        )


def with_secrets(order: StoredOrder, secrets: Mapping[str, str]) -> StoredOrder:
    """Return an order with these secrets: for the steps that ask for them, and for all steps those that none asks for.

    Whether a pipeline asks for one is told by its name, in which the case of letters means nothing, as in ``exec``.
    """
    known = {name.casefold() for name in order.plan.secrets}
    secure = {name: value for name, value in secrets.items() if name.casefold() not in known}
    return replace(order, secrets=secrets, inputs=replace(order.inputs, secure=secure))
