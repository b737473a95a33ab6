//! Runs a target on random mutations of its seeds, for machines without libFuzzer:
//! `mutate TARGET SECONDS [SEED]`.
//!
//! The seed of the run is printed, and the same seed makes the same inputs in the same order. An
//! input that breaks the target is printed and kept under `artifacts/`.
#![forbid(unsafe_code)]

use florin_fuzz::{TARGETS, Target};
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

const INPUT_BYTES_MAX: usize = 16 << 10;
/// Between two looks at the clock.
const ROUND: u64 = 1000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let seed = arguments.get(2).map_or_else(random_seed, |seed| seed.parse().ok());
    let target =
        arguments.first().and_then(|name| TARGETS.iter().find(|target| target.name == name));
    let seconds = arguments.get(1).and_then(|seconds| seconds.parse().ok());
    let (Some(target), Some(seconds), Some(seed)) = (target, seconds, seed) else {
        eprintln!("usage: mutate TARGET SECONDS [SEED]");
        return ExitCode::FAILURE;
    };
    println!("{}: seed {seed}", target.name);
    mutate(*target, Duration::from_secs(seconds), Random(seed))
}

fn mutate(target: Target, limit: Duration, mut random: Random) -> ExitCode {
    let seeds = seeds(target.name);
    let began = Instant::now();
    let mut inputs_count = 0_u64;
    while inputs_count == 0 || began.elapsed() < limit {
        for _ in 0..ROUND {
            let input = mutated(&seeds, &mut random);
            if std::panic::catch_unwind(|| (target.run)(&input)).is_err() {
                return keep(target.name, &input);
            }
            inputs_count += 1;
        }
    }
    println!("{}: {inputs_count} inputs in {} s", target.name, began.elapsed().as_secs());
    ExitCode::SUCCESS
}

fn random_seed() -> Option<u64> {
    Some(RandomState::new().hash_one("seed"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// The inputs to begin with, in the order of their names.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let directory = root().join("seeds").join(target);
    let entries = std::fs::read_dir(&directory).expect("every target has seeds");
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let seeds: Vec<Vec<u8>> = paths.iter().flat_map(std::fs::read).collect();
    assert!(!seeds.is_empty(), "no seeds in {}", directory.display());
    seeds
}

fn keep(target: &str, input: &[u8]) -> ExitCode {
    let directory = root().join("artifacts").join(target);
    let path = directory.join(format!("mutated-{}", &blake3::hash(input).to_hex()[..16]));
    let kept = std::fs::create_dir_all(&directory).and_then(|()| std::fs::write(&path, input));
    eprintln!("{target}: broken by {input:?}, kept as {} ({kept:?})", path.display());
    ExitCode::FAILURE
}

/// A few random changes to a random seed.
fn mutated(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(4) {
        let at = random.below(input.len() + 1);
        match random.below(6) {
            0 => input.truncate(at),
            1 => input.insert(at, random.byte()),
            2 if at < input.len() => input[at] ^= 1 << random.below(8),
            3 if at < input.len() => input[at] = random.byte(),
            4 => {
                let other = &seeds[random.below(seeds.len())];
                let from = random.below(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            5 => {
                let end = input.len().min(at + 8);
                let extreme = if random.below(2) == 0 { 0 } else { u8::MAX };
                input[at..end].fill(extreme);
            }
            _ => {}
        }
    }
    input.truncate(INPUT_BYTES_MAX);
    input
}

/// Numbers that look random and repeat with their seed (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).expect("lengths fit 64 bits");
        usize::try_from(self.next() % bound).expect("less than a length")
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }
}
