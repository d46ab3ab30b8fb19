//! Key-encryption keys in a PKCS#11 module: an HSM, or its imitation in software.

use crate::aead::OVERHEAD_BYTES;
use crate::bounded_calls::BoundedCalls;
use crate::data_key::{DATA_KEY_BYTES, DataKeyBytes};
use crate::error::VaultError;
use crate::file_provider::StoredDataKeys;
use crate::provider::{KekCustody, KekFacts, KekState, KeyProvider, WrappedKey};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, SessionState, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tollgate_core::secret::Secret;
use zeroize::Zeroizing;

const NAME: &str = "pkcs11";
/// The version of the first key.
const FIRST_VERSION: u32 = 1;
/// The first byte of a wrapped key: AES-256-GCM inside the module.
const FORMAT: u8 = 2;
const NONCE_BYTES: usize = 12;
const TAG_BITS: u64 = 128;
/// The most sessions that wait for their next use.
const SESSIONS_KEPT_MAX: usize = 8;
/// How often a call is made: sessions that broke since their last use are replaced once.
const TRIES_MAX: u32 = 2;
/// What the label of a retired key ends with.
const RETIRED: &str = "-retired";

/// Where the keys are and how to get at them.
#[derive(Clone, Debug)]
pub struct Pkcs11Settings {
    /// The module: a shared library of the HSM's maker.
    pub module: PathBuf,
    /// The token in it.
    pub token: Pkcs11Token,
    /// The PIN of the token's user.
    pub pin: Secret,
    /// Keys are labelled `LABEL-VERSION`.
    pub key_label: String,
    /// How long a call may take, in milliseconds; it may open a session and try twice.
    pub call_ms_max: u64,
}

/// How long a call of the module may take unless something else is said, in milliseconds.
pub const PKCS11_CALL_MS_MAX: u64 = 5_000;

/// Which token of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pkcs11Token {
    /// The one with this label.
    Label(String),
    /// The one in this slot.
    Slot(u64),
}

/// Holds key-encryption keys in a PKCS#11 token; they are made there and never leave it. The highest
/// version wraps, all of them unwrap.
///
/// A wrapped key is a format byte, a nonce (12), the ciphertext (32) and a tag (16): AES-256-GCM by the
/// module, bound to the version and the context. A key that could be read out of the token, or that
/// belongs to one session only, is refused.
///
/// Each call runs on a thread of its own and is given up after [`Pkcs11Settings::call_ms_max`]: a module that
/// hangs takes some threads, and no payment with it.
pub struct Pkcs11KeyProvider {
    token: Arc<Token>,
    calls: BoundedCalls,
}

impl Pkcs11KeyProvider {
    /// Loads the module, logs in, and finds the keys; makes the first one when there is none and the
    /// store has no data key that would need a lost one.
    ///
    /// # Errors
    /// When the module, the token or the PIN is not right, a key is not as it has to be, or a call takes too
    /// long.
    pub fn create_or_open(settings: Pkcs11Settings, stored: StoredDataKeys) -> Result<Pkcs11KeyProvider, VaultError> {
        let calls = BoundedCalls::new(settings.call_ms_max);
        let token = calls.run("open the token", move || Token::create_or_open(settings, stored))?;
        Ok(Pkcs11KeyProvider { token: Arc::new(token), calls })
    }

    fn run<T: Send + 'static>(
        &self,
        doing: &'static str,
        call: impl FnOnce(&Token) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, VaultError> {
        let token = Arc::clone(&self.token);
        self.calls.run(doing, move || call(&token))
    }
}

impl KeyProvider for Pkcs11KeyProvider {
    fn name(&self) -> &'static str {
        NAME
    }

    fn wrap(&self, plain: &DataKeyBytes, context: &[u8]) -> Result<WrappedKey, VaultError> {
        let plain = DataKeyBytes::copied_from(plain.reveal()).ok_or(VaultError::Cipher)?;
        let context = context.to_vec();
        self.run("wrap a data key", move |token| token.wrap(&plain, &context))
    }

    fn unwrap(&self, wrapped: &WrappedKey, context: &[u8]) -> Result<DataKeyBytes, VaultError> {
        let (wrapped, context) = (wrapped.clone(), context.to_vec());
        self.run("unwrap a data key", move |token| token.unwrap(&wrapped, &context))
    }

    fn newest_version(&self) -> Result<u32, VaultError> {
        self.run("look for keys", Token::newest_version)
    }
}

