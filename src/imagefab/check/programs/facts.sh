# Prints the versions of the image's programs, as lines of name=value. What is not there prints nothing.
set +e
exec 2>/dev/null
said=$(@cc@ --version | head -n 1)
case $said in emcc*) name=emscripten ;; *clang*) name=clang ;; *) name=gcc ;; esac
echo "$name=$(@cc@ -dumpfullversion || @cc@ -dumpversion || @cc@ /clang:-dumpversion)"
echo "binutils=$(@ld@ --version | sed -n '1s/.* //p')"
echo 'int main(void) { return 0; }' >empty.c
libc=$(@cc@ empty.c -o empty -Wl,--trace | grep '/libc\.so$' | tail -n 1)
printf '#include <features.h>\n__GLIBC__.__GLIBC_MINOR__\n' >libc.c
glibc=$(@cc@ -E -P libc.c | tail -n 1 | tr -d ' ')
case $glibc in [0-9]*.[0-9]*) echo "glibc=$glibc" ;; esac
printf '#include <picolibc.h>\n__PICOLIBC_VERSION__\n' >picolibc.c
picolibc=$(@cc@ -E -P picolibc.c | tail -n 1 | tr -d '"')
case $picolibc in [0-9]*.[0-9]*) echo "picolibc=$picolibc" ;; esac
musl=$(@runner@ "$libc" 2>&1 | sed -n 's/^Version //p')
if [ -n "$musl" ]; then echo "musl=$musl"; fi
echo "host-glibc=$(getconf GNU_LIBC_VERSION | cut -d " " -f 2)"
for program in /usr/bin/qemu-*; do
    echo "qemu=$("$program" --version | sed -n '1s/.*version \([0-9.]*\).*/\1/p')"
done
wine=$(HOME=/tmp USER=user /usr/lib/wine/wine64 --version | sed -n 's/^wine-\([0-9.]*\).*/\1/p')
if [ -n "$wine" ]; then echo "wine=$wine"; fi
wasmedge=$(wasmedge --version | sed -n '1s/.* //p')
if [ -n "$wasmedge" ]; then echo "wasmedge=$wasmedge"; fi
echo "cmake=$(cmake --version | sed -n '1s/.* //p')"
zig=$(zig version) && echo "zig=$zig"
exit 0
