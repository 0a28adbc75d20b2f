# The machine may write to a disk, but the file does not change. QEMU does not accept plain /tmp for the changes.
for TMPDIR in "${TMPDIR:-/var/tmp}/." /var/tmp/. /tmp/. .; do
    [ ! -w "$TMPDIR" ] || break
done
export TMPDIR
folder=$(mktemp -d -p "$TMPDIR")
trap 'rm -r "$folder"' EXIT
double "$program"
case $(head -c 2 "$program") in
MZ)
    mkdir -p "$folder/disk/EFI/BOOT"
    cp "$program" "$folder/disk/EFI/BOOT/@boot@"
    set -- -drive "if=virtio,format=raw,readonly=on,file=fat:$folder/disk"
    ;;
*) set -- -drive "if=virtio,format=raw,snapshot=on,file=$doubled" ;;
esac
# QEMU runs in the background, because a waiting shell handles signals at once.
[ -e /dev/fd/0 ] || exec </dev/null
exec 8<&0
code=0
# shellcheck disable=SC2086  # options are words
$limit /usr/bin/qemu-system-@qemu@ $options $firmware -display none -monitor none -serial stdio \
    -semihosting-config enable=on,target=native "$@" $debug ${QEMU_OPTIONS:-} <&8 8<&- &
for number in 1 2 15; do
    # shellcheck disable=SC2064  # as the number is now
    trap "trap '' 1 2 15; kill $! 2>/dev/null; wait $! || :; exit $((128 + number))" $number
done
wait $! || code=$?
exit "$code"
