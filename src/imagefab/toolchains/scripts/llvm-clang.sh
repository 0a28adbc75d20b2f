#!/bin/sh
exec /usr/lib/llvm-@version@/bin/@tool@ --config=@settings@/@gnu@.cfg "$@"
