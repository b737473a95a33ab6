//! Random days from a seed: those of the rules' own tests.

use crate::events::{Step, day};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::ops::Range;

/// A day of up to `steps_max` steps, the same for the same seed.
pub(crate) fn random_day(seed: u64, steps_max: usize) -> Vec<Step> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    day(steps_max).new_tree(&mut runner).expect("a day can be drawn").current()
}

/// The seeds of a test, or the one that `FLORIN_SEED` names.
pub(crate) fn seeds(usual: Range<u64>) -> Vec<u64> {
    match std::env::var("FLORIN_SEED") {
        Ok(seed) => vec![seed.parse().expect("FLORIN_SEED is a number")],
        Err(_) => usual.collect(),
    }
}

/// Says what was tried, if it fails.
pub(crate) struct Case(pub(crate) String);

impl Drop for Case {
    #[expect(clippy::print_stderr, reason = "a failing test names its case")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failed: {}", self.0);
        }
    }
}

/// Fault 23: a failing seed must show the same day again.
#[test]
fn a_seed_gives_the_same_day_twice() {
    let day = |seed| format!("{:?}", random_day(seed, 30));
    assert_eq!(day(7), day(7));
    assert_ne!(day(7), day(8));
}
