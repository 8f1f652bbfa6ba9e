#!/usr/bin/env bash
# Omni/Ide/push.sh as it was: builds a target, uploads it, and deploys the service that push.yaml names for it.
exec deploy-push "$@"
