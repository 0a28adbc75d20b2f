#!/bin/sh
# The parts of xcrun that build systems use.
: "${SDKROOT:=@sdk@}"
while [ $# -gt 0 ]; do
    case $1 in
    --sdk | -sdk | --toolchain | -toolchain) shift ;;
    --show-sdk-path | -show-sdk-path) echo "$SDKROOT" && exit ;;
    --show-sdk-version | -show-sdk-version) echo "@number@" && exit ;;
    --show-sdk-platform-path | -show-sdk-platform-path) dirname "$(dirname "$SDKROOT")" && exit ;;
    --find | -find | -f) only=1 ;;
    -*) ;;
    *) break ;;
    esac
    shift
done
if [ $# -eq 0 ]; then
    echo "xcrun: which program?" >&2
    exit 64
fi
program=$1
shift
case $program in
clang | clang++ | @tools@) program=@prefix@-$program ;;
esac
if [ -n "${only:-}" ]; then
    command -v "$program"
    exit
fi
exec "$program" "$@"
