"""The order of an async stage: made from that of the run whose steps ask for it, and from what they hand over.

It is a run of its own of the same pipeline, with one stage. It works on fresh trees of the repositories at their
commits, and knows the values that were handed over; of what its parent has made nothing is there.
"""

import posixpath
from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Final

from runner.dispatch.orders import Clone, StoredOrder, Tree
from runner.engine.inputs import DEBUG, Inputs
from runner.errors import NotFoundError, UsageError, quoted
from runner.naming import ORIGINS
from runner.pipelinectl.payload import Configuration, Payload, is_stage_name
from runner.plan.model import Plan, Stage
from runner.settings import PROTOCOLS
from runner.workspace.git.locations import locate, shown
from runner.workspace.git.spec import SourceSpec
from runner.workspace.local import has_commit

HOOK: Final = "Subpipeline Webhook Trigger"
"""What IBM calls the trigger of async stages ("Updating the async stage webhooks"); ``TRIGGER_NAME`` in them."""

_LONGEST_NAME: Final = 255
"""Bytes of the name of a file, at most."""


def offspring(order: StoredOrder, payload: Payload, parameters: Mapping[str, str] | None = None) -> StoredOrder:
    """Return the order of an async stage. ``parameters`` are those of the hook.

    What is wrong with what it is given becomes the fault of its stage, so that whoever looks for the run finds why.

    Raises:
        NotFoundError: the pipeline has no such async stage.
    """
    stage = declared(order.plan, payload.stage)
    payload = _without_logins(payload)
    inputs, tree, fault = _inputs(order, payload, parameters or {}), Tree(), stage.fault
    try:
        inputs.check(replace(order.plan, stages=(stage,), async_stages=()))
        tree = _tree(order, payload)
    except UsageError as error:
        fault = fault or error.message
    return replace(
        order,
        plan=_plan(order.plan, replace(stage, fault=fault)),
        tree=tree,
        inputs=inputs,
        inherited={},
        restored=False,
        handed=True,
    )


def declared(plan: Plan, name: str) -> Stage:
    """Return an async stage of a plan.

    Raises:
        NotFoundError: there is none of that name; the hint says which there are.
    """
    found = next((stage for stage in plan.async_stages if stage.name == name), None)
    if found is None or not is_stage_name(name):
        there = ", ".join(stage.name for stage in plan.async_stages if is_stage_name(stage.name))
        raise NotFoundError(f"there is no async stage {quoted(name)}", hint=f"there are {there}" if there else "")
    return found


def completed(payload: Payload, order: StoredOrder, parent: str) -> Payload:
    """Return what the steps of a run hand over, with what the run itself adds to it.

    That is also what came to it as a parameter of its trigger, if it was marked.
    """
    inputs = order.inputs
    repository, parameters = inputs.trigger.repository, inputs.trigger.parameters
    return replace(
        payload,
        values={**{key: parameters[key] for key in payload.marked if key in parameters}, **payload.values},
        marked=(),
        debug=inputs.debug,
        name=repository.name,
        kind=inputs.kind,
        configuration=Configuration(url=repository.clone, commit=inputs.trigger.commit.sha, path=inputs.file),
        parent=parent,
    )


def _inputs(order: StoredOrder, payload: Payload, parameters: Mapping[str, str]) -> Inputs:
    """Return what an async stage is given: the properties of its parent, and the parameters of the hook."""
    debug = {DEBUG: "1" if payload.debug else "0"} if payload.debug or DEBUG in order.inputs.properties else {}
    return replace(
        order.inputs,
        properties={**order.inputs.properties, **debug},
        payload=payload.document().encode("utf-8", "backslashreplace"),
        hook=HOOK,
        trigger=replace(order.inputs.trigger, parameters=dict(parameters)),
    )


