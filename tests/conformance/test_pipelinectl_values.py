"""Values of a run on a real engine: any key and any value, across stages, users, shells and images."""

import json
from collections.abc import Iterator
from contextlib import closing
from itertools import product
from typing import Any

import pytest
from docker import APIClient
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runner.engine.backend import Signal
from runner.naming import Address
from runner.pipelinectl.layout import CONFIG, PROGRAMS, SECRETS, VALUES, encoded
from runner.pipelinectl.layout import configuration as files_of
from tests.support.attempts import BUSYBOX, DEBIAN
from tests.support.pipelinectl_stand import ROOT, USER, Stand, image_of, stand_with

SHELLS = [
    pytest.param({"image": BUSYBOX}, id="ash", marks=pytest.mark.sampled),
    pytest.param({"image": DEBIAN}, id="dash", marks=pytest.mark.sampled),
    pytest.param({"image": DEBIAN, "shell": "bash"}, id="bash", marks=pytest.mark.sampled),
]
ODD_KEYS = [b"/", b"..", b".", b"-n", b"--", b"a\nb", b"\n", b"~", b"%2F", b"*", b"'", b"\\", b" ", b"\xff" * 1024]
CONFIGURATION = files_of({"plain": "of the run", "both": "plain"}, {"token": "t0p-secret", "both": "secure-one"})

keys = st.one_of(
    st.binary(min_size=1, max_size=40),
    st.binary(min_size=80, max_size=1024),
    st.text("./-~%, \n'\"\\$`a", min_size=1).map(str.encode),
)
values = st.one_of(st.binary(max_size=60), st.text("\n -\\%'a", max_size=8).map(str.encode))
pairs = st.dictionaries(
    keys.map(lambda key: key.replace(b"\0", b"0")), values.map(lambda value: value.replace(b"\0", b"0")), min_size=1
)


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    with stand_with(config=CONFIGURATION) as stand:
        yield stand


@pytest.fixture(scope="module")
def later(stand: Stand) -> Address:
    return stand.open_stage("later")


def octal(data: bytes) -> str:
    """Return bytes as ``printf`` makes them."""
    return "".join(f"\\{byte:03o}" for byte in data)


def assigned(name: str, data: bytes) -> str:
    """Return shell text that sets a variable to these bytes, newlines at their end included."""
    return f"{name}=$(printf '{octal(data)}x'); {name}=${{{name}%x}}\n"


@example({key: key for key in ODD_KEYS})
@given(pairs)
@settings(max_examples=6, deadline=None)
@pytest.mark.parametrize("shell", SHELLS)
def test_any_key_and_any_value_set_in_one_stage_are_read_in_a_later_one(
    stand: Stand, later: Address, shell: dict[str, Any], drawn: dict[bytes, bytes]
) -> None:
    each = [assigned("k", key) + assigned("v", value) for key, value in drawn.items()]
    assert stand.step("".join(f'{names}set_env "$k" "$v"\n' for names in each), **shell).lines == []
    reading = "".join(
        f'{names}[ "$(get_env "$k"; echo x)" = "$v\n"x ] || printf \'%s\' "$k" | od -An -tx1\n' for names in each
    )

    assert stand.step(reading, stage=later, **shell).lines == []
    found = stand.values().contents
    assert {key: found[f"e.{encoded(key)}"] for key in drawn} == {key: value + b"\n" for key, value in drawn.items()}


@pytest.mark.parametrize("shell", SHELLS)
def test_large_values_go_by_argument_and_by_standard_input_and_any_bytes_by_file(
    stand: Stand, later: Address, shell: dict[str, Any]
) -> None:
    stand.step(
        """
        set_env argument "$(head -c 100000 /dev/zero | tr '\\0' a)"
        head -c 1000000 /dev/zero | tr '\\0' b | set_env input
        i=0; while [ $i -lt 256 ]; do printf "\\\\$(printf %03o $i)"; i=$((i+1)); done >/tmp/bytes
        save_file bytes /tmp/bytes; save_result test /tmp/bytes
        """,
        **shell,
    )
    reading = """
        get_env argument | wc -c; get_env input | wc -c; load_result test bytes | wc -c
        load_file bytes | od -An -v -tu1
    """

    argument, large, size, *listing = stand.step(reading, stage=later, **shell).lines
    assert (int(argument), int(large), int(size)) == (100_001, 1_000_001, 256)
    assert " ".join(listing).split() == [str(byte) for byte in range(256)]
    assert stand.values().sizes["f.bytes"] == 256


