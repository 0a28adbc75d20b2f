//! Sums, added up by C and checked by C++.

extern "C" {
    fn sum_up(numbers: *const i64, count: usize) -> i64;
    #[link_name = "is_negative"]
    fn is_negative_in_cxx(total: i64) -> i32;
}

/// ```
/// assert_eq!(sums::sum(&[1, 2]), 3);
/// ```
pub fn sum(numbers: &[i64]) -> i64 {
    unsafe { sum_up(numbers.as_ptr(), numbers.len()) }
}

/// C++ throws and catches for this, in a thread of its own.
pub fn is_negative(total: i64) -> bool {
    unsafe { is_negative_in_cxx(total) != 0 }
}

#[cfg(test)]
mod tests {
    #[test]
    fn adds_up() {
        assert_eq!(super::sum(&[40, 2]), 42);
    }

    #[test]
    #[should_panic(expected = "on purpose")]
    fn unwinds() {
        panic!("on purpose");
    }
}
