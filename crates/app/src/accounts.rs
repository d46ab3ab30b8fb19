//! Operators' work on merchant accounts: adding them, changing what they may do, rotating phrases,
//! activating the trusted channel.

use crate::directory::{credentials_label, credentials_to_json};
use std::sync::Arc;
use tollgate_core::feedback::{Channel, FeedbackKind, FeedbackLane};
use tollgate_core::ident::MerchantId;
use tollgate_core::invoice::Seller;
use tollgate_core::merchant::{Attestation, Credential, Merchant, ShaType, Terms};
use tollgate_core::page::FRAME_ANCESTORS_MAX;
use tollgate_core::page_face::{Logo, is_shop_name};
use tollgate_core::secret::Secret;
use tollgate_core::time::{Clock, Timestamp};
use tollgate_core::token::Token;
use tollgate_store::{
    CardCustomer, FEEDBACK_ROWS_ROUSED_MAX, FeedbackRouse, MerchantRecord, MerchantSave, Store, StoreError,
};
use tollgate_vault::{Vault, VaultError};

use crate::directory::{Account, Directory};

/// How many request phrases may be live at once: the new and the old one of a rotation.
pub const REQUEST_PHRASES_MAX: usize = 2;
/// The fewest characters of a phrase.
pub const PHRASE_CHARS_MIN: usize = 8;
/// The most characters of a phrase.
pub const PHRASE_CHARS_MAX: usize = 128;

/// The accounts of a store, for operators.
pub struct Accounts {
    store: Arc<dyn Store>,
    vault: Arc<Vault>,
    clock: Arc<dyn Clock>,
    directory: Directory,
}

/// An account to be made.
#[derive(Clone, Debug)]
pub struct NewMerchant {
    /// Its handle: 1 to 40 of `a-z 0-9 -`.
    pub name: String,
    /// FORT's `merchant_identifier`; `None` makes a random one.
    pub merchant_identifier: Option<String>,
    /// FORT's `access_code`; `None` makes a random one.
    pub access_code: Option<String>,
    /// The request phrase; `None` makes a random one.
    pub request_phrase: Option<Secret>,
    /// The response phrase; `None` makes a random one.
    pub response_phrase: Option<Secret>,
    /// The digest of both.
    pub sha_type: ShaType,
    /// What it may do.
    pub terms: Terms,
}

/// A step of a phrase rotation.
#[derive(Clone, Debug)]
pub enum PhraseRotation {
    /// Adds a request phrase; the one before stays valid until [`PhraseRotation::Finish`].
    BeginRequest(Secret),
    /// Forgets all request phrases but the newest.
    Finish,
    /// Replaces all request phrases at once.
    SetRequest(Secret),
    /// Replaces the response phrase at once.
    SetResponse(Secret),
    /// Changes the digest of both directions.
    SetShaType(ShaType),
}

/// A change of what a merchant may do.
#[derive(Clone, Debug)]
pub enum TermsChange {
    /// The whole account on or off.
    Active(Activity),
    /// All terms.
    Terms(Box<Terms>),
    /// The trusted channel, on the strength of this attestation; `None` switches it off.
    TrustedChannel(Option<Attestation>),
}

/// Whether an account may do anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Yes.
    Active,
    /// No.
    Inactive,
}

