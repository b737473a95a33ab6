//! Proofs of balances, of honest banks and of others. Prevents: a customer who is shown a balance without his last
//! payment, and a verifier that nods.

use florin_ledger::record::Balances;
use florin_ledger::stream::ItemContent;
use florin_ledger::{
    AccountId, Amount, Code, DocumentKey, LedgerId, Lsn, Position, TableId, Timestamp, Transfer,
    TransferId,
};
use florin_proof::balance::{Place, Standing};
use florin_proof::receipt::ON_OWN_DISK;
use florin_proof::tree::{Nodes, inclusion_path, root};
use florin_proof::{
    AccountState, AccountTree, BalanceProof, Capture, Flaw, Hash, InclusionProof, Leaf, ProofError,
    PublicKey, Receipt, SignedReceipt, SigningKey, TreeHead, leaf_hash, node_hash,
};
use std::convert::Infallible;

/// Where the balances are captured; the capture is recorded a little behind.
const CAPTURED: Lsn = Lsn(8_000);
const RECORDED: Lsn = Lsn(8_112);

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

fn leaf(lsn: Lsn, content: ItemContent<'_>) -> Vec<u8> {
    let position = Position { epoch: 1, lsn };
    Leaf { position, time: Timestamp(lsn.0), content }.to_bytes()
}

fn payment(lsn: Lsn, debit: u128, credit: u128) -> Vec<u8> {
    let transfer = Transfer {
        id: TransferId(u128::from(lsn.0)),
        debit_account_id: AccountId(debit),
        credit_account_id: AccountId(credit),
        amount: Amount(100),
        ledger: LedgerId(978),
        code: Code(1),
        ..Transfer::default()
    };
    leaf(lsn, ItemContent::Transfer(transfer))
}

/// In the tree of a head, beside another record.
fn included(record: Vec<u8>, change: impl Fn(&mut TreeHead)) -> InclusionProof {
    let mut books = Books(vec![payment(Lsn(4_096), 1, 2), record]);
    let (Ok(root), Ok(path)) = (root(&mut books, 2), inclusion_path(&mut books, 1, 2));
    let mut head = TreeHead {
        birth: 0x1234,
        life: 0x1234,
        epoch: 1,
        size: 2,
        lsn: Lsn(9_000),
        time: Timestamp(9_000),
        chain: [9; 32],
        root,
    };
    change(&mut head);
    InclusionProof { head: head.sign(&key()), index: 1, path, leaf: books.0.remove(1) }
}

fn state(id: u128, last_posting: Lsn) -> AccountState {
    let posted = if last_posting.is_some() { Amount(id * 100) } else { Amount::ZERO };
    let balances = Balances { credits_posted: posted, ..Balances::default() };
    AccountState { ledger: LedgerId(978), balances, last_posting }
}

/// A bank of accounts 10, 20, 30 and so on. What it says of them is `state_of`'s to say.
struct Bank {
    states: Vec<(AccountId, AccountState)>,
    tree: AccountTree,
}

impl Bank {
    fn new(count: u128, state_of: impl Fn(u128) -> AccountState) -> Bank {
        let of = |number: u128| (AccountId(number * 10), state_of(number * 10));
        let states: Vec<_> = (1..=count).map(of).collect();
        let mut tree = AccountTree::default();
        states.iter().for_each(|(id, state)| tree.push(&state.leaf(*id)));
        Bank { states, tree }
    }

    /// With a posting each, but for the first account.
    fn honest(count: u128) -> Bank {
        Bank::new(count, |id| state(id, if id == 10 { Lsn::NONE } else { Lsn(7_000 + lsn(id)) }))
    }

    fn capture(&self) -> Capture {
        Capture { position: CAPTURED, accounts: self.tree.size(), root: self.tree.root() }
    }

    fn place(&self, index: usize) -> Place {
        let leaf = |index: u64| {
            let (id, state) = &self.states[usize::try_from(index).expect("small")];
            state.leaf(*id)
        };
        let index = u64::try_from(index).expect("small");
        let of_block: Vec<_> = self.tree.block_of(index).map(leaf).collect();
        let path = self.tree.path(index, &of_block).expect("its own leaves");
        Place { index, leaf: leaf(index), path }
    }

