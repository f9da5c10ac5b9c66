#!/bin/sh
# Looks into every archive for what should not be there.
set -e
failed=0

list_artifacts > /tmp/artifacts
while read -r artifact; do
  archive=registry/$(basename "$(load_artifact "$artifact" name)")
  report=/tmp/$(basename "$archive").report
  tar -tf "$archive" > "$report"

  result=0
  if grep -q '\.key$' "$report"; then
    result=1
    failed=1
  fi
  save_artifact "$artifact" "scan-result=$result"
  save_result scan-artifact "$report"
done < /tmp/artifacts

echo "scanned: $(list_results scan-artifact | wc -l)"
exit $failed
