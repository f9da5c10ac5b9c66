"""Who may talk to the daemon: the token, and that no page of a browser may."""

import os
import secrets
import stat
from pathlib import Path

import httpx
import pytest

from runner.api.access import Access, address_of, token_in
from runner.errors import UsageError
from tests.support.services import RUN, TOKEN, Api, raw

OWN = f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    ("shown", "status"),
    [
        (OWN, 200),
        (f"bearer  {TOKEN} ", 200),
        ("", 401),
        ("Bearer", 401),
        ("Bearer ", 401),
        (f"Bearer {TOKEN}x", 401),
        (f"Bearer {TOKEN[:-1]}", 401),
        (f"Basic {TOKEN}", 401),
        (TOKEN, 401),
        ("Bearer \xfc\xff", 401),
    ],
)
def test_over_tcp_only_the_token_opens(api: Api, shown: str, status: int) -> None:
    assert raw(api.address, "Host: localhost", f"Authorization: {shown}") == status
    assert [call[0] for call in api.service.calls] == (["report"] if status == 200 else [])


def test_over_tcp_nothing_shown_opens_nothing(api: Api) -> None:
    assert raw(api.address, "Host: localhost") == 401


def test_the_socket_needs_no_token(client: httpx.Client) -> None:
    assert client.get(RUN).status_code == 200


def test_without_a_token_of_its_own_a_daemon_admits_nobody() -> None:
    assert not any(Access().admits(shown) for shown in ("", "Bearer", "Bearer ", "Bearer None"))


def test_every_guess_costs_one_comparison_of_the_same_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []
    compare = secrets.compare_digest

    def spy(shown: bytes, wanted: bytes) -> bool:
        compared.append((shown, wanted))
        return compare(shown, wanted)

    monkeypatch.setattr(secrets, "compare_digest", spy)
    guesses = ["", "Bearer", "Basic x", "Bearer x", f"Bearer {TOKEN}"]

    assert [Access(token=TOKEN).admits(guess) for guess in guesses] == [False, False, False, False, True]
    assert [wanted for _, wanted in compared] == [TOKEN.encode()] * len(guesses)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:8080", 200),
        ("localhost.", 200),
        ("127.0.0.1:1", 200),
        ("[::1]:1", 200),
        ("ci.example", 200),
        ("evil.example", 403),
        ("localhost.evil.example", 403),
        ("evil.example#localhost", 403),
        ("localhost@evil.example", 403),
        ("evil.example:80@localhost", 403),
        ("127.0.0.1.evil.example", 403),
        ("127.0.0.2", 403),
        ("[::2]", 403),
        ("[localhost]", 403),
        ("localhost:x", 403),
        ("localhost:", 403),
        ("localhost localhost", 403),
        ("", 403),
    ],
)
def test_only_requests_that_name_this_machine_are_looked_at(api: Api, host: str, status: int) -> None:
    assert raw(api.address, f"Host: {host}", f"Authorization: {OWN}") == status
    assert raw(api.socket, f"Host: {host}") == status
    assert len(api.service.calls) == (2 if status == 200 else 0)


def test_a_name_that_leads_here_does_not_even_learn_the_health(api: Api) -> None:
    assert raw(api.address, "Host: evil.example", path="/healthz") == 403


def test_two_hosts_are_no_request(api: Api) -> None:
    assert raw(api.address, "Host: localhost", "Host: evil.example", f"Authorization: {OWN}") == 400


@pytest.mark.parametrize(
    "header", ["X-Forwarded-Host: localhost", "X-Forwarded-For: 127.0.0.1", "Forwarded: host=localhost"]
)
def test_what_a_client_says_of_its_way_changes_nothing(api: Api, header: str) -> None:
    assert raw(api.address, "Host: evil.example", header, f"Authorization: {OWN}") == 403
    assert raw(api.address, "Host: localhost", header) == 401


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["Origin: http://localhost:8080"], 200),
        (["Origin: https://LOCALHOST:8080"], 200),
        (["Sec-Fetch-Site: same-origin"], 200),
        (["Sec-Fetch-Site: none"], 200),
        (["Origin: http://evil.example"], 403),
        (["Origin: http://localhost:3000"], 403),
        (["Origin: http://localhost"], 403),
        (["Origin: http://localhost:8080@evil.example"], 403),
        (["Origin: http://[evil"], 403),
        (["Origin: null"], 403),
        (["Origin:"], 403),
        (["Origin: http://localhost:8080", "Origin: http://evil.example"], 403),
        (["Sec-Fetch-Site: cross-site"], 403),
        (["Sec-Fetch-Site: same-site"], 403),
        (["Sec-Fetch-Site: cross-site", "Origin: http://localhost:8080"], 403),
    ],
)
def test_pages_of_other_sites_are_refused_even_with_the_token(api: Api, lines: list[str], status: int) -> None:
    assert raw(api.address, "Host: localhost:8080", f"Authorization: {OWN}", *lines) == status
    assert raw(api.socket, "Host: localhost:8080", *lines) == status


def test_a_browser_that_asks_whether_a_page_may_is_told_no(api: Api) -> None:
    asked = ["Origin: http://evil.example", "Access-Control-Request-Method: POST"]

    assert raw(api.address, "Host: localhost", *asked, method="OPTIONS") == 403


def test_whoever_listens_on_all_addresses_is_called_by_any_of_them_and_by_no_other_name() -> None:
    everywhere = Access.over_tcp(TOKEN, "0.0.0.0:8080", ["CI.example."])

    assert all(everywhere.knows(host) for host in ("10.1.2.3:8080", "[fe80::1]:8080", "ci.example", "localhost"))
    assert not any(everywhere.knows(host) for host in ("evil.example", "10.1.2.3.evil.example", "10.1.2"))


def test_whoever_listens_on_one_address_is_called_by_that() -> None:
    one = Access.over_tcp(TOKEN, "[2001:DB8::1]:80")

    assert one.knows("[2001:db8::1]:80")
    assert not one.knows("[2001:db8::2]:80")


@pytest.mark.parametrize(
    ("listen", "address"),
    [("127.0.0.1:80", ("127.0.0.1", 80)), ("[::1]:0", ("::1", 0)), ("ci.example:65535", ("ci.example", 65535))],
)
def test_an_address_to_listen_on_has_a_host_and_a_port(listen: str, address: tuple[str, int]) -> None:
    assert address_of(listen) == address


@pytest.mark.parametrize(
    "listen", ["", "80", ":80", "localhost", "localhost:", "a:b", "::1:80", "a:65536", "a b:1", "a/b:1"]
)
def test_anything_else_is_no_address(listen: str) -> None:
    with pytest.raises(UsageError, match="no address to listen on") as raised:
        address_of(listen)

    assert "127.0.0.1:8080" in raised.value.hint


def test_a_token_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "token"
    before = os.umask(0)
    try:
        token = token_in(file)
    finally:
        os.umask(before)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(token) >= 43  # 32 random bytes in base64
    assert token_in(file) == token
    assert [path.name for path in tmp_path.iterdir()] == ["token"]
    assert token_in(tmp_path / "another") != token


def test_a_token_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "token"
    token_in(file)
    file.chmod(0o640)

    with pytest.raises(UsageError, match="others than its owner") as raised:
        token_in(file)

    assert raised.value.hint == f"chmod 600 {file}"


def test_a_short_token_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.touch(0o600)
    file.write_text("letmein\n")

    with pytest.raises(UsageError, match="at least 32 characters"):
        token_in(file)


def test_the_token_is_not_shown_with_the_rest() -> None:
    assert TOKEN not in repr(Access(token=TOKEN))
