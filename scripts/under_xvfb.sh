#!/usr/bin/env bash
# Run a command with an X server of its own if Xvfb is installed, so that real windows can be tested on any machine.
set -euo pipefail
# One thread per process: the small networks gain nothing from more, and busy-waiting threads delay the control loop.
export OMP_NUM_THREADS=1
if ! command -v xvfb-run >/dev/null; then
    echo "Xvfb is not installed: tests marked 'window' are skipped." >&2
    exec "$@"
fi
# Qt prefers Wayland if it is available; the tests need the X server.
unset WAYLAND_DISPLAY
export QT_QPA_PLATFORM=xcb
exec xvfb-run --auto-servernum --server-args="-screen 0 1600x1000x24 -nolisten tcp" "$@"
