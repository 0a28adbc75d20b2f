@debugger@ -nx -batch -ex 'break main' -ex run -ex continue "$PWD/@program@" </dev/null >told 2>&1 || :
cat told
grep 'Breakpoint 1, .*main' told
grep 'exited normally' told
grep -a '@said@' told
