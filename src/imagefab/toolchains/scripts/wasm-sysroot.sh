mkdir -p /usr/@triple@/include /usr/@triple@/lib/pkgconfig
ln -s ../../include/wasm32-wasi /usr/@triple@/include/@triple@
ln -s ../../lib/wasm32-wasi /usr/@triple@/lib/@triple@
cd /usr/lib/llvm-@version@/lib/clang/@version@/lib
mkdir wasm32-unknown-wasip1
ln -s ../wasi/libclang_rt.builtins-wasm32.a wasm32-unknown-wasip1/libclang_rt.builtins.a
