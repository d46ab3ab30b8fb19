//! How the link is set up.

use crate::dialect::Dialect;
use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The longest that a message may wait for its answer, in milliseconds. A merchant has an answer within 50 seconds, and
/// the store may need 10 of them before and after the network: it waits up to 5 seconds for a lock that another process
/// holds. An answer that comes later still settles its payment, as a late one.
pub const ANSWER_TIMEOUT_MS_MAX: u64 = 40_000;

/// How the link is set up. Every field has a default; that of the address is the sandbox card network's, and a real
/// acquirer gives an institution identification code of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LinkSettings {
    /// `host:port` of the network's host.
    pub address: String,
    /// The message spec: a name that `tollgate-iso8583` has built in.
    pub spec: String,
    /// How messages are cut out of the stream, as `tollgate-iso8583` reads it (`binary2`, `ascii4`, with or without a TPDU).
    pub framing: String,
    /// Acquiring institution identification code (ISO 8583:1987 field 32): 1 to 11 digits.
    #[serde(deserialize_with = "institution")]
    pub acquiring_institution_id: String,
    /// How long a message waits for its answer, in milliseconds, 1 to [`ANSWER_TIMEOUT_MS_MAX`].
    pub answer_timeout_ms: u64,
    /// How long connecting may take, in milliseconds, 1 to 600,000.
    pub connect_timeout_ms: u64,
    /// How long sign-on and echo wait for their answers, in milliseconds, 1 to 600,000: after an echo without any sign of
    /// life in this time the link is dead.
    pub network_timeout_ms: u64,
    /// After this long without a frame from the host an echo is sent, in milliseconds, 1 to 3,600,000.
    pub echo_interval_ms: u64,
    /// The shortest pause before the next try to connect, in milliseconds, at least 1. Each try doubles it.
    pub backoff_ms_min: u64,
    /// The longest pause before the next try to connect, in milliseconds, not below the shortest.
    pub backoff_ms_max: u64,
    /// How many messages may wait for answers at once, 1 to 1,000,000.
    pub in_flight_max: usize,
    /// The longest frame taken from the host, in bytes, 64 to 65,535; a longer one ends the connection.
    pub frame_bytes_max: usize,
    /// How long a shutdown may wait for answers and for the sign-off, in milliseconds, at most 600,000.
    pub shutdown_timeout_ms: u64,
}

impl Default for LinkSettings {
    fn default() -> LinkSettings {
        LinkSettings {
            address: "127.0.0.1:8583".to_owned(),
            spec: "iso8583-1987-ascii".to_owned(),
            framing: "binary2".to_owned(),
            acquiring_institution_id: "00000000001".to_owned(),
            answer_timeout_ms: 20_000,
            connect_timeout_ms: 5_000,
            network_timeout_ms: 10_000,
            echo_interval_ms: 60_000,
            backoff_ms_min: 100,
            backoff_ms_max: 30_000,
            in_flight_max: 4096,
            frame_bytes_max: 8192,
            shutdown_timeout_ms: 5_000,
        }
    }
}

impl LinkSettings {
    /// The defaults, for a host and an institution.
    #[must_use]
    pub fn new(address: impl Into<String>, acquiring_institution_id: impl Into<String>) -> LinkSettings {
        LinkSettings {
            address: address.into(),
            acquiring_institution_id: acquiring_institution_id.into(),
            ..LinkSettings::default()
        }
    }

    /// Whether a link can be set up like this.
    ///
    /// # Errors
    /// [`SettingsError`] says what cannot be. The guilty one is the operator.
    pub fn check(&self) -> Result<(), SettingsError> {
        self.check_ranges()?;
        Dialect::new(self).map(drop)
    }

