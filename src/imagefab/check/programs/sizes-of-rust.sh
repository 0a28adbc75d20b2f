vendor=@vendor@
if [ -z "$vendor" ]; then
    vendor=$PWD/vendor
    mkdir "$vendor"
    tar -xzf @archive@ -C "$vendor" --no-same-owner
    for folder in "$vendor"/*; do echo '{"files":{}}' >"$folder/.cargo-checksum.json"; done
fi
mkdir -p .cargo
printf '[source.crates-io]\nreplace-with = "std"\n[source.std]\ndirectory = "%s"\n' "$vendor" >.cargo/config.toml
cargo build --offline --quiet --target @triple@
read_rows target/@triple@/debug/libsizes.rlib >rust
compare "Rust's libc crate" rust compiler
