vendor=/rust/lib/rustlib/src/rust/library/vendor
if @is_known@; then
    mkdir -p src .cargo
    mv lib.rs src
    printf '[source.crates-io]\nreplace-with = "std"\n[source.std]\ndirectory = "%s"\n' "$vendor" \
        >.cargo/config.toml
    CARGO_HOME=$PWD/cargo CARGO_TARGET_DIR=$PWD/target PATH=$PATH:/rust/bin \
        cargo build --offline --quiet --target @triple@ 1>&2
    read_rows target/@triple@/debug/libsizes.rlib >rust
    compare "Rust's libc crate" rust
    exit 0
fi
