//! The interactive shell: a line is understood by [`grammar`], asked of a ledger, and the answer
//! laid out by [`render`]; [`editor`] owns the terminal.

pub(crate) mod editor;
pub(crate) mod grammar;
pub(crate) mod render;
mod words;
