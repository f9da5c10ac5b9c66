#!/usr/bin/env bash
# To be sourced: what sign.sh and release.sh share.

# signature_of DIGEST: prints the signature that the key of the run gives it
signature_of() {
  printf '%s %s' "$(get_secret signing-key)" "$1" | sha256sum | cut -d " " -f 1
}