    /// Whether each number is in its range.
    ///
    /// # Errors
    /// [`SettingsError::Range`] names the first that is not. The guilty one is the operator.
    pub(crate) fn check_ranges(&self) -> Result<(), SettingsError> {
        let in_flight = u64::try_from(self.in_flight_max).unwrap_or(u64::MAX);
        let frame_bytes = u64::try_from(self.frame_bytes_max).unwrap_or(u64::MAX);
        let ranges = [
            Range { setting: "answer_timeout_ms", value: self.answer_timeout_ms, min: 1, max: ANSWER_TIMEOUT_MS_MAX },
            Range { setting: "connect_timeout_ms", value: self.connect_timeout_ms, min: 1, max: TIMEOUT_MS_MAX },
            Range { setting: "network_timeout_ms", value: self.network_timeout_ms, min: 1, max: TIMEOUT_MS_MAX },
            Range { setting: "echo_interval_ms", value: self.echo_interval_ms, min: 1, max: 3_600_000 },
            Range { setting: "backoff_ms_min", value: self.backoff_ms_min, min: 1, max: self.backoff_ms_max },
            Range { setting: "backoff_ms_max", value: self.backoff_ms_max, min: 1, max: 3_600_000 },
            Range { setting: "in_flight_max", value: in_flight, min: 1, max: 1_000_000 },
            Range { setting: "frame_bytes_max", value: frame_bytes, min: 64, max: 65_535 },
            Range { setting: "shutdown_timeout_ms", value: self.shutdown_timeout_ms, min: 0, max: TIMEOUT_MS_MAX },
        ];
        let institution = self.acquiring_institution_id.as_bytes();
        if !(1..=11).contains(&institution.len()) || !institution.iter().all(u8::is_ascii_digit) {
            return Err(SettingsError::Institution);
        }
        match ranges.into_iter().find(|range| !(range.min..=range.max).contains(&range.value)) {
            None => Ok(()),
            Some(range) => Err(SettingsError::Range { setting: range.setting, min: range.min, max: range.max }),
        }
    }
}

/// Why a link cannot be set up. The guilty one is the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A number is out of its range.
    #[error("acquirer.{setting} must be from {min} to {max}")]
    Range {
        /// Its name.
        setting: &'static str,
        /// The smallest.
        min: u64,
        /// The largest.
        max: u64,
    },
    /// Field 32 cannot be made.
    #[error("acquirer.acquiring_institution_id must be 1 to 11 digits")]
    Institution,
    /// No such spec.
    #[error("acquirer.spec: {0}")]
    Spec(String),
    /// No such framing.
    #[error("acquirer.framing: {0}")]
    Framing(String),
}

/// The most any wait may be, in milliseconds.
const TIMEOUT_MS_MAX: u64 = 600_000;

struct Range {
    setting: &'static str,
    value: u64,
    min: u64,
    max: u64,
}

/// Reads digits as text or as a number: an environment variable cannot say which it is.
fn institution<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    struct Digits;
    impl Visitor<'_> for Digits {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("1 to 11 digits")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<String, E> {
            Ok(number.to_string())
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<String, E> {
            Ok(number.to_string())
        }
    }
    deserializer.deserialize_any(Digits)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn numbers_out_of_range_are_named() {
        let good = LinkSettings::new("127.0.0.1:1", "400001");
        assert_eq!(good.check_ranges(), Ok(()));
        let named = |settings: LinkSettings| match settings.check_ranges() {
            Err(SettingsError::Range { setting, .. }) => setting,
            other => panic!("{other:?}"),
        };
        for answer_timeout_ms in [0, ANSWER_TIMEOUT_MS_MAX + 1] {
            assert_eq!(named(LinkSettings { answer_timeout_ms, ..good.clone() }), "answer_timeout_ms");
        }
        assert_eq!(named(LinkSettings { in_flight_max: 0, ..good.clone() }), "in_flight_max");
        assert_eq!(named(LinkSettings { frame_bytes_max: 63, ..good.clone() }), "frame_bytes_max");
        assert_eq!(named(LinkSettings { backoff_ms_min: 2, backoff_ms_max: 1, ..good.clone() }), "backoff_ms_min");
    }

    #[test]
    fn the_institution_is_one_to_eleven_digits() {
        for id in ["", "123456789012", "40000A"] {
            assert_eq!(LinkSettings::new("h:1", id).check_ranges(), Err(SettingsError::Institution), "{id}");
        }
        assert_eq!(LinkSettings::new("h:1", "12345678901").check_ranges(), Ok(()));
    }

    #[test]
    fn a_configuration_names_what_it_changes_and_nothing_else_exists() {
        let read = |text: &str| toml::from_str::<LinkSettings>(text);
        assert_eq!(read("").unwrap(), LinkSettings::default());
        let changed = read("address = \"h:1\"\nanswer_timeout_ms = 7\nacquiring_institution_id = 12").unwrap();
        let expected = LinkSettings { answer_timeout_ms: 7, ..LinkSettings::new("h:1", "12") };
        assert_eq!(changed, expected);
        assert!(read("adress = \"h:1\"").unwrap_err().to_string().contains("adress"));
        assert_eq!(read(&toml::to_string(&expected).unwrap()).unwrap(), expected);
    }
}
