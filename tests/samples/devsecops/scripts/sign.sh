#!/usr/bin/env bash
# Signs the digest of every artifact with the key of the run.
set -euo pipefail
# shellcheck source=signature.sh
source scripts/signature.sh

if [[ ${PIPELINE_DEBUG:-0} == 1 ]]; then
  set -x
fi

list_artifacts | while IFS= read -r artifact; do
  save_artifact "$artifact" "signature=$(signature_of "$(load_artifact "$artifact" digest)")"
  echo "signed $artifact with $(get_secret signing-key)"
done
