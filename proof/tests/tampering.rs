//! Whatever is changed, cut, added or swapped in a file is refused, or the file says what it always said.
//! Prevents (faults 55 and 56): a customer whose verifier nods at what the bank never wrote.

use florin_ledger::stream::ItemContent;
use florin_ledger::{
    AccountId, Amount, Code, CommitId, DocumentKey, LedgerId, Lsn, Position, Subject, TableId,
    Timestamp, Transfer, TransferId,
};
use florin_proof::receipt::ON_OWN_DISK;
use florin_proof::tree::{Nodes, consistency_path, inclusion_path, root};
use florin_proof::{
    ConsistencyProof, CosignedHead, Flaw, Hash, InclusionProof, Leaf, ProofError, PublicKey,
    Receipt, SignedHead, SignedReceipt, SigningKey, TreeHead, leaf_hash, node_hash,
};
use std::convert::Infallible;

struct Books(Vec<Vec<u8>>);

impl Nodes for Books {
    type Error = Infallible;

    fn node(&mut self, level: u32, index: u64) -> Result<Hash, Infallible> {
        if level == 0 {
            return Ok(leaf_hash(&self.0[usize::try_from(index).expect("a small number")]));
        }
        let Ok(left) = self.node(level - 1, index * 2);
        let Ok(right) = self.node(level - 1, index * 2 + 1);
        Ok(node_hash(&left, &right))
    }
}

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32])
}

fn leaf(number: u64, content: ItemContent<'_>) -> Vec<u8> {
    let position = Position { epoch: 1, lsn: Lsn(4_096 + number * 112) };
    Leaf { position, time: Timestamp(1_000 + number), content }.to_bytes()
}

fn books(size: u64) -> Books {
    let transfer = |number: u64| Transfer {
        id: TransferId(u128::from(number) + 1),
        debit_account_id: AccountId(1),
        credit_account_id: AccountId(2),
        amount: Amount(u128::from(number) * 100),
        ledger: LedgerId(978),
        code: Code(1),
        ..Transfer::default()
    };
    let leaves = (0..size).map(|number| match number % 4 {
        1 => {
            let (table, expires) = (TableId(16), Timestamp::NONE);
            let content = ItemContent::DocumentPut { table, key: b"key", value: b"value", expires };
            leaf(number, content)
        }
        2 => {
            let (id, digest) = (CommitId(u128::from(number)), [3; 32]);
            leaf(number, ItemContent::Commit { id, digest, actor: b"who" })
        }
        _ => leaf(number, ItemContent::Transfer(transfer(number))),
    });
    Books(leaves.collect())
}

fn head(books: &mut Books, size: u64) -> SignedHead {
    let Ok(root) = root(books, size);
    let head = TreeHead {
        birth: 0x1234,
        life: 0x1234,
        epoch: 1,
        size,
        lsn: Lsn(4_096 + size * 112),
        time: Timestamp(1_000 + size),
        chain: [9; 32],
        root,
    };
    head.sign(&key())
}

fn inclusion(index: u64, size: u64) -> InclusionProof {
    let mut books = books(size);
    let Ok(path) = inclusion_path(&mut books, index, size);
    let leaf = books.0[usize::try_from(index).expect("a small number")].clone();
    InclusionProof { head: head(&mut books, size), index, path, leaf }
}

fn consistency(first: u64, second: u64) -> ConsistencyProof {
    let mut books = books(second);
    let Ok(path) = consistency_path(&mut books, first, second);
    let (first, second) = (head(&mut books, first), head(&mut books, second));
    ConsistencyProof { first, second, path }
}

/// The head of five leaves as so many have signed it.
fn cosigned(seeds: &[u8]) -> CosignedHead {
    let head = head(&mut books(5), 5).head;
    let said: Vec<_> =
        seeds.iter().map(|seed| head.sign(&SigningKey::from_seed(&[*seed; 32]))).collect();
    CosignedHead::of(&said).expect("several of one head")
}