/// Why an account could not be made or changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// No account has this handle.
    #[error("there is no merchant {0}; `tollgate merchant list` shows them all")]
    NotFound(String),
    /// Something of the account belongs to another one.
    #[error("{0}")]
    Taken(String),
    /// A value does not fit.
    #[error("{0}")]
    Invalid(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// Whose the card of a token is.
#[derive(Clone, Debug)]
pub struct CardCustomers {
    /// The token.
    pub token: Token,
    /// The customers.
    pub customers: Vec<CardCustomer>,
}

impl Accounts {
    /// The accounts of `store`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, vault: Arc<Vault>, clock: Arc<dyn Clock>) -> Accounts {
        let directory = Directory::new(Arc::clone(&store), Arc::clone(&vault));
        Accounts { store, vault, clock, directory }
    }

    /// The account with this handle.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub async fn by_name(&self, name: &str) -> Result<Arc<Account>, AccountError> {
        let all = self.directory.all().await?;
        all.into_iter()
            .find(|account| account.merchant.name == name)
            .ok_or_else(|| AccountError::NotFound(name.to_owned()))
    }

    /// The token of a merchant with this name, and the customers that its card is kept for, longest first, at most
    /// `limit`. `None` when there is no such token.
    ///
    /// # Errors
    /// When the account is not there, or the store cannot be read.
    pub async fn card_customers(
        &self,
        name: &str,
        token_name: &str,
        limit: usize,
    ) -> Result<Option<CardCustomers>, AccountError> {
        let merchant = self.by_name(name).await?.merchant.id;
        let Some(found) = self.store.token(merchant, token_name).await? else { return Ok(None) };
        let customers = self.store.card_customers(merchant, found.fingerprint, limit).await?;
        Ok(Some(CardCustomers { token: found.token, customers }))
    }

    /// How many cards of a merchant have more tokens than its terms allow: they were there before the rule.
    ///
    /// # Errors
    /// When the account is not there, or the store cannot be read.
    pub async fn doubled_cards(&self, name: &str) -> Result<u64, AccountError> {
        let account = self.by_name(name).await?;
        Ok(self.store.doubled_cards(account.merchant.id, account.merchant.terms.cards.unique).await?)
    }

    /// All accounts, by id.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn all(&self) -> Result<Vec<Arc<Account>>, AccountError> {
        Ok(self.directory.all().await?)
    }

    /// Makes an account; what is not given is drawn at random.
    ///
    /// # Errors
    /// When a value does not fit or is taken, or the store or the vault fails.
    pub async fn add(&self, new: NewMerchant) -> Result<Arc<Account>, AccountError> {
        check_name(&new.name)?;
        check_terms(&new.terms)?;
        let merchant_identifier = new.merchant_identifier.map_or_else(|| random_text(8), Ok)?;
        let access_code = new.access_code.map_or_else(|| random_text(20), Ok)?;
        check_fort_name("merchant_identifier", &merchant_identifier)?;
        check_fort_name("access_code", &access_code)?;
        let credential = Credential {
            access_code,
            sha_type: new.sha_type,
            request_phrases: vec![new.request_phrase.map_or_else(random_phrase, Ok)?],
            response_phrase: new.response_phrase.map_or_else(random_phrase, Ok)?,
        };
        credential.request_phrases.iter().chain([&credential.response_phrase]).try_for_each(check_phrase)?;
        let merchant = Merchant {
            id: MerchantId(0),
            name: new.name,
            merchant_identifier,
            active: true,
            credentials: vec![credential],
            terms: new.terms,
        };
        let record = self.record(&merchant, 0).await?;
        saved(&merchant, self.store.add_merchant(record).await?)?;
        self.directory.look_again();
        self.by_name(&merchant.name).await
    }

    /// Changes what a merchant may do.
    ///
    /// # Errors
    /// When there is no such merchant, a value does not fit, or the store or the vault fails.
    pub async fn change(&self, name: &str, change: TermsChange) -> Result<Arc<Account>, AccountError> {
        let account = self.by_name(name).await?;
        let mut merchant = account.merchant.clone();
        match change {
            TermsChange::Active(activity) => merchant.active = activity == Activity::Active,
            TermsChange::Terms(terms) => merchant.terms = *terms,
            TermsChange::TrustedChannel(attestation) => {
                if let Some(attestation) = &attestation {
                    check_attestation(attestation, self.clock.now())?;
                }
                merchant.terms.trusted_channel = attestation;
            }
        }
        check_terms(&merchant.terms)?;
        let saved = self.save(&account, &merchant).await?;
        if saved.merchant.terms.feedback != account.merchant.terms.feedback {
            self.send_waiting_feedback(&saved.merchant).await?;
        }
        Ok(saved)
    }

    /// Replaces or removes the logo of a merchant's pages. The account has to name it as well
    /// ([`tollgate_core::page_face::PageFace::logo`]), or no page shows it.
    ///
    /// # Errors
    /// When there is no such merchant or the store fails.
    pub async fn set_logo(&self, name: &str, logo: Option<Logo>) -> Result<(), AccountError> {
        let account = self.by_name(name).await?;
        let merchant = &account.merchant;
        saved(merchant, self.store.set_merchant_logo(merchant.id, logo).await?)?;
        Ok(())
    }

    /// An address that was mended serves what waits for it, at once.
    async fn send_waiting_feedback(&self, merchant: &Merchant) -> Result<(), AccountError> {
        let now = self.clock.now();
        for channel in Channel::ALL {
            for kind in FeedbackKind::ALL {
                let lane = FeedbackLane { merchant: merchant.id, channel, kind };
                if merchant.terms.feedback.endpoint(channel, kind).is_some() {
                    // A full call may have left some; a running gateway may put off a few again meanwhile.
                    let all = FEEDBACK_ROWS_ROUSED_MAX as u64;
                    while self.store.rouse_feedback(FeedbackRouse::CaughtUp { lane, now }).await? >= all {}
                }
            }
        }
        Ok(())
    }

    /// Rotates phrases of an access code; `None` is the merchant's first.
    ///
    /// # Errors
    /// When there is no such merchant or access code, the phrase does not fit, a rotation is under way
    /// already, or the store or the vault fails.
    pub async fn rotate(
        &self,
        name: &str,
        access_code: Option<&str>,
        rotation: PhraseRotation,
    ) -> Result<Arc<Account>, AccountError> {
        let account = self.by_name(name).await?;
        let mut merchant = account.merchant.clone();
        let mut credentials = merchant.credentials.iter_mut();
        let credential = match access_code {
            None => credentials.next(),
            Some(code) => credentials.find(|credential| credential.access_code == code),
        };
        let credential = credential.ok_or_else(|| {
            AccountError::Invalid(format!("merchant {name} has no access code {}", access_code.unwrap_or("at all")))
        })?;
        match rotation {
            PhraseRotation::BeginRequest(phrase) => {
                check_phrase(&phrase)?;
                if credential.request_phrases.len() >= REQUEST_PHRASES_MAX {
                    return Err(AccountError::Invalid(
                        "a rotation is under way: two request phrases are live; finish it first (--finish-rotation)"
                            .into(),
                    ));
                }
                credential.request_phrases.insert(0, phrase);
            }
            PhraseRotation::Finish => credential.request_phrases.truncate(1),
            PhraseRotation::SetRequest(phrase) => {
                check_phrase(&phrase)?;
                credential.request_phrases = vec![phrase];
            }
            PhraseRotation::SetResponse(phrase) => {
                check_phrase(&phrase)?;
                credential.response_phrase = phrase;
            }
            PhraseRotation::SetShaType(sha_type) => credential.sha_type = sha_type,
        }
        self.save(&account, &merchant).await
    }

    async fn save(&self, before: &Account, merchant: &Merchant) -> Result<Arc<Account>, AccountError> {
        let record = self.record(merchant, before.version).await?;
        saved(merchant, self.store.save_merchant(record, changed_names(&before.merchant, merchant)).await?)?;
        self.directory.look_again();
        self.by_name(&merchant.name).await
    }

    async fn record(&self, merchant: &Merchant, version: u32) -> Result<MerchantRecord, AccountError> {
        let label = credentials_label(&merchant.merchant_identifier);
        let plain = credentials_to_json(&merchant.credentials);
        let sealed_credentials = self.vault.seal_secret(&label, &plain, self.clock.now()).await?;
        Ok(MerchantRecord {
            id: merchant.id,
            name: merchant.name.clone(),
            merchant_identifier: merchant.merchant_identifier.clone(),
            active: merchant.active,
            access_codes: merchant.credentials.iter().map(|credential| credential.access_code.clone()).collect(),
            sealed_credentials,
            terms: merchant.terms.clone(),
            version,
        })
    }
}

