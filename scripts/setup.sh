#!/usr/bin/env bash
# Create a virtual environment with the program, and install the Debian packages that it needs, as root or with a
# passwordless sudo; otherwise print the command. A stamp file marks that the setup is complete.
#
#   scripts/setup.sh run|test VENV
set -euo pipefail
cd "$(dirname "$0")/.."
purpose=$1 venv=$2

install_packages() { # PACKAGE...
    [ $# -gt 0 ] || return 0
    local sudo=() line="apt-get update && apt-get install --yes $*"
    if ! command -v apt-get >/dev/null; then
        echo "Some system packages are missing; Debian calls them: $*. Install them with your package manager." >&2
        return 1
    fi
    if [ "$(id -u)" != 0 ]; then
        line="sudo apt-get update && sudo apt-get install --yes $*"
        sudo=(sudo --non-interactive)
        if ! "${sudo[@]}" true 2>/dev/null; then
            echo "Some system packages are missing. Install them with:" >&2
            echo "    $line" >&2
            return 1
        fi
    fi
    echo "Installing system packages: $*"
    # shellcheck disable=SC2068
    ${sudo[@]+"${sudo[@]}"} apt-get -qq update &&
        ${sudo[@]+"${sudo[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes "$@" >/dev/null </dev/null || {
        echo "The installation failed. Run it by hand:" >&2
        echo "    $line" >&2
        return 1
    }
}

find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3 python3.13 python3.12 python3.11; do
        [ -n "$candidate" ] && command -v "$candidate" >/dev/null || continue
        "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' && echo "$candidate" && return
    done
    return 1
}

python=$(find_python) || install_packages python3 python3-venv
python=$(find_python) || { echo "metagui needs Python 3.11 or newer; set PYTHON to one." >&2; exit 1; }
if [ ! -x "$venv/bin/pip" ]; then
    "$python" -c 'import venv, ensurepip' 2>/dev/null || install_packages python3-venv
    "$python" -m venv "$venv"
fi

echo "Setting up $venv. The first time takes a few minutes, because PyTorch and Qt are large."
what=.
[ "$purpose" = test ] && what='.[docs,test]'
"$venv/bin/pip" install --quiet --editable "$what"

read -ra missing <<<"$("$venv/bin/metagui" check --packages)" || true
if [ "$purpose" = test ] && [ "$(uname)" = Linux ]; then
    command -v Xvfb >/dev/null || missing+=(xvfb)
    command -v xauth >/dev/null || missing+=(xauth)
fi
# The program runs without some of them and reports which: continue, but check again the next time.
install_packages ${missing[@]+"${missing[@]}"} || exit 0
touch "$venv/.ready-to-$purpose" "$venv/.ready-to-run"
