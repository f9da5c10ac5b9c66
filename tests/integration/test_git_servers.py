"""Sources from real servers on loopback: smart HTTP, TLS and ssh, with logins and with every fault."""

import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runner.errors import UnwantedError, WorkspaceError
from runner.settings import GitSettings
from runner.workspace.git.credentials import Credentials, Login
from runner.workspace.git.sources import Sources
from runner.workspace.git.spec import SourceSpec
from tests.support.fetching import asked
from tests.support.git_server import Faults, SshServer, WebServer, make_certificate, ssh_server, web_server
from tests.support.registry import Login as ServerLogin
from tests.support.registry import free_port
from tests.support.repositories import Repository

SECRET = "hunter2token"
KNOWN = ServerLogin(user="ada", password=SECRET)
WEB = GitSettings(protocols=("http", "https"), pause=0.05, stall=5.0, total=30.0)
SSH = GitSettings(protocols=("ssh",), pause=0.05, stall=10.0, total=30.0)
_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", autouse=True)
def _packages() -> None:
    subprocess.run([_ROOT / "scripts" / "ensure-packages", "openssh-server", "openssl"], check=True)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def upstream(home: Path) -> Repository:
    """The repository ``shop``: three commits on ``main``, one that was forced away, and a pull request."""
    repository = Repository(home / "shop")
    for name in "abc":
        repository.commit(name, message=f"add {name}")
    gone = repository.git("commit-tree", "HEAD^{tree}", "-p", "HEAD~1", "-m", "forced away")
    repository.git("update-ref", "refs/pull/7/head", gone)
    return repository


@pytest.fixture(scope="module")
def _serving(home: Path, upstream: Repository) -> Iterator[WebServer]:
    with web_server(home) as server:
        yield server


@pytest.fixture
def web(_serving: WebServer) -> WebServer:
    """A server without faults."""
    _serving.faults = Faults()
    _serving.asked.clear()
    _serving.logins.clear()
    return _serving


@pytest.fixture(scope="module")
def ssh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    with ssh_server(tmp_path_factory.mktemp("ssh") / "server") as server:
        yield server


@pytest.fixture
def mirrors(tmp_path: Path) -> Path:
    return tmp_path / "mirrors"


def _sources(mirrors: Path, settings: GitSettings = WEB, *, url: str = "", login: ServerLogin | None = None) -> Sources:
    logins = {url: Login(user=login.user, password=login.password)} if login else {}
    return Sources(mirrors, settings, Credentials(logins=logins, key=settings.key, known_hosts=settings.known_hosts))


def _failure(sources: Sources, spec: SourceSpec) -> WorkspaceError:
    with pytest.raises(WorkspaceError) as caught, sources.fetched(spec):
        pass
    assert SECRET not in caught.value.explained
    assert "@" not in caught.value.message.partition(": ")[2]
    return caught.value


def _written(directory: Path) -> Iterator[Path]:
    """Yield the files below a directory in which the secret stands."""
    for path in directory.rglob("*"):
        if path.is_file() and SECRET.encode() in path.read_bytes():
            yield path


@pytest.mark.parametrize("commits", [True, False])
@pytest.mark.parametrize("name", ["HEAD", "HEAD~1", "HEAD~2"])
def test_a_commit_comes_also_from_a_server_that_gives_no_single_commits(
    web: WebServer, upstream: Repository, mirrors: Path, name: str, *, commits: bool
) -> None:
    web.faults.commits = commits
    commit = upstream.git("rev-parse", name)

    with _sources(mirrors).fetched(SourceSpec(url=f"{web.url}/shop", commit=commit, ref="main")) as found:
        assert asked(found.path, "rev-parse", "HEAD") == commit
        assert asked(found.path, "status", "--porcelain") == ""
        assert asked(found.path, "remote", "-v").split()[1] == f"{web.url}/shop"


@pytest.mark.parametrize("ref", ["", "main"])
def test_a_commit_that_was_forced_away_is_not_in_a_branch(
    web: WebServer, upstream: Repository, mirrors: Path, ref: str
) -> None:
    web.faults.commits = False
    commit = upstream.git("commit-tree", "HEAD^{tree}", "-m", "nowhere")

    failure = _failure(_sources(mirrors), SourceSpec(url=f"{web.url}/shop", commit=commit, ref=ref))

    where = "refs/heads/main" if ref else "any branch or tag"
    assert failure.message == f"{web.url}/shop: commit {commit} was not found: it is not in the history of {where}"


