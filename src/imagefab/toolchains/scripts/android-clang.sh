#!/bin/sh
exec /usr/lib/llvm-@version@/bin/@tool@ --config=@home@/clang.cfg "$@"
