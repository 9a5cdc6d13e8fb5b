#!/usr/bin/env bash
# buf, in the one version that is pinned here: lints and compiles proto/. It is no package of
# deno.json, because neither the platform nor its tests import it, and it is 40 MB.
# (Later versions than 1.74.0 lack a platform that Deno wants to lock.)
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
exec "$("$root/scripts/deno.sh")" run --quiet --no-config --frozen --lock="$root/scripts/buf_lock.json" \
	--node-modules-dir=none --allow-all npm:@bufbuild/buf@1.74.0/buf "$@"