    fn prove(&self, id: u128) -> BalanceProof {
        let account = AccountId(id);
        let found = self.states.binary_search_by_key(&account, |(id, _)| *id);
        let places = match found {
            Ok(index) => vec![self.place(index)],
            Err(next) => {
                let beside = next.checked_sub(1).into_iter().chain([next]);
                beside.filter(|at| *at < self.states.len()).map(|at| self.place(at)).collect()
            }
        };
        let state = found.ok().map(|index| self.states[index].1);
        BalanceProof { capture: recorded(&self.capture()), account, places, state }
    }
}

fn lsn(id: u128) -> u64 {
    u64::try_from(id).expect("small")
}

fn recorded(capture: &Capture) -> InclusionProof {
    included(record_of(capture, RECORDED), |_| {})
}

fn record_of(capture: &Capture, at: Lsn) -> Vec<u8> {
    let DocumentKey { table, key } = Capture::key_of(capture.position);
    let (value, expires) = (capture.value(), Timestamp::NONE);
    leaf(at, ItemContent::DocumentPut { table, key: &key, value: &value, expires })
}

fn flaw(proof: &BalanceProof) -> Option<Flaw> {
    proof.verify(&key().public()).err().map(|error| error.flaw)
}

fn verify(bytes: &[u8], key: &PublicKey) -> Result<(), ProofError> {
    BalanceProof::read(bytes)?.verify(key).map(drop)
}

#[test]
fn a_balance_and_an_absence_are_proved_and_no_byte_may_change() {
    for (count, ids) in [
        (0, &[5][..]),
        (1, &[5, 10, 15]),
        (2, &[5, 10, 15, 20, 25]),
        (33, &[5, 10, 320, 325, 330, 335]),
    ] {
        let bank = Bank::honest(count);
        for id in ids {
            let proof = bank.prove(*id);
            assert_eq!(proof.state.is_some(), id % 10 == 0, "{id}");
            assert_eq!(proof.verify(&key().public()), Ok(bank.capture()));
            let file = proof.to_bytes();
            assert_eq!(BalanceProof::read(&file), Ok(proof));
            check_bytes(&file, &bank);
        }
    }
}

/// Nothing that differs from it in a byte, is cut or goes on holds; but that another account was not open either is
/// another truth.
fn check_bytes(file: &[u8], bank: &Bank) {
    let public = key().public();
    let stranger = SigningKey::from_seed(&[8; 32]).public();
    assert_eq!(verify(file, &stranger).map_err(|error| error.flaw), Err(Flaw::OtherKey));
    for at in 0..file.len() {
        for change in [1, 0x80, 0xff] {
            let mut changed = file.to_vec();
            changed[at] ^= change;
            let proves = BalanceProof::read(&changed).is_ok_and(|proof| {
                let is_open = bank.states.iter().any(|(id, _)| *id == proof.account);
                let is_truth = (16..32).contains(&at) && proof.state.is_none() && !is_open;
                proof.verify(&public).is_ok() && !is_truth
            });
            assert!(!proves, "byte {at} changed by {change}");
        }
        assert!(verify(&file[..at], &public).is_err(), "cut at {at}");
        let mut without = file.to_vec();
        without.remove(at);
        assert!(verify(&without, &public).is_err(), "without byte {at}");
        let mut twice = file.to_vec();
        twice.insert(at, file[at]);
        assert!(verify(&twice, &public).is_err(), "byte {at} twice");
    }
    assert!(verify(&[file, &[0]].concat(), &public).is_err(), "one byte more");
}

/// The server shows the balance of before the last payment, under the root that the bank has recorded.
#[test]
fn a_balance_without_the_last_posting_does_not_lead_to_the_root() {
    let bank = Bank::honest(40);
    let old = state(200, Lsn(6_500));
    let mut proof = bank.prove(200);
    proof.state = Some(old);
    assert_eq!(flaw(&proof), Some(Flaw::Root), "its leaf is another's");
    proof.places[0].leaf = old.leaf(AccountId(200));
    assert_eq!(flaw(&proof), Some(Flaw::Root), "its leaf is in no tree");
    // Every field of the state, by itself.
    let changes: [fn(&mut AccountState); 6] = [
        |state| state.balances.debits_pending.0 += 1,
        |state| state.balances.debits_posted.0 += 1,
        |state| state.balances.credits_pending.0 += 1,
        |state| state.balances.credits_posted.0 -= 1,
        |state| state.last_posting.0 -= 8,
        |state| state.ledger.0 += 1,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut proof = bank.prove(200);
        let state = proof.state.as_mut().expect("it is open");
        change(state);
        proof.places[0].leaf = state.leaf(AccountId(200));
        assert_eq!(flaw(&proof), Some(Flaw::Root), "field {number}");
    }
    // Another account's balance, or another capture's.
    let mut other = bank.prove(200);
    (other.places, other.state) = (bank.prove(210).places, bank.prove(210).state);
    assert_eq!(flaw(&other), Some(Flaw::Root));
    let mut older = bank.prove(200);
    older.capture = Bank::new(40, |id| state(id, Lsn(6_000))).prove(200).capture;
    assert_eq!(flaw(&older), Some(Flaw::Root));
}

