//! Cards that leave a vault, encrypted to somebody's public key, and come into another one: chunks of tokens, each a
//! JSON Web Encryption of its own.
//!
//! A chunk holds the name of its export and its number, so that chunks cannot change places or files. Nothing in it
//! says who made it: whoever has the recipient's public key can make one.

use crate::jwe::{Jwe, JweFault, encrypt_any_length};
use crate::jwk::{DecryptionKey, Jwk};
use crate::reveal::{Receipt, Revealed};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use tollgate_core::bin::Brand;
use tollgate_core::card::{Pan, RevealPermit};
use tollgate_core::money::Currency;
use tollgate_core::time::Timestamp;
use tollgate_core::token::{Token, TokenStatus};
use zeroize::Zeroizing;

/// The most tokens in a chunk.
pub const EXPORT_CHUNK_TOKENS_MAX: usize = 256;
/// The longest chunk that is read, in characters.
pub const EXPORT_CHUNK_CHARS_MAX: usize = 512 * 1024;
/// Room for one token in clear, in bytes, so that the text is never moved and left behind.
const TOKEN_BYTES_MAX: usize = 1_024;

/// Which chunk of which export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExportChunk<'a> {
    /// The name of the export.
    pub export: &'a str,
    /// The chunk's number, from 1.
    pub number: u64,
}

/// A token with its card in clear, between two vaults.
pub struct TokenCard {
    /// All of it but the card number.
    pub facts: TokenFacts,
    /// The card number.
    pub pan: Pan,
}

/// What an export tells of a token beside the card number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFacts {
    /// Its name.
    pub name: String,
    /// Whether it may be used.
    pub status: TokenStatus,
    /// Year and month, `YYMM`.
    pub expiry: String,
    /// Who is printed on the card.
    pub holder: Option<String>,
    /// The card's brand.
    pub brand: Brand,
    /// The currency that the merchant notes with it.
    pub currency: Option<Currency>,
    /// When the name came into use.
    pub created_at: Timestamp,
    /// When anything of it changed last.
    pub updated_at: Timestamp,
}

/// Why a chunk was not made or not read. No card data is in it.
#[derive(Debug, thiserror::Error)]
pub enum ExportFault {
    /// It is too long, no JWE, or not for this key.
    #[error(transparent)]
    Jwe(#[from] JweFault),
    /// More tokens than a chunk takes.
    #[error("a chunk has at most {EXPORT_CHUNK_TOKENS_MAX} tokens")]
    TooMany,
    /// It was made for a key of another name.
    #[error("it was encrypted to the key {0:?}, which is another one")]
    OtherKey(String),
    /// The content is not what an export has.
    #[error("its content is no list of tokens that can be read")]
    Content,
    /// It belongs elsewhere.
    #[error("it belongs to another export or to another place in it")]
    Misplaced,
    /// A token of it cannot be taken.
    #[error("token {place} of it has a {what} that cannot be taken")]
    Token {
        /// Its place, from 1.
        place: usize,
        /// Which part.
        what: &'static str,
    },
}

impl TokenCard {
    /// A token and its card, which was opened for an export. The receipt belongs into the audit log.
    pub fn of(token: &Token, revealed: Revealed) -> ReceiptedCard {
        let facts = TokenFacts {
            name: token.name.clone(),
            status: token.status,
            expiry: token.card.expiry.clone(),
            holder: token.card.holder.clone(),
            brand: token.card.brand,
            currency: token.currency,
            created_at: token.created_at,
            updated_at: token.updated_at,
        };
        ReceiptedCard { card: TokenCard { facts, pan: revealed.pan }, receipt: revealed.receipt }
    }
}

impl fmt::Debug for TokenCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCard").field("facts", &self.facts).finish_non_exhaustive()
    }
}

/// A card for an export, and the receipt for it.
#[derive(Debug)]
pub struct ReceiptedCard {
    /// The card.
    pub card: TokenCard,
    /// What has to be written of it.
    pub receipt: Receipt,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content<'a> {
    #[serde(borrow)]
    export: Cow<'a, str>,
    chunk: u64,
    #[serde(borrow)]
    tokens: Vec<ContentToken<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ContentToken<'a> {
    token_name: Cow<'a, str>,
    token_status: Cow<'a, str>,
    // Borrowed, so that no copy of it is left behind.
    card_number: &'a str,
    expiry_date: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    card_holder_name: Option<Cow<'a, str>>,
    payment_option: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    currency: Option<Cow<'a, str>>,
    created_at: Cow<'a, str>,
    updated_at: Cow<'a, str>,
}

