mkdir /tmp/zig
unzip -q "$SOURCES/ziglang.whl" 'ziglang/*' -d /tmp/zig
mv /tmp/zig/ziglang @zig@
chmod -R u=rwX,go=rX @zig@
chmod 755 @zig@/zig
for tool in ar ranlib objcopy; do
    printf '#!/bin/sh\nexec @zig@/zig %s "$@"\n' $tool >/usr/local/bin/zig-$tool
    chmod 755 /usr/local/bin/zig-$tool
done
