"""Bodies: exactly what an endpoint takes, in JSON, not too much of it, and in time."""

import json
import socket
from collections.abc import Iterator

import httpx
import pytest

from runner.api import bodies
from tests.support.services import Api, FakeService

RUNS = "/api/v1/runs"
JSON = {"Content-Type": "application/json"}
BEGUN = b"POST /api/v1/runs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"nope": 1}', "body.nope: there is no such key"),
        ('{"facts": {"branches": "x"}}', "body.facts.branches"),
        ('{"inline": {"text": "", "trigger": {"facts": {"nope": ""}}}}', "body.inline.trigger.facts.nope"),
        ('{"choice": {"images": [{"pattern": "a"}]}}', "body.choice.images.0.image: is missing"),
        ('{"choice": {"pull": "sometimes"}}', "'not_present'"),
        ('{"priority": "3"}', "body.priority"),
        ('{"priority": 3.5}', "body.priority"),
        ('{"priority": true}', "body.priority"),
        ('{"strict": "yes"}', "body.strict"),
        ('{"pipeline": null}', "body.pipeline"),
        ('{"secrets": {"A": 1}}', "body.secrets.A"),
        ('{"secrets": [["A", "b"]]}', "body.secrets"),
        ("[]", "body"),
        ("null", "null is not an object"),
        ('"{}"', "body"),
        ("{", "Invalid JSON"),
        ("", "body"),
        ('{"priority": NaN}', "body"),
        ('{"priority": 1e999}', "body.priority"),
        ("[" * 100_000, "recursion limit"),
        ('{"a":' * 100_000, "recursion limit"),
    ],
)
def test_what_a_submission_cannot_be_is_said_with_its_place(
    client: httpx.Client, service: FakeService, body: str, said: str
) -> None:
    answer = client.post(RUNS, content=body, headers=JSON)

    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]
    assert answer.json()["exit_code"] == 2
    assert not service.calls


@pytest.mark.parametrize(
    "text", [r"\ud800", r"\udfff\ud800", r"\u0000", r"\\\u0000", r"a\\\\\u0000b"], ids=lambda text: text
)
def test_text_that_is_no_text_is_refused_and_is_no_fault_of_the_daemon(
    client: httpx.Client, service: FakeService, text: str
) -> None:
    for body in (f'{{"pipeline": "{text}"}}', f'{{"secrets": {{"{text}": ""}}}}', f'{{"{text}": 1}}'):
        assert client.post(RUNS, content=body, headers=JSON).status_code == 400
    assert not service.calls


@pytest.mark.parametrize(
    "body", [b'{"pipeline": "\xff"}', b'{"pipeline": "\xed\xa0\x80"}', b"\x00", b"\xff\xfe{\x00}\x00"]
)
def test_bytes_that_are_no_utf_8_are_refused(client: httpx.Client, body: bytes) -> None:
    assert client.post(RUNS, content=body, headers=JSON).status_code == 400


def test_a_backslash_before_u0000_is_text_like_any_other(client: httpx.Client, service: FakeService) -> None:
    assert client.post(RUNS, json={"pipeline": "\\u0000"}).status_code == 201
    assert service.calls[0][1].pipeline == "\\u0000"


def test_a_refusal_does_not_show_what_was_sent(client: httpx.Client) -> None:
    answer = client.post(RUNS, json={"secrets": {"A": ["s3cret"]}, "properties": "s3cret", "queue": {"s3cret": 1}})

    assert answer.status_code == 400
    assert "s3cret" not in answer.text


def test_the_name_of_an_endless_key_is_cut(client: httpx.Client) -> None:
    answer = client.post(RUNS, json={"k" * 1_000_000: 1})

    assert (answer.status_code, len(answer.content) < 500) == (400, True)


def test_of_many_faults_a_few_are_told(client: httpx.Client) -> None:
    answer = client.post(RUNS, json={f"k{number}": 1 for number in range(2000)})

    assert answer.json()["error"]["message"].endswith("and 1995 more")


@pytest.mark.parametrize(
    "media",
    [
        None,
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "x",
        "",
    ],
)
@pytest.mark.parametrize("body", ["{}", ""])
def test_what_a_form_can_send_is_refused_even_without_a_body(
    client: httpx.Client, service: FakeService, media: str | None, body: str
) -> None:
    answer = client.post(f"{RUNS}/r1/cancel", content=body, headers={} if media is None else {"Content-Type": media})

    assert answer.status_code == 415
    assert "application/json" in answer.json()["error"]["hint"]
    assert not service.calls


def test_the_type_of_json_may_have_parameters(client: httpx.Client) -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}

    assert client.post(f"{RUNS}/r1/cancel", content="{}", headers=headers).status_code == 202


def test_a_body_of_sixteen_megabytes_is_taken(client: httpx.Client, service: FakeService) -> None:
    frame = len(json.dumps({"pipeline": ""}))

    answer = client.post(RUNS, json={"pipeline": "x" * (bodies.MOST_BYTES - frame)})

    assert answer.status_code == 201
    assert len(service.calls[0][1].pipeline) == bodies.MOST_BYTES - frame


def pieces(count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield b" " * 65536


@pytest.mark.parametrize("count", [257, 1000])
def test_a_larger_one_is_refused_while_it_comes_although_nobody_said_how_long_it_is(
    client: httpx.Client, service: FakeService, count: int
) -> None:
    answer = client.post(RUNS, content=pieces(count), headers=JSON)

    assert answer.status_code == 413
    assert "16 MiB" in answer.json()["error"]["message"]
    assert not service.calls


def test_a_larger_one_is_not_waited_for(api: Api) -> None:
    with socket.create_connection(api.address) as raw:
        raw.sendall(
            b"POST /api/v1/runs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + b"t" * 40 + b"\r\n"
            b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        piece = b"%x\r\n%s\r\n" % (1 << 20, b" " * (1 << 20))
        for _ in range(16):
            raw.sendall(piece)
        raw.sendall(b"1\r\n \r\n")  # one byte too much, and no end
        raw.settimeout(5)

        answer = b"".join(iter(lambda: raw.recv(65536), b""))

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer.lower()


def test_a_body_that_does_not_come_is_not_waited_for(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "SECONDS", 0.2)
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(api.socket))
        raw.settimeout(5)
        raw.sendall(BEGUN)

        answer = b"".join(iter(lambda: raw.recv(65536), b""))

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"within 0.2 s" in answer
    assert not api.service.calls


def test_a_client_that_goes_in_the_middle_of_its_body_harms_nobody(api: Api, client: httpx.Client) -> None:
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(api.socket))
        raw.sendall(BEGUN)

    assert client.post(RUNS, json={"pipeline": "a"}).status_code == 201
    assert len(api.service.calls) == 1
