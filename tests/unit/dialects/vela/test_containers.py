"""What a container asks for beside an image."""

import pytest

from runner.plan.model import Bind, Limits, Ready, Ulimit
from tests.support.pipelines import PUSH, findings_of, plan_of, step_findings, step_of

HUGE = "9" * 5000


def _service(ready: str) -> str:
    return f"version: 1\nservices: [{{name: d, image: i, ready: {ready}}}]\nsteps: [{{name: s, image: i}}]"


@pytest.mark.parametrize(
    ("yaml", "limits"),
    [
        ("limits: {cpus: 0.5}", Limits(cpus=0.5)),
        ("limits: {memory: 2g, pids: 10}", Limits(memory=2 * 1024**3, pids=10)),
        ("limits: {cpus: '2', memory: 8388608}", Limits(cpus=2, memory=8388608)),
        ("limits: {}", Limits()),
        ("limits:", Limits()),
    ],
)
def test_limits_are_processors_bytes_and_processes(yaml: str, limits: Limits) -> None:
    assert step_of(yaml).limits == limits


@pytest.mark.parametrize(
    ("yaml", "told"),
    [
        ("limits: {cpus: many}", "20: 'cpus' of 'limits' of step 's': 'many' is not a number of processors"),
        ("limits: {memory: 1t}", "22: 'memory' of 'limits' of step 's': '1t' is not an amount of memory"),
        ("limits: {pids: 0}", "20: 'pids' of 'limits' of step 's': '0' is not a number above 0"),
        ("limits: 5", "13: 'limits' of step 's' is a single value"),
    ],
)
def test_a_limit_that_cannot_be_is_an_error(yaml: str, told: str) -> None:
    (found,) = step_findings(yaml)

    assert found.startswith(f"in.yml:5:{told} (")


@pytest.mark.parametrize(
    ("yaml", "ulimits"),
    [
        ("[nofile=1024]", [("nofile", 1024, 1024)]),
        ("nofile=1:2", [("nofile", 1, 2)]),
        ("[core=0, memlock=-1:-1]", [("core", 0, 0), ("memlock", -1, -1)]),
        ("[stack=5:-1]", [("stack", 5, -1)]),
        ("[{name: nofile, soft: 1, hard: 2}, {name: core, soft: 0}]", [("nofile", 1, 2), ("core", 0, 0)]),
        ("[nofile=1, {name: core, soft: 0}, null]", [("nofile", 1, 1), ("core", 0, 0)]),
        ("[]", []),
        ("", []),
    ],
)
def test_ulimits_are_texts_or_maps(yaml: str, ulimits: list[tuple[str, int, int]]) -> None:
    assert step_of(f"ulimits: {yaml}").ulimits == tuple(Ulimit(name=n, soft=s, hard=h) for n, s, h in ulimits)


@pytest.mark.parametrize(
    ("yaml", "told"),
    [
        ("[nofile]", "the ulimit 'nofile' of step 's' cannot be read (write name=soft or name=soft:hard)"),
        ("[nofile=1=2]", "the ulimit 'nofile=1=2' of step 's' cannot be read (write name=soft or name=soft:hard)"),
        (
            "['nofile=1:2:3']",
            "the ulimit 'nofile=1:2:3' of step 's' cannot be read (write name=soft or name=soft:hard)",
        ),
        ("['nofile=1:']", "the ulimit 'nofile=1:' of step 's' cannot be read (write name=soft or name=soft:hard)"),
        ("['=1']", "the ulimit '=1' of step 's' cannot be read (write name=soft or name=soft:hard)"),
        ("[nofile=lots]", "the ulimit 'nofile' of step 's' is not a number (write whole numbers; -1 means no limit)"),
        ("[nofile=--1]", "the ulimit 'nofile' of step 's' is not a number (write whole numbers; -1 means no limit)"),
        (f"[a={HUGE}]", "the ulimit 'a' of step 's' is not a number (write whole numbers; -1 means no limit)"),
        (
            "[nofile=5:1]",
            "in step 's' the soft limit of 'nofile' is above the hard one (raise the hard one: name=soft:hard)",
        ),
        (
            "[nofile=-1:1]",
            "in step 's' the soft limit of 'nofile' is above the hard one (raise the hard one: name=soft:hard)",
        ),
        ("[{soft: 1}]", "a ulimit of step 's' has no 'name' (such as nofile)"),
        ("[{name: core}]", "a ulimit of step 's' has no 'soft' (write a number)"),
        ("[{name: core, soft: [1]}]", "'soft' of a ulimit of step 's' is a list (it must be a single value)"),
        ("{name: core, soft: 1}", "'ulimits' of step 's' is a map (it must be a list)"),
    ],
)
def test_a_ulimit_that_cannot_be_says_what_would_be_right(yaml: str, told: str) -> None:
    (found,) = step_findings(f"ulimits: {yaml}")

    assert found.split(": ", 1)[1] == told


