//! The one source of chance: everything that is decided in a run follows from its seed.
//!
//! There is no stream that all draw from, which one payment less would shift for all others. Each decision draws from a
//! source of its own, made of the seed, the concern and what it is about, so that a smaller run decides alike.

/// A source of chance (SplitMix64; Steele, Lea and Flood, 2014).
#[derive(Clone, Copy, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The source of `concern` under `seed`, for the thing that `parts` name.
    #[must_use]
    pub fn of(seed: u64, concern: &str, parts: &[u64]) -> Chance {
        let named =
            concern.bytes().fold(seed ^ FNV_OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME));
        Chance(parts.iter().fold(scramble(named), |hash, part| scramble(hash ^ part.wrapping_add(GOLDEN))))
    }

    /// 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        scramble(self.0)
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        let span = high.saturating_sub(low).saturating_add(1);
        low + self.bits() % span
    }

    /// Whether something happens that happens `per_10_000` times in 10,000.
    pub fn happens(&mut self, per_10_000: u64) -> bool {
        self.bits() % 10_000 < per_10_000
    }

    /// One of `choices`, of which there has to be one.
    pub fn pick<T: Copy, const N: usize>(&mut self, choices: &[T; N]) -> T {
        choices[usize::try_from(self.bits() % N as u64).unwrap_or(0)]
    }
}

/// A number for a text, to name it among the parts of [`Chance::of`] (FNV-1a, 64 bits).
#[must_use]
pub fn number_of(text: &[u8]) -> u64 {
    text.iter().fold(FNV_OFFSET, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME))
}

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
const FNV_OFFSET: u64 = 0xCBF2_9CE4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01B3;

/// The finalizer of SplitMix64.
const fn scramble(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_that_of_splitmix64() {
        // The first numbers of the reference program for seed 1234567.
        let mut chance = Chance(1_234_567);
        let drawn = [chance.bits(), chance.bits(), chance.bits()];
        assert_eq!(drawn, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn sources_differ_by_seed_concern_and_parts() {
        let first = |seed, concern, parts: &[u64]| Chance::of(seed, concern, parts).bits();
        let base = first(1, "net", &[1, 2]);
        assert_eq!(base, first(1, "net", &[1, 2]));
        for other in
            [first(2, "net", &[1, 2]), first(1, "store", &[1, 2]), first(1, "net", &[2, 1]), first(1, "net", &[1])]
        {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn rates_are_kept() {
        let hits = (0..10_000).filter(|n| Chance::of(7, "rate", &[*n]).happens(2_500)).count();
        assert!((2_300..2_700).contains(&hits), "{hits}");
        assert!((0..1000).all(|n| (5..=9).contains(&Chance::of(7, "range", &[n]).between(5, 9))));
    }
}
