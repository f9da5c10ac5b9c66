import pytest

from runner.backends.docker.address import DEFAULT, local_socket


@pytest.mark.parametrize(
    ("address", "path"),
    [
        (DEFAULT, "/var/run/docker.sock"),
        ("unix:///run/user/1000/docker.sock", "/run/user/1000/docker.sock"),
        ("http+unix:///run/docker.sock", "/run/docker.sock"),
        ("tcp://127.0.0.1:2375", ""),
        ("ssh://somebody@somewhere", ""),
        ("/var/run/docker.sock", ""),
        ("", ""),
    ],
)
def test_only_an_engine_of_this_machine_has_a_socket(address: str, path: str) -> None:
    assert local_socket(address) == path
