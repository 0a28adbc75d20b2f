#!/bin/sh
# Boots a program for MACHINE under QEMU. CROSS_RUNNER chooses how: @choices@; empty or unset takes the first.
# CROSS_GDB=PORT (or a path, for a socket) waits for a debugger; QEMU_TIMEOUT=SECONDS stops a program that does not
# end, with exit code 124; QEMU_OPTIONS adds options for QEMU, separated by spaces.
set -eu
if [ $# -lt 2 ]; then
    echo "usage: qemu-runner MACHINE PROGRAM [ARGUMENT...]" >&2
    exit 2
fi
machine=$1
program=$2
shift
if [ ! -f "$program" ]; then
    echo "qemu-runner: no file $program" >&2
    exit 1
fi
firmware=
case ${CROSS_RUNNER:-qemu-system} in
@cases@
*)
    echo "qemu-runner: this image boots programs with: @choices@; not with '$CROSS_RUNNER'" >&2
    exit 1
    ;;
esac
case $machine in
@machines@
*)
    echo "qemu-runner: no machine for $machine; there are: @names@" >&2
    exit 1
    ;;
esac
debug=
case ${CROSS_GDB:-} in
"") ;;
*/*) debug="-S -gdb unix:$CROSS_GDB,server=on,wait=off" ;;
*) debug="-S -gdb tcp::$CROSS_GDB" ;;
esac
limit=
if [ -n "${QEMU_TIMEOUT:-}" ]; then
    limit="/usr/bin/timeout --foreground --kill-after=5 $QEMU_TIMEOUT"
fi
# Commas in QEMU's option values are doubled.
double() {
    rest=$1
    doubled=
    while :; do
        case $rest in
        *,*)
            doubled=$doubled${rest%%,*},,
            rest=${rest#*,}
            ;;
        *)
            doubled=$doubled$rest
            return
            ;;
        esac
    done
}
