//! A key-encryption key that is split among custodians: one file, which a quorum of them opens together and
//! fewer do not.
//!
//! Each custodian has a random key, sealed under his passphrase (stretched by Argon2id with a salt of his
//! own). For each set of custodians that is a quorum, the file holds the key-encryption key (KEK) once, sealed
//! under what HKDF-SHA-256 makes of their keys. So no method of sharing secrets is needed: five custodians
//! have ten quorums at most. Custodians' keys are held under the KEK too, so that a quorum can give one of
//! them another passphrase while the rest are away; whoever has the KEK needs none of them.
//!
//! A passphrase shows at once whether it is right. That lets a thief of the file guess at one custodian after
//! the other instead of at all together, and it is no loss: a custodian who turns thief needs no more than that
//! either, so each passphrase has to stand alone, which is why they are long and stretched.
//!
//! What is sealed is bound to its version and its place, and a MAC under the KEK covers the whole file. The sum
//! at its end finds accidents before anybody is asked for a passphrase.

use crate::aead;
use crate::error::{KeyFileFault, VaultError};
use crate::kek_file::{self, KEY_BYTES};
use crate::passphrase::{self, SplitPlan};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::aead::LessSafeKey;
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use tollgate_core::secret::Secret;
use zeroize::Zeroizing;

/// What the first line of a split file begins with; the version follows.
pub(crate) const HEADER: &str = "tollgate-kek split-aes-256-gcm";
/// The length of a salt.
const SALT_BYTES: usize = 16;
/// The most custodians that have a line in a file.
const CUSTODIANS_MAX: usize = passphrase::CUSTODIANS_MAX;

/// How passphrases are stretched: Argon2id (RFC 9106).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretching {
    pub(crate) memory_kib: u32,
    pub(crate) passes: u32,
    pub(crate) lanes: u32,
}

impl Stretching {
    /// What files are made with: the second choice of RFC 9106 section 4, on one lane.
    pub(crate) const MADE: Stretching = Stretching { memory_kib: 64 * 1024, passes: 3, lanes: 1 };
    /// Weaker files are refused: somebody made them by hand.
    const FLOOR: Stretching = Stretching { memory_kib: 19 * 1024, passes: 2, lanes: 1 };
    /// Heavier files are refused: they would take the machine from payments.
    const CEILING: Stretching = Stretching { memory_kib: 1024 * 1024, passes: 16, lanes: 4 };

    /// Whether it is within the limits.
    pub(crate) fn check(self) -> Result<(), KeyFileFault> {
        let (floor, ceiling) = (Stretching::FLOOR, Stretching::CEILING);
        let within = (floor.memory_kib..=ceiling.memory_kib).contains(&self.memory_kib)
            && (floor.passes..=ceiling.passes).contains(&self.passes)
            && (floor.lanes..=ceiling.lanes).contains(&self.lanes);
        if within { Ok(()) } else { Err(KeyFileFault::SplitStretching) }
    }

    fn stretch(self, passphrase: &Secret, salt: &[u8]) -> Result<Zeroizing<[u8; KEY_BYTES]>, VaultError> {
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(KEY_BYTES));
        let params = params.map_err(|_| VaultError::Cipher)?;
        let mut memory = vec![Block::new(); params.block_count()];
        let mut stretched = Zeroizing::new([0; KEY_BYTES]);
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let done = argon2.hash_password_into_with_memory(
            passphrase.reveal().as_bytes(),
            salt,
            stretched.as_mut_slice(),
            &mut memory,
        );
        // A fill with a barrier behind it: volatile writes of single words take many times as long.
        memory.fill(Block::new());
        zeroize::optimization_barrier(memory.as_slice());
        done.map(|()| stretched).map_err(|_| VaultError::Cipher)
    }
}

/// A split key file, read and of the right form. Nothing in it is secret from whoever may read the folder.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SplitKek {
    version: u32,
    stretching: Stretching,
    quorum: usize,
    custodians: Vec<Entry>,
    openings: Vec<Opening>,
    mac: Vec<u8>,
}

