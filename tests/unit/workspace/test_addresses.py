import pytest

from runner.workspace.addresses import Remote, read_address

SECRET = "hunter2token"


@pytest.mark.parametrize(
    ("address", "clone", "link"),
    [
        (
            "https://github.com/octocat/hello.git",
            "https://github.com/octocat/hello.git",
            "https://github.com/octocat/hello",
        ),
        ("http://example.org/o/r", "http://example.org/o/r", "https://example.org/o/r"),
        ("https://example.org:8443/o/r.git", "https://example.org:8443/o/r.git", "https://example.org:8443/o/r"),
        ("git@github.com:octocat/hello.git", "git@github.com:octocat/hello.git", "https://github.com/octocat/hello"),
        ("github.com:octocat/hello", "github.com:octocat/hello", "https://github.com/octocat/hello"),
        ("ssh://git@example.org:2222/o/r.git", "ssh://git@example.org:2222/o/r.git", "https://example.org/o/r"),
        ("ssh://git@[::1]:22/o/r.git", "ssh://git@[::1]:22/o/r.git", "https://[::1]/o/r"),
        ("git://example.org/a/b/c.git", "git://example.org/a/b/c.git", "https://example.org/a/b/c"),
        ("file:///srv/o/r.git", "file:///srv/o/r.git", ""),
        ("/srv/o/r.git", "/srv/o/r.git", ""),
        ("/srv/a@b/r", "/srv/a@b/r", ""),
        ("../r", "../r", ""),
        ("", "", ""),
    ],
)
def test_an_address_is_told_for_git_and_for_a_browser(address: str, clone: str, link: str) -> None:
    found = read_address(address)

    assert (found.clone, found.link) == (clone, link)


@pytest.mark.parametrize(
    ("address", "clone"),
    [
        (f"https://user:{SECRET}@example.org/o/r.git", "https://example.org/o/r.git"),
        (f"https://{SECRET}@example.org/o/r.git", "https://example.org/o/r.git"),
        (f"https://user:a/{SECRET}@example.org/o/r", "https://example.org/o/r"),
        (f"https://user:a@{SECRET}@example.org/o/r", "https://example.org/o/r"),
        (f"https://user:a#{SECRET}@example.org/o/r", ""),
        (f"https://user:a?{SECRET}@example.org/o/r", ""),
        (f"https://example.org/o/r?access_token={SECRET}", "https://example.org/o/r"),
        (f"ssh://git:{SECRET}@example.org/o/r", "ssh://git@example.org/o/r"),
        (f"user:{SECRET}@example.org:o/r", "example.org:o/r"),
        (f"user:{SECRET}@example.org", ""),
    ],
)
def test_nothing_secret_is_left_in_an_address(address: str, clone: str) -> None:
    found = read_address(address)

    assert SECRET not in str(found)
    assert found.clone == clone


def test_an_address_without_a_path_is_none() -> None:
    assert read_address("https://example.org") == Remote()
