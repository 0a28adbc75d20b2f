clang --target=x86_64-unknown-none-elf -c sector.S -o sector.o
ld.lld --oformat=binary -Ttext=0x7c00 sector.o -o sector
cp sector disk.img
truncate -s 1M disk.img
mkdir -p disc
cp sector disc/sector
truncate -s 2048 disc/sector
xorriso -as mkisofs -quiet -o disc.iso -b sector -no-emul-boot -boot-load-size 4 disc
