"""The files of outputs as they are read, and what of them is hidden and told; ``test_start`` has what steps get."""

import base64
from collections.abc import Mapping

import pytest

from runner.backends.fake import FakeBackend
from runner.engine.events import Event, Notice
from runner.engine.outputs import Outputs
from runner.errors import InfrastructureError
from runner.naming import Address
from tests.support.engine import at


class Files(FakeBackend):
    """A backend on which steps have left these files."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        super().__init__()
        self.files = files

    def outputs(self, stage: Address) -> Mapping[str, bytes]:
        assert stage == at("s")
        return self.files


class Desk:
    """Outputs of these files, and what becomes known of them."""

    def __init__(self, **files: bytes) -> None:
        self.backend = Files({name.replace("_", "."): data for name, data in files.items()})
        self.hidden: list[str] = []
        self.events: list[Event] = []
        self.outputs = Outputs(self.backend, self._hide, self.events.append)

    def _hide(self, value: str) -> bool:
        self.hidden.append(value)
        return len(value) >= 4

    def read(self) -> dict[str, str]:
        return self.outputs.read(at("s"))

    @property
    def notices(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Notice)]


def _base64(text: str | bytes) -> bytes:
    return base64.b64encode(text.encode() if isinstance(text, str) else text)


def test_where_nothing_was_left_there_are_no_outputs() -> None:
    assert Desk().read() == {}


def test_the_variables_of_all_four_files_are_found() -> None:
    desk = Desk(
        _env=b"A=1\n",
        base64_env=b"B=" + _base64("two\nlines"),
        masked_env=b"C=geheim",
        masked_base64_env=b"D=" + _base64("auch geheim"),
    )

    assert desk.read() == {"A": "1", "B": "two\nlines", "C": "geheim", "D": "auch geheim"}


def test_only_masked_values_are_hidden_and_as_they_are_when_decoded() -> None:
    desk = Desk(_env=b"A=open", masked_env=b"C=geheim", masked_base64_env=b"D=" + _base64("auch geheim"))

    desk.read()

    assert desk.hidden == ["geheim", "auch geheim"]


def test_a_masked_output_wins_over_an_open_one_of_the_same_name() -> None:
    assert Desk(_env=b"A=open", masked_env=b"A=geheim", base64_env=b"A=" + _base64("open")).read() == {"A": "geheim"}


def test_empty_values_are_left_out_and_blank_ones_are_not_hidden() -> None:
    desk = Desk(_env=b"A=\n", masked_env=b"B=\nC='  '\n", masked_base64_env=b"D=" + _base64("\n"))

    assert desk.read() == {"C": "  ", "D": "\n"}
    assert desk.hidden == []


@pytest.mark.parametrize("raw", ["no base64!", "YQ", "YQ==YQ==", "AAAA", "ä"])
def test_what_encodes_nothing_that_a_variable_can_hold_stays_as_it_is(raw: str) -> None:
    assert Desk(base64_env=f'A="{raw}"'.encode()).read() == {"A": raw}


def test_encoded_text_may_be_broken_into_lines_and_need_not_be_utf_8() -> None:
    encoded = base64.encodebytes(b"\xff" * 60).replace(b"\n", b"\\n")

    assert Desk(base64_env=b'A="' + encoded + b'"').read()["A"].encode("utf-8", "surrogateescape") == b"\xff" * 60


def test_one_bad_line_voids_its_file_alone_and_is_told_once() -> None:
    desk = Desk(_env=b"A=1\nwhat is this\n", masked_env=b"C=geheim")

    assert [desk.read(), desk.read()] == [{"C": "geheim"}] * 2
    assert len(desk.notices) == 1
    assert desk.notices[0].startswith("the outputs in .env are not used: line 2: has no = (write KEY=value")


def test_a_masked_output_that_is_too_short_to_be_masked_is_told_once() -> None:
    desk = Desk(masked_env=b"PIN=123")

    assert [desk.read(), desk.read()] == [{"PIN": "123"}] * 2
    assert desk.notices == ["the output PIN is too short to be masked"]


def test_bytes_that_are_no_utf_8_come_through() -> None:
    assert Desk(_env=b"A=\xff").read()["A"].encode("utf-8", "surrogateescape") == b"\xff"


def test_trouble_of_the_engine_comes_out() -> None:
    class Broken(FakeBackend):
        def outputs(self, stage: Address) -> Mapping[str, bytes]:
            raise InfrastructureError("too large")

    with pytest.raises(InfrastructureError, match="too large"):
        Outputs(Broken(), lambda _: True, lambda _: None).read(at("s"))