/// The bank lies in its own record: it puts a root into the log that leaves the last payment out. Its proof holds by
/// itself; whoever has the payment, proved or promised, has caught it.
#[test]
fn a_bank_that_leaves_out_the_last_posting_is_caught_by_whoever_has_it() {
    let liar = Bank::new(40, |id| state(id, Lsn(if id == 200 { 6_500 } else { 7_000 }))).prove(200);
    let honest = Bank::honest(40).prove(200);
    assert_eq!((flaw(&liar), flaw(&honest)), (None, None));
    let last = payment(Lsn(7_200), 200, 10);
    let proved = included(last.clone(), |_| {});
    let promised = promise(last, |_| {});
    assert!(proved.verify(&key().public()).is_ok());
    assert!(promised.verify(&key().public()).is_ok());
    let caught = Err(Flaw::LeftOut);
    let counted = |proof: &BalanceProof, by: &InclusionProof| {
        proof.check_counted(by).map_err(|error| error.flaw)
    };
    let kept = |proof: &BalanceProof, by: &SignedReceipt| {
        proof.check_promised(by).map_err(|error| error.flaw)
    };
    assert_eq!(counted(&liar, &proved), caught);
    assert_eq!(kept(&liar, &promised), caught);
    assert_eq!(counted(&honest, &proved), Ok(Standing::Counted));
    assert_eq!(kept(&honest, &promised), Ok(Standing::Counted));
    // One that the liar has counted, and one behind the capture, which nobody can have counted.
    let counts = |proof, lsn, debit| counted(proof, &included(payment(lsn, debit, 10), |_| {}));
    assert_eq!(counts(&liar, Lsn(6_500), 200), Ok(Standing::Counted));
    assert_eq!(counts(&liar, Lsn(6_504), 200), caught);
    assert_eq!(counts(&liar, Lsn(CAPTURED.0 - 8), 200), caught);
    assert_eq!(counts(&liar, CAPTURED, 200), Ok(Standing::Later));
    // What says nothing about this account.
    assert_eq!(counts(&liar, Lsn(7_200), 210), Err(Flaw::OtherRecord));
    assert_eq!(counted(&liar, &liar.capture), Err(Flaw::OtherRecord));
    // Nor does what another database has, or another life that this one may not have had.
    let record = || payment(Lsn(7_200), 200, 10);
    let elsewhere = included(record(), |head| head.birth += 1);
    assert_eq!(counted(&liar, &elsewhere), Err(Flaw::OtherDatabase));
    let restored = included(record(), |head| (head.life, head.epoch) = (2, (1 << 40) + 1));
    assert_eq!(counted(&liar, &restored), Err(Flaw::OtherLife));
    assert_eq!(kept(&liar, &promise(record(), |it| it.birth += 1)), Err(Flaw::OtherDatabase));
    assert_eq!(kept(&liar, &promise(record(), |it| it.life += 1)), Err(Flaw::OtherLife));
}

fn promise(leaf: Vec<u8>, change: impl Fn(&mut Receipt)) -> SignedReceipt {
    let (lsn, chain) = (Lsn(7_500), [5; 32]);
    let (birth, life) = (0x1234, 0x1234);
    let (durable, standbys, standbys_demanded) = (ON_OWN_DISK, 0, 0);
    let mut receipt =
        Receipt { birth, life, lsn, chain, durable, standbys, standbys_demanded, leaf };
    change(&mut receipt);
    receipt.sign(&key())
}

