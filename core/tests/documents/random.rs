//! Prevents: anything that the other tests did not think of. Random days of writes, commits, repeats,
//! waits, restarts and power cuts, every answer and everything that can be read compared with the
//! model.

use crate::as_of::{as_of, last_position, timeless};
use crate::cabinet::{Cabinet, PLAIN, commit, transfer};
use crate::dice::Dice;
use crate::model::Model;
use florin_core::ErrorKind;
use florin_core::disk::Disk;
use florin_core::verify::verify_on;
use florin_ledger::commit::{Event, Topic};
use florin_ledger::document::{DocumentCondition, DocumentScan};
use florin_ledger::{
    Amount, Commit, CommitId, CommitOutcome, Document, DocumentKey, DocumentWrite, Position,
    Precondition, TableId, Timestamp,
};
use proptest::prelude::*;
use std::sync::Arc;

const TABLES: u64 = 3;
const KEYS: u64 = 40;

struct Day {
    dice: Dice,
    model: Model,
    cabinet: Cabinet,
    next_id: u128,
    /// Dry runs: what was asked, what was answered, and after which record.
    asked: Vec<(Commit, CommitOutcome, Position)>,
}

impl Day {
    fn key(&mut self) -> (TableId, Vec<u8>) {
        let table = TableId(PLAIN.0 + u16::try_from(self.dice.roll(TABLES)).unwrap());
        let number = self.dice.roll(KEYS);
        let key = match number % 4 {
            0 => vec![u8::try_from(number).unwrap()],
            1 => format!("customer/{number:03}/profile").into_bytes(),
            2 => [vec![0xff; 255], vec![u8::try_from(number).unwrap()]].concat(),
            _ => number.to_be_bytes().to_vec(),
        };
        (table, key)
    }

    fn write(&mut self) -> DocumentWrite {
        let (table, key) = self.key();
        let bytes = match self.dice.roll(10) {
            0 => self.dice.roll(40_000),
            _ => self.dice.roll(700),
        };
        let filling = u8::try_from(self.dice.roll(256)).unwrap();
        let value = vec![filling; usize::try_from(bytes).unwrap()];
        let is_put = !self.dice.one_in(6);
        let expires = if is_put && self.dice.one_in(4) {
            self.latest() + 1_000_000 + self.dice.roll(50_000_000)
        } else {
            0
        };
        let condition = match self.dice.roll(5) {
            0 => DocumentCondition::Absent,
            1 => DocumentCondition::Version(self.some_version(table, &key)),
            _ => DocumentCondition::Any,
        };
        let value = is_put.then_some(value);
        DocumentWrite { table, key, value, expires: Timestamp(expires), condition }
    }

    /// The ledger's time is neither behind its clock nor behind its last event. A clock that went back
    /// would leave the model behind what the ledger takes for now.
    fn latest(&self) -> u64 {
        self.cabinet.now().max(self.cabinet.clock.nanoseconds())
    }

    /// Mostly the version that there is, sometimes an old one.
    fn some_version(&mut self, table: TableId, key: &[u8]) -> Position {
        let history = self.model.histories.get(&(table, key.to_vec()));
        let known: Vec<Position> =
            history.into_iter().flatten().flatten().map(|held| held.version).collect();
        if known.is_empty() || !self.dice.one_in(4) {
            return self.model.version(table, key);
        }
        let count = u64::try_from(known.len()).unwrap();
        known[usize::try_from(self.dice.roll(count)).unwrap()]
    }

    fn commit(&mut self) -> Commit {
        self.next_id += 1;
        let id = self.next_id;
        let mut commit = commit(id);
        for _ in 0..self.dice.roll(5) {
            let write = self.write();
            let is_new = |it: &DocumentWrite| (it.table, &it.key) != (write.table, &write.key);
            if commit.documents.iter().all(is_new) {
                commit.documents.push(write);
            }
        }
        for _ in 0..self.dice.roll(3) {
            let (table, key) = self.key();
            let version = self.some_version(table, &key);
            commit.preconditions.push(Precondition::Document { table, key, version });
        }
        for number in 0..u128::from(self.dice.roll(3)) {
            let amount = u128::from(self.dice.roll(100));
            commit.transfers.push(transfer(10 * id + number, 1, 2, amount));
        }
        if self.dice.one_in(2) {
            let value = vec![1; usize::try_from(self.dice.roll(300)).unwrap()];
            commit.events.push(Event { topic: Topic(1), key: Vec::new(), value });
        }
        commit
    }

    fn step(&mut self) {
        match self.dice.roll(20) {
            0..8 => self.carry_out_commit(),
            8..14 => self.write_batch(),
            14..16 => self.repeat(),
            16..18 => {
                let until = self.latest() + self.dice.roll(20_000_000);
                self.wait(until);
            }
            _ => self.dry_run(),
        }
    }

    fn carry_out_commit(&mut self) {
        let commit = self.commit();
        let unmet = self.model.unmet(&commit);
        match (self.cabinet.commit(&commit), unmet) {
            (CommitOutcome::Done(done), None) => self.model.enter(&commit, &done),
            (CommitOutcome::Unmet(told), Some(unmet)) => assert_eq!(told, unmet),
            (outcome, unmet) => panic!("{outcome:?}, should be {unmet:?}"),
        }
    }

