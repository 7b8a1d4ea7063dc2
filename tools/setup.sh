#!/bin/sh
# Makes .venv/ in this checkout, or finds at once that it is up to date. PYTHON=… chooses the interpreter.
set -eu
cd "$(dirname "$0")/.."

if [ -z "${PYTHON:-}" ] && .venv/bin/python -IS tools/bootstrap.py --is-fresh 2>/dev/null; then
    exit 0
fi
for python in ${PYTHON:-python3.13 python3.12 python3.11 python3.14 python3 python}; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        exec "$python" -I tools/bootstrap.py
    fi
done
echo "crossmargin needs Python 3.11 or newer; ${PYTHON:-none of python3.13, python3.12, python3.11, python3} will not do" >&2
exit 1
