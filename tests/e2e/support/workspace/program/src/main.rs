//! Uses what a toolchain can get wrong: C, C++, threads, unwinding in both languages, and a macro for the host.

use std::{env::consts::ARCH, panic, thread};

fn main() {
    let total = thread::spawn(|| sums::sum(&[40, 2])).join().unwrap();
    panic::set_hook(Box::new(|_| ()));
    let caught = panic::catch_unwind(|| panic!("on purpose")).is_err();
    assert!(sums::is_negative(-1) && !sums::is_negative(1));
    println!("{total} on {ARCH}, compiled on {}, caught: {caught}", names::host_arch!());
}
