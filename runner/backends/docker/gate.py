"""The gate: the few lines of sh that hold a started step until it is released, and what is sent to open it.

The payload arrives on stdin: ``go``, an end token, a length, then that many bytes of exports and script that end with
the token. A payload that is cut off anywhere fails the token check, so half a script never runs. The length spares
the half-close, which a TLS connection does not have. Tried in dash, bash (as ``/bin/sh``) and busybox ash.

Right before it runs anything the gate creates the *mark*, an empty file in a directory of the run's values. Hence
"no mark" means "nothing of the user's ran", and an exit code 125 with the mark is the script's own. To keep that true
an attempt whose mark cannot be written does not run (125, with the shell's message on stderr), and since ``set -C``
refuses to overwrite, no attempt is released twice.

After the exports the commands of steps come first on the PATH, whatever that is by then.

A script is no text for the gate: it lies in a file by then, which the gate becomes, so that its first line counts.

A step may ask for another shell. The gate is ``/bin/sh`` then, too: it becomes that shell (``exec``) after the exports,
so that a PATH among them counts, and hands it the script in a here-document that ends with the token.
"""

import re
import string
from collections.abc import Iterable, Mapping, Sequence

from runner.errors import InfrastructureError
from runner.pipelinectl.layout import PROGRAMS

UNRELEASED, NO_SHELL = 125, 127

SHELL = "/bin/sh"

# The kernel's MAX_ARG_STRLEN is 131,072 bytes for `NAME=value` and its NUL.
LONGEST_VARIABLE = 131_071

# `true`, not `:`, for a failed redirection of a special builtin ends the shell with a code of its own. The names are
# long because an image may have variables of its own named `s` or `t`.
_GATE = """\
IFS= read -r runner_go && IFS= read -r runner_end && IFS= read -r runner_size && [ "$runner_go" = go ] || exit 125
runner_text=$(head -c "$runner_size") && exec </dev/null || exit 125
case $runner_text in *"
#$runner_end") ;; *) exit 125 ;; esac
set -C
true >"$1" || exit 125
set +C
shift
eval "unset runner_go runner_end runner_size runner_text TINI_KILL_PROCESS_GROUP
$runner_text"
"""

# What another shell runs. It reads the script whole before it runs any of it, so that no command swallows the rest.
_IN_SHELL = """\
runner_text=$(cat) && exec </dev/null || exit 126
eval "unset runner_text
$runner_text"
"""

