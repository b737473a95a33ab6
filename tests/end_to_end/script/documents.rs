//! Random questions of commits and documents. Tables, keys and ids are few, so that they meet.

use super::{AFTER, Conversation, VERSION};

/// The next question; [`AFTER`] and [`VERSION`] stand where an answer before it says more.
pub(super) fn next(talk: &mut Conversation) -> String {
    match talk.chance.below(16) {
        0..=3 => format!(r#"{{"commit":{}}}"#, commit(talk)),
        4 => format!(r#"{{"dry_run":{}}}"#, commit(talk)),
        5..=8 => talk.batch("write_documents", write),
        9 => talk.batch("get_documents", |talk| format!("{{{}}}", named(talk))),
        10..=11 => scan(talk),
        12 => {
            let limit = 1 + talk.chance.below(5);
            format!(r#"{{"document_history":{{{},"limit":{limit}}}}}"#, named(talk))
        }
        13 => format!(r#"{{"insert_unique":{{{}}}}}"#, named(talk)),
        14 => declare(talk),
        _ => String::from(r#"{"list_tables":{}}"#),
    }
}

fn table(talk: &mut Conversation) -> u64 {
    16 + talk.chance.below(4)
}

fn named(talk: &mut Conversation) -> String {
    let key = talk.chance.one_of(&[
        r#""key":"a""#,
        r#""key":"ab""#,
        r#""key":"b/1""#,
        r#""key":"zürich""#,
        r#""key_hex":"00""#,
        r#""key_hex":"ff01""#,
        r#""key":"tab\t""#,
    ]);
    let key = String::from(*key);
    format!(r#""table":{},{key}"#, table(talk))
}

fn value(talk: &mut Conversation) -> String {
    match talk.chance.below(5) {
        0 => String::from(r#""value":"""#),
        1 => String::from(r#""value_hex":"00ff""#),
        2 => format!(r#""value":"{}""#, "long ".repeat(3_000)),
        _ => format!(r#""value":"{}""#, talk.chance.below(100)),
    }
}

fn write(talk: &mut Conversation) -> String {
    let mut fields = named(talk);
    if talk.chance.once_in(4) {
        fields += r#","delete":true"#;
    } else {
        fields += &format!(",{}", value(talk));
        if talk.chance.once_in(6) {
            fields += &format!(r#","expires":{}"#, talk.instant());
        }
    }
    match talk.chance.below(4) {
        0 => fields += r#","version":"0:0""#,
        1 => fields += &format!(r#","version":"{VERSION}""#),
        _ => {}
    }
    format!("{{{fields}}}")
}

/// Says one part of a commit.
type Part = fn(&mut Conversation) -> String;

fn commit(talk: &mut Conversation) -> String {
    let mut fields = format!(r#""id":{}"#, 1 + talk.chance.below(300));
    if talk.chance.once_in(2) {
        fields += r#","actor":"teller 7""#;
    }
    if talk.chance.once_in(12) {
        fields += &format!(r#","not_after":{}"#, talk.instant());
    }
    if talk.chance.once_in(8) {
        fields += &format!(r#","digest_hex":"{}""#, "0a".repeat(32));
    }
    let parts: [(&str, Part); 4] = [
        ("preconditions", precondition),
        ("accounts", |talk| talk.account()),
        ("transfers", posting),
        ("events", event),
    ];
    for (name, part) in parts {
        let count = *talk.chance.one_of(&[0, 0, 1, 1, 2]);
        let all: Vec<String> = (0..count).map(|_| part(talk)).collect();
        fields += &format!(r#","{name}":[{}]"#, all.join(","));
    }
    let count = *talk.chance.one_of(&[0, 1, 1, 2]);
    let writes: Vec<String> = (0..count).map(|_| write(talk)).collect();
    fields += &format!(r#","documents":[{}]"#, writes.join(","));
    format!("{{{fields}}}")
}

/// A transfer that some account could post.
fn posting(talk: &mut Conversation) -> String {
    if talk.chance.once_in(3) {
        return talk.transfer();
    }
    let (id, debit, credit) = (talk.transfer_id(), talk.account_id(), talk.account_id());
    let amount = talk.amount();
    format!(
        r#"{{"id":{id},"debit_account_id":{debit},"credit_account_id":{credit},"amount":{amount},"ledger":840,"code":1}}"#
    )
}

fn precondition(talk: &mut Conversation) -> String {
    match talk.chance.below(4) {
        0 => {
            let version = *talk.chance.one_of(&["0:0", VERSION]);
            format!(r#"{{"document":{{{},"version":"{version}"}}}}"#, named(talk))
        }
        1 => format!(r#"{{"hold_pending":{{"transfer_id":{}}}}}"#, talk.transfer_id()),
        _ => {
            let field =
                *talk.chance.one_of(&["credit_available", "debits_posted", "credits_pending"]);
            let (account, max) = (talk.account_id(), talk.amount());
            format!(r#"{{"balance":{{"account_id":{account},"field":"{field}","max":{max}}}}}"#)
        }
    }
}

fn event(talk: &mut Conversation) -> String {
    format!(r#"{{"topic":{},"key":"1",{}}}"#, talk.chance.below(3), value(talk))
}

fn scan(talk: &mut Conversation) -> String {
    let mut fields = format!(r#""table":{},"limit":{}"#, table(talk), 1 + talk.chance.below(4));
    for flag in ["reversed", "keys_only"] {
        if talk.chance.once_in(3) {
            fields += &format!(r#","{flag}":true"#);
        }
    }
    if talk.chance.once_in(3) {
        fields += r#","prefix":"a""#;
    }
    format!(r#"{{"scan_documents":{{{fields}{AFTER}}}}}"#)
}

fn declare(talk: &mut Conversation) -> String {
    let (table, option) = *talk.chance.one_of(&[
        (17, r#""append_only":true"#),
        (18, r#""volatile":true"#),
        (19, r#""time_to_live":60"#),
        (17, r#""append_only":false"#),
    ]);
    format!(r#"{{"declare_table":{{"table":{table},{option}}}}}"#)
}
