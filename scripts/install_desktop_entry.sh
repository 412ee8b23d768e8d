#!/usr/bin/env bash
# Add metagui to the applications of the desktop, for this user, with the command of a virtual environment.
#
#   scripts/install_desktop_entry.sh VENV
set -euo pipefail
cd "$(dirname "$0")/.."
command=$(realpath "$1")/bin/metagui
[ -x "$command" ] || { echo "There is no $command. Run “make run” once." >&2; exit 1; }
share=${XDG_DATA_HOME:-$HOME/.local/share}
mkdir -p "$share/applications" "$share/icons/hicolor/scalable/apps"
# A path in Exec may contain spaces, if it is quoted.
while IFS= read -r line; do
    case $line in Exec=*) line="Exec=\"$command\"" ;; esac
    printf '%s\n' "$line"
done <resources/desktop/metagui.desktop >"$share/applications/metagui.desktop"
cp resources/desktop/metagui.svg "$share/icons/hicolor/scalable/apps/metagui.svg"
if command -v update-desktop-database >/dev/null; then update-desktop-database --quiet "$share/applications" || true; fi
echo "Added metagui to the applications in $share. Delete both files named metagui there to remove it."
