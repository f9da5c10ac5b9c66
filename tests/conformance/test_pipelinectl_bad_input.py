"""Bad input, a full disk, a store that nobody may write: a message and a status, nothing printed or half-written."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from runner.engine.backend import Signal
from tests.support.attempts import BUSYBOX, DEBIAN
from tests.support.pipelinectl_stand import ROOT, USER, Stand, Step, stand_with

NOT_FOUND, WRONG_CALL, NO_STORE = 1, 2, 3

# Runs each of its arguments, and prints: code, bytes of standard output, what changed in the store, the messages.
TRY = """
listed() { ls -A1 "$values"; cat "$values"/[a-jl-z].*; ls -A1 "$secrets"; }
try() {
    for call in "$@"; do
        listed >/tmp/before
        eval "$call" >/tmp/out 2>/tmp/err </dev/null; code=$?
        listed >/tmp/after
        cmp -s /tmp/before /tmp/after && changed= || changed=$(diff /tmp/before /tmp/after | tr '\\n' ' ')
        printf '%s|%s|%s|' "$code" "$(grep -v ::add-mask:: /tmp/out | wc -c)" "$changed"
        grep -v ::add-mask:: /tmp/err | tr '\\n' '\\r'; echo
    done
}
long() { head -c "$1" /dev/zero | tr '\\0' x; }
"""
FILES = """
cd /tmp; mkdir -p folder; echo text >file; echo bad >bad.json; cp /bin/busybox big 2>/dev/null || cp /bin/sh big
printf '{"version":1,"env":{"old":"new","one":"1"}}' >payload
"""
PREPARE = f"""{FILES}
set_env old value; set_envc fixed value; save_repo repo a=1; save_file old file
save_asset n 1 blob 1; save_asset n 1 m 2 blob 2
"""
HERE = "values=/run/runner/values secrets=/run/runner-secrets"

BAD = {
    "get_env never-set": (NOT_FOUND, "never-set"),
    "get_secret never-set": (NOT_FOUND, "never-set"),
    "load_file never-saved": (NOT_FOUND, "never-saved"),
    "load_repo never-saved": (NOT_FOUND, "never-saved"),
    "load_repo repo no-property": (NOT_FOUND, "no-property"),
    "load_artifact repo a": (NOT_FOUND, "repo"),
    "load_result stage never-saved": (NOT_FOUND, "never-saved"),
    "get_data never-put": (NOT_FOUND, "never-put"),
    "get_data never-put p": (NOT_FOUND, "never-put"),
    "load_asset n 3": (NOT_FOUND, "n"),
    "load_asset n 1": (NOT_FOUND, "2"),
    "set_env fixed other": (NOT_FOUND, "fixed"),
    "set_envc old other": (NOT_FOUND, "old"),
    "save_file key missing": (NOT_FOUND, "missing"),
    "save_file key folder": (NOT_FOUND, "folder"),
    "save_result stage folder": (NOT_FOUND, "folder"),
    "save_asset n 1 blob 3": (NOT_FOUND, "n"),
    "save_asset n 4 blob nonsense": (NOT_FOUND, "JSON"),
    "save_asset n 4 blob bad.json": (NOT_FOUND, "JSON"),
    "pipelinectl deserialize bad.json": (NOT_FOUND, "bad.json"),
    "pipelinectl deserialize missing": (NOT_FOUND, "missing"),
    "pipelinectl serialize old never-set": (NOT_FOUND, "never-set"),
    "trigger-task Not_A_Name": (NOT_FOUND, "Not_A_Name"),
    'set_env "$(long 1025)" value': (NOT_FOUND, "1024"),
    'save_repo "$(long 1025)" a=1': (NOT_FOUND, "1024"),
    'save_repo new "$(long 1025)=1"': (NOT_FOUND, "1024"),
    "long 1048577 | set_env large": (NOT_FOUND, "1048576"),
    "long 1048577 | set_secret large": (NOT_FOUND, "1048576"),
    "long 1048577 | save_repo new a=1 large": (NOT_FOUND, "1048576"),
    'set_env "" value': (NOT_FOUND, "key"),
    "printf 'a\\0b' | set_env text": (NOT_FOUND, "NUL"),
    "set_env text <folder": (NOT_FOUND, "input"),
    "get_env": (WRONG_CALL, "get_env"),
    "set_env one 1 two": (WRONG_CALL, "set_env"),
    "set_secret one a-secret-value two a-secret-value": (WRONG_CALL, "set_secret"),
    "save_repo new one two": (WRONG_CALL, "two"),
    "put_data key property": (WRONG_CALL, "put_data"),
    "save_asset n 4": (WRONG_CALL, "blob"),
    "collect-evidence --status perfect": (WRONG_CALL, "--status"),
    "trigger-task": (WRONG_CALL, "trigger-task"),
    "pipelinectl": (WRONG_CALL, "help"),
    "pipelinectl no-such-command": (WRONG_CALL, "no-such-command"),
    "pipelinectl help no-such-command": (WRONG_CALL, "no-such-command"),
    "set_env unread <&-": (WRONG_CALL, "input"),
    "RUNNER_VALUES=/nowhere set_env one 1": (NO_STORE, "/nowhere"),
    "RUNNER_VALUES=/nowhere get_env one": (NO_STORE, "/nowhere"),
    "RUNNER_SECRETS=/nowhere set_secret one a-secret-value": (NO_STORE, "/nowhere"),
}
WRITES = [
    "set_env old new",
    "echo new | set_env old",
    "set_env one 1 two 2",
    "set_envc new value",
    'set_env "$(long 500)" value',
    "save_file old big",
    "save_result stage big",
    "save_repo repo a=2",
    "save_repo new a=1 b=2",
    "save_artifact new a=1",
    "echo text | save_artifact new a",
    "put_data key property value",
    "save_asset n 5 blob 5",
    "save_evidence n 5 blob 5",
    "pipelinectl deserialize payload",
    "collect-evidence --tool-type t --evidence-type e --asset-key k --asset-type repo --status success",
]
SECRET = "set_secret old a-secret-value"
# Two pages are free: the first of these values has room, the second has none.
PARTLY = ['set_env small 1 large "$(long 9000)"', 'save_repo new small=1 large="$(long 9000)"']


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What came of a call: ``changed`` tells what is another in the store, ``messages`` are its lines."""

    code: int
    printed: int
    changed: str
    messages: list[str]


