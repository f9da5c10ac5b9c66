"""Nothing leaks: every secret of a run, printed in every form, is on no terminal, in no file, event or document."""

import base64
import json
import random
import re
import shlex
import subprocess
import textwrap
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from runner.errors import ExitCode
from tests.support.cli import Finished, Place, place_in

SECRETS = {
    "declared": "d3clared/secret+value?",
    "set": "s3t 'by' a \"script\", 100%41",
    "lines": "first line, $one\nsecond line, `two`\nthird\\line",
    "marked": "m4rked & so on; #1",
    "output": "0utput=of-a-step",
    "property": "pr0perty%of the run",
    "late": "gr0wn up ünder way",
    "token": random.Random(7).randbytes(60).hex(),  # base64 of it takes more than one line, and so does that of a key
    "key": "\n".join(
        ["----- a key -----", *textwrap.wrap(random.Random(8).randbytes(150).hex(), 64), "----- its end -----"]
    ),
}

PIPELINE = """\
version: "1"
secrets:
  - name: declared
steps:
  - name: leaves
    image: busybox:local
    secrets: [declared]
    commands: [. ./leave]
  - name: prints
    image: debian:local
    shell: bash
    secrets: [declared]
    commands:
      - . ./print
      - touch ready; until [ -e go ]; do sleep 0.1; done
"""
LEAVE = """
printf 'OUTPUT=%s\\n' "$(cat secrets/output)" >"$VELA_MASKED_OUTPUTS"
set_secret set "$(cat secrets/set)"; set_secret lines <secrets/lines >/dev/null 2>&1
set_secret late "$(cat secrets/late)" 2>/dev/null
for s in token key; do set_secret "$s" "$(cat "secrets/$s")"; done
echo "::add-mask::$(cat secrets/marked)"
test "$(get_secret property)" = "$(cat secrets/property)"; test "$DECLARED" = "$(cat secrets/declared)"
for s in declared set lines marked property late; do set_env "copy of $s" "$(cat "secrets/$s")"; cat "secrets/$s"; done
save_repo "$(cat secrets/set)" url="https://u:$(get_secret set)@host/"; save_file "$(cat secrets/marked)" forms
"""
PRINT = """
set +e; get_secret set; get_secret lines; get_secret property; echo "[$OUTPUT] [$DECLARED]"
cat forms; cat forms >&2
for s in secrets/*; do
    v=$(cat "$s"); export EXPORTED="$v"
    for f in '%s' 'a%s' 'ab%sc'; do printf "$f" "$v" | base64 -w0; echo; done
    printf 'user:%s' "$v" | base64; printf 'u:%s' "$v" | base64 -w64
    echo $(printf 'user:%s' "$v" | base64)
    printf '%q\\n' "$v"; echo "${v@Q}"; declare -p v; export -p | grep -A3 EXPORTED; (set -x; : "$v")
    cat "$s" | while IFS= read -r -N 1 c; do printf '%s' "$c"; done; echo
    set_env "$v" again; get_env "$v$v"; load_repo "$v$v"
    echo "::error::$v"; echo "::group::$v"; echo "::endgroup::"
done
printf '%.9s' "$DECLARED"; sleep 0.3; printf '%s\\n' "${DECLARED:9}"
"""


def forms(secret: str) -> list[str]:
    """Return how a secret may be written; lines of it are secrets of their own."""
    found = {secret, json.dumps(secret), json.dumps(secret, ensure_ascii=False), quote(secret), quote(secret, safe="")}
    found |= {shlex.quote(secret), repr(secret), quote(secret, safe="").lower(), quote(secret).replace("%20", "+")}
    for shift in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            found.add(encode(b"x" * shift + secret.encode() + b"y").decode())
        found.add(base64.encodebytes(b"x" * shift + b"user:" + secret.encode()).decode())
    return sorted(found)


