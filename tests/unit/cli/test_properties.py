import pytest

from runner.dispatch.requests import Pipeline
from runner.plan import codec
from tests.support.api_stand import answer, failure, pipeline
from tests.support.remote import Remote

SHOP = "GET /pipelines/team/shop"


def _known(remote: Remote, found: Pipeline) -> None:
    remote.stand.on(SHOP, answer(codec.encode(found)))


def test_properties_are_listed(remote: Remote) -> None:
    _known(remote, pipeline("team/shop"))

    assert remote.call("properties", "team/shop") == 0

    assert remote.out == "a=1=1\nb=2\n"


def test_json_has_them_by_name(remote: Remote) -> None:
    _known(remote, pipeline("team/shop"))

    assert remote.call("properties", "team/shop", "--output", "json") == 0

    assert remote.document == {"properties": {"a": "1=1", "b": "2"}}


def test_it_is_said_when_there_are_none(remote: Remote) -> None:
    bare = pipeline("team/shop")
    _known(remote, Pipeline(name=bare.name, definition=bare.definition, properties={}, secrets=()))

    assert remote.call("properties", "team/shop") == 0

    assert remote.out == "pipeline team/shop has no properties\n"


def test_a_list_has_no_events(remote: Remote) -> None:
    assert remote.call("properties", "shop", "--output", "events") == 2


def test_properties_are_set_each_by_itself(remote: Remote) -> None:
    for name in ("a", "b"):
        remote.stand.on(f"PUT /pipelines/team/shop/properties/{name}", lambda handler: handler.send(204, "text/plain"))

    assert remote.call("properties", "team/shop", "set", "a=1", "b=x=y") == 0

    assert [(str(asked), asked.body) for asked in remote.stand.asked] == [
        ("PUT /pipelines/team/shop/properties/a", {"value": "1"}),
        ("PUT /pipelines/team/shop/properties/b", {"value": "x=y"}),
    ]
    assert remote.out == ""


@pytest.mark.parametrize("text", ["a", "=1"])
def test_what_is_no_assignment_is_refused_before_anything_is_set(remote: Remote, text: str) -> None:
    assert remote.call("properties", "shop", "set", "b=2", text) == 2

    assert "not an assignment" in remote.err
    assert remote.stand.asked == []


def test_properties_are_removed(remote: Remote) -> None:
    remote.stand.on("DELETE /pipelines/shop/properties/a", lambda handler: handler.send(204, "text/plain"))
    remote.stand.on("DELETE /pipelines/shop/properties/b", failure(404, "there is no property 'b'"))

    assert remote.call("properties", "shop", "remove", "a", "b") == 2

    assert [str(asked) for asked in remote.stand.asked] == [
        "DELETE /pipelines/shop/properties/a",
        "DELETE /pipelines/shop/properties/b",
    ]
    assert remote.err == "runner: there is no property 'b'\n"


def test_the_name_of_the_pipeline_comes_first(remote: Remote) -> None:
    assert remote.call("properties") == 2

    assert remote.stand.asked == []
