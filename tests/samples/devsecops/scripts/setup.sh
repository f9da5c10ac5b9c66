#!/usr/bin/env bash
# Registers the repository, and makes what later stages ask for.
set -euo pipefail

save_repo app-repo "url=https://git.example.test/shop/greeter" path=. "branch=${VELA_BUILD_BRANCH:-main}"
save_repo app-repo "commit=${VELA_BUILD_COMMIT:-0000000}"

set_env version "$(cat VERSION)"
set_envc registry "$(get_env registry-domain registry.example.test)"

# A key for this run alone: from here on it is masked wherever it turns up.
head -c 24 /dev/urandom | base64 | set_secret signing-key

echo "pipeline: $(get_env pipeline_namespace none), version: $(get_env version)"
