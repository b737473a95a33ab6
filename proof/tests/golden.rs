//! The bytes of every kind of file, as they were when the format was fixed. Prevents: files that customers keep
//! for years and no newer verifier reads.

use florin_ledger::record::Balances;
use florin_ledger::stream::ItemContent;
use florin_ledger::{
    AccountId, Amount, Code, DocumentKey, LedgerId, Lsn, Position, Timestamp, Transfer, TransferId,
};
use florin_proof::balance::Place;
use florin_proof::receipt::ON_OWN_DISK;
use florin_proof::{
    AccountState, BalanceProof, Capture, ConsistencyProof, CosignedHead, Hash, InclusionProof,
    Leaf, Receipt, SignedHead, SignedReceipt, SigningKey, TreeHead, leaf_hash, node_hash,
};

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32])
}

fn leaf() -> Vec<u8> {
    let transfer = Transfer {
        id: TransferId(0x1111),
        debit_account_id: AccountId(1),
        credit_account_id: AccountId(2),
        amount: Amount(2_500),
        user_data_64: 5,
        ledger: LedgerId(978),
        code: Code(7),
        timestamp: Timestamp(1_700_000_000_000_000_000),
        ..Transfer::default()
    };
    let leaf = Leaf {
        position: Position { epoch: 3, lsn: Lsn(4_272) },
        time: Timestamp(1_700_000_000_000_000_000),
        content: ItemContent::Transfer(transfer),
    };
    leaf.to_bytes()
}

