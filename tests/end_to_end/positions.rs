//! Positions in lines of JSON. Where they fall in the log depends on how requests happened to be
//! grouped, so two databases that were told the same are compared by which positions are equal.

use florin_ledger::Position;
use std::collections::HashMap;

/// Positions of one conversation, and what another calls them.
#[derive(Default)]
pub(crate) struct Positions(HashMap<String, String>);

impl Positions {
    /// Learns what is called what from two answers to the same question. A position that was known
    /// keeps its name, so that an answer that mixes two up differs.
    pub(crate) fn bind(&mut self, ours: &str, theirs: &str) {
        for (ours, theirs) in ours.split('"').zip(theirs.split('"')) {
            if is_position(ours) && is_position(theirs) {
                self.0.entry(String::from(ours)).or_insert_with(|| String::from(theirs));
            }
        }
    }

    /// The line with their names for the positions in it.
    pub(crate) fn translated(&self, line: &str) -> String {
        let name = |part: &str| self.0.get(part).cloned().unwrap_or_else(|| String::from(part));
        line.split('"').map(name).collect::<Vec<_>>().join("\"")
    }
}

/// What is written like a position and names one.
pub(crate) fn is_position(text: &str) -> bool {
    text.parse::<Position>().is_ok_and(|position| position.is_some())
}
