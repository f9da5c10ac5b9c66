#!/bin/sh
# "Deploys": says what would run where.
set -e
environment=$(get_env target-environment dev)

name=$(load_artifact greeter/program name)
digest=$(load_artifact greeter/program digest)
echo "deploy $name@sha256:$(echo "$digest" | cut -c 1-8) to $environment"

set_env app-url "https://$environment.example.test/greeter"
