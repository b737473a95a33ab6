//! The binary as its users meet it: only what is typed and what is printed.

mod bank_figures;
mod bank_keys;
mod bench;
mod closed;
mod command_line;
mod countries;
mod exec;
mod process;
mod sealed;
mod shell;
mod staff;
mod stored;
mod test_clock;
mod traces;
