//! Seeded chance: the same seed gives the same test.

use tollgate_core::command::SafeParams;

/// SplitMix64 (Steele, Lea, Flood 2014).
pub(super) struct Chance(u64);

impl Chance {
    /// From a seed.
    pub(super) const fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    /// Any number.
    pub(super) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not 0.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.number() % end
    }

    /// One time in `times`.
    pub(super) fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// One of them.
    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let index = usize::try_from(self.below(u64::try_from(from.len()).unwrap())).unwrap();
        &from[index]
    }

    /// A text of 1 to `chars_max` characters, of scripts and signs that have broken stores before.
    pub(super) fn text(&mut self, chars_max: u64) -> String {
        const SIGNS: &[char] = &[
            'a',
            'Z',
            '0',
            '9',
            ' ',
            '\'',
            '"',
            '\\',
            '/',
            '%',
            '_',
            ';',
            '-',
            '?',
            '$',
            '{',
            '}',
            '<',
            '&',
            '\n',
            '\t',
            'ü',
            'ß',
            'م',
            'ت',
            'ج',
            'ر',
            'ة',
            '\u{0650}',
            '\u{200F}',
            '\u{FEFF}',
            '日',
            '\u{1F4B3}',
            '\u{7F}',
        ];
        let length = 1 + self.below(chars_max);
        (0..length).map(|_| *self.pick(SIGNS)).collect()
    }

    /// A text, or none one time in three.
    pub(super) fn maybe_text(&mut self, chars_max: u64) -> Option<String> {
        if self.one_in(3) { None } else { Some(self.text(chars_max)) }
    }

    /// Request parameters, sometimes with a `merchant_extra` of 999 characters.
    pub(super) fn params(&mut self) -> SafeParams {
        let mut params = SafeParams::default();
        for index in 0..self.below(12) {
            let name = if self.one_in(4) { self.text(20) } else { format!("parameter_{index}") };
            params.push(&name, &self.text(40));
        }
        if self.one_in(3) {
            let extra: String = (0..999).map(|_| *self.pick(&['x', 'ع', '"'])).collect();
            params.push("merchant_extra", &extra);
        }
        params
    }
}
