//! Who the custodians of a split key are to be, and which passphrases are good enough.

use crate::error::VaultError;
use std::collections::BTreeSet;
use tollgate_core::secret::Secret;

/// The fewest custodians of a split key.
pub const CUSTODIANS_MIN: usize = 2;
/// The most custodians of a split key.
pub const CUSTODIANS_MAX: usize = 5;
/// The fewest custodians that may open one.
pub const QUORUM_MIN: usize = 2;
/// The longest name of a custodian, in characters.
pub const CUSTODIAN_CHARS_MAX: usize = 32;
/// The shortest passphrase, in characters.
pub const PASSPHRASE_CHARS_MIN: usize = 16;
/// The longest passphrase, in bytes.
pub const PASSPHRASE_BYTES_MAX: usize = 256;
/// The fewest different characters of a passphrase.
pub const PASSPHRASE_DIFFERENT_CHARS_MIN: usize = 8;
/// A name shorter than this may be part of a passphrase by chance.
const NAME_CHARS_TELLING: usize = 3;

/// Who is to open a key together.
#[derive(Clone, Debug)]
pub struct SplitPlan {
    /// The custodians, two to five.
    pub custodians: Vec<Custodian>,
    /// How many of them open it, at least two.
    pub quorum: usize,
}

/// A custodian with his passphrase.
#[derive(Clone, Debug)]
pub struct Custodian {
    /// His name: letters, digits, `.`, `_`, `-`.
    pub name: String,
    /// His passphrase, exactly as he will type it.
    pub passphrase: Secret,
}

/// Why a custodian, a quorum or a passphrase is refused. Never holds a passphrase.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanFault {
    /// Too few or too many custodians.
    #[error("{CUSTODIANS_MIN} to {CUSTODIANS_MAX} custodians share a key, not {count}")]
    Count {
        /// How many were named.
        count: usize,
    },
    /// A quorum that is one person, or more people than there are.
    #[error(
        "a quorum of {quorum} out of {count} custodians does not go: at least {QUORUM_MIN} (one alone must open nothing), at most all of them"
    )]
    Quorum {
        /// The quorum.
        quorum: usize,
        /// The custodians.
        count: usize,
    },
    /// A name that cannot be one.
    #[error("a custodian's name has 1 to {CUSTODIAN_CHARS_MAX} letters, digits and . _ -")]
    Name,
    /// A name that comes twice.
    #[error("custodian {name} is named twice: each has to be another person")]
    NamedTwice {
        /// The name.
        name: String,
    },
    /// A passphrase that can be guessed.
    #[error(
        "the passphrase has fewer than {PASSPHRASE_CHARS_MIN} characters: a thief of the key file can guess at it as long as he likes; take five or more words drawn at random"
    )]
    Short,
    /// A passphrase that nobody types.
    #[error("the passphrase has more than {PASSPHRASE_BYTES_MAX} bytes")]
    Long,
    /// A passphrase with a character that no keyboard types twice the same.
    #[error("the passphrase holds a control character, or begins or ends with a space, which is easily lost")]
    Character,
    /// A passphrase of few characters, or of one piece again and again.
    #[error(
        "the passphrase has fewer than {PASSPHRASE_DIFFERENT_CHARS_MIN} different characters, or repeats itself, so it is quickly guessed"
    )]
    Repetitive,
    /// A passphrase with the name in it.
    #[error("the passphrase holds the custodian's name, which is the first thing to be guessed")]
    HoldsName,
    /// There is nobody to change.
    #[error(
        "key-encryption key version {version} is not split, so it has no custodians: `tollgate keys ceremony --convert` splits it"
    )]
    NotSplit {
        /// The version.
        version: u32,
    },
    /// Two have the same.
    #[error(
        "two custodians chose the same passphrase, so one of them could act for both, and now both know it: both choose another"
    )]
    Same,
}

impl SplitPlan {
    /// Whether the key may be split so.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), VaultError> {
        check_quorum(self.custodians.len(), self.quorum)?;
        let (mut names, mut passphrases) = (BTreeSet::new(), Vec::new());
        for Custodian { name, passphrase } in &self.custodians {
            check_name(name)?;
            if !names.insert(name.to_ascii_lowercase()) {
                return Err(PlanFault::NamedTwice { name: name.clone() }.into());
            }
            check_passphrase(name, passphrase)?;
            if passphrases.contains(&passphrase) {
                return Err(PlanFault::Same.into());
            }
            passphrases.push(passphrase);
        }
        Ok(())
    }
}

/// Whether so many of so many custodians may open a key.
///
/// # Errors
/// [`PlanFault::Count`], [`PlanFault::Quorum`].
pub fn check_quorum(count: usize, quorum: usize) -> Result<(), PlanFault> {
    if !(CUSTODIANS_MIN..=CUSTODIANS_MAX).contains(&count) {
        Err(PlanFault::Count { count })
    } else if !(QUORUM_MIN..=count).contains(&quorum) {
        Err(PlanFault::Quorum { quorum, count })
    } else {
        Ok(())
    }
}

