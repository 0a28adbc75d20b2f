# The program's name and arguments, as semihosting passes them on.
words=
for word in "$@"; do
    double "$word"
    words=$words,arg=$doubled
done
# shellcheck disable=SC2086  # options are words
exec $limit /usr/bin/qemu-system-@qemu@ $options -display none -monitor none \
    -chardev stdio,id=console,mux=on -serial chardev:console \
    -semihosting-config "enable=on,target=native,chardev=console$words" -kernel "$program" $debug ${QEMU_OPTIONS:-}
