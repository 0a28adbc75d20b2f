clang --target=x86_64-unknown-windows -ffreestanding -fshort-wchar -mno-red-zone -O2 -c application.c -o application.o
lld-link -subsystem:efi_application -entry:efi_main -out:application.efi application.o
mformat -C -i disk.img -T 65536 -h 64 -s 32 ::
mmd -i disk.img ::/EFI ::/EFI/BOOT
mcopy -i disk.img application.efi ::/EFI/BOOT/BOOTX64.EFI
