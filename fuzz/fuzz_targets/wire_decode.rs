//! `florin_fuzz::wire_decode` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| florin_fuzz::wire_decode::run(bytes));
