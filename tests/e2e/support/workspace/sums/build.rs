fn main() {
    println!("cargo::rerun-if-changed=src");
    cc::Build::new().file("src/sums.c").warnings_into_errors(true).compile("sums_c");
    cc::Build::new().cpp(true).file("src/checks.cc").warnings_into_errors(true).compile("sums_cc");
}
