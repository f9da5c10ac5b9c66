"""Hooks over HTTP: whoever has the token may start an async stage, and nobody else; owners may change what opens it."""

from collections.abc import Iterator

import httpx
import pytest

from runner.api.bodies import MOST_BYTES
from runner.errors import BusyError, DeniedError, NotFoundError, UsageError
from runner.plan import codec
from tests.support.services import HOOK, HOOK_TOKEN, TOKEN, Api, FakeService, raw

V1 = "/api/v1"
SHOP = f"{V1}/pipelines/org%2Fshop/hooks"
PATH = "/hooks/org%2Fshop/async-stage"
OWN = {HOOK.header: HOOK_TOKEN}
JSON = {"Content-Type": "application/json"}
BODY = b'{"version": 1, "stage": "check", "env": {"a": "\xc3\xbc"}}'


@pytest.fixture(params=["socket", "tcp"])
def anybody(api: Api, request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    """Somebody without the daemon's token."""
    with api.local() if request.param == "socket" else api.remote(token="") as client:
        yield client


def post(client: httpx.Client, body: object = BODY, path: str = PATH, **headers: str) -> httpx.Response:
    address = client.base_url.copy_with(raw_path=path.encode())
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(address, content=body, headers={**JSON, **given})  # type: ignore[arg-type]  # bytes, or pieces


def test_whoever_has_the_token_of_the_hook_starts_a_run(anybody: httpx.Client, service: FakeService) -> None:
    answer = post(anybody, **OWN)

    assert (answer.status_code, answer.json()) == (201, {"id": "r1"})
    assert service.calls == [("trigger", "org/shop", HOOK_TOKEN, BODY)]


@pytest.mark.parametrize(
    ("path", "token"),
    [
        (PATH, None),
        (PATH, ""),
        (PATH, HOOK_TOKEN[:-1]),
        (PATH, f"{HOOK_TOKEN}x"),
        (PATH, "\xfc"),
        (PATH, TOKEN),
        ("/hooks/unknown/async-stage", HOOK_TOKEN),
        ("/hooks/unknown/async-stage", None),
    ],
)
def test_nobody_else_does_and_each_gets_the_same_answer(
    anybody: httpx.Client, service: FakeService, path: str, token: str | None
) -> None:
    address = anybody.base_url.copy_with(raw_path=path.encode())
    shown = [] if token is None else [(HOOK.header.encode(), token.encode("latin-1"))]

    answer = anybody.post(address, content=BODY, headers=[(b"Content-Type", b"application/json"), *shown])

    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, HOOK.header)
    assert answer.json()["error"]["message"] == "this needs the token of a hook"
    assert not service.calls


def test_the_token_of_the_daemon_opens_no_hook(api: Api) -> None:
    with api.remote() as owner:
        assert post(owner).status_code == 401
        assert post(owner, Authorization=f"Bearer {HOOK_TOKEN}").status_code == 401
    assert not api.service.calls


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{V1}/runs", 401),
        (f"{V1}/hooks", 401),
        (SHOP, 401),
        (f"{V1}/openapi.json", 401),
        ("//hooks/org%2Fshop", 401),
        ("/hooks", 401),
        ("/hooks/../api/v1/runs", 404),
        ("/hooks%2F..%2Fapi%2Fv1%2Fruns", 404),
    ],
)
def test_the_token_of_a_hook_opens_nothing_else(api: Api, path: str, status: int) -> None:
    shown = (f"{HOOK.header}: {HOOK_TOKEN}", f"Authorization: Bearer {HOOK_TOKEN}")

    assert raw(api.address, "Host: localhost", *shown, path=path) == status
    assert not api.service.calls


@pytest.mark.parametrize(
    "lines",
    [
        ["Host: evil.example"],
        ["Host: localhost", "Origin: http://evil.example"],
        ["Host: localhost", "Sec-Fetch-Site: cross-site"],
    ],
)
def test_no_page_of_another_site_reaches_a_hook(api: Api, lines: list[str]) -> None:
    head = [*lines, f"{HOOK.header}: {HOOK_TOKEN}", "Content-Type: application/json", "Content-Length: 0"]

    assert raw(api.address, *head, path=PATH, method="POST") == 403
    assert raw(api.socket, *head, path=PATH, method="POST") == 403
    assert not api.service.calls


