//! `florin_fuzz::document_block` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| florin_fuzz::document_block::run(bytes));
