import pytest

from runner.backends.docker.helper import Helpers
from runner.backends.docker.ownership import Root, root_for, set_roots
from runner.backends.docker.sources import Base
from runner.backends.docker.volumes import Volume
from tests.support.stub_engine import stub_engine
from tests.support.workspaces import INSTANCE, SANDBOX

USERS_SOURCE = Base(path="/home/user/project", mode=0o755, uid=1000, gid=1000)


def test_without_a_source_the_root_is_what_the_engine_makes() -> None:
    assert root_for(None, ()) == Root(mode=0o755, uid=0, gid=0)


def test_the_root_is_like_that_of_the_source() -> None:
    assert root_for(USERS_SOURCE, ("", "root", "0:0")) == Root(mode=0o755, uid=1000, gid=1000)


def test_special_bits_of_the_source_are_kept() -> None:
    assert root_for(Base(path="/s", mode=0o2775, uid=0, gid=50), ("www",)).mode == 0o2777


@pytest.mark.parametrize("user", ["1000", "1000:1000", "1000:50"])
def test_the_owner_needs_no_more(user: str) -> None:
    assert root_for(USERS_SOURCE, (user,)).mode == 0o755


@pytest.mark.parametrize("user", ["1001", "node", "1001:1000", "nobody:nogroup", "?"])
def test_any_other_user_opens_the_root_to_all(user: str) -> None:
    assert root_for(USERS_SOURCE, ("root", user)).mode == 0o777
    assert root_for(None, (user,)).mode == 0o777


def test_an_owner_who_may_not_write_gets_to() -> None:
    assert root_for(Base(path="/s", mode=0o555, uid=1000, gid=0), ("1000",)).mode == 0o777


def test_a_root_that_is_open_to_all_stays_as_it_is() -> None:
    assert root_for(Base(path="/s", mode=0o1777, uid=0, gid=0), ("node",)).mode == 0o1777


def test_ordinary_roots_cost_no_call_to_the_engine() -> None:
    with stub_engine() as stub:
        helpers = Helpers(stub.engine(), INSTANCE, SANDBOX)
        set_roots(helpers, "run", [(Volume(name="v", path="/v"), Root())])

    assert stub.requests == []