fn public(seeds: &[u8]) -> Vec<PublicKey> {
    seeds.iter().map(|seed| SigningKey::from_seed(&[*seed; 32]).public()).collect()
}

fn receipt() -> SignedReceipt {
    let leaf = books(4).0.remove(3);
    let (lsn, chain) = (Lsn(4_540), [5; 32]);
    let (durable, standbys, standbys_demanded) = (ON_OWN_DISK, 2, 1);
    let (birth, life) = (0x1234, 0x1234);
    Receipt { birth, life, lsn, chain, durable, standbys, standbys_demanded, leaf }.sign(&key())
}

/// The file holds; nothing that differs from it in a byte, is cut or goes on does.
fn check(file: &[u8], verify: impl Fn(&[u8], &PublicKey) -> Result<(), ProofError>) {
    let public = key().public();
    assert_eq!(verify(file, &public), Ok(()));
    let stranger = SigningKey::from_seed(&[8; 32]).public();
    assert_eq!(verify(file, &stranger).map_err(|error| error.flaw), Err(Flaw::OtherKey));
    for at in 0..file.len() {
        for change in [1, 0x80, 0xff] {
            let mut changed = file.to_vec();
            changed[at] ^= change;
            assert!(verify(&changed, &public).is_err(), "byte {at} changed by {change}");
        }
        assert!(verify(&file[..at], &public).is_err(), "cut at {at}");
        let mut without = file.to_vec();
        without.remove(at);
        assert!(verify(&without, &public).is_err(), "without byte {at}");
        let mut twice = file.to_vec();
        twice.insert(at, file[at]);
        assert!(verify(&twice, &public).is_err(), "byte {at} twice");
    }
    for at in (0..file.len().saturating_sub(64)).step_by(32) {
        let mut swapped = file.to_vec();
        let (left, right) = swapped[at..at + 64].split_at_mut(32);
        left.swap_with_slice(right);
        assert!(swapped == file || verify(&swapped, &public).is_err(), "swapped at {at}");
    }
    assert!(verify(&[file, &[0]].concat(), &public).is_err(), "one byte more");
}

#[test]
fn a_changed_head_is_refused() {
    let head = head(&mut books(5), 5);
    check(&head.to_bytes(), |bytes, key| SignedHead::read(bytes)?.verify(key));
}

#[test]
fn a_changed_cosigned_head_is_refused() {
    for others in [&[1][..], &[1, 2]] {
        let file = cosigned(&[&[7], others].concat());
        assert_eq!(CosignedHead::read(&file.to_bytes()), Ok(file.clone()));
        check(&file.to_bytes(), |bytes, key| {
            let trusted = [&public(others)[..], &[*key]].concat();
            CosignedHead::read(bytes)?.verify(&trusted, trusted.len())
        });
    }
}

