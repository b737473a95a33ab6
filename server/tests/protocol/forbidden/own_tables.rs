//! Tables of the system's. What would go wrong without it: whoever can write documents lets itself in.

use super::{Bank, keyed, write, writes};
use florin_ledger::commit_bytes::encode_commit;
use florin_ledger::{Commit, CommitId, DocumentKey, TableId, Timestamp};
use florin_wire::cold::{self, Once};
use florin_wire::{Operation, Role};

/// Whoever can write documents could write itself a key with every role, or move the cursor by which
/// another makes its payments once.
#[tokio::test]
async fn the_systems_own_tables_need_a_role_of_their_own() {
    let bank = Bank::open([
        keyed(1, &[Role::Write]),
        keyed(2, &[Role::Write, Role::Stream]),
        keyed(3, &[Role::Write, Role::Operate]),
    ])
    .await;
    for (number, table, needed) in [
        (1, 1, Some("operate")),
        (1, 2, Some("stream")),
        (1, 3, Some("operate")),
        (1, 15, Some("operate")),
        (1, 16, None),
        (2, 1, Some("operate")),
        (2, 2, None),
        (3, 2, None),
        (3, 15, None),
    ] {
        let mut peer = bank.admitted(number).await;
        let key = DocumentKey { table: TableId(table), key: b"a".to_vec() };
        let commit = Commit {
            id: CommitId(u128::from(table) << 8 | u128::from(number)),
            documents: vec![write(table)],
            ..Commit::default()
        };
        let commit = encode_commit(&commit);
        let once = cold::to_bytes(&Once { key, expires: Timestamp::NONE });
        let writes = writes(table);
        let asked: [(Operation, &[u8]); 4] = [
            (Operation::WriteDocuments, &writes),
            (Operation::Commit, &commit),
            (Operation::DryRun, &commit),
            (Operation::InsertUnique, &once),
        ];
        for (operation, body) in asked {
            if let Some(needed) = needed {
                let message = peer.forbidden(operation, body).await;
                assert!(message.contains(&format!("the role {needed}")), "{table}: {message}");
            } else {
                peer.answered(operation, body).await;
            }
        }
    }
    bank.close().await;
}