impl KekCustody for Pkcs11KeyProvider {
    fn add_version(&self, version_above: u32) -> Result<u32, VaultError> {
        self.run("make a key", move |token| token.add_version(version_above))
    }

    fn retire_version(&self, version: u32) -> Result<(), VaultError> {
        self.run("retire a key", move |token| token.retire_version(version))
    }

    fn revive_version(&self, version: u32) -> Result<(), VaultError> {
        self.run("revive a key", move |token| token.relabel(version, KekState::Retired, KekState::Live))
    }

    fn keks(&self) -> Result<Vec<KekFacts>, VaultError> {
        self.run("look for keys", Token::keks)
    }
}

impl fmt::Debug for Pkcs11KeyProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pkcs11KeyProvider").field("settings", &self.token.settings).finish_non_exhaustive()
    }
}

/// The token, with calls that take as long as the module does.
struct Token {
    module: Pkcs11,
    settings: Pkcs11Settings,
    sessions: Mutex<Vec<Session>>,
}

impl Token {
    fn create_or_open(settings: Pkcs11Settings, stored: StoredDataKeys) -> Result<Token, VaultError> {
        let module = Pkcs11::new(&settings.module).map_err(failed("load the module"))?;
        match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            // The module is one per process, whoever loaded it first.
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
            Err(error) => return Err(failed("initialize the module")(error)),
        }
        let token = Token { module, settings, sessions: Mutex::default() };
        let found = token.with_session("look for keys", |session| token.found(session))?;
        if !found.iter().any(|key| key.state == KekState::Live) {
            if stored == StoredDataKeys::Present {
                return Err(VaultError::KekMissing { provider: NAME, version: FIRST_VERSION });
            }
            token.make(FIRST_VERSION)?;
        }
        token.newest_version()?;
        Ok(token)
    }

    fn make(&self, version: u32) -> Result<(), VaultError> {
        let template = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::ValueLen(DATA_KEY_BYTES.try_into().map_err(|_| VaultError::Cipher)?),
            Attribute::Label(self.label(version).into_bytes()),
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Encrypt(true),
            Attribute::Decrypt(true),
        ];
        self.with_session("make a key", |session| session.generate_key(&Mechanism::AesKeyGen, &template).map(drop))
    }

    /// All keys with our label.
    fn found(&self, session: &Session) -> Result<Vec<Found>, Error> {
        let mut found = Vec::new();
        let template = [Attribute::Class(ObjectClass::SECRET_KEY), Attribute::KeyType(KeyType::AES)];
        for handle in session.find_objects(&template)? {
            for attribute in session.get_attributes(handle, &[AttributeType::Label])? {
                let Attribute::Label(label) = attribute else { continue };
                let label = String::from_utf8_lossy(&label);
                if let Some((version, state)) = self.version_of(&label) {
                    found.push(Found { handle, version, state });
                }
            }
        }
        found.sort_by_key(|key| key.version);
        Ok(found)
    }

    /// The keys of that version, which must be unreadable and there to stay. There are several when two
    /// processes made it at once.
    fn kek(&self, session: &Session, version: u32) -> Result<Vec<ObjectHandle>, Error> {
        let mut handles = Vec::new();
        let live = |key: &Found| key.version == version && key.state == KekState::Live;
        for key in self.found(session)?.into_iter().filter(live) {
            let wanted = [AttributeType::Sensitive, AttributeType::Extractable, AttributeType::Token];
            let facts = session.get_attributes(key.handle, &wanted)?;
            let kept = facts.contains(&Attribute::Sensitive(true))
                && facts.contains(&Attribute::Extractable(false))
                && facts.contains(&Attribute::Token(true));
            if !kept {
                return Err(Error::InvalidValue);
            }
            handles.push(key.handle);
        }
        Ok(handles)
    }

    fn relabel(&self, version: u32, from: KekState, to: KekState) -> Result<(), VaultError> {
        let label = match to {
            KekState::Live => self.label(version),
            KekState::Retired => self.label(version) + RETIRED,
        };
        let changed = self.with_session("change a key's label", |session| {
            let found = self.found(session)?;
            let Some(key) = found.iter().find(|key| key.version == version && key.state == from) else {
                return Ok(false);
            };
            session.update_attributes(key.handle, &[Attribute::Label(label.clone().into_bytes())])?;
            Ok(true)
        })?;
        if changed { Ok(()) } else { Err(VaultError::KekMissing { provider: NAME, version }) }
    }

    fn label(&self, version: u32) -> String {
        format!("{}-{version}", self.settings.key_label)
    }

    fn version_of(&self, label: &str) -> Option<(u32, KekState)> {
        let rest = label.strip_prefix(&self.settings.key_label)?.strip_prefix('-')?;
        let (text, state) = match rest.strip_suffix(RETIRED) {
            Some(text) => (text, KekState::Retired),
            None => (rest, KekState::Live),
        };
        let version = text.parse().ok().filter(|version: &u32| *version > 0 && version.to_string() == text)?;
        Some((version, state))
    }

    /// Makes a call with a session of the pool, or a new one. A session that failed is not used again, and
    /// the call is made once more with a new one: the token may have been away meanwhile.
    fn with_session<T>(
        &self,
        doing: &'static str,
        call: impl Fn(&Session) -> Result<T, Error>,
    ) -> Result<T, VaultError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let kept = self.sessions().pop();
            let session = match kept.filter(is_logged_in) {
                Some(session) => session,
                None => self.new_session()?,
            };
            match call(&session) {
                Ok(done) => {
                    let mut sessions = self.sessions();
                    if sessions.len() < SESSIONS_KEPT_MAX {
                        sessions.push(session);
                    }
                    return Ok(done);
                }
                Err(error) if tries >= TRIES_MAX => return Err(failed(doing)(error)),
                // What broke one session broke the others, too.
                Err(_) => self.sessions().clear(),
            }
        }
    }

    fn new_session(&self) -> Result<Session, VaultError> {
        let session = self.module.open_rw_session(self.slot()?).map_err(failed("open a session"))?;
        let pin = AuthPin::new(self.settings.pin.reveal().into());
        match session.login(UserType::User, Some(&pin)) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
            Err(error) => Err(failed("log in to the token (is the PIN right?)")(error)),
        }
    }

    fn slot(&self) -> Result<Slot, VaultError> {
        let looking = "find the token";
        for slot in self.module.get_slots_with_token().map_err(failed(looking))? {
            let fits = match &self.settings.token {
                Pkcs11Token::Slot(number) => slot.id() == *number,
                Pkcs11Token::Label(label) => {
                    self.module.get_token_info(slot).map_err(failed(looking))?.label() == label
                }
            };
            if fits {
                return Ok(slot);
            }
        }
        Err(VaultError::Module { doing: looking, reason: format!("there is none with {:?}", self.settings.token) })
    }

    fn sessions(&self) -> MutexGuard<'_, Vec<Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A key of ours in the token.