/// Prevents: one machine that signs for two, and a signature that anybody could have added.
#[test]
fn a_head_is_cosigned_by_others_each_once_and_trusted() {
    let file = cosigned(&[7, 1, 2]);
    let bytes = file.to_bytes();
    let (start, words) = bytes.split_at(160);
    let words: Vec<&[u8]> = words.chunks(96).collect();
    let with = |words: &[&[u8]]| {
        let mut start = start.to_vec();
        start[12] = u8::try_from(words.len()).unwrap();
        CosignedHead::read(&[&start, &words.concat()[..]].concat())
    };
    let flaw = |read: Result<CosignedHead, ProofError>| read.map_err(|error| error.flaw);
    assert_eq!(with(&words), Ok(file.clone()));
    for order in [[1, 0, 2], [0, 2, 1], [2, 1, 0], [0, 0, 1], [0, 1, 1], [2, 2, 2]] {
        let read = with(&order.map(|at| words[at]));
        assert_eq!(flaw(read), Err(Flaw::Signers), "{order:?}");
    }
    // The signature of one under the key of another.
    let swapped = [&words[0][..32], &words[1][32..], &words[1][..32], &words[0][32..]].concat();
    let swapped = with(&[&swapped[..96], &swapped[96..], words[2]]).unwrap();
    let refused = swapped.verify(&public(&[7, 1, 2]), 3).unwrap_err();
    assert_eq!((refused.flaw, refused.offset), (Flaw::Signature, 192));
    assert_eq!(flaw(with(&words[..1])), Err(Flaw::Number), "one signer is a signed head");
    assert_eq!(flaw(with(&[words[0]; 33])), Err(Flaw::Number));
    // Whoever takes a signer out leaves what the others said; how many must have is the verifier's to say.
    let fewer = with(&words[1..]).unwrap();
    let three = public(&[7, 1, 2]);
    let verify = |file: &CosignedHead, trusted: &[PublicKey], signers_min| {
        file.verify(trusted, signers_min).map_err(|error| error.flaw)
    };
    assert_eq!(verify(&fewer, &three, 2), Ok(()));
    assert_eq!(verify(&fewer, &three, 3), Err(Flaw::TooFewSigners));
    assert_eq!(verify(&file, &three, 3), Ok(()));
    assert_eq!(verify(&file, &public(&[2, 3, 1, 7]), 3), Ok(()));
    assert_eq!(verify(&file, &public(&[2, 3, 1, 7]), 4), Err(Flaw::TooFewSigners));
    for unknown in [&[7, 1][..], &[7, 2], &[1, 2], &[], &[7, 1, 3]] {
        assert_eq!(verify(&file, &public(unknown), 2), Err(Flaw::OtherKey), "{unknown:?}");
    }
}

/// Prevents: two histories in one file.
#[test]
fn who_states_another_head_is_no_cosigner() {
    let (one, two) = (SigningKey::from_seed(&[1; 32]), SigningKey::from_seed(&[2; 32]));
    let head = head(&mut books(5), 5).head;
    let together = |first: TreeHead, other: TreeHead| {
        CosignedHead::of(&[first.sign(&one), other.sign(&two)]).map_err(|error| error.flaw)
    };
    assert!(together(head, head).is_ok());
    let changes: [fn(&mut TreeHead); 8] = [
        |head| head.birth += 1,
        |head| head.life += 1,
        |head| head.epoch += 1,
        |head| head.size += 1,
        |head| head.lsn.0 += 8,
        |head| head.time.0 += 1,
        |head| head.chain[0] ^= 1,
        |head| head.root.0[0] ^= 1,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut other = head;
        change(&mut other);
        assert_eq!(together(head, other), Err(Flaw::Contradiction), "field {number}");
    }
    let twice = CosignedHead::of(&[head.sign(&one), head.sign(&one)]);
    assert_eq!(twice.map_err(|error| error.flaw), Err(Flaw::Signers));
    let alone = CosignedHead::of(&[head.sign(&one)]);
    assert_eq!(alone.map_err(|error| error.flaw), Err(Flaw::Number));
}

#[test]
fn a_changed_inclusion_proof_is_refused() {
    for (index, size) in [(0, 1), (1, 2), (2, 3), (6, 7), (9, 13), (7, 16)] {
        let proof = inclusion(index, size);
        assert_eq!(InclusionProof::read(&proof.to_bytes()), Ok(proof.clone()));
        check(&proof.to_bytes(), |bytes, key| InclusionProof::read(bytes)?.verify(key).map(drop));
    }
}

#[test]
fn a_changed_consistency_proof_is_refused() {
    for (first, second) in [(1, 2), (2, 3), (4, 7), (6, 13), (5, 5), (8, 16)] {
        let proof = consistency(first, second);
        assert_eq!(ConsistencyProof::read(&proof.to_bytes()), Ok(proof.clone()));
        if first == second {
            // Two heads that are the same may change places.
            assert_eq!(proof.verify(&key().public()), Ok(()));
            continue;
        }
        check(&proof.to_bytes(), |bytes, key| ConsistencyProof::read(bytes)?.verify(key));
    }
}

