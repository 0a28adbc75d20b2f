for tool in ar nm objcopy objdump ranlib readelf strings strip; do
    ln -s /usr/lib/llvm-@version@/bin/llvm-$tool /usr/local/bin/@gnu@-$tool
done
ln -s /usr/lib/llvm-@version@/bin/ld.lld /usr/local/bin/@gnu@-ld