ENGINE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What an engine gives to a container whose image sets no PATH."""

_PREFIXED = f'command export "PATH={PROGRAMS}:${{PATH:-{ENGINE_PATH}}}" || :\n'.encode()

_FIRST = string.ascii_letters + string.digits + "%+,-./:=@^_~"

_EXPORTABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_IMPOSSIBLE_IN_NAME = re.compile(r"[=\0\n]")
_INTERPRETER = re.compile(r"#![ \t]*([^ \t\r\n]+)")


def entrypoint(mark: str) -> list[str]:
    """Return the argument list of a gated container; ``mark`` is the path of its mark inside the container."""
    return [SHELL, "-c", _GATE, "sh", mark]


def exportable(name: str) -> bool:
    """Whether a shell can export a variable of this name; dash and ash drop all others."""
    return _EXPORTABLE.fullmatch(name) is not None


def checked(environment: Mapping[str, str]) -> Mapping[str, str]:
    """Return the environment if a process can have it.

    Raises:
        InfrastructureError: a name or a value is none that a process can have; the message names the variable.
    """
    for name, value in environment.items():
        if not name or _IMPOSSIBLE_IN_NAME.search(name):
            raise InfrastructureError(f"variable {name!r}: not a name", hint="names hold neither `=`, NUL nor newline")
        if "\0" in value:
            raise InfrastructureError(f"variable {name}: its value holds a NUL byte, which no process can receive")
        size = len(_bytes(f"{name}={value}", name))
        if size > LONGEST_VARIABLE:
            raise InfrastructureError(
                f"variable {name}: {size:,} bytes with its name; the kernel starts no command with more than"
                f" {LONGEST_VARIABLE:,}",
                hint="hand it on as a file",
            )
    return environment


def path(own: str) -> str:
    """Return a PATH with the commands of steps first; an empty one is what the engine gives without one."""
    return f"{PROGRAMS}:{own or ENGINE_PATH}"


def script(commands: Sequence[str]) -> str:
    """Return the script that runs commands one after the other, each traced as ``$ command`` exactly as written.

    The trace never fails a step, even one that has closed its stdout.

    Raises:
        InfrastructureError: a command holds a NUL byte, which no shell can read.
    """
    lines = ["set -e"]
    for command in commands:
        if "\0" in command:
            raise InfrastructureError(f"command {command!r}: holds a NUL byte, which no shell can read")
        lines += [f"printf '%s\\n' {_quoted('$ ' + command)} || :", command]
    return "\n".join(lines)


def script_file(script: str) -> bytes:
    """Return the content of the file that a script lies in: as it is, but for a carriage return that ends a first line.

    A kernel takes that for a part of the interpreter's name.

    Raises:
        InfrastructureError: it holds half a character.
    """
    first, newline, rest = script.partition("\n")
    return _bytes((first.removesuffix("\r") if _INTERPRETER.match(first) else first) + newline + rest, "the script")


def execution(script: str, path: str) -> str:
    """Return what the gate runs for a script that lies in the file ``path``: its interpreter, else ``/bin/sh``.

    One that is not there is said, which kernel and shell do as if the script were missing.
    """
    found = _INTERPRETER.match(script)
    if found is None:
        return f"exec {SHELL} {_quoted(path)}"
    name = found[1]
    missing = _quoted(f"script: this image has no {name}, which its first line asks for")
    return f"[ -x {_quoted(name)} ] || {{ printf '%s\\n' {missing} >&2; exit {NO_SHELL}; }}\nexec {_quoted(path)}"


def payload(environment: Mapping[str, str], text: str, token: str, shell: str = "") -> bytes:
    """Return what opens the gate: exports, then the script ``text``, for ``shell`` if that is not the gate's own.

    The commands of steps come first on the PATH; an empty one is what the engine gives without one.

    ``shell`` is a program's name or absolute path; without it in the image, the attempt ends with 127 and a message.

    Every name must be ``exportable``. ``token`` must be one that the text cannot foresee. Bytes that are no UTF-8 are
    spelled as surrogate escapes. A variable that a shell keeps for itself (``UID`` in bash) stays as it is, with the
    shell's message on stderr: ``command`` takes from ``export`` the power to end the script.

    Raises:
        InfrastructureError: see ``checked``.
        ValueError: a name cannot be exported.
    """
    run = _handed_over(text, token, shell) if shell else text
    exports = b"".join(_exports(checked(environment)))
    body = exports + _PREFIXED + _bytes(run, "the script") + f"\n#{token}\n".encode()
    return f"go\n{token}\n{len(body)}\n".encode() + body


def _handed_over(text: str, token: str, shell: str) -> str:
    """Return the script that lets another shell run ``text``."""
    name, end = _quoted(shell), _end(text, token)
    missing = _quoted(f"shell {shell}: no such program in this image (`shell` is one program, without arguments)")
    return (
        f"command -v {name} >/dev/null 2>&1 || {{ printf '%s\\n' {missing} >&2; exit {NO_SHELL}; }}\n"
        f"exec {name} -c {_quoted(_IN_SHELL)} {name} <<'{end}'\n{text}\n{end}"
    )


def _end(text: str, token: str) -> str:
    """Return the line that ends a here-document with this text.

    Where a line begins as that one does, dash loses the next byte if it is no ASCII (``checkend``, up to 0.5.12). So
    no line begins with its first character.

    Raises:
        InfrastructureError: there is no such character.
    """
    begun = {line[:1] for line in text.split("\n")}
    first = next((character for character in _FIRST if character not in begun), None)
    if first is None:
        message = "the commands cannot be handed to another shell: their lines begin with every letter, digit and sign"
        raise InfrastructureError(message, hint="indent those lines, or leave `shell` out")
    return first + token


def _exports(environment: Mapping[str, str]) -> Iterable[bytes]:
    for name, value in environment.items():
        if not exportable(name):
            raise ValueError(f"no shell can export {name!r}")
        yield _bytes(f"command export {name}={_quoted(value)} || :\n", name)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _bytes(text: str, what: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise InfrastructureError(f"{what}: holds half a character, which cannot be written as UTF-8") from error
