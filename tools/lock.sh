#!/bin/sh
# Resolves the dependencies of pyproject.toml again and writes the lock files: every version for every supported
# Python and machine, each with its hashes, and no host name. The resolver itself is pinned, in a venv thrown away after.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip --disable-pip-version-check install --quiet --require-hashes \
    --only-binary :all: -r tools/requirements-uv.lock

lock() { # file, what to resolve
    file=$1
    shift
    "$work/venv/bin/uv" pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --no-header --output-file "$work/lock" "$@"
    { echo "# Written by \`make lock\`; do not edit."; cat "$work/lock"; } >"$file"
    rm "$work/lock"
    echo "$file: $(grep -c == "$file") packages"
}
lock requirements.lock pyproject.toml --group dev
lock requirements-node.lock --group node
lock tools/requirements-pip.lock --group pip
lock tools/requirements-uv.lock --group lock
