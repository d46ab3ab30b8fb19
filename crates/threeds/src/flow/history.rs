//! What happened to an authentication, for people who ask later.

use super::edges::{Happening, State};
use serde::{Deserialize, Serialize};
use std::fmt;
use tollgate_core::card_scan;
use tollgate_core::time::Timestamp;

/// The most moments that are kept. The way to an end takes six at most; what is passed over fills up the rest.
const MOMENTS_MAX: usize = 24;
/// How many of them what is passed over may take.
const PASSED_OVER_MAX: usize = 12;
/// The most characters of a note.
const NOTE_CHARS_MAX: usize = 200;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// When.
    pub at: Timestamp,
    /// What; `None` for the beginning.
    pub on: Option<Happening>,
    /// The state that it led to; `None` when it changed nothing.
    pub to: Option<State>,
    /// More about it, or nothing. It holds no card number.
    pub note: String,
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.on {
            Some(on) => write!(f, "{} {on}", self.at)?,
            None => write!(f, "{} begun", self.at)?,
        }
        if !self.note.is_empty() {
            write!(f, " ({})", self.note)?;
        }
        match self.to {
            Some(to) => write!(f, ": {to}"),
            None => f.write_str(": changes nothing"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct History(Vec<Moment>);

impl History {
    pub(super) fn begin(state: State, at: Timestamp) -> History {
        History(vec![Moment { at, on: None, to: Some(state), note: String::new() }])
    }

    pub(super) fn moments(&self) -> &[Moment] {
        &self.0
    }

    pub(super) fn happened(&mut self, at: Timestamp, on: Happening, to: State, note: &str) {
        if self.0.len() < MOMENTS_MAX {
            self.0.push(Moment { at, on: Some(on), to: Some(to), note: shown(note) });
        }
    }

    /// Something that changed nothing. Of what a browser can repeat for ever only the first few are kept.
    pub(super) fn passed_over(&mut self, at: Timestamp, on: Happening, note: &str) {
        let count = self.0.iter().filter(|moment| moment.to.is_none()).count();
        if count < PASSED_OVER_MAX {
            self.0.push(Moment { at, on: Some(on), to: None, note: shown(note) });
        }
    }
}

/// A note may tell what another system said.
fn shown(note: &str) -> String {
    let cut: String = note.chars().filter(|character| !character.is_control()).take(NOTE_CHARS_MAX).collect();
    card_scan::mask_card_numbers(&cut).into_owned()
}
