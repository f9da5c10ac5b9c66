"""A pipeline whose step hands on values, repositories and an artifact, and starts a stage that looks at what it has."""

from typing import Final

from tests.support.offspring import Yard, commit

LOOK: Final = """\
see() { printf '%s = %s\\n' "$1" "$2"; }
content() { if [ -e "$1" ]; then cat "$1"; else echo none; fi; }
see "run" "$TRIGGER_TYPE $STAGE"
see "value, exported" "$(get_env colour none)"
see "value, kept" "$(get_env taste none)"
see "parameter, exported" "$(get_env version none)"
see "parameter, kept" "$(get_env tier none)"
see "property" "$(get_env region none)"
see "secure property" "$(get_secret login >/dev/null 2>&1 && echo there || echo none)"
see "secret of a step" "$(get_secret found >/dev/null 2>&1 && echo there || echo none)"
see "artifact" "$(load_artifact image name) $(load_artifact image digest)"
see "repositories" "$(list_repos | sort | tr '\\n' ' ')"
see "lib" "$(content "$WORKSPACE/libs/lib/text")"
see "tool" "$(content "$WORKSPACE/tool/text")"
see "docs, by branch" "$(content "$WORKSPACE/docs/text")"
see "the pipeline's own" "$(content text)"
see "built" "$(content built)"
see "file" "$(load_file report 2>/dev/null || echo none)"
see "result" "$(load_result build report 2>/dev/null || echo none)"
see "data" "$(get_data notes page 2>/dev/null || echo none)"
"""
PIPELINE: Final = """\
version: "1"
stages:
  early:
    steps:
      - {name: set, image: busybox:local, commands: [set_env colour red, set_env taste sweet, export_env colour]}
  build:
    needs: [early]
    steps:
      - name: hand
        image: busybox:local
        commands:
          - set_env version "$(get_env version)"
          - export_env version
          - printf hidden-in-build | set_secret found
          - sh repositories.sh
          - save_artifact image name=registry.example.test/app:1 digest=sha256:0
          - echo made > report
          - save_file report report
          - save_result build report
          - put_data notes page one
          - trigger-task check
          - set_env colour green
          - trigger-task check
          - set_env colour blue
          - trigger-task check
          - set_env colour black
          - mkdir -p "$WORKSPACE/libs/lib" "$WORKSPACE/tool" "$WORKSPACE/docs"
          - for at in "$WORKSPACE/libs/lib" "$WORKSPACE/tool" "$WORKSPACE/docs" .; do echo spoilt > "$at/text"; done
          - echo compiled > built
          - sh look.sh
  check:
    async: true
    steps:
      - {name: look, image: busybox:local, commands: [sh look.sh, set_env taste bitter, exit 4]}
"""
PROPERTIES: Final = {"region": "eu"}
PARAMETERS: Final = {"version": "1.2", "tier": "gold"}
SECRET: Final = "let-me-in-please"

PARENT: Final = {
    "run": "manual build",
    "value, exported": "black",
    "value, kept": "sweet",
    "parameter, exported": "1.2",
    "parameter, kept": "gold",
    "property": "eu",
    "secure property": "there",
    "secret of a step": "there",
    "artifact": "registry.example.test/app:1 sha256:0",
    "repositories": "docs lib tool ",
    "lib": "spoilt",
    "tool": "spoilt",
    "docs, by branch": "spoilt",
    "the pipeline's own": "spoilt",
    "built": "compiled",
    "file": "made",
    "result": "made",
    "data": "one",
}
"""What the parent has when it ends."""

CHILD: Final = {
    **PARENT,
    "run": "generic check",
    "value, kept": "none",
    "parameter, kept": "none",
    "secret of a step": "none",
    "lib": "lib, first",
    "tool": "tool, first",
    "docs, by branch": "docs, first",
    "the pipeline's own": "app, first",
    "built": "none",
    "file": "none",
    "result": "none",
    "data": "none",
}
"""What each child has, but for the value that was another one each time."""

COLOURS: Final = ("red", "green", "blue")
"""That value, child by child."""


_REGISTERED: Final = ("lib", "tool", "docs")


def found_family(yard: Yard, pipeline: str) -> None:
    """Register the pipeline with the repositories it names: two at commits that are no heads, one by its branch."""
    commits = {name: _commit(yard, pipeline, name, "first") for name in _REGISTERED}
    for name in ("lib", "tool"):
        _commit(yard, pipeline, name, "second")
    url = {name: yard.url(f"{pipeline}-{name}") for name in _REGISTERED}
    repositories = f"""\
save_repo lib url={url["lib"]} commit={commits["lib"]} path=libs/lib
save_repo tool url={url["tool"]} commit={commits["tool"]} path=tool
save_repo docs url={url["docs"]} branch=main path=docs
"""
    files = {".vela.yml": PIPELINE, "look.sh": LOOK, "text": "app, first\n", "repositories.sh": repositories}
    yard.register(pipeline, files)
    for name, value in PROPERTIES.items():
        yard.client.set_property(pipeline, name, value)
    yard.client.set_secret(pipeline, "login", SECRET)


def move_on(yard: Yard, pipeline: str) -> None:
    """Commit something else to all repositories, also to what the pipeline is, and change its property."""
    for name in _REGISTERED:
        _commit(yard, pipeline, name, "last")
    commit(yard.repository(pipeline), {"text": "app, last\n", "look.sh": "echo 'run = another script'\n"})
    yard.client.set_property(pipeline, "region", "us")


def _commit(yard: Yard, pipeline: str, name: str, text: str) -> str:
    return commit(yard.repository(f"{pipeline}-{name}"), {"text": f"{name}, {text}\n"})
