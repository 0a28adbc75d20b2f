#![no_std]
#![no_main]
use core::arch::{asm, global_asm};
global_asm!(include_str!("start.S"), options(att_syntax));

fn put(text: &str) {
    for byte in text.bytes() {
        unsafe { asm!("out dx, al", in("dx") 0x3f8u16, in("al") byte) };
    }
}

#[no_mangle]
extern "C" fn main() -> i32 {
    let answer: u32 = [40u32, 2].iter().sum();
    put(if answer == 42 { "rust says 42\n" } else { "rust can't add\n" });
    0
}

#[no_mangle]
extern "C" fn finish(code: u32) -> ! {
    loop {
        unsafe { asm!("out dx, eax", in("dx") 0xf4u16, in("eax") if code == 0 { 16 } else { code }) };
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    finish(1)
}
