CROSS_GDB=$PWD/gdb.socket timeout 60 @runner@ "$PWD/@program@" >said &
runner=$!
waited=0
until [ -S gdb.socket ] || [ "$waited" = 100 ]; do
    sleep 0.1
    waited=$((waited + 1))
done
timeout 40 @debugger@ -nx -batch -ex "target remote $PWD/gdb.socket" -ex 'break main' -ex continue -ex continue \
    "$PWD/@program@" </dev/null >told 2>&1 || :
code=0
wait "$runner" || code=$?
cat told said
[ "$code" = 0 ] || { echo "under the debugger, the program ends with exit code $code"; exit 1; }
grep 'Breakpoint 1, .*main' told
grep -a '@said@' said