/// A custodian's line.
#[derive(Clone, PartialEq, Eq)]
struct Entry {
    name: String,
    salt: Vec<u8>,
    /// His key under his stretched passphrase,
    sealed: Vec<u8>,
    /// and under the KEK.
    held: Vec<u8>,
}

/// The KEK for one quorum.
#[derive(Clone, PartialEq, Eq)]
struct Opening {
    /// Positions among the custodians, ascending.
    members: Vec<usize>,
    sealed: Vec<u8>,
}

/// A custodian's key, which only his passphrase opens. Wiped on drop.
pub(crate) struct CustodianKey {
    /// Which custodian, counted from 0.
    pub(crate) position: usize,
    key: Zeroizing<Vec<u8>>,
}

/// The KEK in clear. Wiped on drop.
pub(crate) struct OpenedKek(Zeroizing<Vec<u8>>);

impl OpenedKek {
    /// A new one from the system's random source.
    pub(crate) fn random() -> Result<OpenedKek, VaultError> {
        random(KEY_BYTES).map(OpenedKek)
    }

    /// Ready for use.
    pub(crate) fn prepare(&self) -> Result<LessSafeKey, VaultError> {
        aead::prepare(&self.0)
    }

    fn derived(&self, purpose: &str) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        derive(&self.0, purpose)
    }
}

impl SplitKek {
    /// Splits `kek` as planned.
    pub(crate) fn make(
        version: u32,
        kek: &OpenedKek,
        plan: &SplitPlan,
        stretching: Stretching,
    ) -> Result<SplitKek, VaultError> {
        plan.check()?;
        let mut split = SplitKek {
            version,
            stretching,
            quorum: plan.quorum,
            custodians: Vec::new(),
            openings: Vec::new(),
            mac: Vec::new(),
        };
        let mut keys = Vec::new();
        for (position, new) in plan.custodians.iter().enumerate() {
            let key = random(KEY_BYTES)?;
            split.custodians.push(split.custodian(kek, position, &new.name, &new.passphrase, &key)?);
            keys.push(key);
        }
        split.close(kek, &keys)?;
        Ok(split)
    }

    /// The same key with another custodian, or another passphrase of his, in one place. The others' passphrases
    /// stay as they are, and need not be known.
    pub(crate) fn with_custodian(
        &self,
        kek: &OpenedKek,
        position: usize,
        name: &str,
        passphrase: &Secret,
    ) -> Result<SplitKek, VaultError> {
        let mut keys = Vec::new();
        let holder = aead::prepare(&kek.derived(HELD)?)?;
        for (at, custodian) in self.custodians.iter().enumerate() {
            if at == position {
                keys.push(random(KEY_BYTES)?);
                continue;
            }
            let key = aead::open(&holder, &self.bound(HELD, at, &custodian.name), &custodian.held);
            keys.push(key.map_err(|_| self.changed())?);
        }
        let mut split = self.clone();
        let (Some(key), Some(slot)) = (keys.get(position), split.custodians.get_mut(position)) else {
            return Err(VaultError::NoSuchCustodian { names: self.names().join(", ") });
        };
        *slot = self.custodian(kek, position, name, passphrase, key)?;
        split.close(kek, &keys)?;
        Ok(split)
    }

    /// The key's version.
    pub(crate) fn version(&self) -> u32 {
        self.version
    }

    /// How many custodians open it.
    pub(crate) fn quorum(&self) -> usize {
        self.quorum
    }

    /// Who the custodians are.
    pub(crate) fn names(&self) -> Vec<String> {
        self.custodians.iter().map(|custodian| custodian.name.clone()).collect()
    }