#[test]
fn a_changed_receipt_is_refused() {
    check(&receipt().to_bytes(), |bytes, key| SignedReceipt::read(bytes)?.verify(key).map(drop));
}

/// Prevents: a promise that is kept with another payment, or by another bank.
#[test]
fn a_receipt_is_redeemed_by_its_own_leaf_alone() {
    let receipt = receipt();
    let proof = inclusion(3, 4);
    assert_eq!(receipt.check_redeemed(&proof), Ok(()));
    assert!(receipt.check_redeemed(&inclusion(2, 4)).is_err());
    let mut elsewhere = proof.clone();
    elsewhere.head.head.birth += 1;
    let other = receipt.check_redeemed(&elsewhere).unwrap_err();
    assert_eq!(other.flaw, Flaw::OtherDatabase);
    let mut early = proof.clone();
    early.head.head.lsn = Lsn(receipt.receipt.lsn.0 - 1);
    let early = receipt.check_redeemed(&early).unwrap_err();
    assert_eq!(early.flaw, Flaw::Contradiction, "a head that ends before the promise");
    let mut sibling = proof.clone();
    sibling.head.head.life += 1;
    assert_eq!(receipt.check_redeemed(&sibling).unwrap_err().flaw, Flaw::OtherLife);
    let mut forked = proof;
    forked.head.head.lsn = receipt.receipt.lsn;
    assert!(receipt.check_redeemed(&forked).is_err(), "another chain at the same end");
}

/// Signs whatever is said of the newer head of a proof.
fn with_second(proof: &ConsistencyProof, change: impl Fn(&mut TreeHead)) -> Option<Flaw> {
    let mut head = proof.second.head;
    change(&mut head);
    let changed = ConsistencyProof { second: head.sign(&key()), ..proof.clone() };
    changed.verify(&key().public()).err().map(|error| error.flaw)
}

/// Prevents: a bank that signs two things of one tree, and neither contradicts the other.
#[test]
fn heads_that_contradict_each_other_are_not_consistent() {
    let same = consistency(5, 5);
    assert_eq!(with_second(&same, |_| {}), None);
    let contradiction = Some(Flaw::Contradiction);
    assert_eq!(with_second(&same, |head| head.lsn.0 += 8), contradiction);
    assert_eq!(with_second(&same, |head| head.chain[0] ^= 1), contradiction);
    assert_eq!(with_second(&same, |head| head.epoch += 1), contradiction);
    assert_eq!(with_second(&same, |head| head.time.0 += 1), contradiction);
    assert_eq!(with_second(&same, |head| head.root.0[0] ^= 1), contradiction);
    let grown = consistency(5, 9);
    let first = grown.first.head;
    assert_eq!(with_second(&grown, |head| head.lsn = first.lsn), contradiction);
    assert_eq!(with_second(&grown, |head| head.time.0 = first.time.0 - 1), contradiction);
    assert_eq!(with_second(&grown, |head| head.epoch = 0), contradiction);
    assert_eq!(with_second(&grown, |head| head.birth += 1), Some(Flaw::OtherDatabase));
    // Another life has other epochs, and the same life has not.
    let next_life = 1 << 40;
    assert_eq!(with_second(&grown, |head| head.life += 1), Some(Flaw::OtherLife));
    assert_eq!(with_second(&grown, |head| head.epoch += next_life), Some(Flaw::OtherLife));
    let restored = |head: &mut TreeHead| {
        head.epoch += next_life;
        head.life += 1;
    };
    assert_eq!(with_second(&grown, restored), None);
}