def tried(lines: Sequence[str], calls: Sequence[str]) -> dict[str, Tried]:
    """Return what came of the calls of ``TRY``."""
    found = {}
    for call, line in zip(calls, lines, strict=True):
        code, printed, changed, messages = line.split("|", 3)
        found[call] = Tried(
            code=int(code), printed=int(printed), changed=changed, messages=messages.removesuffix("\r").split("\r")
        )
    return found


def quoted(calls: Sequence[str]) -> str:
    """Return calls as words of a shell."""
    return " ".join("'" + call.replace("'", "'\\''") + "'" for call in calls)


def judge(found: Tried, code: int, word: str) -> None:
    """Fail unless a call failed as it should: with one line, in our words."""
    (message,) = found.messages
    assert (found.code, found.printed, found.changed) == (code, 0, ""), found
    assert message.startswith("pipelinectl: ")
    assert word in message
    assert "a-secret-value" not in message


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    with stand_with() as stand:
        assert stand.step(PREPARE).lines == []
        yield stand


@pytest.fixture(scope="module")
def waiting(stand: Stand) -> Iterator[Step]:
    step = stand.begin("sleep 600")
    yield step
    stand.backend.signal(step.spec.address, Signal.KILL)
    step.end()


@pytest.fixture(scope="module", params=[(BUSYBOX, ROOT), (DEBIAN, USER)], ids=["ash-root", "dash-user"])
def bad(stand: Stand, request: pytest.FixtureRequest) -> dict[str, Tried]:
    image, user = request.param
    script = f"{HERE}\n{FILES}\n{TRY}\ntry {quoted(list(BAD))}"
    return tried(stand.step(script, image=image, user=user).lines, list(BAD))


@pytest.mark.parametrize("call", BAD)
def test_a_bad_call_says_what_is_wrong_and_leaves_everything_as_it_was(bad: dict[str, Tried], call: str) -> None:
    judge(bad[call], *BAD[call])


@pytest.mark.parametrize("user", [ROOT, USER])
def test_on_a_full_disk_nothing_is_half_written_and_the_old_values_stay(waiting: Step, user: str) -> None:
    script = f"""
        values=/tiny/values secrets=/tiny/secrets; export RUNNER_VALUES=$values RUNNER_SECRETS=$secrets
        umask 0; mkdir $values $secrets
        {PREPARE}
        set_secret old old-secret >/dev/null 2>&1
        head -c 8192 /dev/zero >/tiny/two-pages; head -c 1000000 /dev/zero >/tiny/rest 2>/dev/null
        {TRY}
        try {quoted([*WRITES, SECRET])}; rm /tiny/two-pages; try {quoted(PARTLY)}; rm /tiny/rest
        get_env old; get_secret old; load_file old; load_repo repo a; load_repo repo; set_env old new; get_env old
    """
    calls = [*WRITES, SECRET, *PARTLY]
    lines = waiting.beside(script, user, tmpfs={"/tiny": "size=128k,mode=0777", "/tmp": "size=8m,mode=1777"}).lines
    found = tried(lines[: len(calls)], calls)

    assert lines[len(calls) :] == ["value", "old-secret", "text", "1", "a", "new"]
    for call in calls:
        judge(found[call], NO_STORE, "full")


@pytest.mark.parametrize("user", [ROOT, USER])
def test_values_that_cannot_be_written_can_still_be_read(waiting: Step, user: str) -> None:
    reads = "get_env old; load_file old; load_repo repo a; list_env | sort; list_repos"
    script = f"{HERE}\n{FILES}\n{TRY}\ntry {quoted([*WRITES, SECRET])}\n{reads}"
    lines = waiting.beside(script, user, values="ro").lines
    calls = [*WRITES, SECRET]
    found = tried(lines[: len(calls)], calls)

    assert lines[len(calls) :] == ["value", "text", "1", "fixed", "old", "repo"]
    for call in calls:
        judge(found[call], NO_STORE, "read-only")
