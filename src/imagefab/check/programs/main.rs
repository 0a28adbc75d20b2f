extern "C" {
    fn probe_answer() -> i32;
}

fn main() {
    if cfg!(panic = "unwind") {
        let unwound = std::panic::catch_unwind(|| std::panic::resume_unwind(Box::new(0)));
        assert!(unwound.is_err());
    }
    let ask = || unsafe { probe_answer() };
    let answer = if cfg!(target_family = "wasm") { ask() } else { std::thread::spawn(ask).join().unwrap() };
    println!("rust says {answer}");
}

#[test]
fn the_answer() {
    assert_eq!(unsafe { probe_answer() }, 42);
}
