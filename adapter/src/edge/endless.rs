//! Answers that have no end by themselves.

/// Marks an answer whose body ends when its connection's time is over, or the bank closes; whoever asked may leave at
/// any time without having taken anything back.
#[derive(Clone, Copy, Debug)]
pub struct Endless;