/// The names of what differs, for the audit log: never the values.
fn changed_names(before: &Merchant, after: &Merchant) -> String {
    let mut names = Vec::new();
    if before.active != after.active {
        names.push(if after.active { "activated" } else { "deactivated" }.to_owned());
    }
    for (old, new) in before.credentials.iter().zip(&after.credentials) {
        let live = |credential: &Credential| credential.request_phrases.len();
        let is_same = |old: &Secret, new: &Secret| old.reveal() == new.reveal();
        let same_request = live(old) == live(new)
            && old.request_phrases.iter().zip(&new.request_phrases).all(|(old, new)| is_same(old, new));
        for (differs, name) in [
            (!same_request, "request phrase"),
            (!is_same(&old.response_phrase, &new.response_phrase), "response phrase"),
            (old.sha_type != new.sha_type, "sha type"),
        ] {
            if differs {
                names.push(format!("{name} of {}", new.access_code));
            }
        }
    }
    // Field by field of what is kept, so that a new field is told of without a line here.
    let fields = |terms: &Terms| serde_json::to_value(terms).unwrap_or_default();
    let (old, new) = (fields(&before.terms), fields(&after.terms));
    for (name, value) in new.as_object().into_iter().flatten() {
        if old.get(name) != Some(value) {
            names.push(name.clone());
        }
    }
    names.join(", ")
}

