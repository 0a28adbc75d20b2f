#!/bin/sh
# Zig as a compiler and linker for @triple@.
@cache@count=$#
while [ "$count" -gt 0 ]; do
    word=$1
    shift
    count=$((count - 1))
    case $word in
    --target=* | -march=* | */self-contained/*crt*.o) ;;
    -target | --target)
        shift
        count=$((count - 1))
        ;;
    -lgcc_s | -lgcc_eh) set -- "$@" -lunwind ;;
    @unasked@-lgcc | -l:libgcc.a | -Wl,--no-undefined-version | -Wl,--fix-cortex-a53-*) ;;
    *) set -- "$@" "$word" ;;
    esac
done
exec @zig@/zig @tool@ -target @target@@cpu@ "$@"