@pytest.mark.parametrize("shell", SHELLS)
def test_loops_keep_their_input_and_two_bare_properties_are_refused(stand: Stand, shell: dict[str, Any]) -> None:
    ended = stand.step(
        """
        cd /tmp; save_artifact one name=1; save_artifact two name=2
        list_artifacts | while read -r key; do
            set_env "seen $key" yes; set_env "empty $key" ""
            save_artifact "$key" sign= more=x; set_secret "s $key" "secret $key" >/dev/null
        done
        printf 'a\\nb\\n' >list; while read -r x; do export_env "$x"; save_file "$x" list; put_data k "$x" 1; done <list
        get_env "seen one"; get_env "seen two"; get_env "empty two" default; load_artifact two more; get_data k
        printf 'value\\n' | { save_artifact one name2 name3 || echo refused; cat; }
        """,
        **shell,
    )

    assert ended.lines == ["yes", "yes", "", "x", "a", "b", "refused", "value"]
    assert b"name2" in ended.err
    assert "name2" not in stand.step("load_artifact one", **shell).lines


def test_a_loop_over_a_process_substitution_keeps_its_input(stand: Stand) -> None:
    script = """
        save_repo first v=1; save_repo second v=2
        while read -r key; do set_env "loop-$key" "$(load_repo "$key" v)"; echo "$key"; done < <(list_repos)
        get_env loop-first; get_env loop-second
    """

    assert stand.step(script, image=DEBIAN, shell="bash").lines == ["first", "second", "1", "2"]


def test_eight_stages_at_once_lose_and_tear_nothing(stand: Stand) -> None:
    script = """
        i=0
        while [ $i -lt 200 ]; do set_env "stage-$n-$i" "value $n $i" || exit 1; i=$((i+1)); done
        i=0
        while [ $i -lt 10 ]; do
            save_repo shared "p $n"="$i" || exit 1
            printf '%s' "$text" | set_env shared || exit 1
            i=$((i+1))
        done
    """
    text = {number: str(number) * 9000 for number in range(8)}
    steps = [
        stand.begin(
            script,
            stage=stand.open_stage(f"beside {number}"),
            user=USER if number % 2 else ROOT,
            environment={"n": str(number), "text": text[number]},
        )
        for number in range(8)
    ]
    assert [step.end().lines for step in steps] == [[]] * 8

    found = stand.values().contents
    for number, turn in product(range(8), range(200)):
        assert found[f"e.stage-{number}-{turn}"] == f"value {number} {turn}\n".encode()
    assert found["e.shared"].decode().removesuffix("\n") in text.values()
    assert [found[f"r.shared,{encoded(f'p {number}'.encode())}"] for number in range(8)] == [b"9\n"] * 8
    assert [name for name in found if name.startswith(".")] == []


@pytest.mark.parametrize(("first", "second"), [(ROOT, USER), (USER, ROOT)])
def test_users_overwrite_and_remove_what_others_wrote_under_any_umask(stand: Stand, first: str, second: str) -> None:
    write = """
        umask 077; cd /tmp; mkdir -p "$1.d"; cd "$1.d"; echo "$1" >f; long=$(head -c 500 /dev/zero | tr '\\0' k)
        set_env mixed "$1" "$long" "$1"; save_file mixed f; save_repo mixed v="$1"
        set_secret mixed "secret of $1" >/dev/null; save_result mixed f; put_data mixed p "$1"; export_env mixed
    """
    read = """
        get_env mixed; get_env "$long"; load_file mixed; load_repo mixed v
        get_secret mixed; load_result mixed f; get_data mixed p
    """
    assert stand.step(f"set -- {first[:4]}{write}", user=first).lines == []
    ended = stand.step(f"set -- {second[:4]}{write}{read}remove_file mixed; remove_secret mixed", user=second)

    name = second[:4]
    assert ended.lines == [name, name, name, name, f"secret of {name}", name, name]
    assert stand.step("load_file mixed || get_secret mixed none; get_env mixed", user=first).lines == ["none", name]