/// Whether a custodian may be called so.
///
/// # Errors
/// [`PlanFault::Name`].
pub fn check_name(name: &str) -> Result<(), PlanFault> {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if plain && (1..=CUSTODIAN_CHARS_MAX).contains(&name.len()) { Ok(()) } else { Err(PlanFault::Name) }
}

/// Whether a passphrase is good enough for that custodian, as far as one can see.
///
/// # Errors
/// What is wrong with it.
pub fn check_passphrase(name: &str, passphrase: &Secret) -> Result<(), PlanFault> {
    let text = passphrase.reveal();
    let different = text.chars().collect::<BTreeSet<_>>().len();
    if text.chars().count() < PASSPHRASE_CHARS_MIN {
        Err(PlanFault::Short)
    } else if text.len() > PASSPHRASE_BYTES_MAX {
        Err(PlanFault::Long)
    } else if text.chars().any(char::is_control) || text.trim() != text {
        Err(PlanFault::Character)
    } else if different < PASSPHRASE_DIFFERENT_CHARS_MIN || repeats(text.as_bytes()) {
        Err(PlanFault::Repetitive)
    } else if name.len() >= NAME_CHARS_TELLING && holds(text.as_bytes(), name.as_bytes()) {
        Err(PlanFault::HoldsName)
    } else {
        Ok(())
    }
}

/// Whether a text is one piece, at most half of it, again and again.
fn repeats(text: &[u8]) -> bool {
    (1..=text.len() / 2).any(|piece| text.iter().zip(text.iter().skip(piece)).all(|(byte, later)| byte == later))
}

/// Without a copy of the text in other letters, which nobody would wipe.
fn holds(text: &[u8], name: &[u8]) -> bool {
    text.windows(name.len()).any(|part| part.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn weak_passphrases_are_refused_with_the_reason() {
        let table = [
            ("", Some(PlanFault::Short)),
            ("correct horse b", Some(PlanFault::Short)),
            ("correct horse ba", None),
            ("five small owls ate a blue door", None),
            ("كلمة مرور طويلة جدا", None),
            ("aaaaaaaaaaaaaaaaaaaaaaaa", Some(PlanFault::Repetitive)),
            ("abcabcdabcabcdabcabcd", Some(PlanFault::Repetitive)),
            ("passw0rdpassw0rdpassw0rd", Some(PlanFault::Repetitive)),
            ("123456123456787654321", None),
            ("my name is Grace since 1906", Some(PlanFault::HoldsName)),
            ("correct horse battery\t", Some(PlanFault::Character)),
            ("correct horse battery ", Some(PlanFault::Character)),
        ];
        for (text, fault) in table {
            assert_eq!(check_passphrase("grace", &Secret::new(text)).err(), fault, "{text}");
        }
        let long: String = (0..300u32).filter_map(|at| char::from_u32(33 + at * 7 % 90)).collect();
        assert_eq!(check_passphrase("grace", &Secret::new(long)).err(), Some(PlanFault::Long));
        assert_eq!(check_passphrase("li", &Secret::new("the lights of a town at night")), Ok(()), "too short to tell");
    }

    #[test]
    fn plans_that_let_one_person_open_it_are_refused() {
        let custodian =
            |name: &str, passphrase: &str| Custodian { name: name.into(), passphrase: Secret::new(passphrase) };
        let (one, other) = ("five small owls ate a blue door", "nine tall trees drank the cold sea");
        let check = |custodians: &[Custodian], quorum| {
            SplitPlan { custodians: custodians.to_vec(), quorum }.check().err().map(|error| error.to_string())
        };
        let two = [custodian("ada", one), custodian("grace", other)];
        assert_eq!(check(&two, 2), None);
        for (custodians, quorum, says) in [
            (&two[..1], 1, "2 to 5 custodians"),
            (&two[..], 1, "one alone must open nothing"),
            (&two[..], 3, "at most all of them"),
            (&[custodian("ada", one), custodian("Ada", other)], 2, "named twice"),
            (&[custodian("ada", one), custodian("grace", one)], 2, "the same passphrase"),
            (&[custodian("ada", one), custodian("gr ace", other)], 2, "letters, digits"),
            (&[custodian("ada", one), custodian("", other)], 2, "letters, digits"),
        ] {
            let refused = check(custodians, quorum).unwrap();
            assert!(refused.contains(says) && !refused.contains(one), "{refused}");
        }
        let six: Vec<_> = (0..6).map(|at| custodian(&format!("c{at}"), &format!("{at} {one}"))).collect();
        assert!(check(&six, 2).unwrap().contains("2 to 5"), "six are too many");
    }
}