@pytest.mark.parametrize(
    ("yaml", "binds"),
    [
        ("[/a]", [Bind(source="/a", target="/a")]),
        ("/a:/b", [Bind(source="/a", target="/b")]),
        ("['/a:/b:rw', '/c:/d:ro']", [Bind(source="/a", target="/b", read_only=False), Bind(source="/c", target="/d")]),
        ("[{source: /a}]", [Bind(source="/a", target="/a")]),
        ("[{source: /a, destination: /b, access_mode: rw}]", [Bind(source="/a", target="/b", read_only=False)]),
        ("[null]", []),
    ],
)
def test_volumes_are_texts_or_maps_and_read_only_unless_they_say_otherwise(yaml: str, binds: list[Bind]) -> None:
    assert list(step_of(f"volumes: {yaml}").volumes) == binds


@pytest.mark.parametrize("yaml", ["/a:/b:rx", "/a:/b:ro:x", "'/a:'", "':/a'", "'::'", "''"])
def test_a_volume_that_cannot_be_read_says_what_would_be_right(yaml: str) -> None:
    (told,) = step_findings(f"volumes: [{yaml}]")

    assert told.endswith(
        "of step 's' cannot be read (write source, source:destination, or source:destination:ro or rw)"
    )


@pytest.mark.parametrize(
    ("yaml", "what"),
    [
        ("data:/b", "the source 'data'"),
        ("{source: ~, destination: /b}", "no 'source'"),
        ("./a:/b", "the source './a'"),
        ("/a:b", "the destination 'b'"),
        ("{source: /a, destination: b}", "the destination 'b'"),
        ("{source: /a, access_mode: rx}", "'access_mode' of a volume of step 's' is 'rx'"),
    ],
)
def test_a_volume_that_could_not_be_mounted_is_an_error_now(yaml: str, what: str) -> None:
    (told,) = step_findings(f"volumes: [{yaml}]")

    assert what in told


def test_a_cache_is_one_for_each_key_and_path_of_a_repository() -> None:
    step = step_of("cache:\n  - {key: go, paths: [/root/go, .cache]}\n  - {key: npm, paths: node_modules}")
    others = step_of("cache: [{key: go, paths: [/root/go]}]", PUSH)

    assert [cache.path for cache in step.caches] == ["/root/go", ".cache", "node_modules"]
    assert len({cache.key for cache in step.caches}) == 2
    assert step.caches[0] == others.caches[0]


@pytest.mark.parametrize(
    ("yaml", "told"),
    [
        ("cache: {key: a, paths: b}", "'cache' of step 's' is a map (it must be a list)"),
        (
            "cache: [a]",
            "'cache' of step 's' holds a single value (it must be a list of maps, each with a 'key' and 'paths')",
        ),
        ("cache: [{paths: a}]", "a cache of step 's' has no 'key' (it tells one cache from another)"),
        ("cache: [{key: a}]", "a cache of step 's' has no 'paths' (name a directory)"),
        ("cache: [{key: a, paths: []}]", "a cache of step 's' has no 'paths' (name a directory)"),
    ],
)
def test_a_cache_that_cannot_be_says_what_would_be_right(yaml: str, told: str) -> None:
    (found,) = step_findings(yaml)

    assert found.split(": ", 1)[1] == told


@pytest.mark.parametrize("path", ["''", "/", "//", "..", "../a", "a/../b", "/a/.."])
def test_a_cache_holds_a_directory_of_its_own(path: str) -> None:
    (told,) = step_findings(f"cache: [{{key: a, paths: [{path}]}}]")

    assert "cannot be a directory of a cache of step 's'" in told


def test_artifacts_are_patterns() -> None:
    assert step_of("artifacts: {paths: ['*.xml', 'a/**']}").artifacts == ("*.xml", "a/**")
    assert step_of("artifacts: {paths: one}").artifacts == ("one",)
    assert step_of("artifacts:").artifacts == ()


@pytest.mark.parametrize(
    ("ready", "expected"),
    [
        ("{command: pg_isready}", Ready(command="pg_isready")),
        ("{port: 5432}", Ready(port=5432)),
        ("{port: '5432', timeout: 2m}", Ready(port=5432, timeout=120)),
        ("", None),
    ],
)
def test_a_service_says_by_a_command_or_a_port_when_it_is_ready(ready: str, expected: Ready | None) -> None:
    assert plan_of(_service(ready)).services[0].ready == expected


@pytest.mark.parametrize(
    ("ready", "told"),
    [
        ("{}", "'ready' of service 'd' needs a command or a port (write one of them)"),
        ("{command: a, port: 1}", "'ready' of service 'd' needs a command or a port (write one of them)"),
        ("{command: ''}", "'ready' of service 'd' has no 'command' (it is run until it succeeds)"),
        ("{command: [a]}", "'command' of 'ready' of service 'd' is a list (it must be a single value)"),
        ("{port: high}", "'port' of 'ready' of service 'd': 'high' is not a port (write a number from 1 to 65535)"),
        ("{port: 70000}", "'port' of 'ready' of service 'd': '70000' is not a port (write a number from 1 to 65535)"),
        ("5432", "'ready' of service 'd' is a single value (it must be a map)"),
    ],
)
def test_a_readiness_that_cannot_be_is_one_error(ready: str, told: str) -> None:
    (found,) = findings_of(_service(ready))

    assert found.split(": ", 1)[1] == told
