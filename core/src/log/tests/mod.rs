//! Tests of the log as a whole, one file per property.

mod direct;
mod sample;
