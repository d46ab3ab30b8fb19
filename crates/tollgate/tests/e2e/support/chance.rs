//! Random numbers by a seed that a failing test prints, so that its plan can be had again.

use std::time::{SystemTime, UNIX_EPOCH};

/// A stream of random numbers (SplitMix64). Streams of one seed and different names differ.
#[derive(Clone, Debug)]
pub struct Chance {
    state: u64,
}

/// The seed in this environment variable, or a fresh one. Both are told.
pub fn seed_from(variable: &str) -> u64 {
    let seed = match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable} is no whole number: {text}")),
        Err(_) => {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            u64::try_from(since.as_micros()).unwrap()
        }
    };
    eprintln!("{variable}={seed} draws the same plan again");
    seed
}

impl Chance {
    /// The stream of this seed and name.
    pub fn new(seed: u64, name: u64) -> Chance {
        let mut chance = Chance { state: seed ^ name.wrapping_mul(0xd6e8_feb8_6659_fd93) };
        chance.next();
        chance
    }

    /// A number in `0..end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Whether something happens that happens `times` in `of` cases.
    pub fn happens(&mut self, times: u64, of: u64) -> bool {
        self.below(of) < times
    }

    /// One of these.
    pub fn one_of<T: Copy>(&mut self, items: &[T]) -> T {
        items[usize::try_from(self.below(items.len() as u64)).unwrap()]
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
