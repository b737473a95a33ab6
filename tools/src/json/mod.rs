//! How operations and answers look as JSON lines: the language of `florin exec`.
//!
//! What is read:
//! - One object a line, with exactly one member: the operation. Names that are not known are
//!   refused, never dropped: a misspelt filter must not answer for the whole bank.
//! - A field left out is zero, and so is one that is `null`. The exceptions: `limit` is 100, and
//!   `debits` and `credits` are both true if both are left out. An explicit `false` is false.
//! - A number is a JSON integer or a string of decimal digits, at any width. It never passes
//!   through floating point: fractions, exponents, signs and anything that does not fit the field
//!   are refused.
//!
//! What is written: members in the order in which the types of [`write`] declare them; integers of
//! 64 and 128 bits as decimal strings whatever their value, smaller ones as numbers; flags as names
//! in order of their bits; `next_cursor` only where there is a next page.

pub(crate) mod hexadecimal;
pub(crate) mod item;
mod number;
mod object;
pub(crate) mod read;
pub(crate) mod write;
