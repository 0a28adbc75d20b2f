mkdir -p /usr/@triple@/include /usr/@triple@/lib/pkgconfig
ln -s ../../include/@triple@ /usr/@triple@/include/@triple@
ln -s ../../lib/@triple@ /usr/@triple@/lib/@triple@
# The C++ library is made for the older WASI; its headers serve both.
ln -s ../../include/wasm32-wasi/c++ /usr/@triple@/include/c++
