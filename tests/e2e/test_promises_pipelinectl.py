"""Values that scripts hand on, from the command to its document: what the project has promised of them."""

from runner.errors import ExitCode
from tests.support.cli import Place

PIPELINE = """\
version: "1"
stages:
  build:
    steps:
      - name: register
        image: busybox:local
        commands:
          - set_env app-name shop
          - git_url=https://git.example.test/shop.git; save_repo app "url=$git_url" path=shop
          - echo 0123456789abcdef | save_repo app commit
          - save_artifact image type=image "name=registry.example.test/shop:1" digest=sha256:00
      - name: read by a user
        image: debian:local
        user: 1000:1000
        commands:
          - set_env "target url" "https://$(get_env app-name).example.test/"; export_env "target url"
          - get_env "target url"
  deploy:
    needs: [build]
    steps:
      - name: read
        image: debian:local
        shell: bash
        commands:
          - while read -r key; do echo "$key $(load_artifact "$key" name)"; done < <(list_artifacts)
          - echo "$(get_env app-name) $(load_repo app commit) $(get_env region) $(get_env pipeline_namespace)"
          - get_data result build; set_secret token "s3cr3t-$(echo value)"; echo "[$(get_secret token)]"
"""


def test_values_set_by_scripts_are_read_by_later_ones_and_are_in_the_document(place: Place) -> None:
    place.write(PIPELINE)
    finished = place.exec("--output", "json", "--property", "region=eu-de", "--pipeline-type", "ci")

    assert finished.code == ExitCode.SUCCESS, finished.err
    assert finished.printed("build/read by a user") == ["https://shop.example.test/"]
    assert finished.printed("deploy/read") == [
        "image registry.example.test/shop:1",
        "shop 0123456789abcdef eu-de ci",
        "success",
        "[***]",
    ]
    values = finished.document["values"]
    assert values["env"] == {"app-name": "shop", "target url": "https://shop.example.test/"}
    assert values["exported"] == ["target url"]
    assert values["constants"] == []
    repo = {"url": "https://git.example.test/shop.git", "path": "shop", "commit": "0123456789abcdef"}
    assert values["repos"]["app"] == repo
    image = {"type": "image", "name": "registry.example.test/shop:1", "digest": "sha256:00"}
    assert values["artifacts"] == {"image": image}
    assert values["data"]["result"]["deploy"] == "success"
    assert "s3cr3t-value" not in finished.out + finished.err
