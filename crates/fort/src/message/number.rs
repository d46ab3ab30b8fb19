//! The plain decimal notation of a JSON number.

use std::borrow::Cow;

/// The largest exponent, up or down, that is written out.
const EXPONENT_MAX: i32 = 30;

/// `raw` without an exponent, without zeros at the end of its fraction, and without the sign of a
/// negative zero. An exponent beyond [`EXPONENT_MAX`] leaves the number as it was written.
pub(super) fn plain(raw: &str) -> Cow<'_, str> {
    if raw.bytes().all(|byte| byte.is_ascii_digit()) {
        return Cow::Borrowed(raw);
    }
    match shifted(raw) {
        Some(text) => Cow::Owned(text),
        None => Cow::Borrowed(raw),
    }
}

fn shifted(raw: &str) -> Option<String> {
    let (mantissa, exponent) = match raw.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (raw, 0),
    };
    if exponent.abs() > EXPONENT_MAX {
        return None;
    }
    let unsigned = mantissa.strip_prefix('-').unwrap_or(mantissa);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = format!("{whole}{fraction}");
    let point = i32::try_from(whole.len()).ok()?.checked_add(exponent)?;
    let (whole, fraction) = match usize::try_from(point) {
        Ok(point) if point >= digits.len() => (format!("{digits:0<point$}"), String::new()),
        Ok(point) => (digits.get(..point)?.to_owned(), digits.get(point..)?.to_owned()),
        Err(_) => {
            let width = digits.len().checked_add(usize::try_from(point.unsigned_abs()).ok()?)?;
            (String::new(), format!("{digits:0>width$}"))
        }
    };
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    let is_zero = whole.is_empty() && fraction.is_empty();
    let sign = if mantissa.starts_with('-') && !is_zero { "-" } else { "" };
    let whole = if whole.is_empty() { "0" } else { whole };
    let dot = if fraction.is_empty() { "" } else { "." };
    Some(format!("{sign}{whole}{dot}{fraction}"))
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn numbers_are_written_as_clients_hash_them() {
        for (raw, text) in [
            ("1000", "1000"),
            ("0", "0"),
            ("100.0", "100"),
            ("100.50", "100.5"),
            ("1.50", "1.5"),
            ("1e3", "1000"),
            ("1E+3", "1000"),
            ("1.5e1", "15"),
            ("1.25e1", "12.5"),
            ("125e-2", "1.25"),
            ("1e-2", "0.01"),
            ("0e5", "0"),
            ("-0", "0"),
            ("-0.0", "0"),
            ("-12.30", "-12.3"),
            ("1e31", "1e31"),
            ("1e99999999999", "1e99999999999"),
            ("12345678901234567890123", "12345678901234567890123"),
        ] {
            assert_eq!(plain(raw), text, "{raw}");
        }
    }

    proptest::proptest! {
        #[test]
        fn the_notation_is_the_same_number(mantissa in -1_000_000i64..1_000_000, exponent in -6i32..6) {
            let raw = format!("{mantissa}e{exponent}");
            let (raw_value, plain_value): (Result<f64, _>, Result<f64, _>) = (raw.parse(), plain(&raw).parse());
            proptest::prop_assert_eq!(raw_value, plain_value);
            proptest::prop_assert!(!plain(&raw).contains('e'));
        }
    }
}
