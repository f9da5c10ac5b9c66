#!/usr/bin/env bash

URL=$(get_env app-url "")
[[ "$URL" == "$(cat ../app-url)" ]] || exit 1

export_env "app-url"
# shellcheck source=/dev/null
source "${ONE_PIPELINE_PATH}"/tools/trigger-task

set_env "target-application-server-url" "$URL"
export_env "target-application-server-url"
export_env "opt-in-dynamic-ui-scan"

trigger-task "slow-scan" "dynamic_scan"
set_env "target-application-server-url" "too late"
