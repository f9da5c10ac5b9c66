#!/bin/bash
# The unit tests of bin/price.
cd "$(dirname "$0")/.." || exit
failures=0

expect() { # WANTED COMMAND...
  local wanted=$1 got
  shift
  got=$("$@" 2>/dev/null) || got="exit $?"
  if [[ $got == "$wanted" ]]; then
    echo "ok    $* -> $got"
  else
    echo "FAIL  $* -> $got, not $wanted"
    failures=$((failures + 1))
  fi
}

expect 540 bin/price catalog.csv tea
expect 828 bin/price catalog.csv coffee
expect 348 bin/price catalog.csv cake 7
expect "exit 1" bin/price catalog.csv soup
exit $((failures > 0))
