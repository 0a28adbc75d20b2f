#!/bin/sh
# @tool@ for @triple@, with the image's SDK after what INCLUDE and LIB name.
export INCLUDE="${INCLUDE:+$INCLUDE;}@include@"
export LIB="${LIB:+$LIB;}@lib@"
exec /usr/lib/llvm-@version@/bin/@program@ "$@"
