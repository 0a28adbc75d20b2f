for library in target/.zig-cache/o/*/*.a target/.zig-cache/o/*/*.lib; do
    folder=${library%/*}
    if [ -e "$library" ] && [ ! -e "/opt/zig/kept/o/${folder##*/}" ]; then
        echo "Zig had to compile ${library##*/}, which should have come with the image" >&2
        exit 1
    fi
done
