#![no_std]
//! The rows of sizes.h, for the types in Rust's libc crate.
#[repr(C)]
pub struct Row {
    mark: [u8; 8],
    name: [u8; 16],
    digits: [u8; 3],
    end: u8,
}

const fn row<T>(name: &[u8; 16]) -> Row {
    let size = core::mem::size_of::<T>();
    let digits = [b'0' + (size / 100 % 10) as u8, b'0' + (size / 10 % 10) as u8, b'0' + (size % 10) as u8];
    Row { mark: *b"size-of\0", name: *name, digits, end: b'\n' }
}

#[no_mangle]
pub static SIZES: [Row; 5] = [
    row::<libc::time_t>(b"time_t\0\0\0\0\0\0\0\0\0\0"),
    row::<libc::off_t>(b"off_t\0\0\0\0\0\0\0\0\0\0\0"),
    row::<libc::ino_t>(b"ino_t\0\0\0\0\0\0\0\0\0\0\0"),
    row::<libc::stat>(b"stat\0\0\0\0\0\0\0\0\0\0\0\0"),
    row::<libc::timeval>(b"timeval\0\0\0\0\0\0\0\0\0"),
];