struct Found {
    handle: ObjectHandle,
    version: u32,
    state: KekState,
}

impl Token {
    fn wrap(&self, plain: &DataKeyBytes, context: &[u8]) -> Result<WrappedKey, VaultError> {
        let version = self.newest_version()?;
        let mut nonce = [0; NONCE_BYTES];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| VaultError::Random)?;
        let bound = bound(version, context);
        let sealed = self.with_session("wrap a data key", |session| {
            let Some(kek) = self.kek(session, version)?.first().copied() else { return Ok(None) };
            let mut iv = nonce;
            let params = GcmParams::new(&mut iv, &bound, TAG_BITS.into())?;
            session.encrypt(&Mechanism::AesGcm(params), kek, plain.reveal()).map(Some)
        })?;
        let sealed = sealed.ok_or(VaultError::KekMissing { provider: NAME, version })?;
        if sealed.len() != DATA_KEY_BYTES + OVERHEAD_BYTES - NONCE_BYTES {
            let reason = format!("it answered {} bytes", sealed.len());
            return Err(VaultError::Module { doing: "wrap a data key", reason });
        }
        Ok(WrappedKey { kek_version: version, bytes: [&[FORMAT], nonce.as_slice(), &sealed].concat() })
    }

    fn unwrap(&self, wrapped: &WrappedKey, context: &[u8]) -> Result<DataKeyBytes, VaultError> {
        let version = wrapped.kek_version;
        let fault = || VaultError::Unwrap { provider: NAME, version };
        let Some((&FORMAT, rest)) = wrapped.bytes.split_first() else { return Err(fault()) };
        let Some((nonce, sealed)) = rest.split_first_chunk::<NONCE_BYTES>() else { return Err(fault()) };
        let bound = bound(version, context);
        let opened = self.with_session("unwrap a data key", |session| {
            let keks = self.kek(session, version)?;
            let mut opened = if keks.is_empty() { Opened::NoKek } else { Opened::Refused };
            for kek in keks {
                let mut iv = *nonce;
                let params = GcmParams::new(&mut iv, &bound, TAG_BITS.into())?;
                match session.decrypt(&Mechanism::AesGcm(params), kek, sealed) {
                    Ok(plain) => opened = Opened::Plain(Zeroizing::new(plain)),
                    Err(error) if is_of_the_text(&error) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(opened)
        })?;
        match opened {
            Opened::Plain(plain) => DataKeyBytes::copied_from(&plain).ok_or_else(fault),
            Opened::Refused => Err(fault()),
            Opened::NoKek => Err(VaultError::KekMissing { provider: NAME, version }),
        }
    }

    fn newest_version(&self) -> Result<u32, VaultError> {
        let found = self.with_session("look for keys", |session| self.found(session))?;
        let newest = found.iter().filter(|key| key.state == KekState::Live).map(|key| key.version).max();
        newest.ok_or(VaultError::KekMissing { provider: NAME, version: FIRST_VERSION })
    }
}

impl Token {
    fn add_version(&self, version_above: u32) -> Result<u32, VaultError> {
        let newest = self.keks()?.last().map_or(0, |kek| kek.version);
        let too_high = || VaultError::Module { doing: "make a key", reason: "there is no higher version".to_owned() };
        self.make(newest.max(version_above).checked_add(1).ok_or_else(too_high)?)?;
        self.newest_version()
    }

    fn retire_version(&self, version: u32) -> Result<(), VaultError> {
        if self.newest_version()? == version {
            return Err(VaultError::KekInUse { version });
        }
        self.relabel(version, KekState::Live, KekState::Retired)
    }

    fn keks(&self) -> Result<Vec<KekFacts>, VaultError> {
        let found = self.with_session("look for keys", |session| self.found(session))?;
        // A token does not tell when a key was made.
        let facts = |key: &Found| KekFacts { version: key.version, state: key.state, made_at: None, split: None };
        Ok(found.iter().map(facts).collect())
    }
}

/// What a module said to wrapped bytes.
enum Opened {
    Plain(Zeroizing<Vec<u8>>),
    Refused,
    NoKek,
}

/// Whether the token still knows who we are. It would not say so by itself: to a stranger it shows no keys, as if
/// there were none.
fn is_logged_in(session: &Session) -> bool {
    let state = session.get_session_info().map(|info| info.session_state());
    matches!(state, Ok(SessionState::RoUser | SessionState::RwUser))
}

/// Whether the module refused the bytes and not the call. Modules differ in the word they have for a tag
/// that does not fit; a general error is one of them.
fn is_of_the_text(error: &Error) -> bool {
    let Error::Pkcs11(code, _) = error else { return false };
    matches!(
        code,
        RvError::EncryptedDataInvalid
            | RvError::EncryptedDataLenRange
            | RvError::GeneralError
            | RvError::FunctionFailed
    )
}

/// The associated data of a wrapped key.
fn bound(version: u32, context: &[u8]) -> Vec<u8> {
    let mut bytes = vec![FORMAT, b'K'];
    bytes.extend_from_slice(&version.to_be_bytes());
    bytes.extend_from_slice(context);
    bytes
}

fn failed(doing: &'static str) -> impl Fn(Error) -> VaultError {
    move |error| VaultError::Module {
        doing,
        reason: match error {
            Error::InvalidValue => {
                "a key has the right label, but could be read out of the token: make a new one".to_owned()
            }
            other => other.to_string(),
        },
    }
}
