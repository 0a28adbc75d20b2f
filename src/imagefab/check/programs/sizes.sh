read_rows() {
    tr '\0' ' ' <"$1" | grep -a -o 'size-of *[a-z_]* *[0-9][0-9][0-9]' | awk '{ print $2, $3 + 0 }'
}
compare() {
    awk -v who="$1" 'NR == FNR { size[$1] = $2; next } $1 in size && $2 != size[$1] {
        print $1 " has " size[$1] " bytes for the C compiler and " $2 " for " who
        bad = 1
    } END { exit bad }' compiler "$2"
}
