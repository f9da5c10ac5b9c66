import re
from dataclasses import replace
from itertools import combinations

import pytest

from runner import naming
from runner.naming import SERVICES, Address, Instance

WHO = Instance(id="i1", kind="exec", host="here", owner="me", lock="/state/i1.lock")
STEP = Address("0badcafe", "build", "compile", round=2, attempt=3)
ODD = ["a", "A", "a b", "a/b", "a_b", "ä", "", ".", "..", "-rf", "a\nb", "x" * 300, "x" * 299 + "y", "\udcff", SERVICES]


def test_a_run_id_is_eight_hexadecimal_digits_and_a_new_one_each_time() -> None:
    ids = {naming.new_run_id() for _ in range(100)}

    assert len(ids) == 100
    assert all(re.fullmatch("[0-9a-f]{8}", run) for run in ids)


def test_the_stage_around_a_step_keeps_its_round() -> None:
    assert STEP.of_stage() == Address("0badcafe", "build", round=2)


@pytest.mark.parametrize(
    ("address", "path", "text"),
    [
        (STEP, "build/compile", "build/compile (2.3)"),
        (STEP.of_stage(), "build", "build (2.1)"),
        (Address("0badcafe"), "", "0badcafe (1.1)"),
    ],
)
def test_an_address_is_told_as_people_read_it(address: Address, path: str, text: str) -> None:
    assert (address.path, str(address)) == (path, text)


def test_an_object_of_a_step_carries_every_label() -> None:
    assert naming.labels(WHO, STEP, "step") == {
        "io.runner.instance": "i1",
        "io.runner.kind": "exec",
        "io.runner.host": "here",
        "io.runner.owner": "me",
        "io.runner.lock": "/state/i1.lock",
        "io.runner.run": "0badcafe",
        "io.runner.role": "step",
        "io.runner.stage": "build",
        "io.runner.step": "compile",
        "io.runner.attempt": "2.3",
    }


def test_an_object_of_a_run_carries_no_label_of_a_stage() -> None:
    found = naming.labels(WHO, Address("0badcafe"), "network")

    assert not {naming.LABEL_STAGE, naming.LABEL_STEP, naming.LABEL_ATTEMPT} & found.keys()


def test_volumes_of_attempts_are_told_apart() -> None:
    steps = [STEP, replace(STEP, attempt=4), replace(STEP, round=1), replace(STEP, step="x"), replace(STEP, stage="x")]
    names = {naming.of_attempt(step, "p") for step in steps}

    assert len(names) == len(steps)
    assert all(re.fullmatch("r0badcafe[a-z2-7]{8}p", name) for name in names)
    assert naming.of_attempt(STEP, "p") == naming.of_attempt(replace(STEP), "p")


def test_a_container_is_named_so_that_people_find_it() -> None:
    assert re.fullmatch(r"runner-0badcafe-build-compile-2\.3-[0-9a-f]{6}", naming.container(STEP))


def test_the_name_of_a_container_can_be_found_again() -> None:
    assert naming.container(STEP) == naming.container(Address("0badcafe", "build", "compile", round=2, attempt=3))


@pytest.mark.parametrize("stage", ODD)
@pytest.mark.parametrize("step", ODD)
def test_odd_names_make_names_that_engines_and_file_systems_take(stage: str, step: str) -> None:
    address = Address("0badcafe", stage, step)

    assert re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{1,127}", naming.container(address))
    assert re.fullmatch(r"[a-zA-Z0-9_.-]{1,127}", naming.log(address))
    assert naming.log(address) not in (".", "..")


@pytest.mark.parametrize("name", [naming.container, naming.log])
def test_addresses_that_differ_have_names_that_differ(name: object) -> None:
    assert callable(name)
    addresses = [Address("r", stage, step) for stage in ODD for step in ODD if step]
    addresses += [Address("r", "a", "a", round=n, attempt=m) for n, m in ((1, 2), (2, 1), (1, 12), (11, 2))]

    assert not [(a, b) for a, b in combinations(addresses, 2) if name(a) == name(b)]


def test_names_do_not_mix_up_where_a_stage_ends_and_a_step_begins() -> None:
    assert naming.container(Address("r", "a-b", "c")) != naming.container(Address("r", "a", "b-c"))


def test_what_a_run_shares_is_named_after_it() -> None:
    assert naming.network("0badcafe") == "runner-0badcafe"
    assert naming.sandbox("0badcafe", 2) == "runner-0badcafe-sandbox-2"
    assert naming.volume("0badcafe", "w1") == "r0badcafew1"