def pieces(count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield b" " * 65536


def test_a_body_that_is_too_large_is_refused_while_it_comes(anybody: httpx.Client, service: FakeService) -> None:
    answer = post(anybody, pieces((MOST_BYTES >> 16) + 1), **OWN)

    assert answer.status_code == 413
    assert not service.calls


def test_of_a_stranger_not_even_the_body_is_waited_for(api: Api) -> None:
    head = ["Host: localhost", "Content-Type: application/json", f"Content-Length: {MOST_BYTES * 9}"]

    assert raw(api.address, *head, path=PATH, method="POST") == 401


@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_what_a_form_can_send_is_refused(anybody: httpx.Client, service: FakeService, media: str) -> None:
    assert post(anybody, **OWN, Content_Type=media).status_code == 415
    assert not service.calls


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UsageError("the payload is not JSON"), 400),
        (NotFoundError("there is no async stage 'x'"), 404),
        (DeniedError("it was rotated at this moment"), 401),
        (BusyError("10000 runs wait"), 503),
    ],
)
def test_what_is_wrong_with_a_payload_is_told_in_the_usual_body(
    anybody: httpx.Client, service: FakeService, error: Exception, status: int
) -> None:
    service.error = error

    answer = post(anybody, **OWN)

    assert (answer.status_code, answer.json()["error"]["message"]) == (status, str(error))


def test_nothing_is_read_from_a_hook(anybody: httpx.Client) -> None:
    address = anybody.base_url.copy_with(raw_path=PATH.encode())

    assert [anybody.request(method, address, headers=OWN).status_code for method in ("GET", "PUT")] == [405, 405]


@pytest.mark.parametrize(("path", "pipeline"), [(f"{V1}/hooks", ""), (SHOP, "org/shop")])
def test_hooks_are_listed_without_their_tokens(
    client: httpx.Client, service: FakeService, path: str, pipeline: str
) -> None:
    answer = client.get(client.base_url.copy_with(raw_path=path.encode()))

    assert (answer.status_code, answer.json()) == (200, {"hooks": [codec.encode(HOOK)]})
    assert service.calls == [("hooks", pipeline)]


@pytest.mark.parametrize(("body", "token"), [({}, HOOK_TOKEN), ({"token": "n" * 32}, "n" * 32)])
def test_a_rotated_token_is_shown_once_and_not_stored_on_the_way(
    client: httpx.Client, service: FakeService, body: dict[str, str], token: str
) -> None:
    answer = client.post(client.base_url.copy_with(raw_path=f"{SHOP}/rotate".encode()), json=body)

    assert (answer.status_code, answer.json()) == (200, {"token": token})
    assert answer.headers["cache-control"] == "no-store"
    assert service.calls == [("rotate_hook", "org/shop", body.get("token", ""))]


@pytest.mark.parametrize("body", [{"token": None}, {"token": 1}, {"secret": "x"}, []])
def test_what_is_no_wish_for_a_token_is_refused(client: httpx.Client, service: FakeService, body: object) -> None:
    assert client.post(f"{V1}/pipelines/shop/hooks/rotate", json=body).status_code == 400
    assert not service.calls


def test_a_hook_that_is_not_there_is_a_404(client: httpx.Client, service: FakeService) -> None:
    service.error = NotFoundError("pipeline shop has no hook")

    assert client.post(f"{V1}/pipelines/shop/hooks/rotate", json={}).status_code == 404


def test_parameters_are_set_and_taken_away(client: httpx.Client, service: FakeService) -> None:
    address = client.base_url.copy_with(raw_path=f"{SHOP}/parameters/a%2Fb".encode())

    answers = [client.put(address, json={"value": "1\n2"}), client.delete(address)]

    assert [(each.status_code, each.content) for each in answers] == [(204, b""), (204, b"")]
    assert service.calls == [("set_parameter", "org/shop", "a/b", "1\n2"), ("remove_parameter", "org/shop", "a/b")]
