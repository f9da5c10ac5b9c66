import json
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.dispatch.orders import Clone, Order, Place, StoredOrder, Tree, with_secrets
from runner.engine.inputs import Inputs
from runner.engine.job import Keep
from runner.engine.specs import Placed, Source
from runner.errors import ExitCode, InfrastructureError
from runner.naming import Address
from runner.pipelinectl.saved import Saved
from runner.plan.model import Facts, Plan, SecretUse, Service
from runner.plan.trigger import Commit, PullRequest, Repository, Trigger
from runner.plan.uses import secrets_of
from runner.workspace.git.spec import SourceSpec
from tests.support.plans import plan, service, stage, step, steps_only

TEXTS = st.text(st.sampled_from('aé\n"\\\0€😀\ud800'), max_size=4)
"""Any text, half surrogate pairs too: a payload or a command line can bring them."""
WORDS = st.text(st.sampled_from("abA-_.@{}$%"), min_size=1, max_size=6)
MAPS = st.dictionaries(TEXTS, TEXTS, max_size=3)
SECRETS = st.dictionaries(WORDS, st.text(st.sampled_from("QXZ"), min_size=8, max_size=12), max_size=2)
"""Values that stand in nothing else."""

STAGES = st.builds(
    stage,
    WORDS,
    st.builds(step, WORDS, st.integers(0, 9), text=WORDS, status=st.lists(st.just("failure"), max_size=1)),
    needs=st.lists(WORDS, max_size=2).map(tuple),
    independent=st.booleans(),
    timeout=st.none() | st.floats(0.5, 1e6),
    retry=st.integers(0, 3),
)
PLANS = st.lists(STAGES, max_size=2).map(lambda stages: plan(*stages))
SOURCES = st.builds(
    SourceSpec,
    url=TEXTS,
    commit=st.sampled_from(["", "0badcafe", "f" * 40]),
    ref=st.sampled_from(["", "main", "refs/pull/1/head"]),
    history=st.booleans(),
    submodules=st.booleans(),
)
TREES = st.builds(
    Tree,
    repository=st.none() | SOURCES,
    directory=TEXTS,
    beside=st.lists(st.builds(Clone, target=TEXTS, source=SOURCES), max_size=2).map(tuple),
)
TRIGGERS = st.builds(
    Trigger,
    facts=st.builds(Facts, branch=TEXTS, event=TEXTS, path=st.lists(TEXTS, max_size=2).map(tuple)),
    ref=TEXTS,
    commit=st.builds(Commit, sha=TEXTS, message=TEXTS),
    repository=st.builds(Repository, name=TEXTS),
    pull_request=st.none() | st.builds(PullRequest, number=TEXTS, fork=st.booleans()),
    parameters=MAPS,
    environment=MAPS,
    kind=TEXTS,
    properties=MAPS,
)
ORDERS = st.builds(
    StoredOrder,
    plan=PLANS,
    tree=TREES,
    inputs=st.builds(
        Inputs,
        properties=MAPS,
        secure=SECRETS,
        kind=TEXTS,
        file=TEXTS,
        payload=st.binary(max_size=8),
        hook=TEXTS,
        trigger=TRIGGERS,
    ),
    secrets=SECRETS,
    max_parallel=st.integers(1, 64),
    inherited=st.dictionaries(TEXTS, st.builds(Address, run=TEXTS, stage=TEXTS, round=st.integers(1, 3)), max_size=2),
    restored=st.booleans(),
    handed=st.booleans(),
)


@given(ORDERS)
def test_what_is_stored_is_what_was_ordered(order: StoredOrder) -> None:
    assert StoredOrder.read(order.document(), order.hidden()) == order


@given(ORDERS)
def test_no_secret_stands_in_the_document(order: StoredOrder) -> None:
    document = order.document()

    for value in order.confidential.values():
        assert value not in document
        assert value not in repr(order)


@pytest.mark.parametrize("of", [StoredOrder, Tree, Clone, Inputs, SourceSpec, Address, Trigger])
def test_every_field_of_what_is_stored_is_in_the_round_trip(of: type) -> None:
    """A field that comes later has its default in the orders above: then it must be added there."""
    told = {
        StoredOrder: {"plan", "tree", "inputs", "secrets", "max_parallel", "inherited", "restored", "handed"},
        Tree: {"repository", "directory", "beside"},
        Clone: {"target", "source"},
        Inputs: {"properties", "secure", "kind", "file", "payload", "hook", "trigger"},
        SourceSpec: {"url", "commit", "ref", "history", "submodules"},
        Address: {"run", "stage", "step", "round", "attempt"},
        Trigger: {
            "facts", "ref", "commit", "repository", "pull_request", "deployment", "parameters", "environment", "kind",
            "properties",
        },
    }  # fmt: skip

    assert {field.name for field in fields(of)} == told[of]