    fn dry_run(&mut self) {
        let commit = self.commit();
        let unmet = self.model.unmet(&commit);
        let outcome = self.cabinet.database.dry_run(&commit).unwrap();
        match (&outcome, unmet) {
            (CommitOutcome::Done(done), None) => assert_eq!(done.position, Position::NONE),
            (CommitOutcome::Unmet(told), Some(unmet)) => assert_eq!(told, &unmet),
            (outcome, unmet) => panic!("{outcome:?}, should be {unmet:?}"),
        }
        let at = last_position(&self.cabinet.database);
        self.asked.push((commit, timeless(outcome), at));
    }

    /// What was asked before is answered as it was then, but where documents were forgotten.
    fn ask_again(&self) {
        for (commit, outcome, at) in &self.asked {
            match as_of(&self.cabinet.database, commit, *at) {
                Ok(then) => assert_eq!(&timeless(then), outcome, "at {at}: {commit:?}"),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Invalid);
                    assert!(error.to_string().contains("forgotten"), "{error}");
                }
            }
        }
    }

    fn write_batch(&mut self) {
        let count = 1 + self.dice.roll(8);
        let writes: Vec<DocumentWrite> = (0..count).map(|_| self.write()).collect();
        let answers = self.cabinet.database.write_documents(&writes).unwrap();
        for (write, answer) in writes.iter().zip(answers) {
            self.model.write(write, answer);
        }
    }

    /// Sends a commit that was decided again, as it was or otherwise.
    fn repeat(&mut self) {
        let id = CommitId(1 + u128::from(self.dice.roll(u64::try_from(self.next_id).unwrap() + 1)));
        let Some((commit, outcome)) = self.model.decided.get(&id).cloned() else { return };
        assert_eq!(self.cabinet.commit(&commit), outcome);
        let other = Commit { actor: b"another".to_vec(), ..commit };
        let CommitOutcome::Done(done) = outcome else { unreachable!("only those are kept") };
        let differs = CommitOutcome::ExistsWithDifferentDigest(done.position);
        assert_eq!(self.cabinet.commit(&other), differs);
    }

    fn wait(&mut self, until: u64) {
        self.cabinet.wait_until(until);
        self.model.expire(until);
    }

    /// Everything that can be read is what the model says.
    fn audit(&self) {
        let (cabinet, model) = (&self.cabinet, &self.model);
        assert_eq!(cabinet.account(2).unwrap().credits_posted, Amount(model.credited));
        let status = cabinet.database.status().unwrap();
        assert_eq!(status.documents_count, u64::try_from(model.documents.len()).unwrap());
        for table in 0..u16::try_from(TABLES).unwrap() {
            let table = TableId(PLAIN.0 + table);
            let mut found = Vec::new();
            let mut scan = DocumentScan { table, limit: 13, ..DocumentScan::default() };
            loop {
                let page = cabinet.scan(&scan);
                found.extend(page.items);
                scan.after = page.next;
                if scan.after.is_none() {
                    break;
                }
            }
            let expected: Vec<_> =
                model.documents.iter().filter(|(key, _)| key.0 == table).collect();
            assert_eq!(found.len(), expected.len());
            for (document, ((_, key), held)) in found.iter().zip(expected) {
                assert_eq!(&document.key, key);
                assert_eq!(document.version, held.version);
                assert_eq!(document.value.as_ref(), Some(&held.value));
                assert_eq!(document.expires, Timestamp(held.expires));
            }
        }
        for ((table, key), versions) in &model.histories {
            self.audit_history(&DocumentKey { table: *table, key: key.clone() }, versions);
        }
    }

    /// A history has at least what was since the document was last created: what was before may be
    /// forgotten once nothing is left of the deletion in the index.
    fn audit_history(&self, key: &DocumentKey, versions: &[Option<crate::model::Held>]) {
        let history = self.cabinet.database.document_history(key, Position::NONE, 1_000).unwrap();
        let values = |it: &Document| it.value.clone();
        let expected: Vec<_> =
            versions.iter().rev().map(|it| it.as_ref().map(|held| held.value.clone())).collect();
        let found: Vec<_> = history.iter().map(values).collect();
        assert!(found.len() <= expected.len());
        assert_eq!(found, expected[..found.len()]);
        let is_kept = found.len() == expected.len() || expected[found.len()].is_none();
        assert!(is_kept, "{found:?} of {expected:?}");
    }
}

fn live_a_day(seed: u64, steps_count: usize) {
    let cabinet = Cabinet::new();
    cabinet.open_accounts();
    let mut day = Day {
        dice: Dice::new(seed),
        model: Model::default(),
        cabinet,
        next_id: 0,
        asked: Vec::new(),
    };
    for _ in 0..steps_count {
        day.step();
        if day.dice.one_in(25) {
            let cabinet = std::mem::replace(&mut day.cabinet, Cabinet::new());
            day.cabinet =
                if day.dice.one_in(2) { cabinet.restart() } else { cabinet.power_cut(seed) };
            day.audit();
        }
    }
    day.audit();
    day.ask_again();
    day.cabinet.database.close().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(day.cabinet.disk.clone());
    let report = verify_on(&disk, &mut |_| {}).unwrap().unwrap();
    assert_eq!(report.findings, Vec::<String>::new());
    assert!(report.checkpoint.is_some());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn a_day_is_what_the_model_says(seed in any::<u64>()) {
        live_a_day(seed, 250);
    }
}
