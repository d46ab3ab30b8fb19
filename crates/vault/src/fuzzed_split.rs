//! A split key file in the hands of somebody who knows the format: for the fuzz target, and only there.

use crate::error::VaultError;
use crate::passphrase::{Custodian, SplitPlan};
use crate::split::{OpenedKek, SplitKek, Stretching, sum};
use tollgate_core::secret::Secret;

/// The version of the file.
const VERSION: u32 = 7;
/// As cheap as Argon2 can be.
const CHEAP: Stretching = Stretching { memory_kib: 8, passes: 1, lanes: 1 };
const CUSTODIANS: [Keeper; 3] = [
    Keeper { name: "ada", passphrase: "seven horses eat green staples" },
    Keeper { name: "grace", passphrase: "four brown trains wait outside" },
    Keeper { name: "lin", passphrase: "two old kettles sing at dawn" },
];

struct Keeper {
    name: &'static str,
    passphrase: &'static str,
}

/// A key split among three custodians, of whom two open it.
pub struct FuzzedSplit {
    lines: String,
}

/// What becomes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FuzzedFile {
    /// It is no key file.
    Refused,
    /// It is one, and not the custodians' key.
    Shut,
    /// All custodians together open it.
    Opened,
}

impl FuzzedSplit {
    /// A new key.
    ///
    /// # Errors
    /// When there is no randomness or the cipher fails.
    pub fn make() -> Result<FuzzedSplit, VaultError> {
        let custodian =
            |Keeper { name, passphrase }| Custodian { name: str::to_owned(name), passphrase: Secret::new(passphrase) };
        let plan = SplitPlan { custodians: CUSTODIANS.map(custodian).into(), quorum: 2 };
        let text = SplitKek::make(VERSION, &OpenedKek::random()?, &plan, CHEAP)?.render();
        let lines = text.rsplit_once("sum ").map_or_else(String::new, |(lines, _)| lines.to_owned());
        Ok(FuzzedSplit { lines })
    }

    /// The lines of the file, without the sum that stands under them.
    #[must_use]
    pub fn lines(&self) -> &str {
        &self.lines
    }

    /// What becomes of a file of these lines with the right sum under them.
    #[must_use]
    pub fn judge(&self, lines: &str) -> FuzzedFile {
        let text = format!("{lines}sum {}\n", sum(lines));
        let Ok(split) = SplitKek::parse(text.as_bytes(), VERSION) else { return FuzzedFile::Refused };
        // Only what costs no more than this is tried: a real file that asks for too much is refused before.
        if lines.lines().nth(1) != self.lines.lines().nth(1) {
            return FuzzedFile::Shut;
        }
        let typed = CUSTODIANS.map(|keeper| Secret::new(keeper.passphrase));
        let keys: Vec<_> =
            typed.iter().enumerate().filter_map(|(at, typed)| split.custodian_key(at, typed).ok()).collect();
        if split.open(&keys).is_ok() { FuzzedFile::Opened } else { FuzzedFile::Shut }
    }
}