    /// Where in the file a custodian stands; case does not count.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.custodians.iter().position(|custodian| custodian.name.eq_ignore_ascii_case(name))
    }

    /// What tells this file from an earlier or a later one of the same version.
    pub(crate) fn identity(&self) -> &[u8] {
        &self.mac
    }

    /// The limits of what a file may ask of the machine, and what it must at least.
    pub(crate) fn check_stretching(&self) -> Result<(), KeyFileFault> {
        self.stretching.check()
    }

    /// The key of the custodian in that place. Takes as long as the stretching does, and its memory.
    ///
    /// # Errors
    /// [`VaultError::WrongPassphrase`].
    pub(crate) fn custodian_key(&self, position: usize, passphrase: &Secret) -> Result<CustodianKey, VaultError> {
        let custodian = self.custodians.get(position).ok_or(VaultError::WrongPassphrase)?;
        let stretched = aead::prepare(self.stretching.stretch(passphrase, &custodian.salt)?.as_slice())?;
        let key = aead::open(&stretched, &self.bound(SEALED, position, &custodian.name), &custodian.sealed);
        key.map(|key| CustodianKey { position, key }).map_err(|_| VaultError::WrongPassphrase)
    }

    /// Opens the key with the keys of a quorum, by their places.
    ///
    /// # Errors
    /// When they are fewer, the file was changed, or the key in it is a sample.
    pub(crate) fn open<'a>(&self, keys: impl IntoIterator<Item = &'a CustodianKey>) -> Result<OpenedKek, KeyFileFault> {
        let keys: BTreeMap<usize, &CustodianKey> = keys.into_iter().map(|key| (key.position, key)).collect();
        let opening = self.openings.iter().find(|opening| opening.members.iter().all(|at| keys.contains_key(at)));
        let opening = opening.ok_or(KeyFileFault::SplitQuorum)?;
        let members: Vec<&[u8]> =
            opening.members.iter().filter_map(|at| keys.get(at)).map(|key| key.key.as_slice()).collect();
        let cipher = self.opening_cipher(&opening.members, &members).map_err(|_| KeyFileFault::SplitChanged)?;
        let kek = aead::open(&cipher, &self.opening_bound(&opening.members), &opening.sealed);
        let kek = OpenedKek(kek.map_err(|_| KeyFileFault::SplitChanged)?);
        kek_file::judge(&kek.0)?;
        let secret = kek.derived(MAC).map_err(|_| KeyFileFault::SplitChanged)?;
        let mac_key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        hmac::verify(&mac_key, self.body().as_bytes(), &self.mac).map_err(|_| KeyFileFault::SplitChanged)?;
        Ok(kek)
    }

    /// The file's text.
    pub(crate) fn render(&self) -> String {
        let mut text = self.body();
        let _ = writeln!(text, "mac {}", STANDARD.encode(&self.mac));
        let sum = sum(&text);
        let _ = writeln!(text, "sum {sum}");
        text
    }

    /// Reads the text of a file of that version.
    pub(crate) fn parse(text: &[u8], version: u32) -> Result<SplitKek, KeyFileFault> {
        let text = std::str::from_utf8(text).map_err(|_| KeyFileFault::SplitDamaged)?;
        let (summed, _) = text.rsplit_once("sum ").ok_or(KeyFileFault::SplitDamaged)?;
        let split = parse_lines(summed, version).ok_or(KeyFileFault::SplitDamaged)?;
        // Written again it is the same, so no byte is left that nobody has judged.
        if split.render() == text { Ok(split) } else { Err(KeyFileFault::SplitDamaged) }
    }

    fn custodian(
        &self,
        kek: &OpenedKek,
        position: usize,
        name: &str,
        passphrase: &Secret,
        key: &[u8],
    ) -> Result<Entry, VaultError> {
        let salt = random(SALT_BYTES)?.to_vec();
        let stretched = aead::prepare(self.stretching.stretch(passphrase, &salt)?.as_slice())?;
        let sealed = aead::seal(&stretched, &self.bound(SEALED, position, name), &[], key)?;
        let holder = aead::prepare(&kek.derived(HELD)?)?;
        let held = aead::seal(&holder, &self.bound(HELD, position, name), &[], key)?;
        Ok(Entry { name: name.to_owned(), salt, sealed, held })
    }

    /// Writes an opening for each quorum, and the MAC.
    fn close(&mut self, kek: &OpenedKek, keys: &[Zeroizing<Vec<u8>>]) -> Result<(), VaultError> {
        self.openings.clear();
        for members in quorums(self.custodians.len(), self.quorum) {
            let chosen: Vec<&[u8]> = members.iter().filter_map(|at| keys.get(*at)).map(|key| key.as_slice()).collect();
            let cipher = self.opening_cipher(&members, &chosen)?;
            let sealed = aead::seal(&cipher, &self.opening_bound(&members), &[], &kek.0)?;
            self.openings.push(Opening { members, sealed });
        }
        let mac_key = hmac::Key::new(hmac::HMAC_SHA256, &kek.derived(MAC)?);
        self.mac = hmac::sign(&mac_key, self.body().as_bytes()).as_ref().to_vec();
        Ok(())
    }

    fn opening_cipher(&self, members: &[usize], keys: &[&[u8]]) -> Result<LessSafeKey, VaultError> {
        // All of one length, so that nothing can be moved from one to the next.
        let mut joined = Zeroizing::new(Vec::with_capacity(CUSTODIANS_MAX * KEY_BYTES));
        keys.iter().for_each(|key| joined.extend_from_slice(key));
        aead::prepare(&derive(&joined, &format!("{OPENING} {} {}", self.version, shown(members)))?)
    }

    /// The associated data of an opening: who the custodians are belongs to it.
    fn opening_bound(&self, members: &[usize]) -> Vec<u8> {
        format!("{OPENING}\n{}{}\n{}", self.head(), self.names().join(" "), shown(members)).into_bytes()
    }

    /// The associated data of a custodian's key.
    fn bound(&self, purpose: &str, position: usize, name: &str) -> Vec<u8> {
        format!("{purpose}\n{}{} {name}", self.head(), position + 1).into_bytes()
    }

    fn head(&self) -> String {
        let Stretching { memory_kib, passes, lanes } = self.stretching;
        format!("{HEADER} {}\nargon2id {memory_kib} {passes} {lanes}\nquorum {}\n", self.version, self.quorum)
    }

    /// Everything that the MAC covers.
    fn body(&self) -> String {
        let mut text = self.head();
        for Entry { name, salt, sealed, held } in &self.custodians {
            let [salt, sealed, held] = [salt, sealed, held].map(|bytes| STANDARD.encode(bytes));
            let _ = writeln!(text, "custodian {name} {salt} {sealed} {held}");
        }
        for Opening { members, sealed } in &self.openings {
            let _ = writeln!(text, "opens {} {}", shown(members), STANDARD.encode(sealed));
        }
        text
    }

    fn changed(&self) -> VaultError {
        VaultError::SplitKek { version: self.version, fault: KeyFileFault::SplitChanged }
    }
}

