#!/bin/sh
# Compares every greeting with the one that is expected.
status=success
greeted=0

while IFS=, read -r name expected; do
  greeting=$(src/greet "$name")
  if [ "$greeting" != "$expected" ]; then
    echo "::error::'$name' was greeted with '$greeting' instead of '$expected'"
    status=failure
  fi
  greeted=$((greeted + 1))
  set_env greetings "$greeted"
done < tests/greetings.csv

echo "$greeted greetings: $status" | tee unit-tests.txt
save_result test unit-tests.txt

status=$(collect-evidence \
  --tool-type sh \
  --evidence-type com.ibm.unit_tests \
  --asset-type repo \
  --asset-key app-repo \
  --attachment unit-tests.txt \
  --status "$status")
echo "evidence: $status"
[ "$status" = success ]