def test_a_pull_request_comes_from_a_server_that_gives_no_single_commits(
    web: WebServer, upstream: Repository, mirrors: Path
) -> None:
    web.faults.commits = False
    commit = upstream.git("rev-parse", "refs/pull/7/head")

    for wanted in (SourceSpec(url=f"{web.url}/shop", ref="refs/pull/7/head", commit=commit[:9]),) * 2:
        with _sources(mirrors).fetched(wanted) as found:
            assert found.commit == commit


def test_an_unknown_commit_is_asked_for_twice_and_not_cloned_for(web: WebServer, mirrors: Path) -> None:
    failure = _failure(_sources(mirrors), SourceSpec(url=f"{web.url}/shop", commit="1" * 40))

    assert failure.message.startswith(f"{web.url}/shop: commit {'1' * 40} was not found: ")
    assert sum(path.endswith("git-upload-pack") for path in web.asked) == 2


def test_a_tree_that_is_there_needs_no_server(web: WebServer, upstream: Repository, mirrors: Path) -> None:
    wanted = SourceSpec(url=f"{web.url}/shop", commit=upstream.git("rev-parse", "HEAD"))
    with _sources(mirrors).fetched(wanted):
        web.asked.clear()

    with _sources(mirrors).fetched(wanted) as found:
        assert (found.path / "c").is_file()
        assert web.asked == []


@pytest.mark.parametrize("from_url", [True, False])
def test_a_login_opens_a_repository_and_stands_nowhere(
    web: WebServer, upstream: Repository, mirrors: Path, *, from_url: bool
) -> None:
    web.faults.login = KNOWN
    commit = upstream.git("rev-parse", "HEAD")
    url = web.url.replace("//", f"//ada:{SECRET}@") if from_url else web.url
    using = _sources(mirrors, url=web.url, login=None if from_url else KNOWN)

    with using.fetched(SourceSpec(url=f"{url}/shop", commit=commit)) as found:
        assert (found.path / "c").is_file()

    assert set(web.logins) == {f"ada:{SECRET}"}
    assert list(_written(mirrors)) == []


def test_no_process_has_a_login_among_its_arguments(
    web: WebServer, upstream: Repository, mirrors: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    web.faults.login = KNOWN
    seen: list[bytes] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.001):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.append(path.read_bytes())
                except OSError:
                    continue

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        with _sources(mirrors, url=web.url, login=KNOWN).fetched(SourceSpec(url=f"{web.url}/shop", ref="main")):
            pass
    finally:
        ended.set()
        watcher.join()

    assert any(b"ls-remote" in line for line in seen)
    assert not any(SECRET.encode() in line for line in seen)


@pytest.mark.parametrize(
    "login", [None, ServerLogin(user="ada", password="wrong-" + SECRET)], ids=["without", "with a wrong one"]
)
def test_without_the_right_login_it_says_so_at_once(web: WebServer, mirrors: Path, login: ServerLogin | None) -> None:
    web.faults.login = KNOWN

    failure = _failure(_sources(mirrors, url=web.url, login=login), SourceSpec(url=f"{web.url}/shop", ref="main"))

    assert failure.message.startswith(f"{web.url}/shop: main cannot be fetched: fatal: ")
    assert "RUNNER_GIT_CREDENTIALS" in failure.hint
    assert len(web.asked) <= 2


def test_a_login_is_not_sent_to_where_a_server_points(web: WebServer, home: Path, mirrors: Path) -> None:
    with web_server(home) as other:
        other.faults.login = KNOWN
        web.faults.moved = {"/shop/info/refs": f"{other.url}/shop/info/refs"}

        failure = _failure(_sources(mirrors, url=web.url, login=KNOWN), SourceSpec(url=f"{web.url}/shop", ref="main"))

        assert "cannot be fetched" in failure.message
        assert other.asked
        assert other.logins == []


def test_a_server_in_trouble_is_asked_again(web: WebServer, upstream: Repository, mirrors: Path) -> None:
    web.faults.broken = 2

    with _sources(mirrors).fetched(SourceSpec(url=f"{web.url}/shop", ref="main")) as found:
        assert found.commit == upstream.git("rev-parse", "main")


