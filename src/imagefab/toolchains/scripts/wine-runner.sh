#!/bin/sh
# Runs a Windows program under Wine.
set -eu
if [ $# -lt 1 ]; then
    echo "usage: wine-runner PROGRAM [ARGUMENT...]" >&2
    exit 2
fi
if [ "${CROSS_RUNNER:-wine}" != wine ]; then
    echo "wine-runner: this image runs Windows programs with: wine; not with '$CROSS_RUNNER'" >&2
    exit 1
fi
user=$(/usr/bin/id -u)
folder=${TMPDIR:-/tmp}/wine-runner-$user
# Nothing leaks in from the host: the user's name is not from a passwd file, and a home need not exist.
export HOME="$folder" USER=user LOGNAME=user
export WINEPREFIX="${WINEPREFIX:-$folder/prefix}" WINEDEBUG="${WINEDEBUG:--all}"
# No dialogs that offer to install .NET or a browser, and no desktop menu entries.
export WINEDLLOVERRIDES="${WINEDLLOVERRIDES:-mscoree,mshtml=;winemenubuilder.exe=d}"
libraries=
for library in @libraries@; do
    if [ -d "$library" ]; then
        libraries="${libraries:+$libraries;}Z:$(printf %s "$library" | /usr/bin/tr / '\\')"
    fi
done
export WINEPATH="${WINEPATH:+$WINEPATH;}$libraries"
if [ ! -e "$WINEPREFIX/ready" ]; then
    # Hide Wine's own setup output from the program's. Programs that start at the same time wait for one setup.
    /usr/bin/mkdir -p "$folder" "$WINEPREFIX"
    (
        /usr/bin/flock 9
        if [ ! -e "$WINEPREFIX/ready" ]; then
            # Windows are not drawn: without a null driver, programs could not create any.
            [ -e "$WINEPREFIX/user.reg" ] || printf '%s\n' 'WINE REGISTRY Version 2' '' \
                '[Software\\Wine\\Drivers]' '"Graphics"="null"' >"$WINEPREFIX/user.reg"
            if /usr/lib/wine/wine64 wineboot --init </dev/null >"$WINEPREFIX/boot.log" 2>&1 9>&-; then
                : >"$WINEPREFIX/ready"
            else
                /usr/bin/cat "$WINEPREFIX/boot.log" >&2
                echo "wine-runner: Wine can't be set up in $WINEPREFIX" >&2
                exit 1
            fi
        fi
    ) 9>"$folder/lock"
fi
exec /usr/lib/wine/wine64 "$@"