def test_an_order_of_another_version_is_refused_by_name() -> None:
    order = StoredOrder(plan=steps_only(step("a")))
    document = json.dumps({**json.loads(order.document()), "version": 99})

    with pytest.raises(InfrastructureError, match="another version of runner \\(99\\)") as caught:
        StoredOrder.read(document, order.hidden())
    assert caught.value.exit_code is ExitCode.INFRASTRUCTURE


@pytest.mark.parametrize("document", ["", "[]", "{}", '{"version": 1}', '{"version": 1, "plan": {}}'])
def test_a_damaged_order_is_an_error_that_says_so(document: str) -> None:
    with pytest.raises(InfrastructureError, match=r"cannot be read|not the document"):
        StoredOrder.read(document, '{"secrets": {}, "secure": {}}')


def test_damaged_secrets_are_an_error_that_shows_none() -> None:
    order = StoredOrder(plan=steps_only(step("a")), secrets={"TOKEN": "hunter2"})

    with pytest.raises(InfrastructureError) as caught:
        StoredOrder.read(order.document(), order.hidden()[:-3])
    assert "hunter2" not in caught.value.explained


def test_a_stored_order_is_driven_with_all_that_it_has_and_keeps_what_fails(tmp_path: Path) -> None:
    stored = StoredOrder(
        plan=steps_only(step("a")),
        inputs=Inputs(properties={"a": "1"}, secure={"b": "2222"}),
        secrets={"TOKEN": "hunter2"},
        max_parallel=3,
        inherited={"s": Address("older", "s")},
        restored=True,
    )
    place = Place(source=Source(path=tmp_path), beside=(Placed(path=tmp_path / "b", target="/vela/b"),))
    restored = Saved(values={"x": b"1"})

    order = stored.order(place, restored)
    job = order.job("0badcafe", grace=2.5, artifacts=tmp_path / "a", saves=tmp_path / "s")

    assert (order.keep, order.values, order.saved, order.confidential) == (Keep.FAILED, True, True, stored.confidential)
    assert (job.id, job.plan, job.source, job.beside, job.secrets, job.inputs) == (
        "0badcafe", stored.plan, place.source, place.beside, stored.secrets, stored.inputs
    )  # fmt: skip
    assert (job.max_parallel, job.grace, job.keep, job.inherited, job.restored) == (
        3, 2.5, Keep.FAILED, stored.inherited, restored
    )  # fmt: skip
    assert (job.artifacts, job.saves, job.values, job.export) == (tmp_path / "a", tmp_path / "s", True, None)


def test_only_secrets_that_a_step_or_a_plugin_uses_are_asked_for_each_once() -> None:
    used = (SecretUse(source="TOKEN", target="A"), SecretUse(source="TOKEN", target="B"))
    found = replace(
        steps_only(step("a", secrets=used)),
        origins=(step("vault", secrets=(SecretUse(source="VAULT", target="V"),)),),
        secrets=("TOKEN", "UNUSED", "VAULT"),
    )

    assert secrets_of(found) == ("VAULT", "TOKEN")


@pytest.mark.parametrize(
    ("names", "secure"),
    [
        pytest.param(("TOKEN",), {"other": "2222"}, id="as it is written"),
        pytest.param(("token",), {"other": "2222"}, id="in other letters"),
        pytest.param((), {"TOKEN": "1111", "other": "2222"}, id="not asked for"),
    ],
)
def test_a_secret_that_no_step_asks_for_is_a_secure_property_of_all(
    names: tuple[str, ...], secure: Mapping[str, str]
) -> None:
    given = {"TOKEN": "1111", "other": "2222"}

    found = with_secrets(StoredOrder(plan=replace(steps_only(step("a")), secrets=names)), given)

    assert (found.secrets, found.inputs.secure) == (given, secure)


def test_an_order_holds_its_secrets_and_secure_properties_as_one() -> None:
    of = plan(stage("s", step("a")), services=[service("db")])
    order = Order(plan=of, secrets={"a": "1", "b": "2"}, inputs=Inputs(secure={"b": "older", "c": "3"}))

    assert order.confidential == {"a": "1", "b": "2", "c": "3"}
    assert isinstance(order.plan.services[0], Service)
    assert isinstance(of, Plan)