fn saved(merchant: &Merchant, save: MerchantSave) -> Result<(), AccountError> {
    match save {
        MerchantSave::Saved(_) => Ok(()),
        MerchantSave::NameTaken => Err(AccountError::Taken(format!("there is a merchant {} already", merchant.name))),
        MerchantSave::IdentifierTaken => Err(AccountError::Taken(format!(
            "merchant_identifier {} is another merchant's",
            merchant.merchant_identifier
        ))),
        MerchantSave::AccessCodeTaken(code) => {
            Err(AccountError::Taken(format!("access_code {code} is another merchant's")))
        }
        MerchantSave::Changed => Err(AccountError::Taken(format!(
            "merchant {} was changed by somebody else just now: try again",
            merchant.name
        ))),
    }
}

fn check_name(name: &str) -> Result<(), AccountError> {
    let fits = (1..=40).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if fits {
        Ok(())
    } else {
        Err(AccountError::Invalid(format!("a merchant's name is 1 to 40 of a-z, 0-9 and '-', not {name:?}")))
    }
}

fn check_fort_name(what: &str, value: &str) -> Result<(), AccountError> {
    let fits = (1..=20).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_alphanumeric());
    if fits {
        Ok(())
    } else {
        Err(AccountError::Invalid(format!("{what} is 1 to 20 letters and digits, not {value:?}")))
    }
}

fn check_phrase(phrase: &Secret) -> Result<(), AccountError> {
    let length = phrase.reveal().chars().count();
    if (PHRASE_CHARS_MIN..=PHRASE_CHARS_MAX).contains(&length) && !phrase.reveal().contains(char::is_control) {
        return Ok(());
    }
    // Phrases that APS accounts already have may be shorter, so a short one is taken when it is not blank.
    if length > 0 && length < PHRASE_CHARS_MIN && !phrase.reveal().contains(char::is_control) {
        tracing::warn!("a signature phrase is shorter than {PHRASE_CHARS_MIN} characters");
        return Ok(());
    }
    Err(AccountError::Invalid(format!(
        "a signature phrase has 1 to {PHRASE_CHARS_MAX} characters without control characters"
    )))
}

fn check_terms(terms: &Terms) -> Result<(), AccountError> {
    let acquirer = &terms.acquirer;
    let printable = |what: &str, value: &str, length: usize| {
        let fits = (1..=length).contains(&value.len()) && value.bytes().all(|b| (b' '..=b'~').contains(&b));
        if fits {
            Ok(())
        } else {
            Err(AccountError::Invalid(format!("{what} is 1 to {length} printable ASCII characters, not {value:?}")))
        }
    };
    printable("card_acceptor_id", &acquirer.card_acceptor_id, 15)?;
    printable("terminal_id", &acquirer.terminal_id, 8)?;
    if acquirer.category_code.len() != 4 || !acquirer.category_code.bytes().all(|b| b.is_ascii_digit()) {
        return Err(AccountError::Invalid("category_code is the four digits of ISO 18245".into()));
    }
    if acquirer.country.len() != 2 || !acquirer.country.bytes().all(|b| b.is_ascii_uppercase()) {
        return Err(AccountError::Invalid("country is two capitals (ISO 3166), for example AE".into()));
    }
    let page = &terms.channel.page;
    if !page.face.shop_name.iter().chain(&page.face.shop_name_ar).all(|name| is_shop_name(name)) {
        return Err(AccountError::Invalid(
            "a shop name on our pages is 1 to 60 characters, without control characters and marks of direction".into(),
        ));
    }
    let seller = &terms.seller;
    if !seller.name.iter().chain(&seller.address).chain(&seller.tax_number).all(|text| Seller::takes(text)) {
        return Err(AccountError::Invalid(
            "a seller's name, address and tax number are 1 to 200 characters in one line, without marks of direction"
                .into(),
        ));
    }
    if page.frame_ancestors.len() > FRAME_ANCESTORS_MAX {
        return Err(AccountError::Invalid(format!("at most {FRAME_ANCESTORS_MAX} origins may frame the page")));
    }
    Ok(())
}

fn check_attestation(attestation: &Attestation, now: Timestamp) -> Result<(), AccountError> {
    let invalid = |text: &str| Err(AccountError::Invalid(text.to_owned()));
    if !(1..=4).contains(&attestation.level) {
        return invalid("the PCI DSS level is 1 to 4");
    }
    if attestation.assessor.trim().is_empty() || attestation.verified_by.trim().is_empty() {
        return invalid("say who assessed the merchant and who verified the attestation");
    }
    if attestation.valid_until <= now {
        return invalid("the attestation has expired already: ask the merchant for a valid one");
    }
    Ok(())
}