/// Prevents: a bank that denies an account, by neighbours that are none.
#[test]
fn an_account_that_is_there_is_never_shown_to_be_absent() {
    let bank = Bank::honest(40);
    let deny = |id: u128, places: &[usize]| {
        let places = places.iter().map(|index| bank.place(*index)).collect();
        flaw(&BalanceProof { places, state: None, account: AccountId(id), ..bank.prove(id) })
    };
    let contradiction = Some(Flaw::Contradiction);
    // Account 200 is leaf 19.
    for places in [&[18, 20][..], &[18], &[20], &[19], &[18, 19], &[19, 20], &[0], &[39], &[]] {
        assert_eq!(deny(200, places), contradiction, "{places:?}");
    }
    assert_eq!(deny(195, &[18, 19]), None);
    for places in [&[19, 18][..], &[18], &[19], &[17, 19], &[18, 20], &[17, 18], &[19, 20], &[]] {
        assert_eq!(deny(195, places), contradiction, "{places:?}");
    }
    assert_eq!(deny(5, &[0]), None);
    assert_eq!(deny(5, &[1]), contradiction);
    assert_eq!(deny(405, &[39]), None);
    assert_eq!(deny(405, &[38]), contradiction);
    // And whoever has its opening, or a posting of it, has caught a bank whose tree leaves it out.
    let liar = Bank::new(19, |id| state(id, Lsn(7_000))).prove(200);
    assert_eq!((flaw(&liar), liar.state), (None, None));
    let account = florin_ledger::Account { id: AccountId(200), ..Default::default() };
    let opened = |lsn| included(leaf(lsn, ItemContent::Account(account)), |_| {});
    let counted = |by| liar.check_counted(&by).map_err(|error| error.flaw);
    assert_eq!(counted(opened(Lsn(5_000))), Err(Flaw::LeftOut));
    assert_eq!(counted(opened(CAPTURED)), Ok(Standing::Later));
    assert_eq!(counted(included(payment(Lsn(5_000), 200, 10), |_| {})), Err(Flaw::LeftOut));
    let honest = Bank::honest(40).prove(200);
    assert_eq!(honest.check_counted(&opened(Lsn(5_000))), Ok(Standing::Counted));
}

/// Prevents: any record of the bank's customers that is taken for the bank's own.
#[test]
fn nothing_but_a_capture_is_one() {
    let bank = Bank::honest(3);
    let capture = bank.capture();
    let with = |record: Vec<u8>| {
        flaw(&BalanceProof { capture: included(record, |_| {}), ..bank.prove(20) })
    };
    assert_eq!(with(record_of(&capture, RECORDED)), None);
    assert_eq!(with(record_of(&capture, CAPTURED)), None);
    let number = Some(Flaw::Number);
    assert_eq!(with(record_of(&capture, Lsn(CAPTURED.0 - 8))), number, "a capture of the future");
    assert_eq!(with(payment(RECORDED, 1, 2)), number);
    let (key, value) = (Capture::key_of(CAPTURED).key, capture.value());
    let put = |table, key: &[u8], value: &[u8], expires| {
        with(leaf(RECORDED, ItemContent::DocumentPut { table, key, value, expires }))
    };
    let (table, never) = (TableId::BALANCES, Timestamp::NONE);
    assert_eq!(put(table, &key, &value, never), None);
    assert_eq!(put(TableId(16), &key, &value, never), number);
    assert_eq!(put(table, &key[1..], &value, never), number);
    assert_eq!(put(table, &key, &value[1..], never), number);
    assert_eq!(put(table, &key, &value, Timestamp(1)), number);
    for at in 0..8 {
        let mut other = value;
        other[at] ^= 2;
        assert_eq!(put(table, &key, &other, never), number, "version or zero, byte {at}");
    }
    // A posting that the capture counts lies before it.
    let early = Bank::new(3, |id| state(id, if id == 20 { CAPTURED } else { Lsn(7_000) }));
    assert_eq!(flaw(&early.prove(20)), Some(Flaw::Contradiction));
    // Balances that nothing has made.
    let mut unmade = bank.prove(10);
    assert_eq!(BalanceProof::read(&unmade.to_bytes()).as_ref(), Ok(&unmade));
    unmade.state.as_mut().expect("it is open").balances.debits_posted.0 = 1;
    let read = BalanceProof::read(&unmade.to_bytes()).map_err(|error| error.flaw);
    assert_eq!(read, Err(Flaw::Contradiction));
}

proptest::proptest! {
    /// Any bytes are answered.
    #[test]
    fn bytes_of_a_stranger_are_answered(is_begun: bool, bytes: Vec<u8>) {
        let start: &[u8] = if is_begun { b"FLORINBP\x01\0\0\0" } else { b"" };
        let _ = verify(&[start, &bytes].concat(), &key().public());
    }
}
