// Compiles a C file with the image's compiler for the target, as the cc crate would.
use std::{env, path::Path, process::Command};

fn find(stem: &str, target: &str) -> String {
    let names = [format!("{stem}_{target}"), format!("{stem}_{}", target.replace('-', "_")), format!("TARGET_{stem}")];
    names.iter().find_map(|name| env::var(name).ok()).unwrap_or_else(|| panic!("no {stem} for {target}"))
}

fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status().expect(program);
    assert!(status.success(), "{program} {arguments:?}: {status}");
}

fn main() {
    let (target, out) = (env::var("TARGET").unwrap(), env::var("OUT_DIR").unwrap());
    let library = if target.ends_with("-msvc") {
        let (object, library) = (format!("{out}/part.obj"), format!("{out}/part.lib"));
        run(&find("CC", &target), &["/nologo", "/O2", "/MD", "/c", "part.c", &format!("/Fo{object}")]);
        run(&find("AR", &target), &["/nologo", &format!("/out:{library}"), &object]);
        library
    } else {
        let (object, library) = (format!("{out}/part.o"), format!("{out}/libpart.a"));
        run(&find("CC", &target), &["-O2", "-fPIC", "-c", "part.c", "-o", &object]);
        run(&find("AR", &target), &["rcs", &library, &object]);
        library
    };
    assert!(Path::new(&library).exists());
    println!("cargo:rustc-link-search=native={out}");
    println!("cargo:rustc-link-lib=static=part");
}