impl fmt::Debug for SplitKek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SplitKek(version {}, {} of {:?})", self.version, self.quorum, self.names())
    }
}

/// What keys are derived for, and what is bound to what was sealed.
const SEALED: &str = "tollgate split custodian";
const HELD: &str = "tollgate split held";
const OPENING: &str = "tollgate split opening";
const MAC: &str = "tollgate split mac";

fn parse_lines(text: &str, version: u32) -> Option<SplitKek> {
    let mut lines = text.lines().peekable();
    (lines.next()? == format!("{HEADER} {version}")).then_some(())?;
    let mut numbers = lines.next()?.strip_prefix("argon2id ")?.split(' ').map(|number| number.parse().ok());
    let stretching = Stretching { memory_kib: numbers.next()??, passes: numbers.next()??, lanes: numbers.next()?? };
    let quorum = lines.next()?.strip_prefix("quorum ")?.parse().ok()?;
    let mut custodians: Vec<Entry> = Vec::new();
    while let Some(line) = lines.peek().and_then(|line| line.strip_prefix("custodian ")) {
        let [name, salt, sealed, held] = line.split(' ').collect::<Vec<_>>().try_into().ok()?;
        let known = custodians.iter().any(|other| other.name.eq_ignore_ascii_case(name));
        if known || custodians.len() == CUSTODIANS_MAX || passphrase::check_name(name).is_err() {
            return None;
        }
        let [salt, sealed, held] = [salt, sealed, held].map(|text| STANDARD.decode(text).ok());
        let salt = salt.filter(|salt| salt.len() == SALT_BYTES)?;
        custodians.push(Entry { name: name.to_owned(), salt, sealed: sealed?, held: held? });
        lines.next();
    }
    passphrase::check_quorum(custodians.len(), quorum).ok()?;
    let mut openings = Vec::new();
    for members in quorums(custodians.len(), quorum) {
        let sealed = lines.next()?.strip_prefix("opens ")?.strip_prefix(&shown(&members))?.strip_prefix(' ')?;
        openings.push(Opening { members, sealed: STANDARD.decode(sealed).ok()? });
    }
    let mac = STANDARD.decode(lines.next()?.strip_prefix("mac ")?).ok()?;
    Some(SplitKek { version, stretching, quorum, custodians, openings, mac })
}

