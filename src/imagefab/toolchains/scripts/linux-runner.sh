#!/bin/sh
# Runs a program for ARCH. CROSS_RUNNER chooses how: @choices@; empty or unset takes the first.@gdb@
set -eu
if [ $# -lt 2 ]; then
    echo "usage: linux-runner ARCH PROGRAM [ARGUMENT...]" >&2
    exit 2
fi
arch=$1
shift
case ${CROSS_RUNNER:-@default@} in
@cases@
*)
    echo "linux-runner: this image runs $arch programs with: @choices@; not with '$CROSS_RUNNER'" >&2
    exit 1
    ;;
esac
