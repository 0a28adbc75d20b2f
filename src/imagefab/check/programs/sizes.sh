read_rows() {
    tr '\0' ' ' <"$1" | grep -a -o 'size-of *[a-z_]* *[0-9][0-9][0-9]' | awk '{ print $2, $3 + 0 }'
}
# compare WHO FILE EXPECTED: every size in EXPECTED must be in FILE.
compare() {
    awk -v who="$1" 'FILENAME == ARGV[1] { size[$1] = $2; next } $1 in size { found[$1] = $2 } END {
        for (name in size) if (!(name in found)) {
            print "the size of " name " for " who " is not known"
            bad = 1
        } else if (found[name] != size[name]) {
            print name " has " size[name] " bytes for the C compiler and " found[name] " for " who
            bad = 1
        }
        exit bad
    }' "$3" "$2"
}
