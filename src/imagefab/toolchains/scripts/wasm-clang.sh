#!/bin/sh
exec /usr/lib/llvm-@version@/bin/@tool@ @options@ "$@"