def test_a_server_that_stays_in_trouble_is_given_up(web: WebServer, mirrors: Path) -> None:
    web.faults.broken = 100

    failure = _failure(_sources(mirrors), SourceSpec(url=f"{web.url}/shop", ref="main"))

    assert "503" in failure.message
    assert len(web.asked) == WEB.tries


def test_a_host_that_is_down_is_named(mirrors: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}/shop"

    failure = _failure(_sources(mirrors), SourceSpec(url=url, commit="1" * 40))

    assert failure.message.startswith(f"{url}: commit {'1' * 40} cannot be fetched: fatal: unable to access")
    assert failure.hint == "is the host up, and can it be reached from here?"


@pytest.mark.parametrize("when", ["/shop/info", "/shop/git-upload-pack", "connect"])
def test_a_server_that_hangs_is_left(web: WebServer, upstream: Repository, mirrors: Path, when: str) -> None:
    web.faults.slow = when
    settings = replace(WEB, stall=0.4, tries=2)
    begun = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/shop" if when == "connect" else f"{web.url}/shop"
        failure = _failure(_sources(mirrors, settings), SourceSpec(url=url, commit=upstream.git("rev-parse", "HEAD")))

    assert failure.message.endswith("cannot be fetched: nothing came for 0.4 s")
    assert time.monotonic() - begun < 5


def test_one_source_takes_no_longer_than_it_may(web: WebServer, mirrors: Path) -> None:
    web.faults.slow = "/shop"
    begun = time.monotonic()

    failure = _failure(_sources(mirrors, replace(WEB, total=0.5)), SourceSpec(url=f"{web.url}/shop", ref="main"))

    assert failure.message.endswith("it took longer than 0.5 s")
    assert "RUNNER_GIT_TIMEOUT" in failure.hint
    assert time.monotonic() - begun < 5


def test_a_fetch_that_hangs_ends_when_it_is_not_wanted(web: WebServer, mirrors: Path) -> None:
    web.faults.slow = "/shop"
    begun = time.monotonic()

    with (
        pytest.raises(UnwantedError),
        _sources(mirrors).fetched(
            SourceSpec(url=f"{web.url}/shop", ref="main"), wanted=lambda: time.monotonic() < begun + 0.5
        ),
    ):
        pass

    assert time.monotonic() - begun < 5


def test_a_repository_that_is_not_there_is_named(web: WebServer, mirrors: Path) -> None:
    failure = _failure(_sources(mirrors), SourceSpec(url=f"{web.url}/none", ref="main"))

    assert failure.message.startswith(f"{web.url}/none: main cannot be fetched: ")
    assert failure.hint.startswith("check the address")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ext::sh -c touch% {evil}", "the protocol ext is not allowed"),
        ("file://{home}/shop", "would be read from this machine"),
        ("{home}/shop", "would be read from this machine"),
        ("--upload-pack=touch {evil}", "not the address of a repository"),
    ],
)
def test_a_submodule_of_a_server_reaches_for_nothing_on_this_machine(  # noqa: PLR0913, PLR0917 - what it is, and where
    web: WebServer, home: Path, mirrors: Path, tmp_path: Path, url: str, message: str
) -> None:
    evil = tmp_path / "evil"
    hostile = Repository(home / f"hostile-{tmp_path.name}")
    hostile.write(".gitmodules", f'[submodule "x"]\n\tpath = x\n\turl = {url.format(evil=evil, home=home)}\n')
    hostile.git("add", ".")
    hostile.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},x")
    hostile.git("commit", "-q", "-m", "hostile")
    spec = SourceSpec(url=f"{web.url}/{hostile.root.name}", ref="main", submodules=True)

    failure = _failure(_sources(mirrors, replace(WEB, protocols=("http", "file"))), spec)

    assert failure.message.startswith(f"{spec.url}: submodule x: ")
    assert message in failure.message
    assert not evil.exists()


def test_a_submodule_of_a_server_comes_with_the_same_login(
    web: WebServer, upstream: Repository, home: Path, mirrors: Path
) -> None:
    outer = Repository(home / "outer")
    outer.write(".gitmodules", '[submodule "x"]\n\tpath = x\n\turl = ../shop\n')
    outer.git("add", ".")
    outer.git("update-index", "--add", "--cacheinfo", f"160000,{upstream.git('rev-parse', 'HEAD~1')},x")
    outer.git("commit", "-q", "-m", "outer")
    web.faults.login = KNOWN
    spec = SourceSpec(url=f"{web.url}/outer", ref="main", submodules=True)

    with _sources(mirrors, url=web.url, login=KNOWN).fetched(spec) as found:
        assert sorted(path.name for path in (found.path / "x").iterdir()) == [".git", "a", "b"]


