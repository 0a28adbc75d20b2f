// As sys crates do: C that includes the kernel's headers.
use std::{env, process::Command};

fn main() {
    let (target, out) = (env::var("TARGET").unwrap().replace('-', "_"), env::var("OUT_DIR").unwrap());
    let (cc, ar) = (env::var(format!("CC_{target}")).unwrap(), env::var(format!("AR_{target}")).unwrap());
    let (object, library) = (format!("{out}/keyboard.o"), format!("{out}/libkeyboard.a"));
    for (program, arguments) in [(cc, ["-c", "keyboard.c", "-o", &object]), (ar, ["rc", &library, &object, "--"])] {
        assert!(Command::new(program).args(arguments).status().unwrap().success());
    }
    println!("cargo:rustc-link-search=native={out}");
    println!("cargo:rustc-link-lib=static=keyboard");
}
