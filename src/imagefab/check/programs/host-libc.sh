said=$(getconf GNU_LIBC_VERSION 2>/dev/null) || { echo "the image's own C library is not glibc"; exit 1; }
echo "$said" | awk '{ split($2, part, "."); exit !(part[1] > 2 || part[1] == 2 && part[2] >= 17) }' ||
    { echo "$said is older than 2.17"; exit 1; }
