ln -s /usr/lib/llvm-@version@/lib/clang/@version@/include @folder@/clang/include
for tool in @tools@; do
    ln -s /usr/lib/llvm-@version@/bin/llvm-$tool /usr/local/bin/llvm-$tool
    ln -s llvm-$tool /usr/local/bin/@gnu@-$tool
done
ln -s /usr/lib/llvm-@version@/bin/ld.lld /usr/local/bin/ld.lld
ln -s ld.lld /usr/local/bin/@gnu@-ld