/// All sets of `quorum` out of `count` places, in order.
fn quorums(count: usize, quorum: usize) -> Vec<Vec<usize>> {
    let count = count.min(CUSTODIANS_MAX);
    let sets = (0u32..1 << count).map(|set| (0..count).filter(|at| set >> at & 1 == 1).collect::<Vec<_>>());
    let mut sets: Vec<_> = sets.filter(|set| set.len() == quorum).collect();
    sets.sort();
    sets
}

/// Places as people count them: `1+3`.
fn shown(members: &[usize]) -> String {
    members.iter().map(|at| (at + 1).to_string()).collect::<Vec<_>>().join("+")
}

pub(crate) fn sum(text: &str) -> String {
    hex::encode(digest::digest(&digest::SHA256, text.as_bytes()))
}

fn random(bytes: usize) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let mut out = Zeroizing::new(vec![0; bytes]);
    aws_lc_rs::rand::fill(&mut out).map_err(|_| VaultError::Random)?;
    Ok(out)
}

/// HKDF-SHA-256 (RFC 5869), one key long.
fn derive(secret: &[u8], purpose: &str) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let mut out = Zeroizing::new(vec![0; KEY_BYTES]);
    let extracted = Salt::new(HKDF_SHA256, b"tollgate").extract(secret);
    let info = [purpose.as_bytes()];
    let expanded = extracted.expand(&info, OneKey).map_err(|_| VaultError::Cipher)?;
    expanded.fill(&mut out).map_err(|_| VaultError::Cipher)?;
    Ok(out)
}

/// The length of what is derived.
struct OneKey;

