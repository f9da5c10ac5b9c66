#!/usr/bin/env bash
# Asks the repository's server for the protection of its branch, with the token of the repository.

# shellcheck source=/dev/null
source "${ONE_PIPELINE_PATH}"/tools/get_repo_params

APP_TOKEN_PATH="$WORKSPACE/app-token"
read -r APP_REPO_NAME APP_REPO_OWNER APP_SCM_TYPE APP_API_URL < <(get_repo_params "$(get_env APP_REPO)" "$APP_TOKEN_PATH")

echo "$APP_REPO_NAME of $APP_REPO_OWNER on $APP_SCM_TYPE"
curl --header "PRIVATE-TOKEN: $(cat "$APP_TOKEN_PATH")" "$APP_API_URL/projects/$APP_REPO_OWNER%2F$APP_REPO_NAME"