/// Encrypts a chunk to the recipient's key.
///
/// # Errors
/// When there are too many tokens, the key cannot be used, or the cipher fails.
pub fn seal_chunk(chunk: ExportChunk<'_>, cards: &[TokenCard], recipient: &Jwk) -> Result<String, ExportFault> {
    const PERMIT: RevealPermit = RevealPermit::granted("encrypt a card number to the recipient of an export");
    if cards.len() > EXPORT_CHUNK_TOKENS_MAX {
        return Err(ExportFault::TooMany);
    }
    let tokens = cards
        .iter()
        .map(|TokenCard { facts, pan }| ContentToken {
            token_name: facts.name.as_str().into(),
            token_status: facts.status.name().into(),
            card_number: pan.reveal(&PERMIT),
            expiry_date: facts.expiry.as_str().into(),
            card_holder_name: facts.holder.as_deref().map(Cow::from),
            payment_option: facts.brand.name().into(),
            currency: facts.currency.map(|currency| currency.alpha().into()),
            created_at: facts.created_at.to_string().into(),
            updated_at: facts.updated_at.to_string().into(),
        })
        .collect();
    let content = Content { export: chunk.export.into(), chunk: chunk.number, tokens };
    let mut plain = Zeroizing::new(Vec::with_capacity((cards.len() + 1) * TOKEN_BYTES_MAX));
    serde_json::to_writer(&mut *plain, &content).map_err(|_| ExportFault::Content)?;
    Ok(encrypt_any_length(&plain, recipient)?)
}

/// Decrypts a chunk, which has to be the one that is meant.
///
/// # Errors
/// What is wrong with it.
pub fn open_chunk(
    text: &str,
    chunk: ExportChunk<'_>,
    kid: &str,
    key: &DecryptionKey,
) -> Result<Vec<TokenCard>, ExportFault> {
    if text.len() > EXPORT_CHUNK_CHARS_MAX {
        return Err(JweFault::TooLong.into());
    }
    let jwe = Jwe::parse_any_length(text)?;
    if jwe.kid() != kid {
        return Err(ExportFault::OtherKey(jwe.kid().to_owned()));
    }
    let plain = jwe.decrypt(key)?;
    let content: Content<'_> = serde_json::from_slice(&plain).map_err(|_| ExportFault::Content)?;
    if content.export != chunk.export || content.chunk != chunk.number {
        return Err(ExportFault::Misplaced);
    }
    if content.tokens.len() > EXPORT_CHUNK_TOKENS_MAX {
        return Err(ExportFault::TooMany);
    }
    content.tokens.iter().zip(1..).map(|(token, place)| read(token, place)).collect()
}

fn read(token: &ContentToken<'_>, place: usize) -> Result<TokenCard, ExportFault> {
    let wrong = |what: &'static str| ExportFault::Token { place, what };
    let pan = Pan::parse(token.card_number).map_err(|_| wrong("card_number"))?;
    let is_expiry = token.expiry_date.len() == 4
        && token.expiry_date.bytes().all(|byte| byte.is_ascii_digit())
        && token
            .expiry_date
            .get(2..)
            .and_then(|month| month.parse().ok())
            .is_some_and(|month: u8| (1..=12).contains(&month));
    let facts = TokenFacts {
        name: Some(&token.token_name).filter(|name| is_token_name(name)).ok_or(wrong("token_name"))?.to_string(),
        status: TokenStatus::parse(&token.token_status).ok_or(wrong("token_status"))?,
        expiry: Some(&token.expiry_date).filter(|_| is_expiry).ok_or(wrong("expiry_date"))?.to_string(),
        holder: match token.card_holder_name.as_deref() {
            Some(name) if !is_holder(name) => return Err(wrong("card_holder_name")),
            name => name.map(str::to_owned),
        },
        // The number says it; a name that is given counts for brands that this version does not know by number.
        brand: pan.brand().or_else(|| Brand::parse(&token.payment_option)).ok_or(wrong("payment_option"))?,
        currency: match token.currency.as_deref() {
            Some(alpha) => Some(Currency::from_alpha(alpha).ok_or(wrong("currency"))?),
            None => None,
        },
        created_at: Timestamp::parse_utc(&token.created_at).ok_or(wrong("created_at"))?,
        updated_at: Timestamp::parse_utc(&token.updated_at).ok_or(wrong("updated_at"))?,
    };
    Ok(TokenCard { facts, pan })
}

/// What FORT takes as `token_name`, and no card number.
fn is_token_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'@' | b'-' | b'_');
    (1..=tollgate_core::token::TOKEN_NAME_CHARS_MAX).contains(&name.len())
        && name.bytes().all(fits)
        && !tollgate_core::card_scan::holds_card_number(name)
}