impl KeyType for OneKey {
    fn len(&self) -> usize {
        KEY_BYTES
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::passphrase::Custodian;
    use proptest::prelude::*;

    /// As cheap as Argon2 can be: the floor is for files, and these never are.
    const CHEAP: Stretching = Stretching { memory_kib: 8, passes: 1, lanes: 1 };
    const NAMES: [&str; 5] = ["ada", "grace", "lin", "omar", "wei"];

    fn secret(number: usize) -> Secret {
        Secret::new(format!("{number} horses eat green staples"))
    }

    fn plan(count: usize, quorum: usize) -> SplitPlan {
        let custodian = |at: usize| Custodian { name: NAMES[at].to_owned(), passphrase: secret(at) };
        SplitPlan { custodians: (0..count).map(custodian).collect(), quorum }
    }

    fn made(count: usize, quorum: usize) -> (OpenedKek, SplitKek) {
        let kek = OpenedKek::random().unwrap();
        let split = SplitKek::make(7, &kek, &plan(count, quorum), CHEAP).unwrap();
        (kek, split)
    }

    fn keys(split: &SplitKek, who: &[usize]) -> Vec<CustodianKey> {
        who.iter().map(|at| split.custodian_key(*at, &secret(*at)).unwrap()).collect()
    }

    /// With the sum made right again: what somebody writes who knows the format and not the key.
    fn resummed(text: &str) -> String {
        let (body, _) = text.rsplit_once("sum ").unwrap();
        format!("{body}sum {}\n", sum(body))
    }

    /// Reads it and opens it with everybody: the version's number, or why not.
    fn opened(text: &str) -> Result<(), String> {
        let split = SplitKek::parse(text.as_bytes(), 7).map_err(|fault| format!("{fault:?}"))?;
        let come: Result<Vec<_>, _> =
            (0..split.custodians.len()).map(|at| split.custodian_key(at, &secret(at))).collect();
        split.open(&come.map_err(|error| error.to_string())?).map(drop).map_err(|fault| format!("{fault:?}"))
    }

    #[test]
    fn every_set_of_custodians_opens_it_exactly_when_it_has_a_quorum() {
        for count in 2..=5 {
            for quorum in 2..=count {
                let (kek, split) = made(count, quorum);
                let read = SplitKek::parse(split.render().as_bytes(), 7).unwrap();
                assert!(read == split);
                let all = keys(&read, &(0..count).collect::<Vec<_>>());
                for set in 0u32..1 << count {
                    let come: Vec<_> = all.iter().filter(|key| set >> key.position & 1 == 1).collect();
                    match read.open(come.iter().copied()) {
                        Ok(opened) => {
                            assert!(come.len() >= quorum && *opened.0 == *kek.0, "{quorum} of {count}, {set:b}")
                        }
                        Err(fault) => assert!(come.len() < quorum && fault == KeyFileFault::SplitQuorum, "{set:b}"),
                    }
                }
            }
        }
    }

    #[test]
    fn a_custodian_who_comes_twice_is_no_quorum() {
        let (_, split) = made(3, 2);
        assert_eq!(split.open(&keys(&split, &[1, 1])).err(), Some(KeyFileFault::SplitQuorum));
    }

    #[test]
    fn another_custodians_passphrase_or_a_near_one_is_wrong() {
        let (_, split) = made(3, 2);
        for (at, text) in [(0, secret(1)), (0, Secret::new("0 horses eat green staple")), (0, Secret::new(""))] {
            assert!(matches!(split.custodian_key(at, &text), Err(VaultError::WrongPassphrase)));
        }
        assert!(matches!(split.custodian_key(3, &secret(3)), Err(VaultError::WrongPassphrase)));
    }

    #[test]
    fn a_flipped_bit_anywhere_refuses_even_where_the_sum_is_made_right_again() {
        let (_, split) = made(3, 2);
        let text = split.render();
        opened(&text).unwrap();
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1 << (at % 7);
            assert!(SplitKek::parse(&bytes, 7).is_err(), "byte {at} of {text}");
            let changed = String::from_utf8(bytes).unwrap();
            if changed.contains("sum ") {
                let forged = resummed(&changed);
                assert!(forged == text || opened(&forged).is_err(), "byte {at} of {forged}");
            }
        }
    }

    #[test]
    fn swapped_and_borrowed_entries_refuse() {
        let (_, split) = made(3, 2);
        let text = split.render();
        let lines: Vec<&str> = text.lines().collect();
        let custodians = 3..6;
        let fields = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let same_kind = |at: usize, other: usize| custodians.contains(&at) == custodians.contains(&other);
        for at in 3..9 {
            for other in (3..9).filter(|other| *other != at && same_kind(at, *other)) {
                // Whole lines, and every single field.
                for field in 0..fields(lines[at]).len() {
                    let mut swapped: Vec<Vec<String>> = lines.iter().map(|line| fields(line)).collect();
                    if field == 0 {
                        swapped.swap(at, other);
                    } else {
                        let taken = swapped[at][field].clone();
                        swapped[at][field] = std::mem::replace(&mut swapped[other][field], taken);
                    }
                    let joined: Vec<String> = swapped.iter().map(|fields| fields.join(" ")).collect();
                    let forged = resummed(&(joined.join("\n") + "\n"));
                    assert!(forged != text && opened(&forged).is_err(), "field {field} of {at} and {other}");
                }
            }
        }
        // The same custodians and passphrases, another key: nothing of it fits here.
        let other = made(3, 2).1.render();
        for (at, line) in other.lines().enumerate().skip(3).take(7) {
            let mut mixed = lines.clone();
            mixed[at] = line;
            assert!(opened(&resummed(&(mixed.join("\n") + "\n"))).is_err(), "line {at}");
        }
        let later = resummed(&text.replace("256-gcm 7", "256-gcm 8"));
        let later = SplitKek::parse(later.as_bytes(), 8).unwrap();
        assert!(later.custodian_key(0, &secret(0)).is_err(), "an entry belongs to its version");
    }

