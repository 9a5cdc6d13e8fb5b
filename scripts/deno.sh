#!/usr/bin/env bash
# Prints the path of a Deno that is new enough, and installs one under .cache/ first if there is none.
#
# Looked for, in this order: `deno` on PATH (an older one is passed over); an earlier install of ours;
# then installed from the npm package, the PyPI package, or Deno's own installer, whichever works
# first. Only the path goes to standard output. Nothing outside the repository is changed.
set -euo pipefail

# The Deno that the gate runs on; anything older is not used.
DENO_VERSION=2.9.6

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cache="$root/.cache"
installed="$cache/deno-$DENO_VERSION/deno"
work=""

say() { printf '%s\n' "$*" >&2; }

# The version of the binary $1 as "2.9.6", or nothing when it does not run.
version_of() {
  { "$1" --version 2>/dev/null || true; } | sed -n '1s/^deno \([0-9][0-9.]*\).*/\1/p'
}

# Whether $1 is a Deno of DENO_VERSION or newer.
is_new_enough() {
  local version lowest
  version="$(version_of "$1")"
  [ -n "$version" ] || return 1
  lowest="$(printf '%s\n%s\n' "$DENO_VERSION" "$version" | sort -t. -k1,1n -k2,2n -k3,3n | head -n 1)"
  [ "$lowest" = "$DENO_VERSION" ]
}

# The npm package that holds this machine's native binary; nothing where Deno ships none.
platform_package() {
  case "$(uname -s)-$(uname -m)" in
    Linux-x86_64) echo @deno/linux-x64-glibc ;;
    Linux-aarch64 | Linux-arm64) echo @deno/linux-arm64-glibc ;;
    Darwin-x86_64) echo @deno/darwin-x64 ;;
    Darwin-arm64) echo @deno/darwin-arm64 ;;
  esac
}

# The npm package's own `deno` command needs its post-install script, so the native binary of the
# platform's package is taken as it is.
fetch_from_npm() {
  local package
  package="$(platform_package)"
  [ -n "$package" ] && command -v npm >/dev/null || return 1
  npm install --prefix "$work/npm" --no-save --ignore-scripts --no-audit --no-fund \
    --loglevel=error "deno@$DENO_VERSION" >&2 || return 1
  mv "$work/npm/node_modules/$package/deno" "$work/deno"
}

fetch_from_pypi() {
  local python
  python="$(command -v python3 || command -v python)" || return 1
  "$python" -m pip install --quiet --disable-pip-version-check --no-deps \
    --target "$work/pypi" "deno==$DENO_VERSION" >&2 || return 1
  mv "$work/pypi/bin/deno" "$work/deno"
}

fetch_from_deno() {
  command -v curl >/dev/null && command -v unzip >/dev/null || return 1
  curl -fsSL https://deno.land/install.sh |
    DENO_INSTALL="$work/official" sh -s -- "v$DENO_VERSION" --yes --no-modify-path >&2 || return 1
  mv "$work/official/bin/deno" "$work/deno"
}

# Each caller fetches into a folder of its own and moves the finished binary into place by one rename,
# so that callers at the same time cannot see or make half an install.
install_deno() {
  local source
  mkdir -p "$cache/deno-$DENO_VERSION"
  work="$(mktemp -d "$cache/deno-install.XXXXXX")"
  trap 'rm -rf "$work"' EXIT
  say "Installing Deno $DENO_VERSION into .cache/ (once)"
  for source in npm pypi deno; do
    if "fetch_from_$source" && is_new_enough "$work/deno"; then
      mv -f "$work/deno" "$installed"
      return 0
    fi
    say "  not by way of $source"
  done
  say "Could not install Deno. Install $DENO_VERSION or newer yourself (https://deno.com) and put it on PATH."
  return 1
}

on_path="$(command -v deno || true)"
if [ -n "$on_path" ] && is_new_enough "$on_path"; then
  echo "$on_path"
  exit 0
fi
is_new_enough "$installed" || install_deno
echo "$installed"