/// A holder's name is short, has no control characters, and is no card number.
fn is_holder(name: &str) -> bool {
    name.chars().count() <= 50
        && !name.chars().any(char::is_control)
        && !tollgate_core::card_scan::holds_card_number(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::jwe::JweAlgorithm;
    use crate::jwk::{NewKeyPair, OwnKeyPair};

    fn card(name: &str) -> TokenCard {
        let facts = TokenFacts {
            name: name.to_owned(),
            status: TokenStatus::Inactive,
            expiry: "2412".to_owned(),
            holder: Some("Layla \"L\" Haddad".to_owned()),
            brand: Brand::Visa,
            currency: Currency::from_alpha("KWD"),
            created_at: Timestamp(1_795_176_000_123_000),
            updated_at: Timestamp(1_795_176_000_124_000),
        };
        TokenCard { facts, pan: Pan::parse("4005550000000001").unwrap() }
    }

    fn pair() -> OwnKeyPair {
        let made = NewKeyPair::generate(JweAlgorithm::EcdhEsA256Kw).unwrap();
        OwnKeyPair::of_private_jwk(made.to_private_jwk().unwrap().as_bytes()).unwrap()
    }

    const FIRST: ExportChunk<'static> = ExportChunk { export: "e", number: 1 };

    #[test]
    fn a_chunk_opens_for_its_recipient_in_its_place_and_keeps_every_fact() {
        let (own, other) = (pair(), pair());
        let kid = own.public.kid.clone().unwrap();
        let sealed = seal_chunk(FIRST, &[card("one"), card("two")], &own.public).unwrap();
        assert!(!sealed.contains("4005550000000001"));
        let opened = open_chunk(&sealed, FIRST, &kid, &own.private).unwrap();
        assert_eq!(opened.len(), 2);
        assert_eq!((&opened[1].facts, &opened[1].pan), (&card("two").facts, &card("two").pan));
        assert!(!format!("{opened:?}").contains("4005"));
        for misplaced in [ExportChunk { export: "f", number: 1 }, ExportChunk { export: "e", number: 2 }] {
            assert!(matches!(open_chunk(&sealed, misplaced, &kid, &own.private), Err(ExportFault::Misplaced)));
        }
        assert!(matches!(open_chunk(&sealed, FIRST, "k", &own.private), Err(ExportFault::OtherKey(_))));
        let wrong_key = open_chunk(&sealed, FIRST, &kid, &other.private);
        assert!(matches!(wrong_key, Err(ExportFault::Jwe(JweFault::NotAuthentic))));
        let mut changed = sealed.into_bytes();
        let place = changed.len() - 40;
        changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert!(open_chunk(&changed, FIRST, &kid, &own.private).is_err());
    }

    #[test]
    fn what_cannot_be_kept_is_refused_with_its_place() {
        let own = pair();
        let kid = own.public.kid.clone().unwrap();
        let long = "x".repeat(101);
        for (facts, what) in [
            (TokenFacts { name: "a b".to_owned(), ..card("x").facts }, "token_name"),
            (TokenFacts { name: long, ..card("x").facts }, "token_name"),
            (TokenFacts { name: "4005550000000001".to_owned(), ..card("x").facts }, "token_name"),
            (TokenFacts { expiry: "2413".to_owned(), ..card("x").facts }, "expiry_date"),
            (TokenFacts { holder: Some("a\u{7}".to_owned()), ..card("x").facts }, "card_holder_name"),
        ] {
            let cards = [card("fine"), TokenCard { facts, pan: card("x").pan }];
            let sealed = seal_chunk(FIRST, &cards, &own.public).unwrap();
            match open_chunk(&sealed, FIRST, &kid, &own.private) {
                Err(ExportFault::Token { place: 2, what: found }) => assert_eq!(found, what),
                other => panic!("{other:?}"),
            }
        }
        let many: Vec<TokenCard> = (0..=EXPORT_CHUNK_TOKENS_MAX).map(|_| card("x")).collect();
        assert!(matches!(seal_chunk(FIRST, &many, &own.public), Err(ExportFault::TooMany)));
    }

    #[test]
    fn a_private_key_whose_halves_do_not_fit_is_refused() {
        let (one, other) = (
            NewKeyPair::generate(JweAlgorithm::EcdhEsA256Kw).unwrap(),
            NewKeyPair::generate(JweAlgorithm::EcdhEsA256Kw).unwrap(),
        );
        let mixed = NewKeyPair { public: one.public.clone(), private: other.private.clone() };
        assert!(OwnKeyPair::of_private_jwk(mixed.to_private_jwk().unwrap().as_bytes()).is_err());
        assert!(OwnKeyPair::of_private_jwk(b"{}").is_err());
    }
}