fn head(size: u64, root: Hash) -> SignedHead {
    let head = TreeHead {
        birth: 0xabcd,
        life: 0xabce,
        epoch: 3,
        size,
        lsn: Lsn(5_000 + size),
        time: Timestamp(1_700_000_000_000_000_000 + size),
        chain: [9; 32],
        root,
    };
    head.sign(&key())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_kind_of_file_has_the_bytes_that_it_had() {
    let (first, second) = (leaf_hash(&leaf()), leaf_hash(b"another"));
    let root = node_hash(&first, &second);
    let inclusion =
        InclusionProof { head: head(2, root), index: 0, path: vec![second], leaf: leaf() };
    let consistency =
        ConsistencyProof { first: head(1, first), second: head(2, root), path: vec![second] };
    let receipt = Receipt {
        birth: 0xabcd,
        life: 0xabce,
        lsn: Lsn(5_001),
        chain: [9; 32],
        durable: ON_OWN_DISK,
        standbys: 0,
        standbys_demanded: 0,
        leaf: leaf(),
    };
    let on_standbys = Receipt { standbys: 2, standbys_demanded: 1, ..receipt.clone() };
    assert_eq!(leaf_hash(&on_standbys.sign(&key()).to_bytes()).to_string(), RECEIPT_OF_STANDBYS);
    let receipt = receipt.sign(&key());
    assert_eq!(hex(&leaf()), LEAF);
    assert_eq!(hex(&head(2, root).to_bytes()), HEAD);
    let second_key = SigningKey::from_seed(&[8; 32]);
    let second = head(2, root).head.sign(&second_key);
    let cosigned = CosignedHead::of(&[head(2, root), second]).unwrap();
    assert_eq!(leaf_hash(&cosigned.to_bytes()).to_string(), COSIGNED);
    assert_eq!(cosigned.verify(&[second_key.public(), key().public()], 2), Ok(()));
    // Of the longer ones the hash of all bytes.
    let files = [inclusion.to_bytes(), consistency.to_bytes(), receipt.to_bytes()];
    let hashes = files.each_ref().map(|file| leaf_hash(file).to_string());
    assert_eq!(hashes, [INCLUSION, CONSISTENCY, RECEIPT]);
    let public = key().public();
    assert_eq!(hex(&public.0), PUBLIC_KEY);
    assert!(inclusion.verify(&public).is_ok());
    assert_eq!(consistency.verify(&public), Ok(()));
    assert!(SignedReceipt::read(&files[2]).is_ok_and(|read| read == receipt));
    assert!(receipt.verify(&public).is_ok());
}

/// Prevents (N03): balances that were proved, and that no newer verifier reads.
#[test]
fn a_balance_has_the_bytes_that_it_had() {
    let state = AccountState {
        ledger: LedgerId(978),
        balances: Balances {
            debits_pending: Amount(1),
            debits_posted: Amount(2),
            credits_pending: Amount(3),
            credits_posted: Amount(4),
        },
        last_posting: Lsn(4_272),
    };
    assert_eq!(hex(&state.to_bytes()), STATE);
    let (of_account, beside) = (state.leaf(AccountId(7)), state.leaf(AccountId(9)));
    assert_eq!(of_account.hash().to_string(), ACCOUNT_LEAF);
    let root = node_hash(&of_account.hash(), &beside.hash());
    let capture = Capture { position: Lsn(4_384), accounts: 2, root };
    let DocumentKey { table, key: place } = Capture::key_of(capture.position);
    let content = ItemContent::DocumentPut {
        table,
        key: &place,
        value: &capture.value(),
        expires: Timestamp::NONE,
    };
    let position = Position { epoch: 3, lsn: Lsn(4_384) };
    let record = Leaf { position, time: Timestamp(1_700_000_000_000_000_000), content }.to_bytes();
    assert_eq!(hex(&record), CAPTURE);
    let capture_proof =
        InclusionProof { head: head(1, leaf_hash(&record)), index: 0, path: vec![], leaf: record };
    let place = |index, leaf, path| Place { index, leaf, path: vec![path] };
    let open = BalanceProof {
        capture: capture_proof.clone(),
        account: AccountId(7),
        places: vec![place(0, of_account, beside.hash())],
        state: Some(state),
    };
    let absent = BalanceProof {
        capture: capture_proof,
        account: AccountId(8),
        places: vec![place(0, of_account, beside.hash()), place(1, beside, of_account.hash())],
        state: None,
    };
    for proof in [&open, &absent] {
        assert_eq!(proof.verify(&key().public()), Ok(capture));
        assert_eq!(BalanceProof::read(&proof.to_bytes()).as_ref(), Ok(proof));
    }
    let hashes = [&open, &absent].map(|proof| leaf_hash(&proof.to_bytes()).to_string());
    assert_eq!(hashes, [BALANCE, ABSENCE]);
}

const STATE: &str = "01000000000000000000000000000000020000000000000000000000000000000300000000000000000000000000000004000000000000000000000000000000d203000000000000b010000000000000";
const ACCOUNT_LEAF: &str = "9121d0b2a6a343fc004b8d92d3189a5656053d46ab23a15ed6d98b1db1f62dd5";
const CAPTURE: &str = "0300000000000000201100000000000000002a36fe9c9717110000000000000006000800300000000000000000000000000000000000112001000000000000000200000000000000c2fab998f109fb3664e6ccc85eebb4c91cd9ba21b271003ee60b659d061f4152";
const BALANCE: &str = "53390f1891bb07a81921d944200edd99d8ffdc38bb53a9939db8c840e78d2ee3";
const ABSENCE: &str = "f1be83cd5c256e086f19ade5725690a096badfd75978df5a39ea218d07a7d262";
const PUBLIC_KEY: &str = "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c";
const LEAF: &str = "0300000000000000b01000000000000000002a36fe9c97170400000000000000111100000000000000000000000000000100000000000000000000000000000002000000000000000000000000000000c4090000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000005000000000000000000000000000000d20300000700000000002a36fe9c9717";
const HEAD: &str = "464c4f52494e54480100000000000000cdab0000000000000000000000000000ceab0000000000000000000000000000030000000000000002000000000000008a1300000000000002002a36fe9c9717090909090909090909090909090909090909090909090909090909090909090976e598ece59168c36330e229c5e47d9957ff58635fedcbd0b5bf19ced72e9488ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c12abeffb2e5d1e265c9077f5d238f62315ef989c0d0871008cada840a4b651c78a53163056ca54b8502406a3f64eb8b4f4b1c04a8a58470db8e2d7e4ddd5700e";
const COSIGNED: &str = "0a54c7e131ba61215ccaeb7e7e5d8f92768c3bdb7e2756eb0b3018dc85c4a7d7";
const INCLUSION: &str = "18ff348704b8c006077bb2c9799ef7c01f21e41a29505d719423aac3e5abf2ed";
const CONSISTENCY: &str = "b564b10d4590ccf77f1564020cbf41cfc85e39a8b8b636b625915c8565f5dd40";
const RECEIPT_OF_STANDBYS: &str =
    "72f93b11975c715e0f9330898374a8df2a57f9213d93bab7c2aa55d501b751f4";
const RECEIPT: &str = "8d8a4bd5203f89eee95ad830d4cacb414dfc271e79c9e95acdf1d335c243c4e7";
