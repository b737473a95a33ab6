//! Random numbers from a seed (SplitMix64).

/// A sequence of numbers that its seed determines.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    /// From `FLORIN_SEED` if it is set, from `usual` otherwise; printed, for whoever has to run it
    /// again.
    #[expect(clippy::print_stdout, reason = "a test that failed says with which seed")]
    pub(crate) fn seeded(usual: u64) -> Chance {
        let seed = match std::env::var("FLORIN_SEED") {
            Ok(seed) => seed.parse().expect("FLORIN_SEED is a number"),
            Err(_) => usual,
        };
        println!("FLORIN_SEED={seed}");
        Chance(seed)
    }

    /// Another sequence, so that several can be drawn from at once and stay what they are.
    pub(crate) fn branch(&mut self) -> Chance {
        Chance(self.next())
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below a limit that is not zero.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// Once in so many times.
    pub(crate) fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn one_of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let count = u64::try_from(choices.len()).expect("a list fits memory");
        &choices[usize::try_from(self.below(count)).expect("an index is small")]
    }

    pub(crate) fn bytes(&mut self, count: u64) -> Vec<u8> {
        (0..count).map(|_| self.next().to_le_bytes()[0]).collect()
    }
}
