#!/usr/bin/env bash
# Packs the program and its manual, and registers each as an artifact of the pipeline.
set -euo pipefail
# shellcheck source=/dev/null
source "$ONE_PIPELINE_PATH/tools/retry"

# Stands in for a registry that has a bad moment.
push() {
  local archive=$1
  if [[ ! -e $archive.tried ]]; then
    touch "$archive.tried"
    return 1
  fi
  cp "$archive" registry/
}

version=$(get_env version)
source_of="$(load_repo app-repo url).git#$(load_repo app-repo commit)"
mkdir -p registry

for part in program manual; do
  archive="greeter-$part-$version.tar"
  case $part in
    program) tar --create --file "$archive" src ;;
    manual) tar --create --file "$archive" README ;;
  esac
  retry 3 0 push "$archive"

  save_artifact "greeter/$part" type=archive "name=$(get_env registry)/$archive" "source=$source_of" "tags=$version"
  sha256sum "$archive" | cut -d " " -f 1 | save_artifact "greeter/$part" digest
done

# Further tags of the program come as a list, and are added one by one.
IFS=, read -ra tags <<< "$(get_env custom-tags "latest,stable")"
for tag in "${tags[@]}"; do
  save_artifact greeter/program "tags=$(load_artifact greeter/program tags),$tag"
done
