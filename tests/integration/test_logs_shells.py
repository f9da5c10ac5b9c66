"""What real shells print of a secret, traced and quoted: all of it is masked, whatever they escape."""

import shlex
import string
import subprocess

import pytest

from runner.logs.mask import Mask

BUSYBOX, DEBIAN = "busybox:local", "debian:local"
ODD = (
    "''",
    "'\"'",
    "\\'",
    "\n",
    "\r\n",
    "\t",
    "\\n",
    "\x01",
    "\x1b[0m",
    "\x7f",
    "é",
    "\u20ac",
    ":~",
    "=~",
    "$(x)",
    " & ",
)
SECRETS = [f"Alpha{odd}Omega" for odd in (*string.punctuation, *ODD)]
SECRETS += [f"{odd}AlphaOmega" for odd in ("'", "''", "#", "~", "-", "\n")]
SECRETS += [f"AlphaOmega{odd}" for odd in ("'", "''", "#", "~", "\n", "\\")]

ALL = ['set -x; : "$v"; : "a $v z"; w=$v; set +x', "export -p", "set"]
BASH = ['printf "%q\\n" "$v" "a$v z"', 'echo "${v@Q} ${v@A}"', "declare -p v", "set -o posix; set; export -p"]

END = "echo '<end>'"


@pytest.mark.parametrize(
    ("image", "shell", "ways"),
    [
        pytest.param(BUSYBOX, ("sh",), ALL, id="ash"),
        pytest.param(DEBIAN, ("dash",), ALL, id="dash"),
        pytest.param(DEBIAN, ("bash",), ALL + BASH, id="bash"),
        pytest.param(DEBIAN, ("env", "LC_ALL=C.UTF-8", "bash"), ALL + BASH, id="bash in UTF-8"),
    ],
)
def test_however_a_shell_quotes_a_secret_it_is_masked(image: str, shell: tuple[str, ...], ways: list[str]) -> None:
    script = "exec 2>&1\n" + "".join(
        f"v={shlex.quote(secret)}; export v\n" + "\n".join([*ways, END, ""]) for secret in SECRETS
    )
    command = ["docker", "run", "--rm", "--interactive", image, *shell]
    done = subprocess.run(command, input=script.encode(), capture_output=True, check=True, timeout=60)
    printed = done.stdout.decode("utf-8", "surrogateescape").split("<end>\n")[:-1]

    left = [line for secret, text in zip(SECRETS, printed, strict=True) for line in _unmasked(secret, text, len(ways))]

    assert left == []


def _unmasked(secret: str, text: str, ways: int) -> list[str]:
    mask = Mask()
    assert mask.hide(secret.encode())
    assert text.count("Alpha") > ways
    return [line for line in mask.redact(text).splitlines() if "Alpha" in line or "Omega" in line]