/// Letters and digits without those that look alike.
fn random_text(length: usize) -> Result<String, AccountError> {
    const LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefgh";
    let mut bytes = vec![0u8; length];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| AccountError::Invalid("the system gives no random numbers".into()))?;
    Ok(bytes.iter().filter_map(|byte| LETTERS.get(usize::from(byte % 32)).copied()).map(char::from).collect())
}

fn random_phrase() -> Result<Secret, AccountError> {
    let mut bytes = [0u8; 16];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| AccountError::Invalid("the system gives no random numbers".into()))?;
    Ok(Secret::new(hex::encode(bytes)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{AuditFilter, begin_audit, read_audit};
    use tollgate_core::audit::{AuditEntry, AuditWho};
    use tollgate_core::merchant::{
        AcquirerTerms, CardTerms, ChannelTerms, FeedbackTerms, RecurringTerms, ThreeDsTerms, TokenService,
        VerificationTerms,
    };
    use tollgate_store_sqlite::{SqliteOptions, SqliteStore};
    use tollgate_vault::{FileKeyProvider, MemoryDataKeys, StoredDataKeys};

    struct Noon;

    impl Clock for Noon {
        fn now(&self) -> Timestamp {
            Timestamp(1_795_176_000_000_000)
        }
    }

    fn terms() -> Terms {
        let acquirer = AcquirerTerms {
            card_acceptor_id: "M".into(),
            terminal_id: "T".into(),
            category_code: "5999".into(),
            shop_name: "S".into(),
            city: "DUBAI".into(),
            country: "AE".into(),
        };
        let feedback = FeedbackTerms::default();
        Terms {
            currencies: vec![],
            payment_options: vec![],
            trusted_channel: None,
            acquirer,
            feedback,
            channel: ChannelTerms::default(),
            tokens: TokenService::On,
            cards: CardTerms::default(),
            verification: VerificationTerms::default(),
            three_ds: ThreeDsTerms::default(),
            recurring: RecurringTerms::default(),
            batch: tollgate_core::batch::BatchTerms::default(),
            links: tollgate_core::merchant::LinkTerms::default(),
            seller: tollgate_core::invoice::Seller::default(),
        }
    }

    #[tokio::test]
    async fn a_change_of_ones_own_is_seen_at_once_however_long_a_look_counts() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("t.db"), SqliteOptions::default()).unwrap();
        let provider = FileKeyProvider::create_or_open(&folder.path().join("keys"), StoredDataKeys::NoneYet).unwrap();
        let vault = Vault::open(Box::new(provider), Arc::new(MemoryDataKeys::new())).await.unwrap();
        let store = Arc::new(store);
        let who = AuditWho::Person { name: "A. Person".into(), by: "merchant set".into() };
        begin_audit(&*store, &vault, Arc::new(Noon), who).await.unwrap();
        let mut accounts = Accounts::new(store.clone(), Arc::new(vault), Arc::new(Noon));
        accounts.directory.fresh_us = u64::MAX;
        let new = |name: &str| NewMerchant {
            name: name.into(),
            merchant_identifier: None,
            access_code: None,
            request_phrase: None,
            response_phrase: None,
            sha_type: ShaType::Sha256,
            terms: terms(),
        };
        accounts.add(new("first")).await.unwrap();
        accounts.add(new("second")).await.unwrap();
        let off = accounts.change("second", TermsChange::Active(Activity::Inactive)).await.unwrap();
        assert!(!off.merchant.active);
        let rotated =
            accounts.rotate("second", None, PhraseRotation::BeginRequest(Secret::new("new phrase"))).await.unwrap();
        assert_eq!(rotated.merchant.credentials.first().unwrap().request_phrases.len(), 2);
        assert_eq!(accounts.all().await.unwrap().len(), 2);
        let tokens_off = Terms { tokens: TokenService::Off, ..off.merchant.terms.clone() };
        accounts.change("second", TermsChange::Terms(Box::new(tokens_off))).await.unwrap();
        let mut told = Vec::new();
        let take = |_, entry: AuditEntry| told.push(format!("{} {}", entry.action, entry.detail));
        read_audit(&*store, &AuditFilter::default(), take).await.unwrap();
        let code = &rotated.merchant.credentials[0].access_code;
        assert_eq!(
            told,
            [
                "audit log begun ".to_owned(),
                "merchant added first".to_owned(),
                "merchant added second".to_owned(),
                "merchant changed deactivated".to_owned(),
                format!("merchant changed request phrase of {code}"),
                "merchant changed tokens".to_owned(),
            ]
        );
    }
}
