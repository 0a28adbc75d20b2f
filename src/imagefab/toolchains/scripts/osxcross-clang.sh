#!/bin/sh
# @tool@ for @triple@.
: "${SDKROOT:=@sdk@}" "${MACOSX_DEPLOYMENT_TARGET:=@oldest@}"
export SDKROOT MACOSX_DEPLOYMENT_TARGET
exec /usr/lib/llvm-@version@/bin/@tool@ --config=/opt/osxcross/@apple@.cfg "$@"
