bad=
for tool in cargo rustc rustup; do
    if found=$(command -v "$tool"); then
        bad=1
        echo "there is $found on PATH"
    fi
done
test -z "$bad"