def test_a_certificate_must_be_trusted(
    home: Path, upstream: Repository, mirrors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = make_certificate(tmp_path)
    with web_server(home, certificate) as server:
        spec = SourceSpec(url=f"{server.url}/shop", commit=upstream.git("rev-parse", "HEAD"))
        failure = _failure(_sources(mirrors, replace(WEB, protocols=("https",))), spec)
        assert "certificate" in failure.message
        assert "GIT_SSL_CAINFO" in failure.hint

        monkeypatch.setenv("GIT_SSL_CAINFO", str(certificate))
        with _sources(mirrors, replace(WEB, protocols=("https",))).fetched(spec) as found:
            assert (found.path / "c").is_file()


def test_a_key_opens_a_repository_over_ssh(ssh: SshServer, upstream: Repository, mirrors: Path) -> None:
    settings = replace(SSH, key=ssh.key, known_hosts=ssh.known_hosts)
    spec = SourceSpec(url=ssh.url(upstream.root), commit=upstream.git("rev-parse", "HEAD~1"), ref="main")

    with _sources(mirrors, settings).fetched(spec) as found:
        assert sorted(path.name for path in found.path.iterdir()) == [".git", "a", "b"]
        assert asked(found.path, "remote", "-v").split()[1] == spec.url


@pytest.mark.parametrize("what", ["a host that is not known", "a key that does not fit", "a repository that is not"])
def test_what_ssh_says_is_told(ssh: SshServer, upstream: Repository, mirrors: Path, tmp_path: Path, what: str) -> None:
    settings, path = replace(SSH, key=ssh.key, known_hosts=ssh.known_hosts), upstream.root
    if "host" in what:
        settings, said = replace(settings, known_hosts=tmp_path / "none"), "Host key verification failed"
    elif "key" in what:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "other"], check=True)
        settings, said = replace(settings, key=tmp_path / "other"), "Permission denied (publickey)"
    else:
        path, said = upstream.root.with_name("none"), "does not appear to be a git repository"
    spec = SourceSpec(url=ssh.url(path), ref="main")

    with pytest.raises(WorkspaceError) as caught, _sources(mirrors, settings).fetched(spec):
        pass

    assert caught.value.message.startswith(f"{spec.url}: main cannot be fetched: ")
    assert said in caught.value.message
    assert caught.value.hint


def test_an_ssh_server_that_is_down_is_named(mirrors: Path, tmp_path: Path) -> None:
    url = f"ssh://git@127.0.0.1:{free_port()}/srv/r"

    with (
        pytest.raises(WorkspaceError, match="Connection refused") as caught,
        _sources(mirrors, SSH).fetched(SourceSpec(url=url, ref="main")),
    ):
        pass

    assert caught.value.hint == "is the host up, and can it be reached from here?"


def test_a_second_run_takes_a_fraction_of_a_clone(web: WebServer, home: Path, mirrors: Path, tmp_path: Path) -> None:
    """With a fraction of the 50,000 files for which the promise is: there it is easier to keep."""
    big = Repository(home / "big")
    for number in range(3000):
        big.write(f"{number // 100}/{number}", f"{number}\n" * (number % 40))
    big.git("add", ".")
    commits = [big.commit(f"0/{number}", message=str(number)) for number in range(4)]
    url = f"{web.url}/big"
    with _sources(mirrors).fetched(SourceSpec(url=url, commit=commits[0])):
        pass
    clones: list[float] = []
    same: list[float] = []
    other: list[float] = []
    for number in range(1, 4):
        begun = time.monotonic()
        subprocess.run(["git", "clone", "-q", url, tmp_path / f"clone-{number}"], check=True)
        clones.append(time.monotonic() - begun)
        for times in (other, same):
            begun = time.monotonic()
            with _sources(mirrors).fetched(SourceSpec(url=url, commit=commits[number])):
                times.append(time.monotonic() - begun)

    assert sorted(same)[1] <= 0.05 * sorted(clones)[1]
    assert sorted(other)[1] <= 0.9 * sorted(clones)[1]
