# The machine may write to a disk, but the file does not change. QEMU does not accept plain /tmp for the changes.
for TMPDIR in "${TMPDIR:-/var/tmp}/." /var/tmp/. /tmp/. .; do
    [ ! -w "$TMPDIR" ] || break
done
export TMPDIR
[ -z "$limit" ] || $limit /bin/true || {
    echo "qemu-runner: QEMU_TIMEOUT=$QEMU_TIMEOUT is no time" >&2
    exit 1
}
folder=$(mktemp -d -p "$TMPDIR")
trap 'rm -r "$folder"' EXIT
double "$program"
case $(head -c 4 "$program" | od -An -tx1) in
" 7f 45 4c 46")
    set -- -kernel "$program"
    ;;
" 4d 5a "*)
    firmware="@firmware@"
    mkdir -p "$folder/disk/EFI/BOOT"
    cp "$program" "$folder/disk/EFI/BOOT/@boot@"
    set -- -drive "if=virtio,format=raw,readonly=on,file=fat:$folder/disk"
    ;;
*)
    case $program in
    *.iso) set -- -drive "media=cdrom,format=raw,readonly=on,file=$doubled" ;;
    *) set -- -drive "media=disk,format=raw,snapshot=on,file=$doubled" ;;
    esac
    ;;
esac
# QEMU's log reports resets. QEMU runs in the background, because a waiting shell handles signals at once.
[ -e /dev/fd/0 ] || exec </dev/null
exec 8<&0
code=0
# shellcheck disable=SC2086  # options are words
$limit /usr/bin/qemu-system-@qemu@ $options $firmware -display none -monitor none -serial stdio \
    -d cpu_reset -D "$folder/log" "$@" $debug ${QEMU_OPTIONS:-} <&8 8<&- &
for number in 1 2 15; do
    # shellcheck disable=SC2064  # as the number is now
    trap "trap '' 1 2 15; kill $! 2>/dev/null; wait $! || :; exit $((128 + number))" $number
done
wait $! || code=$?
if grep -qs "Triple fault" "$folder/log"; then
    echo "qemu-runner: the machine restarts after a triple fault" >&2
    exit 1
fi
case $code in
33) exit 0 ;;
*[13579])
    if [ "$code" -gt 1 ] && [ "$code" != 137 ] && [ "$code" != 143 ]; then code=$((code / 2)); fi
    ;;
esac
exit "$code"
