library=
for found in "${LIBCLANG_PATH:-/nowhere}"/libclang*.so* /usr/lib/llvm-*/lib/libclang.so* /usr/lib/*/libclang*.so*; do
    if [ -z "$library" ] && [ -e "$found" ]; then library=$found; fi
done
[ -n "$library" ] || { echo "there is no libclang"; exit 1; }
cc -w parse.c -o parse -ldl
