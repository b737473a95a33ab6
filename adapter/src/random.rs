//! Random bytes of the operating system: for ids, tokens and keys.

/// So many random bytes.
///
/// # Panics
/// If the operating system has none, which no bank can go on without.
#[must_use]
pub fn bytes<const COUNT: usize>() -> [u8; COUNT] {
    let mut bytes = [0; COUNT];
    getrandom::fill(&mut bytes).expect("the operating system has random numbers");
    bytes
}
