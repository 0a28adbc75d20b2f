for tool in ar nm objcopy objdump ranlib readelf strings strip; do
    ln -s /usr/lib/llvm-@version@/bin/llvm-$tool /usr/local/bin/@triple@-$tool
done
ln -s /usr/lib/llvm-@version@/bin/wasm-ld /usr/local/bin/@triple@-ld
