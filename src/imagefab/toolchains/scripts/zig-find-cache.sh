if [ -z "${ZIG_GLOBAL_CACHE_DIR:-}" ]; then
    if [ -n "${CARGO_TARGET_DIR:-}" ] && mkdir -p "$CARGO_TARGET_DIR/.zig-cache" 2>/dev/null; then
        ZIG_GLOBAL_CACHE_DIR=$CARGO_TARGET_DIR/.zig-cache
    else
        ZIG_GLOBAL_CACHE_DIR=/tmp/zig-cache-$(id -u)
    fi
    export ZIG_GLOBAL_CACHE_DIR
fi
# Add what the image has compiled ahead, once in each container.
if [ -d /opt/zig/kept ]; then
    seeded=$ZIG_GLOBAL_CACHE_DIR/seeded-$(stat -c %i /opt/zig/zig)
    if [ ! -e "$seeded" ] && perl /opt/zig/zig-seed.pl /opt/zig "$ZIG_GLOBAL_CACHE_DIR" 2>/dev/null; then
        : >"$seeded"
    fi
fi
