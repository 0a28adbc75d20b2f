export ZIG_GLOBAL_CACHE_DIR=/tmp/zig-cache ZIG_LOCAL_CACHE_DIR=/tmp/zig-cache
mkdir /tmp/ahead
cd /tmp/ahead
echo 'int main(void) { return 0; }' >c.c
printf '#include <iostream>\nint main() { std::cout << 42; }\n' >c++.cc