/// Prevents: a record that is proved to be in a tree that ends before it.
#[test]
fn a_record_is_not_behind_the_head_that_it_is_proved_in() {
    let proof = inclusion(3, 4);
    let leaf = Leaf::read(&proof.leaf).unwrap();
    let under = |change: fn(&mut TreeHead, &Leaf<'_>)| {
        let mut head = proof.head.head;
        change(&mut head, &leaf);
        let changed = InclusionProof { head: head.sign(&key()), ..proof.clone() };
        changed.verify(&key().public()).err().map(|error| error.flaw)
    };
    let contradiction = Some(Flaw::Contradiction);
    assert_eq!(under(|_, _| {}), None);
    assert_eq!(under(|head, leaf| head.lsn.0 = leaf.position.lsn.0 + 1), None);
    assert_eq!(under(|head, leaf| head.lsn = leaf.position.lsn), contradiction);
    assert_eq!(under(|head, leaf| head.time.0 = leaf.time.0 - 1), contradiction);
    assert_eq!(under(|head, leaf| head.epoch = leaf.position.epoch - 1), contradiction);
    let mut promised = receipt().receipt;
    promised.lsn = leaf.position.lsn;
    let refused = promised.sign(&key()).verify(&key().public()).unwrap_err();
    assert_eq!(refused.flaw, Flaw::Contradiction);
}

/// A signature of a key of small order holds for any message.
#[test]
fn a_key_of_small_order_signs_nothing() {
    let neutral: [u8; 32] = std::array::from_fn(|at| u8::from(at == 0));
    let signature: [u8; 64] = std::array::from_fn(|at| u8::from(at == 0));
    assert!(!PublicKey(neutral).verifies(b"anything", &signature));
}

/// What is no record is none, whatever tree it is in.
#[test]
fn leaves_have_one_encoding() {
    let head_bytes = |kind: u8| [&[1, 0, 0, 0][..], &[0; 20], &[kind], &[0; 7]].concat();
    let reads = |kind, content: &[u8]| Leaf::read(&[&head_bytes(kind), content].concat()).is_ok();
    for (kind, length) in [(1, 32), (2, 128), (4, 128), (6, 80), (7, 24), (16, 64), (19, 56)] {
        let mut content = vec![0; length];
        if kind == 16 {
            content[56] = 3;
        }
        assert!(reads(kind, &content), "{kind}");
        assert!(!reads(kind, &content[1..]), "{kind} is shorter");
        let reserved: &[usize] = match kind {
            1 => &[8, 15],
            2 => &[16, 32, 48, 79, 108],
            6 => &[78, 79],
            7 => &[20, 23],
            16 => &[60, 63, 57],
            19 => &[50, 55],
            _ => &[],
        };
        for at in reserved {
            let mut set = content.clone();
            set[*at] = 1;
            assert!(!reads(kind, &set), "{kind}: byte {at} is zero");
        }
    }
    // Unknown statuses and reasons, a life without a number, kinds that are none.
    for (kind, at, value, length) in [(7, 16, 68, 24), (16, 56, 13, 64), (16, 56, 0, 64)] {
        let mut content = vec![0; length];
        content[at] = value;
        assert!(!reads(kind, &content), "{kind}: {value} at {at}");
    }
    let mut life = vec![0; 48];
    assert!(!reads(11, &life));
    life[0] = 1;
    assert!(reads(11, &life));
    for kind in [0, 3, 5, 8, 9, 10, 12, 21, 23] {
        assert!(!reads(kind, &[0; 32]), "{kind}");
    }
    let keyed = |value: &[u8], time: u8| {
        let bytes = [5, 0, 1, 0, value.len().to_le_bytes()[0], 0, 0, 0, time, 0, 0, 0, 0, 0, 0, 0];
        [&bytes[..], b"k", value].concat()
    };
    for (kind, value, time) in
        [(17, true, true), (18, false, false), (20, true, false), (22, false, true)]
    {
        assert!(reads(kind, &keyed(b"", 0)));
        assert_eq!(reads(kind, &keyed(b"v", 0)), value, "{kind} with a value");
        assert_eq!(reads(kind, &keyed(b"", 1)), time, "{kind} with a time");
    }
}