@pytest.mark.parametrize("user", [ROOT, USER])
def test_a_read_only_root_file_system_is_enough(stand: Stand, user: str) -> None:
    step = stand.begin("sleep 600")
    script = """
        set -e; cd /; set_env ro "a value"; get_env ro; save_repo ro a=1
        save_file ro /etc/hosts; load_file ro | cmp - /etc/hosts
        head -c 200000 /dev/zero | tr '\\0' x | set_env "$(head -c 300 /dev/zero | tr '\\0' k)"
        id=$(id -u); save_asset id "$id" blob '{"a": [1]}'; load_asset id "$id"
        set_secret ro s3cr3t-value >/dev/null; get_secret ro
        pipelinectl serialize --all-repos ro >/dev/null; echo all
    """
    ended = step.beside(script, user=user, read_only=True)
    stand.backend.signal(step.spec.address, Signal.KILL)
    step.end()

    value, asset, *rest = ended.lines
    assert [value, *rest] == ["a value", "s3cr3t-value", "all"]
    assert json.loads(asset) == {"id": user.partition(":")[0], "blob": {"a": [1]}}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("path", ["/usr/bin:/bin", "/tmp/own:/usr/bin:/bin", ""])
def test_the_commands_come_first_on_the_path_that_a_step_sets(stand: Stand, path: str, shell: dict[str, Any]) -> None:
    ended = stand.step("command -v set_env; command -v ls >/dev/null; echo $?", environment={"PATH": path}, **shell)

    assert ended.lines == [f"{PROGRAMS}/set_env", "0"]


def test_an_image_that_runs_by_itself_has_the_commands(stand: Stand) -> None:
    program = 'ENTRYPOINT ["sh", "-c", "set_env by-image \\"$(get_env plain)\\"; get_env by-image"]'
    with (
        closing(APIClient()) as api,
        image_of(api, BUSYBOX, ["true"], "runner-test-by-itself:1", program, "ENV PATH=/bin:/usr/bin") as image,
    ):
        ended = stand.step("", image=image, commands=())

    assert ended.lines == ["of the run"]
    assert stand.values().contents["e.by-image"] == b"of the run\n"


@pytest.mark.parametrize("user", [ROOT, USER])
def test_properties_are_files_that_steps_read_and_do_not_write(stand: Stand, user: str) -> None:
    script = f"""
        cat {CONFIG}/plain; echo; get_env plain
        cat {CONFIG}/secure-properties/token; echo; get_secret token; get_env token
        get_env both; get_secret both; get_secret plain none; ls {CONFIG}/environment-properties
        list_secrets | grep -xc -e both -e token -e plain
        echo x 2>/dev/null >{CONFIG}/plain || echo "read-only"
    """

    assert stand.step(script, user=user).lines == [
        *("of the run", "of the run", "t0p-secret", "t0p-secret", "t0p-secret"),
        *("secure-one", "secure-one", "none", "plain", "2", "read-only"),
    ]


def test_secrets_reach_later_stages_and_never_the_values(stand: Stand, later: Address) -> None:
    announced = stand.step("set_secret handed-on 'the secret value' >/dev/null 2>&1")
    assert (announced.out, announced.err) == (b"::add-mask::the secret value\n",) * 2
    assert stand.step("get_secret handed-on", stage=later).lines == ["the secret value"]

    found = stand.values()
    assert [name for name in (*found.contents, *found.sizes) if name.startswith("s.")] == []
    assert [name for name, content in found.contents.items() if b"the secret value" in content] == []


def test_naming_the_usual_directory_keeps_the_container_informed(stand: Stand) -> None:
    script = (
        f"RUNNER_VALUES={VALUES} RUNNER_SECRETS={SECRETS}/ set_secret renamed 'another secret value' >/dev/null 2>&1"
    )

    ended = stand.step(script)

    assert (ended.code, ended.out, ended.err) == (0, *(b"::add-mask::another secret value\n",) * 2)


@pytest.mark.parametrize("output", ["/dev/null", "/tmp/file"])
def test_a_secret_of_which_the_log_cannot_hear_is_refused(stand: Stand, output: str) -> None:
    """Another user than that of the container has only its own two streams."""
    script = f"""
        as_other() {{ chroot --userspec=1000:1000 / "$@"; }}
        as_other sh -c "set_secret unheard 'an unheard value' >{output} 2>&1"; echo $?
        as_other sh -c "set_secret unheard 'an unheard value' 2>&1 >{output}" | grep -v ::add-mask::
        as_other get_secret unheard
        as_other sh -c "set_secret refused 'a refused value' >&- 2>&-"; echo $?
        get_secret refused none; as_other sh -c "set_secret empty '' >{output} 2>&1"; echo $?
    """

    ended = stand.step(f"umask 0; rm -f /tmp/file; {script}", image=DEBIAN)

    assert ended.lines == ["1", "an unheard value", "1", "none", "0"]
    assert b"value" not in ended.err
