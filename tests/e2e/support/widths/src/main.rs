use std::mem::size_of;

extern "C" {
    static widths: [usize; 5];
    fn format_day(when: libc::time_t, text: *mut u8, size: usize) -> usize;
}

fn main() {
    let own = [
        size_of::<libc::time_t>(),
        size_of::<libc::off_t>(),
        size_of::<libc::ino_t>(),
        size_of::<libc::stat>(),
        size_of::<libc::timeval>(),
    ];
    assert_eq!(own, unsafe { widths });
    let mut text = [0; 16];
    let length = unsafe { format_day(4_102_444_800_i64 as libc::time_t, text.as_mut_ptr(), text.len()) };
    let [time, offset, inode, stat, timeval] = own;
    let day = std::str::from_utf8(&text[..length]).unwrap();
    println!("time_t {time}, off_t {offset}, ino_t {inode}, stat {stat}, timeval {timeval}; {day}");
}
