for tool in addr2line ar as gcc-ar gcc-nm gcc-ranlib gcov ld nm objcopy objdump ranlib readelf strings strip; do
    ln -s ../../bin/@gnu@-$tool /usr/local/bin/@musl@-$tool
done
ln -s @musl@-gcc /usr/local/bin/@musl@-cc
# A sysroot laid out like those of other cross toolchains; QEMU finds the dynamic linker there.
mkdir /usr/@musl@
ln -s ../include/@musl@ /usr/@musl@/include
ln -s ../lib/@musl@ /usr/@musl@/lib
ln -s . /usr/@musl@/usr
# The kernel's headers, which musl does not include, except for some of its own in scsi.
cd /usr/include/@musl@
for folder in @kernel@; do
    for name in asm asm-generic drm linux misc mtd rdma regulator sound video xen; do
        if [ -d "$folder/$name" ] && [ ! -e "$name" ]; then ln -s "$folder/$name" "$name"; fi
    done
    for file in "$folder"/scsi/*; do
        if [ -e "$file" ] && [ ! -e "scsi/${file##*/}" ]; then ln -s "../$file" scsi; fi
    done
done
[ -e /usr/lib/@musl@/ld-musl-@loader@.so.1 ] || ln -s libc.so /usr/lib/@musl@/ld-musl-@loader@.so.1
cd /tmp
@gnu@-ar rcs /usr/lib/@musl@/libgcc_musl.a
@musl@-gcc -O2 -fPIC -c /usr/lib/@musl@/libgcc_musl.c -o libgcc_musl.o
@gnu@-ar rcs /usr/lib/@musl@/libgcc_musl.a libgcc_musl.o
