//! A bank over a real engine on a simulated disk, with a clock in the test's hand.
#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod app;
mod branch;

mod api_document;
mod api_logins;
mod api_problems;
mod api_proofs;
mod api_reading;
mod api_transfers;
mod browser;
mod cautions;
mod challenges;
mod changes;
mod counter_pages;
mod email_changes;
mod erasure;
mod factor_changes;
mod factor_model;
mod factor_recoveries;
mod factors;
mod keys;
mod letters;
mod limits;
mod lockouts;
mod logins;
mod mailbox;
mod masking;
mod operations;
mod pages;
mod passwords;
mod payees;
mod recovery_codes;
mod refusals;
mod registration;
mod reversals;
mod reviews;
mod sealing;
mod sessions;
mod staff;
mod sweep;
mod timekeeping;
mod transfers;
mod workers;
