for tool in @tools@; do
    ln -s /usr/lib/llvm-@version@/bin/llvm-$tool /usr/local/bin/llvm-$tool
done
