#!/usr/bin/env bash
# Builds the image, and registers it with its tags.
set -euo pipefail

if [[ -s /config/repository ]]; then
  REPOSITORY="$(cat /config/repository)"
else
  REPOSITORY="$(load_repo app-repo url)"
fi
REGISTRY="$(get_env registry-domain "")"
if [ -z "$REGISTRY" ]; then
  REGISTRY="$(awk -F: '{print $3}' </config/registry-region).icr.io"
fi
IMAGE="$REGISTRY/$(cat /config/registry-namespace)/$(basename "$REPOSITORY" .git):$(cat /config/git-branch)"

docker login -u iamapikey --password-stdin "$REGISTRY" </config/api-key
docker build -t "$IMAGE" .
docker push "$IMAGE"
DIGEST="$(docker inspect --format='{{index .RepoDigests 0}}' "$IMAGE" | awk -F@ '{print $2}')"

if which save_artifact >/dev/null; then
  save_artifact app-image type=image "name=$IMAGE" "digest=$DIGEST" "tags=$(cat /config/git-branch)"
fi
save_artifact app-image "source=$(load_repo app-repo url)#$(load_repo app-repo commit)"

IFS=, read -ra more <<<"$(get_env custom-image-tag "")"
for tag in "${more[@]}"; do
  docker tag "$IMAGE" "${IMAGE%:*}:$tag"
  save_artifact app-image "tags=$(load_artifact app-image tags),$tag"
done
