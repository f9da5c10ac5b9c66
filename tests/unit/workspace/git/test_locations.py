import pytest

from runner.errors import UsageError
from runner.workspace.git.locations import beside, locate

ALL = ("https", "ssh", "http", "file")
SECRET = "hunter2token"


@pytest.mark.parametrize(
    ("address", "url", "protocol", "origin"),
    [
        ("https://example.org/o/r.git", "https://example.org/o/r.git", "https", "https://example.org"),
        ("https://example.org:8443/o/r", "https://example.org:8443/o/r", "https", "https://example.org:8443"),
        ("https://[::1]/o/r", "https://[::1]/o/r", "https", "https://[::1]"),
        ("http://127.0.0.1:80/r", "http://127.0.0.1:80/r", "http", "http://127.0.0.1:80"),
        ("ssh://git@example.org:2222/o/r.git", "ssh://git@example.org:2222/o/r.git", "ssh", ""),
        ("ssh://example.org/~ada/r", "ssh://example.org/~ada/r", "ssh", ""),
        ("git@example.org:o/r.git", "git@example.org:o/r.git", "ssh", ""),
        ("example.org:o/r.git", "example.org:o/r.git", "ssh", ""),
        ("git@example.org:/srv/r", "git@example.org:/srv/r", "ssh", ""),
        ("file:///srv/a b/r.git", "file:///srv/a b/r.git", "file", ""),
        ("/srv/r@x:y", "file:///srv/r@x:y", "file", ""),
    ],
)
def test_an_address_is_what_git_is_given(address: str, url: str, protocol: str, origin: str) -> None:
    found = locate(address, ALL)

    assert (found.url, found.protocol, found.origin, str(found)) == (url, protocol, origin, url)
    assert (found.user, found.password) == ("", "")


@pytest.mark.parametrize(
    ("login", "user", "password"),
    [
        (f"ada:{SECRET}", "ada", SECRET),
        (f"{SECRET}", SECRET, ""),
        ("ada:a%40b%3Ac%2F", "ada", "a@b:c/"),
        (":" + SECRET, "", SECRET),
        ("ada:a:b@c", "ada", "a:b@c"),
    ],
)
def test_a_login_is_taken_out_of_an_address(login: str, user: str, password: str) -> None:
    found = locate(f"https://{login}@example.org/o/r", ALL)

    assert (found.url, found.user, found.password) == ("https://example.org/o/r", user, password)
    assert SECRET not in repr(found)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "r",
        "./r",
        "../r",
        "--upload-pack=touch /tmp/x",
        "-u/tmp/x",
        "https://",
        "https://example.org",
        "https://-oProxyCommand=x/r",
        "https://example.org/r?token=x",
        "https://example.org/r#x",
        "https://exam ple.org/r",
        "https://example.org/r\n--upload-pack=x",
        "https://example.org:port/r",
        "https://ada:x%0Ahost=evil@example.org/r",
        "ssh://-oProxyCommand=x/r",
        "ssh://-l@example.org/r",
        "ssh://git;x@example.org/r",
        "ssh://git:pw@example.org/r",
        "-oProxyCommand=x:r",
        "git@-oProxyCommand=x:r",
        "git@example.org:-u/r",
        "git@exa$(x)mple.org:r",
        "file://example.org/srv/r",
        "file://srv",
        "/srv/\0r",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="not the address of a repository"):
        locate(address, ALL)


@pytest.mark.parametrize(
    ("address", "protocol"),
    [
        ("ext::sh -c touch% /tmp/x", "ext"),
        ("fd::3", "fd"),
        ("git://example.org/r", "git"),
        ("ftp://example.org/r", "ftp"),
        ("http://example.org/r", "http"),
        ("file:///srv/r", "file"),
        ("/srv/r", "file"),
    ],
)
def test_a_protocol_that_is_not_allowed_is_named(address: str, protocol: str) -> None:
    with pytest.raises(UsageError, match=f"the protocol {protocol} is not allowed") as caught:
        locate(address, ("https", "ssh"))

    assert caught.value.hint == "RUNNER_GIT_PROTOCOLS allows https, ssh"


@pytest.mark.parametrize(
    "address",
    [
        f"https://ada:{SECRET}@example.org",
        f"https://ada:{SECRET}@exam ple.org/r",
        f"https://ada:{SECRET}/x@example.org/r?x",
        f"ftp://ada:{SECRET}@example.org/r",
        f"ssh://git:{SECRET}@example.org/r",
        f"https://example.org/r?token={SECRET}",
    ],
)
def test_no_message_shows_a_login(address: str) -> None:
    with pytest.raises(UsageError) as caught:
        locate(address, ALL)

    assert SECRET not in caught.value.explained


@pytest.mark.parametrize(
    ("base", "address", "whole"),
    [
        ("https://example.org/o/r.git", "../s.git", "https://example.org/o/s.git"),
        ("https://example.org/o/r.git", "../../p/s", "https://example.org/p/s"),
        ("https://example.org/o/r", "./s", "https://example.org/o/r/s"),
        ("https://example.org/o/r/", "../s", "https://example.org/o/s"),
        ("ssh://git@example.org:22/o/r", "../s", "ssh://git@example.org:22/o/s"),
        ("git@example.org:o/r", "../s", "git@example.org:o/s"),
        ("git@example.org:r", "../s", "git@example.org:s"),
        ("file:///srv/o/r", "../s", "file:///srv/o/s"),
        ("https://example.org/o/r", "https://other.org/s", "https://other.org/s"),
        ("https://example.org/o/r", "ext::x", "ext::x"),
    ],
)
def test_the_address_of_a_submodule_is_read_from_that_around_it(base: str, address: str, whole: str) -> None:
    assert beside(base, address) == whole


@pytest.mark.parametrize("base", ["https://example.org/o/r", "git@example.org:o/r", "file:///o/r"])
def test_the_address_of_a_submodule_does_not_leave_the_host(base: str) -> None:
    with pytest.raises(UsageError, match="leads out of"):
        beside(base, "../../../evil.org/r")
