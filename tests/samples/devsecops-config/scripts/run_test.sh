#!/usr/bin/env bash

run_test() {
  local name=$1 evidence=$2 report=$3 status=success exit_code=0
  local asset=(--asset-type repo --asset-key app-repo)

  collect-evidence --tool-type jest --status pending --evidence-type "$evidence" "${asset[@]}"

  cd ../"$(load_repo app-repo path)" || exit
  npm run "$name" || exit_code=$?
  [[ "$exit_code" == 0 ]] || status=failure
  echo "<testsuite failures='1'/>" >"$report"
  save_result test "$report"

  collect-evidence --tool-type jest --status "$status" --evidence-type "$evidence" "${asset[@]}" --attachment "$report"
  exit "$exit_code"
}
