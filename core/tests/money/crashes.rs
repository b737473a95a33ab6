//! Power cuts at every moment: what was acknowledged is there, once, to the nanosecond; what was not
//! is there whole or not at all.

use crate::audit::audit;
use crate::bank::{Bank, Books, encrypted_disk};
use crate::days::{Case, random_day, seeds};
use crate::events::Step;
use crate::recovery::recover;
use florin_core::disk::simulated::SimulatedDisk;

/// A day that was played on a disk, with the books between its steps.
struct Played {
    seed: u64,
    disk: SimulatedDisk,
    steps: Vec<Step>,
    books: Vec<Books>,
}

impl Played {
    fn day(seed: u64, in_flight: usize) -> Played {
        Played::day_on(SimulatedDisk::new(), seed, in_flight)
    }

    fn day_on(disk: SimulatedDisk, seed: u64, in_flight: usize) -> Played {
        let steps = random_day(seed, 60);
        let mut bank = Bank::found(disk).expect("an empty disk takes a database");
        let books = bank.play(&steps, in_flight);
        let disk = bank.disk.clone();
        bank.database.close().unwrap();
        Played { seed, disk, steps, books }
    }

    /// How many steps were acknowledged within the first operations of the disk.
    fn acknowledged(&self, operations_count: usize) -> usize {
        let marks = self.disk.marks_before(operations_count);
        marks.last().map_or(0, |last| usize::try_from(*last).unwrap() + 1)
    }

    fn case(&self, cut: usize, image: u64) -> Case {
        let operations_count = self.disk.operations_count();
        let seed = self.seed;
        Case(format!("day {seed}, power cut after {cut} of {operations_count}, image {image}"))
    }

    /// Cuts the power at every operation of the day.
    fn cut_everywhere(&self) {
        for cut in 0..=self.disk.operations_count() {
            for image in [0, 1, 2 + self.seed + u64::try_from(cut).unwrap()] {
                let _case = self.case(cut, image);
                let disk = self.disk.crash_image(cut, image);
                recover(disk, &self.books, self.acknowledged(cut));
            }
        }
    }
}

/// Faults 1, 4, 5, 15, 19, 25, 45: an acknowledged request is lost, halved or doubled by a power cut
/// while each waits for the one before.
#[test]
fn power_cuts_lose_nothing_that_was_acknowledged_one_by_one() {
    for seed in seeds(0..3) {
        Played::day(seed, 1).cut_everywhere();
    }
}

/// Faults 1, 4, 5, 15, 19, 25, 45: the same while requests share frames and syncs.
#[test]
fn power_cuts_lose_nothing_that_was_acknowledged_in_groups() {
    for seed in seeds(4..8) {
        Played::day(seed, 5).cut_everywhere();
    }
}

/// Faults 1, 4, 5, 15, 19, 25, 45: the same while everything is sealed.
#[test]
fn power_cuts_lose_nothing_that_was_sealed() {
    for seed in seeds(20..22) {
        Played::day_on(encrypted_disk(), seed, 4).cut_everywhere();
    }
}

/// Faults 1, 25, 36, 45: what was recovered is lost by the next power cut, in the middle of the
/// recovery or after it.
#[test]
fn power_cuts_during_and_after_a_recovery_lose_nothing() {
    for seed in seeds(10..14) {
        let played = Played::day(seed, 3);
        for cut in (0..=played.disk.operations_count()).step_by(11) {
            let image = 2 + u64::try_from(cut).unwrap();
            let _case = played.case(cut, image);
            let acknowledged = played.acknowledged(cut);
            let disk = played.disk.crash_image(cut, image);
            let (mut bank, held) = recover(disk.clone(), &played.books, acknowledged);
            let opened = bank.opened_at;
            for again in (0..=opened).step_by(5) {
                let _case = played.case(again, image);
                let disk = bank.disk.crash_image(again, image + u64::try_from(again).unwrap());
                recover(disk, &played.books, acknowledged);
            }
            let mut books = bank.play(&played.steps[held..], 2);
            let operations_count = bank.disk.operations_count();
            let later = bank.disk.crash_image(operations_count, image);
            let clock = bank.clock.nanoseconds();
            books.drain(..books.len() - 1);
            drop(bank);
            let mut bank = Bank::reopen(later, clock, books.remove(0)).unwrap();
            audit(&mut bank);
        }
    }
}

/// Fault 36: restart after restart, with checkpoints in between, each as the one before left it.
#[test]
fn many_restarts_in_one_day_change_nothing() {
    for seed in seeds(14..20) {
        let _case = Case(format!("day {seed}"));
        let mut bank = Bank::new();
        for (number, steps) in random_day(seed, 60).chunks(4).enumerate() {
            bank.play(steps, 3);
            bank = if number % 2 == 0 { bank.restart() } else { bank.power_cut(seed) };
            audit(&mut bank);
            bank.synchronise();
        }
    }
}
