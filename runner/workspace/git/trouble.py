"""Why git failed, as far as its words tell, and what a person can do about it."""

import re
from collections.abc import Iterable
from enum import StrEnum

from runner.errors import WorkspaceError

_LINES = 2
_LONGEST = 500  # characters
_SPOKEN = re.compile(r"(?:fatal|error|remote|ssh|ERROR): |Permission denied|Host key verif")
_HARMLESS = re.compile(r"fatal: Could not read from remote repository|Please make sure|warning: ")
_USERINFO = re.compile(r"(?<=://)[^/\s'\"]*@")


class Cause(StrEnum):
    """Why git failed; the value is the hint."""

    NETWORK = "is the host up, and can it be reached from here?"
    STALL = "is the host up? RUNNER_GIT_STALL says how many seconds git may be silent"
    DEADLINE = "RUNNER_GIT_TIMEOUT says how many seconds it may take"
    LOGIN = (
        "the file that RUNNER_GIT_CREDENTIALS names can hold a line https://user:token@host; RUNNER_GIT_KEY names a key"
        " for ssh"
    )
    HOST_KEY = "write its key into the file that RUNNER_GIT_KNOWN_HOSTS names, as ssh-keyscan prints it"
    CERTIFICATE = "GIT_SSL_CAINFO names a file of certificates to trust"
    ABSENT = "check the address; to those who may not read it, many servers say the same"
    UNKNOWN = "was it pushed, and is it still there?"
    REFUSED = "the server gives no single commits; name a branch or tag that holds it"
    PROTOCOL = "RUNNER_GIT_PROTOCOLS says which protocols are allowed"
    DISK = "is the disk full?"
    OTHER = ""


TRANSIENT = (Cause.NETWORK, Cause.STALL)
"""What may be otherwise a second later."""

# The first that matches counts: ssh, for one, says that the remote end hung up after it has said why.
_WORDS = {
    Cause.DISK: ("No space left on device", "Disk quota exceeded", "Read-only file system"),
    Cause.HOST_KEY: ("Host key verification failed", "REMOTE HOST IDENTIFICATION HAS CHANGED"),
    Cause.PROTOCOL: ("transport '.*' not allowed", "[Pp]rotocol .* (?:not supported|disabled)"),
    Cause.CERTIFICATE: ("SSL certificate problem", "certificate verif", "SSL: no alternative", "server certificate"),
    Cause.LOGIN: (
        *("Authentication failed", "could not read (?:Username|Password)", r"Permission denied \(", "Access denied"),
        *("returned error: 40[13]", "Too many authentication failures", "[Ll]oad key"),
    ),
    Cause.ABSENT: (*("[Rr]epository .*not found", "not appear to be a git repository", "returned error: (?:404|410)"),),
    Cause.UNKNOWN: ("couldn't find remote ref", "not our ref"),
    Cause.REFUSED: ("does not allow request for unadvertised object", "want [0-9a-f]+ not valid"),
    Cause.NETWORK: (
        *("Could not resolve", "Temporary failure", "Network is unreachable", "No route to host", "timed out"),
        *("Failed to connect", "Couldn't connect", "[Cc]onnection (?:refused|reset|closed)", "kex_exchange"),
        *("early EOF", "hung up", "RPC failed", "Empty reply", "unexpected disconnect", "Operation too slow"),
        *("returned error: (?:408|429|5[0-9][0-9])", "SSL_ERROR_SYSCALL", "GnuTLS recv error"),
        *("bad line length", "invalid index-pack output"),
    ),
}
_CAUSES = tuple((cause, re.compile("|".join(words))) for cause, words in _WORDS.items())


class GitError(Exception):
    """A git command failed; ``words`` are what it wrote, without what is secret."""

    def __init__(self, cause: Cause, words: str) -> None:
        super().__init__(words)
        self.cause = cause
        self.words = words


def failed(written: str, secrets: Iterable[str]) -> GitError:
    """Return the error of a git command that wrote this to its stderr."""
    cause = next((cause for cause, pattern in _CAUSES if pattern.search(written)), Cause.OTHER)
    return GitError(cause, _words(written, secrets))


def explained(error: GitError, repository: object, goal: str) -> WorkspaceError:
    """Return the error that a person sees. ``repository`` is its address without a login, ``goal`` what was wanted."""
    outcome = "was not found" if error.cause in (Cause.UNKNOWN, Cause.REFUSED) else "cannot be fetched"
    return WorkspaceError(f"{repository}: {goal} {outcome}: {error.words}", hint=error.cause.value)


def without_login(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a text without these secrets, and without user and password in every address in it."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "***")
    return _USERINFO.sub("", text)


def printable(text: str) -> str:
    """Return a text on one line, without control characters: a server, or a repository, chose it."""
    return "".join(each if each.isprintable() else "?" for each in text)


def _words(written: str, secrets: Iterable[str]) -> str:
    """Return the lines in which git says what is wrong: not its progress, nor what it always says at the end."""
    lines = [line.strip() for line in re.split(r"[\r\n]+", without_login(written, secrets)) if line.strip()]
    spoken = [line for line in lines if _SPOKEN.search(line) and not _HARMLESS.search(line)] or lines[-1:]
    return printable("; ".join(spoken[-_LINES:])[-_LONGEST:]) or "git said nothing"
