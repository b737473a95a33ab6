//! The shell, fed from a pipe: a mistake must not end it, and an answer must be readable.

use crate::process::{argument, run};

const SCRIPT: &str = "\
account 1 ledger 840 code 10
account 2 ledger 840 code 10
transfer 9 debit 2 credit 1 amount 1_000 ledger 840 code 1
transfer 10 debit 2 credit 1 amount ten
history 1 limit 1
trial 840
find accounts scan limit 1
{\"lookup_accounts\":[\"3\"]}
more
help
quit
";

#[test]
fn a_session_answers_every_line() {
    let directory = tempfile::tempdir().expect("a directory");
    let ended = run(&["shell", "--data", argument(directory.path())], SCRIPT);
    // One line was refused: a script that only looks at the exit status must learn of it.
    assert_eq!(ended.code, Some(1), "{}", ended.errors);
    assert_eq!(ended.output.matches("created ").count(), 3, "{}", ended.output);
    let expects = [
        "error: amount must be a whole number, not ten",
        "2 accounts, in balance",
        "{\"accounts\":[null]}\nerror: there is no next page\n",
        "Transfer flags: linked, pending",
    ];
    for expect in expects {
        assert!(ended.output.contains(expect), "{expect}\n{}", ended.output);
    }
    let posted = ended.output.lines().find(|line| line.starts_with("posted")).expect("a table");
    assert_eq!(posted.split_whitespace().collect::<Vec<_>>(), ["posted", "1000", "1000"]);
}
