"""A day with the daemon, as somebody lives it who runs it at home: from its first start to its last."""

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import Place, Running
from tests.support.git_server import WebServer, web_server
from tests.support.repositories import Repository

PIPELINE = """\
version: "1"
secrets: [{name: token}]
stages:
  build:
    steps:
      - name: compile
        image: busybox:local
        commands:
          - echo built on $VELA_BUILD_BRANCH > product
          - set_env PRODUCT "$(cat product)"
          - echo compiled with $(get_env tool)
  test:
    needs: build
    steps:
      - name: try
        image: busybox:local
        secrets: [token]
        commands:
          - echo testing "$(get_env PRODUCT)" > report
          - '[ "$TOKEN" = "the right word" ]'
          - cat product report
  ship:
    needs: test
    steps:
      - {name: send, image: busybox:local, commands: [sleep 1, cat product report]}
"""
RUN = re.compile(r"run ([0-9a-f]{8})")


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[WebServer]:
    """Serve a repository with the pipeline, ``shop.git``, over HTTP."""
    work = Repository(tmp_path / "work")
    work.write(".vela.yml", PIPELINE)
    work.git("add", ".")
    work.git("commit", "--quiet", "--message", "sell things")
    served = tmp_path / "served"
    served.mkdir()
    work.git("clone", "--quiet", "--bare", str(work.root), str(served / "shop.git"))
    with web_server(served) as server:
        yield server


def _begin(place: Place) -> Running:
    daemon = place.start("daemon")
    daemon.until("listening on")
    return daemon


def test_a_day_with_the_daemon(place: Place, upstream: WebServer, tmp_path: Path) -> None:
    data = place.state / "daemon"
    place.environment = {"RUNNER_DATA_DIR": str(data), "RUNNER_GIT_PROTOCOLS": "http"}
    secret = tmp_path / "token"
    daemon = _begin(place)

    added = place.run("pipelines", "add", "shop", "--repo-url", f"{upstream.url}/shop.git", "--branch", "main")
    assert added.code == 0, added.err
    refused = place.run("submit", "shop")
    assert (refused.code, "no value for the secret token" in refused.err) == (2, True), refused.err

    secret.write_text("the wrong word\n", encoding="ascii")
    for words in (("secrets", "shop", "set", f"token=@{secret}"), ("properties", "shop", "set", "tool=a hammer")):
        assert place.run(*words).code == 0
    failed = place.run("submit", "shop", "--follow")
    assert failed.code == 1, failed.err
    assert failed.printed("build/compile") == ["compiled with a hammer"]
    assert failed.printed("test/try") == []
    (run,) = set(RUN.findall(failed.out))
    assert "the wrong word" not in failed.out + place.run("show", run, "--output", "json").out

    shell = place.at_terminal("shell", run, "test")
    shell.until("/vela/src #")
    shell.type(b'echo "<$(cat product), $(get_env PRODUCT), $TOKEN>"\n')
    shell.until("<built on main, built on main, the wrong word>")
    shell.type(b"exit\n")
    assert shell.finish().code == 0

    secret.write_text("the right word\n", encoding="ascii")
    assert place.run("secrets", "shop", "set", f"token=@{secret}").code == 0
    again = place.start("rerun", run, "--failed", "--follow")
    again.until("send: running")
    daemon.signal(signal.SIGTERM)  # an evening: what goes on may end
    mended = again.finish()
    assert mended.code == 0, mended.out + mended.err
    assert mended.printed("test/try") == ["built on main", "testing built on main"]
    assert mended.printed("ship/send") == ["built on main", "testing built on main"]
    assert mended.printed("build/compile") == []
    assert daemon.finish().code == 0

    daemon = _begin(place)
    listed = json.loads(place.run("runs", "--output", "json").out)["runs"]
    assert [(each["status"], each["origin"]) for each in listed] == [("success", run), ("failure", "")]
    assert place.run("logs", listed[0]["id"], "test/try").out.splitlines()[-2:] == [
        "built on main",
        "testing built on main",
    ]
    daemon.signal(signal.SIGTERM)
    assert daemon.finish().code == 0
    assert place.run("clean", "--daemon", data).code == 0