def leaked(text: str) -> list[str]:
    """Return what of the secrets stands in a text, in whatever form."""
    parts = {part for secret in SECRETS.values() for part in (secret, *secret.splitlines())}
    return sorted(needle for part in parts for needle in needles(part) if needle in text)


def needles(part: str) -> set[str]:
    """Return what stands in every text that tells a part of a secret."""
    url, shell = quote(part, safe=""), shlex.quote(part)[1:-1]
    backslashes = re.sub(r"(?a)([^\w%+,./:=@-])", r"\\\1", part)
    octal = "".join(chr(byte) if byte < 128 else f"\\{byte:03o}" for byte in part.encode())
    return {part, json.dumps(part)[1:-1], url, url.lower(), shell, backslashes, octal, *encoded(part)}


def encoded(part: str) -> Iterator[str]:
    """Yield base64 wherever it begins, and what of it no line may show; what repeats itself tells nothing."""
    for shift in range(3):
        # Up to four characters at either end can belong to others, too.
        text = base64.b64encode(b"x" * shift + part.encode() + b"yy").decode().rstrip("=")[4:-4]
        yield text
        windows = (text[at : at + 11] for at in range(len(text) - 10))
        yield from (window for window in windows if not re.search(r"(....)\1", window))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with place_in(tmp_path_factory.mktemp("leaks")) as found:
        for name, text in ((".vela.yml", PIPELINE), ("leave", LEAVE), ("print", PRINT)):
            found.write(text, name)
        (found.repo / "secrets").mkdir()
        for name, secret in SECRETS.items():
            (found.repo / "secrets" / name).write_text(secret, encoding="utf-8")
        found.write("\n".join([*(form for secret in SECRETS.values() for form in forms(secret)), ""]), "forms")
        yield found


def options(place: Place) -> list[str]:
    given = (f"{name}=@{place.repo}/secrets/{name}" for name in ("declared", "property"))
    return [word for text in given for word in ("--secret", text)]


def kept(place: Place) -> list[Path]:
    return [path for path in place.state.rglob("*") if path.is_file()]


def judge(place: Place, finished: Finished, *, masks: int = 100) -> None:
    """Fail if anything has leaked, or if less was masked than there was to mask."""
    shown = finished.out + finished.err
    assert finished.code == ExitCode.SUCCESS, shown
    assert leaked(shown) == []
    assert shown.count("***") > masks
    assert any(path.suffix == ".log" for path in kept(place))
    assert [path for path in kept(place) if leaked(path.read_text(encoding="utf-8", errors="replace"))] == []


def test_no_secret_is_in_the_text_the_files_or_what_the_engine_shows(place: Place) -> None:
    running = place.start("exec", "--bind", *options(place))
    running.until("| $ touch ready")
    steps = place.containers("step")
    shown = subprocess.check_output(["docker", "inspect", *steps], text=True)
    arguments = Path(f"/proc/{running.process.pid}/cmdline").read_text(encoding="utf-8")
    (place.repo / "go").touch()
    finished = running.finish()
    (place.repo / "go").unlink()

    judge(place, finished)
    assert steps
    assert leaked(shown + arguments) == []


@pytest.mark.sampled
@pytest.mark.parametrize("output", ["json", "events", "terminal"])
def test_no_secret_is_in_any_other_output(place: Place, output: str) -> None:
    (place.repo / "go").touch()
    if output == "terminal":  # it shows the ends of logs only
        judge(place, place.at_terminal("exec", *options(place)).finish(), masks=5)
        return
    finished = place.exec("--output", output, *options(place))

    judge(place, finished)
    if output == "json":
        values = finished.document["values"]
        assert values["env"]["copy of set"] == "***"
        assert values["repos"]["***"]["url"] == "https://u:***@host/"


def test_the_examples_would_be_found(place: Place) -> None:
    for name, secret in SECRETS.items():
        found = leaked("\n".join(forms(secret)))
        assert secret in found, name
        assert len(found) >= 5, name
