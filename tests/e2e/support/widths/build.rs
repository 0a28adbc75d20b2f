use std::{env, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=src/widths.c");
    let (target, out) = (env::var("TARGET").unwrap().replace('-', "_"), env::var("OUT_DIR").unwrap());
    let (cc, ar) = (env::var(format!("CC_{target}")).unwrap(), env::var(format!("AR_{target}")).unwrap());
    let run = |program: &str, words: &[&str]| assert!(Command::new(program).args(words).status().unwrap().success());
    run(&cc, &["-c", "src/widths.c", "-o", &format!("{out}/widths.o")]);
    run(&ar, &["rcs", &format!("{out}/libwidths.a"), &format!("{out}/widths.o")]);
    println!("cargo::rustc-link-search=native={out}");
    println!("cargo::rustc-link-lib=static=widths");
}