def _without_logins(payload: Payload) -> Payload:
    """Return a payload, which will be stored and shown, without what is secret in addresses; git has its own logins."""
    repositories = {key: dict(properties) for key, properties in payload.repositories.items()}
    for properties in repositories.values():
        if url := properties.get("url"):
            try:
                location = locate(url, PROTOCOLS)
            except UsageError:
                properties["url"] = shown(url)  # nobody can fetch it, which is told where it is used
            else:
                properties["url"] = location.url if location.user or location.password else url
    return replace(payload, repositories=repositories)


def _plan(plan: Plan, stage: Stage) -> Plan:
    """Return a plan of one stage, and what fetches its secrets; the pipeline's services and async stages stay."""
    origins = tuple(each for each in plan.stages if each.name == ORIGINS)
    needs = tuple(each.name for each in origins)
    own = replace(stage, async_=False, needs=needs)
    # What only the stages of the graph need would be a service for all, once these are gone.
    theirs = {name for each in plan.stages for name in each.services}
    ours = {name for each in plan.async_stages for name in each.services}
    services = tuple(each for each in plan.services if each.name not in theirs - ours)
    return replace(plan, stages=(*origins, own), services=services, pruned=(), warnings=(), undefined=())


def _tree(order: StoredOrder, payload: Payload) -> Tree:
    """Return what an async stage works on: the pipeline's own repository, and those that were registered.

    Raises:
        UsageError: one of them cannot be had, or would lie outside of the workspace.
    """
    plan, here = order.plan, own_commit(order)
    clones: dict[str, SourceSpec] = {}
    for key, properties in payload.repositories.items():
        target = _target(plan.home, key, properties)
        spec = _spec(order, here, properties, own=target == plan.workdir)
        if spec is None:
            continue
        if clones.setdefault(target, spec) != spec:
            raise UsageError(f"two repositories are registered at {target}, one of them as {quoted(key)}")
    own = clones.pop(plan.workdir, here)
    beside = tuple(Clone(target=target, source=spec) for target, spec in clones.items())
    return Tree(repository=own, directory=order.tree.directory if own is None else "", beside=beside)


def own_commit(order: StoredOrder) -> SourceSpec | None:
    """Return the pipeline's own repository at the commit of the run; None where it works on no commit."""
    commit = order.inputs.trigger.commit.sha
    if order.tree.repository is not None or not commit:
        return order.tree.repository
    known = bool(order.tree.directory) and has_commit(order.tree.directory, commit)
    return SourceSpec(url=order.tree.directory, commit=commit) if known else None


def _spec(
    order: StoredOrder, here: SourceSpec | None, properties: Mapping[str, str], *, own: bool
) -> SourceSpec | None:
    """Return what is wanted of a registered repository; None for one that no address is known of."""
    url, commit, ref = properties.get("url", ""), properties.get("commit", ""), properties.get("branch", "")
    if here is not None and url in ("", order.inputs.trigger.repository.clone) and (own or url):
        if not commit or commit == here.commit:
            return here
        if order.tree.repository is not None or has_commit(order.tree.directory, commit):
            return replace(here, commit=commit)
    if url.startswith("/"):
        url = f"file://{url}"  # without a protocol it would be the directory of the run (``Tree``)
    return SourceSpec(url=url, commit=commit, ref=ref) if url else None


def _target(home: str, key: str, properties: Mapping[str, str]) -> str:
    """Return where a registered repository lies: its ``path`` from the top of the workspace, else its name.

    Raises:
        UsageError: that is outside of the workspace, or no directory can have this name.
    """
    name = properties.get("url", "").rstrip("/").rpartition("/")[2].removesuffix(".git")
    path = properties.get("path") or name or key
    target = posixpath.normpath(posixpath.join(home, path))
    if not PurePosixPath(target).is_relative_to(home):
        raise UsageError(f"repository {quoted(key)}: its path {quoted(path)} leads out of the workspace {home}")
    if "\0" in target or any(len(part.encode("utf-8", "surrogatepass")) > _LONGEST_NAME for part in target.split("/")):
        raise UsageError(f"repository {quoted(key)}: no directory can have its path {quoted(path)}")
    return target
