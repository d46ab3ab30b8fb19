//! Durations as people write them: `90s`, `15m`, `3h`, `3d`, `2w`.

/// A length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duration {
    /// Milliseconds.
    pub ms: u64,
}

/// The most that can be said: a century.
const MS_MAX: u64 = 100 * 366 * 86_400_000;

impl std::str::FromStr for Duration {
    type Err = String;

    fn from_str(text: &str) -> Result<Duration, String> {
        let wrong = || format!("{text:?} is no duration: write 90s, 15m, 3h, 3d or 2w");
        let unit = text.chars().next_back().ok_or_else(wrong)?;
        let unit_ms: u64 = match unit {
            's' => 1_000,
            'm' => 60_000,
            'h' => 3_600_000,
            'd' => 86_400_000,
            'w' => 7 * 86_400_000,
            _ => return Err(wrong()),
        };
        let digits = text.strip_suffix(unit).unwrap_or_default();
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        let count: u64 = digits.parse().map_err(|_| wrong())?;
        let ms = count.checked_mul(unit_ms).filter(|ms| *ms <= MS_MAX);
        ms.map(|ms| Duration { ms }).ok_or_else(|| format!("{text} is longer than a century"))
    }
}

/// Milliseconds in the largest unit that leaves something before it: `3d 2h`, `15m`, `4s`.
pub fn shown(ms: u64) -> String {
    let seconds = ms / 1000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m"),
        (0, _, 0) => format!("{hours}h"),
        (0, ..) => format!("{hours}h {minutes}m"),
        (_, 0, _) => format!("{days}d"),
        (..) => format!("{days}d {hours}h"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn durations_have_a_number_and_a_unit() {
        for (text, ms) in
            [("90s", 90_000), ("15m", 900_000), ("3h", 10_800_000), ("3d", 259_200_000), ("2w", 1_209_600_000)]
        {
            assert_eq!(text.parse::<Duration>().unwrap().ms, ms, "{text}");
        }
        for text in ["", "3", "d", "-3d", "3 d", "1.5h", "3y", "99999999999999999999d", "99999w"] {
            assert!(text.parse::<Duration>().is_err(), "{text}");
        }
    }

    #[test]
    fn they_are_shown_in_at_most_two_units() {
        for (ms, text) in [(4_000, "4s"), (900_000, "15m"), (10_860_000, "3h 1m"), (266_400_000, "3d 2h"), (0, "0s")] {
            assert_eq!(shown(ms), text);
        }
    }
}
