#!/usr/bin/env bash
# Writes down what was built, if all went well.
set -euo pipefail
# shellcheck source=signature.sh
source scripts/signature.sh

if [[ $(get_env one-pipeline-status 0) == 1 ]]; then
  echo "::warning::nothing is released: a stage has failed"
  exit 1
fi

while read -r artifact; do
  if [[ $(load_artifact "$artifact" signature) != "$(signature_of "$(load_artifact "$artifact" digest)")" ]]; then
    echo "::error::the signature of $artifact is not ours"
    exit 1
  fi
  echo "$artifact: $(load_artifact "$artifact" name) tags $(load_artifact "$artifact" tags)" \
    "scan $(load_artifact "$artifact" scan-result)"
done < <(list_artifacts) | tee inventory.txt

save_file inventory inventory.txt
echo "released $(get_env version) for $(get_env app-url): $(load_file inventory | wc -l) artifacts"
echo "tested: $(load_result test unit-tests.txt); stage test: $(get_data result test)"