    #[test]
    fn weak_and_sample_keys_are_refused_by_value_in_a_split_file_too() {
        for (key, fault) in [
            (vec![0; 32], KeyFileFault::AllZero),
            (vec![0x42; 32], KeyFileFault::Text),
            ((0..32).collect(), KeyFileFault::Sample),
        ] {
            let split = SplitKek::make(7, &OpenedKek(Zeroizing::new(key)), &plan(2, 2), CHEAP).unwrap();
            assert_eq!(split.open(&keys(&split, &[0, 1])).err(), Some(fault));
        }
    }

    #[test]
    fn the_stretching_of_a_file_has_a_floor_and_a_ceiling_and_new_files_keep_them() {
        let with = |memory_kib, passes, lanes| Stretching { memory_kib, passes, lanes }.check();
        assert_eq!(Stretching::MADE.check(), Ok(()));
        assert_eq!(with(19 * 1024, 2, 1), Ok(()));
        for weak in [with(19 * 1024 - 1, 2, 1), with(65_536, 1, 1), with(65_536, 3, 0), CHEAP.check()] {
            assert_eq!(weak, Err(KeyFileFault::SplitStretching));
        }
        for heavy in [with(1024 * 1024 + 1, 2, 1), with(65_536, 17, 1), with(65_536, 3, 5)] {
            assert_eq!(heavy, Err(KeyFileFault::SplitStretching));
        }
    }

    /// RFC 9106 section 5.3 uses a secret and associated data; this one is the reference implementation's
    /// `echo -n password | argon2 somesalt -id -t 2 -k 65536 -p 1 -l 32`, from its README and its tests.
    #[test]
    fn the_published_vector_of_argon2id_comes_out() {
        let stretching = Stretching { memory_kib: 65_536, passes: 2, lanes: 1 };
        let out = stretching.stretch(&Secret::new("password"), b"somesalt").unwrap();
        assert_eq!(hex::encode(*out), "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7");
    }

    #[test]
    fn a_changed_custodian_needs_nobody_who_is_away_and_the_one_who_left_opens_nothing() {
        for (count, quorum) in [(2, 2), (3, 2), (5, 3)] {
            for leaving in 0..count {
                let (kek, split) = made(count, quorum);
                let new = Secret::new("a wholly other phrase, 97 stones");
                let changed = split.with_custodian(&kek, leaving, "zoe", &new).unwrap();
                let changed = SplitKek::parse(changed.render().as_bytes(), 7).unwrap();
                assert!(changed.custodian_key(leaving, &secret(leaving)).is_err(), "his passphrase is gone");
                let mut all: Vec<_> = (0..count).filter(|at| *at != leaving).collect();
                let mut come = keys(&changed, &all);
                come.push(changed.custodian_key(leaving, &new).unwrap());
                all.push(leaving);
                for set in quorums(count, quorum) {
                    let chosen = come.iter().filter(|key| set.contains(&key.position));
                    assert_eq!(*changed.open(chosen).unwrap().0, *kek.0);
                }
                // His old key, from the file before, is worth nothing in the new one.
                let mut mixed = keys(&split, &[leaving]);
                mixed.extend(keys(&changed, &all[..count - 1]).into_iter().take(quorum - 1));
                assert_eq!(changed.open(&mixed).err(), Some(KeyFileFault::SplitChanged));
            }
        }
    }

    #[test]
    fn neither_the_file_nor_debug_shows_a_key_or_a_passphrase() {
        let (kek, split) = made(3, 2);
        let shown = format!("{} {split:?} {:?}", split.render(), plan(3, 2));
        for hidden in [secret(0).reveal(), "horses", &STANDARD.encode(&*kek.0), &hex::encode(&*kek.0)] {
            assert!(!shown.contains(hidden), "{shown}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn any_text_is_read_without_a_panic_and_never_taken_for_ours(text in "[ -~\\n]{0,200}", cut in 0usize..2_000) {
            prop_assert!(SplitKek::parse(text.as_bytes(), 7).is_err());
            let (_, split) = made(3, 2);
            let whole = split.render();
            let cut = cut.min(whole.len() - 1);
            prop_assert!(SplitKek::parse(&whole.as_bytes()[..cut], 7).is_err());
            let longer = [whole.as_str(), text.as_str(), "x"].concat();
            prop_assert!(SplitKek::parse(longer.as_bytes(), 7).is_err());
        }
    }
}
