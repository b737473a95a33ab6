//! `florin_fuzz::key_documents` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| florin_fuzz::key_documents::run(bytes));
