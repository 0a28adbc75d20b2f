mkdir @zig@/kept
perl @zig@/zig-keep.pl @zig@ "$ZIG_GLOBAL_CACHE_DIR" @zig@/kept
rm -r /tmp/ahead "$ZIG_GLOBAL_CACHE_DIR"
