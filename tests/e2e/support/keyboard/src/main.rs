extern "C" {
    fn key_event_size() -> u32;
    fn get_version() -> u64;
}

fn main() {
    let (size, request) = unsafe { (key_event_size(), get_version()) };
    println!("an event has {size} bytes, EVIOCGVERSION is {request:#x}");
}
