cd /usr/lib/gcc-cross/@triplet@
find . -type f \( -name cc1 -o -name cc1plus -o -name lto1 \) -exec strip {} +
