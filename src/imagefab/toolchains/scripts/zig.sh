#!/bin/sh
@cache@exec @zig@/zig "$@"