/// Prevents: a proof of one payment that is taken for another's.
#[test]
fn a_leaf_is_of_what_was_asked_for_alone() {
    let books = books(4);
    let read = |number: usize| Leaf::read(&books.0[number]).unwrap();
    let key = |table, key: &[u8]| DocumentKey { table: TableId(table), key: key.to_vec() };
    let position = |lsn| Subject::Position(Position { epoch: 1, lsn: Lsn(lsn) });
    let cases = [
        (Subject::Transfer(TransferId(1)), [true, false, false, false]),
        (Subject::Transfer(TransferId(4)), [false, false, false, true]),
        (Subject::Commit(CommitId(2)), [false, false, true, false]),
        (Subject::Commit(CommitId(1)), [false; 4]),
        (Subject::Document(key(16, b"key")), [false, true, false, false]),
        (Subject::Document(key(17, b"key")), [false; 4]),
        (Subject::Document(key(16, b"ke")), [false; 4]),
        (position(4_096 + 112), [false, true, false, false]),
        (position(4_096 + 113), [false; 4]),
    ];
    for (subject, expected) in cases {
        let found: [bool; 4] = std::array::from_fn(|number| read(number).is_of(&subject));
        assert_eq!(found, expected, "{subject:?}");
    }
}

/// Fault 55: heads of two histories are never shown to be one.
#[test]
fn two_histories_are_not_consistent() {
    let mut proof = consistency(6, 13);
    let mut other = books(13);
    other.0[2][16] ^= 1;
    proof.first = head(&mut other, 6);
    assert_eq!(proof.verify(&key().public()).unwrap_err().flaw, Flaw::Root);
    let mut older = consistency(6, 13);
    std::mem::swap(&mut older.first, &mut older.second);
    assert!(older.verify(&key().public()).is_err());
}

/// Fault 68: what is signed for one kind of file is not taken for another.
#[test]
fn no_kind_of_file_is_read_as_another() {
    let files = [
        head(&mut books(5), 5).to_bytes().to_vec(),
        inclusion(2, 5).to_bytes(),
        consistency(2, 5).to_bytes(),
        receipt().to_bytes(),
        cosigned(&[7, 1]).to_bytes(),
    ];
    let reads = |bytes: &[u8]| {
        [
            SignedHead::read(bytes).is_ok(),
            InclusionProof::read(bytes).is_ok(),
            ConsistencyProof::read(bytes).is_ok(),
            SignedReceipt::read(bytes).is_ok(),
            CosignedHead::read(bytes).is_ok(),
        ]
    };
    for (number, file) in files.iter().enumerate() {
        let expected: [bool; 5] = std::array::from_fn(|kind| kind == number);
        assert_eq!(reads(file), expected);
    }
}

proptest::proptest! {
    /// Any bytes are answered.
    #[test]
    fn bytes_of_a_stranger_are_answered(start in 0..6_usize, bytes: Vec<u8>) {
        let starts: [&[u8]; 6] = [
            b"",
            b"FLORINTH\x01\0\0\0",
            b"FLORINIP\x01\0\0\0",
            b"FLORINCP\x01\0\0\0",
            b"FLORINRC\x01\0\0\0",
            b"FLORINCH\x01\0\0\0\x02\0\0\0",
        ];
        let file = [starts[start], &bytes].concat();
        let key = key().public();
        let _ = SignedHead::read(&file).map(|it| it.verify(&key).is_ok());
        let _ = InclusionProof::read(&file).map(|it| it.verify(&key).is_ok());
        let _ = ConsistencyProof::read(&file).map(|it| it.verify(&key).is_ok());
        let _ = SignedReceipt::read(&file).map(|it| it.verify(&key).is_ok());
        let _ = CosignedHead::read(&file).map(|it| it.verify(&[key], 2).is_ok());
        let _ = Leaf::read(&file);
    }
}
