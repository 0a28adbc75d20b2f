qemu-user)
    exec /usr/bin/qemu-@qemu@@cpu@ ${CROSS_GDB:+-g "$CROSS_GDB"} -L "${QEMU_LD_PREFIX:-@sysroot@}" "$@"
    ;;
native)
    # The kernel finds the emulator if the host has registered one.
    exec "$@"
    ;;
