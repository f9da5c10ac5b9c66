import pytest

from runner.workspace.git.trouble import Cause, explained, failed

SECRET = "hunter2token"


@pytest.mark.parametrize(
    ("written", "cause"),
    [
        ("fatal: unable to access 'https://h/r/': Could not resolve host: h", Cause.NETWORK),
        ("fatal: unable to access 'http://h/': Failed to connect to h port 1: Connection refused", Cause.NETWORK),
        ("error: RPC failed; HTTP 503 curl 22 The requested URL returned error: 503", Cause.NETWORK),
        ("fatal: unable to access 'https://h/r/': The requested URL returned error: 429", Cause.NETWORK),
        ("fetch-pack: unexpected disconnect while reading sideband packet\nfatal: early EOF", Cause.NETWORK),
        ("ssh: connect to host h port 22: Connection refused\nfatal: Could not read from remote", Cause.NETWORK),
        ("ssh: Could not resolve hostname h: Temporary failure in name resolution", Cause.NETWORK),
        ("fatal: unable to access 'x': Operation too slow. Less than 1 bytes/sec", Cause.NETWORK),
        ("git@h: Permission denied (publickey).\r\nfatal: the remote end hung up", Cause.LOGIN),
        ("fatal: Authentication failed for 'https://h/r/'", Cause.LOGIN),
        ("fatal: could not read Username for 'https://h': terminal prompts disabled", Cause.LOGIN),
        ("fatal: unable to access 'https://h/r/': The requested URL returned error: 403", Cause.LOGIN),
        ("Host key verification failed.\r\nfatal: Could not read from remote repository.", Cause.HOST_KEY),
        ("fatal: unable to access 'https://h/': SSL certificate problem: self-signed certificate", Cause.CERTIFICATE),
        ("fatal: 'https://h/': server certificate verification failed. CAfile: none", Cause.CERTIFICATE),
        ("remote: Repository not found.\nfatal: repository 'https://h/r/' not found", Cause.ABSENT),
        ("fatal: '/srv/r' does not appear to be a git repository", Cause.ABSENT),
        ("fatal: couldn't find remote ref refs/heads/x", Cause.UNKNOWN),
        ("fatal: remote error: upload-pack: not our ref 1111", Cause.UNKNOWN),
        ("error: Server does not allow request for unadvertised object 1111", Cause.REFUSED),
        ("fatal: remote error: want 0123abcd not valid", Cause.REFUSED),
        ("fatal: transport 'ext' not allowed", Cause.PROTOCOL),
        ("fatal: write error: No space left on device", Cause.DISK),
        ("error: object file is empty", Cause.OTHER),
        ("", Cause.OTHER),
    ],
)
def test_the_words_of_git_tell_the_cause(written: str, cause: Cause) -> None:
    assert failed(written, ()).cause is cause


def test_the_words_are_those_that_say_what_is_wrong() -> None:
    written = (
        "Receiving objects:  10%\rReceiving objects:  20%\n"
        "remote: Counting objects: 3\n"
        "error: RPC failed; HTTP 502\nfatal: expected flush after ref listing\n"
        "Please make sure you have the correct access rights\n"
    )

    assert failed(written, ()).words == "error: RPC failed; HTTP 502; fatal: expected flush after ref listing"


@pytest.mark.parametrize(
    ("written", "words"),
    [("", "git said nothing"), ("usage: git x", "usage: git x"), ("fatal: \x1b[31mred\x07", "fatal: ?[31mred?")],
)
def test_there_are_always_words_that_can_be_shown(written: str, words: str) -> None:
    assert failed(written, ()).words == words


def test_what_a_server_says_is_not_endless() -> None:
    assert len(failed("fatal: " + "x" * 100_000, ()).words) <= 500


def test_words_show_no_secret_and_no_login() -> None:
    written = f"fatal: unable to access 'https://ada:pw@h/r?{SECRET}/': no\nfatal: ssh://x@h:1/r"

    words = failed(written, (SECRET, "")).words

    assert words == "fatal: unable to access 'https://h/r?***/': no; fatal: ssh://h:1/r"


def test_the_message_says_which_repository_and_what_to_do() -> None:
    error = explained(failed("fatal: Authentication failed", ()), "https://h/r", "commit 0123")

    assert error.message == "https://h/r: commit 0123 cannot be fetched: fatal: Authentication failed"
    assert "RUNNER_GIT_CREDENTIALS" in error.hint


@pytest.mark.parametrize("cause", list(Cause))
def test_every_cause_but_an_unknown_one_has_a_hint(cause: Cause) -> None:
    assert bool(cause.value) == (cause is not Cause.OTHER)
