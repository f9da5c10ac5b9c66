#!/usr/bin/env bash
# Deploys the image, and tells later stages where: by a file beside the repository, and by a value.

# shellcheck source=/dev/null
source "${ONE_PIPELINE_PATH}"/tools/retry
IMAGE="$(load_artifact app-image name)"

retry 3 0 ibmcloud login --apikey "$(get_secret ibmcloud-api-key)" -r "$(get_env dev-region | awk -F: '{print $NF}')"
kubectl apply --namespace "$(get_env dev-cluster-namespace)" -f - <<EOF
image: $IMAGE@$(load_artifact app-image digest)
EOF

APPURL="$(kubectl get ingress --namespace "$(get_env dev-cluster-namespace)" app)"
echo -n "http://$APPURL" >../app-url
set_env app-url "http://$APPURL"
