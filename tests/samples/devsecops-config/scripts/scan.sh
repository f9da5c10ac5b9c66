#!/usr/bin/env bash
# The async stage: asks for what it was handed, and for what it was not.

cd "${WORKSPACE}" || exit
APP_REPO_PATH=$(load_repo "$(get_env app_repo "app-repo")" path)
echo "scan $(get_env target-application-server-url) by $APP_REPO_PATH/$(basename "$APP_REPO_PATH"/scripts/scan.sh)"
echo "ui: '$(get_env opt-in-dynamic-ui-scan "")', region: $(get_env dev-region), key: $(get_secret ibmcloud-api-key)"
while read -r artifact; do
  echo "$artifact: $(load_artifact "$artifact" tags)"
done < <(list_artifacts)
echo "results: $(list_results test | wc -l), files: $(ls)"
[[ "$(get_env api-scan-result "notRun")" =~ ^(success|notRun)$ ]]
