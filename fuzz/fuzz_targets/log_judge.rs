//! `florin_fuzz::log_judge` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| florin_fuzz::log_judge::run(bytes));
