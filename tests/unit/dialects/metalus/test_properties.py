"""Whatever stands in an application, it becomes a plan or findings."""

import json
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from runner.dialects.metalus.keys import APPLICATION, EXECUTION, PIPELINE, STEP
from runner.dialects.text import examine
from runner.plan import codec
from runner.plan.trigger import Trigger

NAMES: Final = ("A", "B", "C", "p", "q", "s")
WORDS: Final = (
    *NAMES,
    "fork",
    "join",
    "always",
    "true",
    "!A.x",
    "!one",
    "@s",
    "x !{y}",
    "!x[",
    "",
    "a/b",
    "1",
    "GlobalLinks",
)
SINGLE: Final = st.sampled_from(WORDS) | st.none() | st.booleans() | st.integers(0, 3)
ANYTHING: Final = st.recursive(
    SINGLE, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=3)
)
IDS: Final = st.sampled_from(NAMES) | SINGLE
LISTED: Final = st.lists(IDS, max_size=3) | SINGLE


def _map_of(keys: tuple[str, ...], likely: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    others = st.dictionaries(st.sampled_from(keys), ANYTHING, max_size=2)
    return st.tuples(others, st.fixed_dictionaries({}, optional=likely)).map(lambda parts: {**parts[0], **parts[1]})


GLOBALS: Final = st.fixed_dictionaries(
    {}, optional={"GlobalLinks": st.dictionaries(st.sampled_from(("one", "two")), SINGLE, max_size=2), "g": ANYTHING}
)
STEPS: Final = st.lists(
    _map_of(STEP.names(), {"id": IDS, "image": SINGLE, "environment": st.dictionaries(IDS.map(str), ANYTHING)}),
    max_size=2,
)
PIPELINES: Final = st.lists(_map_of(PIPELINE.names(), {"id": IDS, "steps": STEPS}), max_size=2)
EXECUTIONS: Final = st.lists(
    _map_of(
        EXECUTION.names(),
        {
            "id": IDS,
            "parents": LISTED,
            "executionType": st.sampled_from(("fork", "join", "pipeline")),
            "forkByValue": SINGLE,
            "globals": GLOBALS,
            "pipelines": PIPELINES,
            "pipelineIds": LISTED,
        },
    ),
    max_size=4,
)
APPLICATIONS: Final = _map_of(
    APPLICATION.names(), {"executions": EXECUTIONS, "pipelines": PIPELINES, "globals": GLOBALS}
)


@settings(max_examples=150, deadline=None)
@given(APPLICATIONS | ANYTHING)
def test_any_document_is_judged(document: Any) -> None:  # noqa: ANN401 - any document
    examined = examine(json.dumps(document).encode(), "f.json", Trigger(), dialect="metalus")

    assert examined.plan is not None or examined.findings
    if examined.plan is not None:
        names = [(stage.name, step.name) for stage in examined.plan.stages for step in stage.steps]
        assert len(names) == len(set(names)) > 0
        assert codec.from_document(codec.to_document(examined.plan)) == examined.plan
