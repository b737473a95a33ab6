//! Tables of the system's. What would go wrong without it: whoever can write documents lets itself in.

use super::{Bank, keyed, write, writes};
use crate::harness::{Peer, Running, open};
use bytes::Bytes;
use florin_core::{Database, Options};
use florin_ledger::commit_bytes::encode_commit;
use florin_ledger::{
    Commit, CommitId, DocumentKey, DocumentWrite, Lsn, Position, TableId, Timestamp,
};
use florin_wire::cold::{self, Once};
use florin_wire::{Operation, RefusalKind, Role, documents};

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

/// By every way to the keyring's record.
async fn can_not_forge(peer: &mut Peer) {
    let table = TableId::DESTROYED_KEYS;
    let at = Position { epoch: 1, lsn: Lsn(4096) };
    for key in [b"begun".to_vec(), vec![7; 32]] {
        let forged = DocumentWrite { key: key.clone(), ..write(table.0) };
        let commit = Commit {
            id: CommitId(1),
            // Behind one that may be written.
            documents: vec![write(16), forged.clone()],
            ..Commit::default()
        };
        let commit = Bytes::from(encode_commit(&commit));
        let once = Once { key: DocumentKey { table, key }, expires: Timestamp::NONE };
        for (operation, body) in [
            (Operation::WriteDocuments, documents::writes_to_bytes(&[write(16), forged])),
            (Operation::Commit, commit.clone()),
            (Operation::DryRun, commit.clone()),
            (Operation::DryRunAsOf, documents::as_of_to_bytes(at, &commit)),
            (Operation::InsertUnique, cold::to_bytes(&once)),
        ] {
            peer.ask(1, operation.number(), 0, &body).await;
            let refusal = peer.reply().await.refusal();
            assert_eq!(refusal.kind, RefusalKind::Invalid, "{operation:?}: {}", refusal.message);
            let said = refusal.message.contains("table 4 is the keyring's own record");
            assert!(said, "{operation:?}: {}", refusal.message);
        }
    }
}

/// The record can't be taken back: a forged `begun` makes the next opening miss a keyring that there
/// never was, and 32 bytes take a customer's key away.
#[tokio::test]
async fn nobody_forges_the_keyrings_record() {
    let bank =
        Bank::open([keyed(1, &[Role::Write, Role::Operate]), keyed(2, &[Role::Write])]).await;
    can_not_forge(&mut bank.admitted(1).await).await;
    // Who may not write there at all is told that.
    bank.admitted(2).await.forbidden(Operation::WriteDocuments, &writes(4)).await;
    assert_eq!(bank.database.status().unwrap().documents_count, 0);
    bank.close().await;

    let directory = tempfile::tempdir().unwrap();
    let database = Database::open(directory.path(), Options::default()).unwrap();
    let server = Running::over(database.clone(), open()).await;
    can_not_forge(&mut Peer::welcomed(server.address).await).await;
    assert_eq!(database.status().unwrap().documents_count, 0);
    server.stop().await.unwrap();
    database.close().unwrap();
}
