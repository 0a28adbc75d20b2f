#!/bin/sh
exec @zig@/zig dlltool "$@"