def test_the_volumes_of_a_stage_have_short_names_that_tell_stages_and_rounds_apart() -> None:
    stages = [Address("0badcafe", stage, round=n) for stage in ODD for n in (1, 2)]

    names = {naming.layer(stage, what) for stage in stages for what in "uw"}

    assert len(names) == 2 * len(stages)
    assert all(re.fullmatch("r0badcafe[a-z2-7]{8}[uw]", name) for name in names)


def test_every_attempt_of_a_stages_steps_shares_its_volumes() -> None:
    assert naming.layer(STEP.of_stage(), "u") == naming.layer(Address("0badcafe", "build", round=2), "u")


def test_a_cache_is_named_by_whose_it_is_and_by_its_key_and_path() -> None:
    others = [replace(WHO, kind="daemon"), replace(WHO, host="there"), replace(WHO, owner="you")]
    names = {
        naming.cache_volume(WHO, "npm", "/a"),
        naming.cache_volume(WHO, "npm", "/b"),
        naming.cache_volume(WHO, "go", "/a"),
        *(naming.cache_volume(other, "npm", "/a") for other in others),
    }

    assert len(names) == 6
    assert all(re.fullmatch("runner-cache-[a-z2-7]{16}", name) for name in names)
    assert naming.cache_volume(replace(WHO, id="i2", lock="/another"), "npm", "/a") in names


def test_a_cache_carries_no_label_of_a_run_or_a_process() -> None:
    assert naming.cache_labels(WHO, "npm", "/a") == {
        "io.runner.kind": "exec",
        "io.runner.host": "here",
        "io.runner.owner": "me",
        "io.runner.role": "cache",
        "io.runner.cache": "npm at /a",
    }


@pytest.mark.parametrize(
    ("name", "expected"),
    [("unit tests", "unit tests"), ("a/b", "a%2Fb"), ("..", "..%~5ec1f7"), ("@secrets", "%40secrets")],
)
def test_a_file_is_named_readably_and_never_leads_elsewhere(name: str, expected: str) -> None:
    assert naming.file_name(name) == expected


@pytest.mark.parametrize("name", ["", ".", "..", "x" * 300, "x" * 300 + "y", "/", "\0", "\ud800", "a%2Fb", "a/b"])
def test_a_file_name_is_one_part_of_a_path_that_any_file_system_takes(name: str) -> None:
    found = naming.file_name(name)

    assert found not in ("", ".", "..")
    assert "/" not in found
    assert len(found.encode()) < 255


def test_different_names_make_different_file_names() -> None:
    names = ["", ".", "..", "x" * 300, "x" * 300 + "y", "/", "%2F", "a b", "a%20b"]

    assert len({naming.file_name(name) for name in names}) == len(names)


def test_the_commands_of_steps_are_named_by_whose_they_are_and_by_their_version() -> None:
    others = (replace(WHO, kind="daemon"), replace(WHO, host="there"), replace(WHO, owner="1"))
    names = {
        naming.shim_volume(WHO, "a"),
        naming.shim_volume(WHO, "b"),
        *(naming.shim_volume(other, "a") for other in others),
    }

    assert len(names) == 5
    assert all(re.fullmatch("runner-shim-[a-z2-7]{16}", name) for name in names)
    assert naming.shim_volume(replace(WHO, id="i2", lock="/another"), "a") in names


def test_the_commands_of_steps_carry_no_label_of_a_run_or_a_process() -> None:
    labels = naming.shim_labels(WHO, "0123")

    assert (labels["io.runner.role"], labels["io.runner.shim"]) == ("shim", "0123")
    assert not {"io.runner.run", "io.runner.instance", "io.runner.lock"} & set(labels)


def test_the_common_network_is_named_by_whose_it_is_and_belongs_to_no_run_or_process() -> None:
    others = [replace(WHO, kind="exec2"), replace(WHO, host="h2"), replace(WHO, owner="o2")]
    names = {naming.common_network(who) for who in (WHO, *others)}

    assert len(names) == 4
    assert naming.common_network(replace(WHO, id="i2", lock="/another")) in names
    assert naming.common_labels(WHO) == {
        naming.LABEL_KIND: WHO.kind,
        naming.LABEL_HOST: WHO.host,
        naming.LABEL_OWNER: WHO.owner,
        naming.LABEL_ROLE: naming.COMMON,
    }
