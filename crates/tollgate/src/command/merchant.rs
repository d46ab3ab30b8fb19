//! `tollgate merchant add|show|set|list|activate-trusted-channel|deactivate-trusted-channel`.

use super::merchant_batch::{self, BatchArgs};
use super::merchant_cards::{self, CardArgs};
use super::merchant_channel::{self, ChannelArgs};
use super::merchant_links::{self, LinkArgs};
use super::merchant_page::{self, LogoChange, PageArgs};
use super::merchant_recurring::{self, RecurringArgs};
use super::merchant_seller::{self, SellerArgs};
use super::merchant_three_ds::{self, ThreeDsArgs};
use super::{DataArg, Format, small_runtime};
use crate::data_folder::DataFolder;
use crate::wiring::{self, Keep};
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use tollgate_app::{Account, Accounts, Activity, NewMerchant, PhraseRotation, TermsChange};
use tollgate_core::bin::Brand;
use tollgate_core::feedback::{Channel, FeedbackFormat, FeedbackKind, FeedbackTerms};
use tollgate_core::merchant::{Attestation, CurrencyTerms, ShaType, Terms, TokenService, TrustedChannel};
use tollgate_core::money::{Amount, Currency, Money};
use tollgate_core::secret::Secret;
use tollgate_core::shown::harmless;
use tollgate_core::time::{Clock, Timestamp};
use tollgate_feedback::guard::{FeedbackUrl, Reach};
use tollgate_fort::command::mask_card_numbers;

/// Add, show, change and list merchants.
#[derive(Debug, Args)]
pub struct Merchant {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    data: DataArg,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add a merchant; what is not given is drawn at random
    Add(Add),
    /// Show a merchant with its credentials
    Show(Show),
    /// Change what a merchant may do, rotate its phrases
    Set(Box<Set>),
    /// List all merchants
    List(List),
    /// Let a merchant send card data: record its PCI DSS attestation and who verified it
    ActivateTrustedChannel(Activate),
    /// Switch a merchant's trusted channel off
    DeactivateTrustedChannel(Deactivate),
}

#[derive(Debug, Args)]
struct Add {
    /// Its handle: 1 to 40 of a-z, 0-9 and '-'
    name: String,
    /// merchant_identifier, up to 20 letters and digits
    #[arg(long)]
    merchant_identifier: Option<String>,
    /// access_code, up to 20 letters and digits
    #[arg(long)]
    access_code: Option<String>,
    /// SHA request phrase; '-' reads it from standard input
    #[arg(long)]
    request_phrase: Option<String>,
    /// SHA response phrase; '-' reads it from standard input
    #[arg(long)]
    response_phrase: Option<String>,
    /// SHA-128, SHA-256, SHA-512, HMAC-256 or HMAC-512
    #[arg(long, default_value = "SHA-256")]
    sha_type: String,
    /// Currencies, for example AED,SAR,USD [default: AED,SAR,USD,KWD,BHD,JOD,OMR]
    #[arg(long, value_delimiter = ',')]
    currencies: Option<Vec<String>>,
    /// How to print the new merchant
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Debug, Args)]
struct Show {
    /// Its handle
    name: String,
    /// How to print it
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Debug, Args)]
struct List {
    /// How to print them
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Debug, Args)]
struct Set {
    /// Its handle
    name: String,
    /// The access code that the phrase options mean [default: the first]
    #[arg(long)]
    access_code: Option<String>,
    /// Replace the request phrase at once; '-' reads it from standard input
    #[arg(long)]
    request_phrase: Option<String>,
    /// Replace the response phrase at once; '-' reads it from standard input
    #[arg(long)]
    response_phrase: Option<String>,
    /// Begin a rotation: add a request phrase, the one before stays valid
    #[arg(long)]
    rotate_request_phrase: Option<String>,
    /// End a rotation: forget the old request phrase
    #[arg(long)]
    finish_rotation: bool,
    /// SHA-128, SHA-256, SHA-512, HMAC-256 or HMAC-512
    #[arg(long)]
    sha_type: Option<String>,
    /// Switch the account on (yes) or off (no)
    #[arg(long, value_name = "yes|no")]
    active: Option<String>,
    /// Currencies it takes, for example AED,SAR,USD
    #[arg(long, value_delimiter = ',')]
    currencies: Option<Vec<String>>,
    /// The most one transaction may be, for example AED=1000.00; AED=none lifts it
    #[arg(long, value_name = "CURRENCY=AMOUNT")]
    limit: Vec<String>,
    /// Let it keep cards under tokens (on), or refuse every token_name (off)
    #[arg(long, value_name = "on|off")]
    tokens: Option<String>,
    /// Brands it takes, of VISA,MASTERCARD,AMEX,MADA,MEEZA
    #[arg(long, value_delimiter = ',')]
    payment_options: Option<Vec<String>>,
    /// Where each payment's first outcome is told, of every channel without a URL of its own; 'none' removes it
    #[arg(long, value_name = "URL")]
    direct_feedback_url: Option<String>,
    /// Where every later outcome is told (captures, refunds, voids, unknown ones that are settled), likewise
    #[arg(long, value_name = "URL")]
    notification_feedback_url: Option<String>,
    /// How direct transaction feedback is written: json, form or xml
    #[arg(long, value_name = "FORMAT")]
    direct_feedback_format: Option<String>,
    /// How notification transaction feedback is written: json, form or xml
    #[arg(long, value_name = "FORMAT")]
    notification_feedback_format: Option<String>,
    /// A URL of one channel's own: trusted.direct=URL or trusted.notification=URL (trusted is the payment API with
    /// card data); 'none' in place of URL tells nobody, 'default' goes back to the merchant's URL and format
    #[arg(long, value_name = "CHANNEL.KIND=URL")]
    channel_feedback_url: Vec<String>,
    /// How feedback to a channel's own URL is written: trusted.direct=json, form or xml
    #[arg(long, value_name = "CHANNEL.KIND=FORMAT")]
    channel_feedback_format: Vec<String>,
    /// Card acceptor identification code at the acquirer
    #[arg(long)]
    card_acceptor_id: Option<String>,
    /// Terminal identification at the acquirer
    #[arg(long)]
    terminal_id: Option<String>,
    /// Merchant category code
    #[arg(long)]
    category_code: Option<String>,
    /// Shop name on the cardholder's statement
    #[arg(long)]
    shop_name: Option<String>,
    /// City on the cardholder's statement
    #[arg(long)]
    city: Option<String>,
    /// Country (ISO 3166, two capitals)
    #[arg(long)]
    country: Option<String>,
    #[command(flatten)]
    channel: ChannelArgs,
    #[command(flatten)]
    page: PageArgs,
    #[command(flatten)]
    cards: CardArgs,
    #[command(flatten)]
    three_ds: ThreeDsArgs,
    #[command(flatten)]
    recurring: RecurringArgs,
    #[command(flatten)]
    batch: BatchArgs,
    #[command(flatten)]
    links: LinkArgs,
    #[command(flatten)]
    seller: SellerArgs,
}

#[derive(Debug, Args)]
struct Activate {
    /// Its handle
    name: String,
    /// PCI DSS level, 1 to 4
    #[arg(long)]
    level: u8,
    /// The assessor: QSA company or internal assessor
    #[arg(long)]
    assessor: String,
    /// The attestation of compliance; its SHA-256 is recorded
    #[arg(long, value_name = "FILE")]
    document: PathBuf,
    /// The last day it counts, YYYY-MM-DD
    #[arg(long)]
    valid_until: String,
    /// The person who verified it
    #[arg(long)]
    verified_by: String,
}

#[derive(Debug, Args)]
struct Deactivate {
    /// Its handle
    name: String,
}

impl Merchant {
    /// Runs it.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let folder = self.data.open()?;
        small_runtime()?.block_on(async {
            let parts = wiring::open(&folder, Keep::Existing).await?;
            let accounts = Accounts::new(parts.store.clone(), parts.vault.clone(), parts.clock.clone());
            let done = match self.action {
                Action::Add(command) => add(&accounts, command, parts.clock.now()).await,
                Action::Show(command) => show(&accounts, &command, parts.clock.now()).await,
                Action::Set(command) => set(&accounts, *command, reach(&folder)).await,
                Action::List(command) => list(&accounts, command.format, parts.clock.now()).await,
                Action::ActivateTrustedChannel(command) => activate(&accounts, command, parts.clock.now()).await,
                Action::DeactivateTrustedChannel(command) => deactivate(&accounts, &command).await,
            };
            wiring::close(parts).await;
            done.map(|()| ExitCode::SUCCESS)
        })
    }
}

async fn add(accounts: &Accounts, command: Add, now: Timestamp) -> anyhow::Result<()> {
    let mut terms = crate::demo::default_terms();
    if let Some(currencies) = command.currencies {
        terms.currencies = currencies.iter().map(|alpha| currency_terms(alpha)).collect::<anyhow::Result<_>>()?;
    }
    let new = NewMerchant {
        name: command.name,
        merchant_identifier: command.merchant_identifier,
        access_code: command.access_code,
        request_phrase: phrase(command.request_phrase)?,
        response_phrase: phrase(command.response_phrase)?,
        sha_type: sha_type(&command.sha_type)?,
        terms,
    };
    let account = accounts.add(new).await?;
    print_account(&account, command.format, now)
}

async fn show(accounts: &Accounts, command: &Show, now: Timestamp) -> anyhow::Result<()> {
    let account = accounts.by_name(&command.name).await?;
    print_account(&account, command.format, now)
}

async fn list(accounts: &Accounts, format: Format, now: Timestamp) -> anyhow::Result<()> {
    let all = accounts.all().await?;
    match format {
        Format::Json => {
            let rows: Vec<_> = all.iter().map(|account| account_json(account, now)).collect();
            println!("{}", serde_json::to_string_pretty(&rows)?);
        }
        Format::Text => {
            println!("{:<20} {:<20} {:<8} trusted channel", "name", "merchant_identifier", "active");
            for account in all {
                let merchant = &account.merchant;
                let active = if merchant.active { "yes" } else { "no" };
                println!(
                    "{:<20} {:<20} {:<8} {}",
                    merchant.name,
                    merchant.merchant_identifier,
                    active,
                    channel_words(&merchant.terms, now)
                );
            }
        }
    }
    Ok(())
}

/// How far feedback of a gateway on this folder may go.
fn reach(folder: &DataFolder) -> Reach {
    if folder.is_sandbox() { Reach::Sandbox } else { Reach::Public }
}

async fn set(accounts: &Accounts, command: Set, reach: Reach) -> anyhow::Result<()> {
    let rotations = rotations(&command)?;
    let account = accounts.by_name(&command.name).await?;
    let terms = changed_terms(&account.merchant.terms, &command, reach)?;
    let mut changes = 0;
    for rotation in rotations {
        accounts.rotate(&command.name, command.access_code.as_deref(), rotation).await?;
        changes += 1;
    }
    if let Some(active) = &command.active {
        let activity = match active.as_str() {
            "yes" => Activity::Active,
            "no" => Activity::Inactive,
            other => bail!("--active is yes or no, not {other:?}"),
        };
        accounts.change(&command.name, TermsChange::Active(activity)).await?;
        changes += 1;
    }
    // The picture before its name: a page that names one finds it.
    match command.page.logo()? {
        LogoChange::Keep => {}
        LogoChange::Remove => accounts.set_logo(&command.name, None).await?,
        LogoChange::Replace(logo) => {
            accounts.set_logo(&command.name, Some(logo)).await?;
            changes += 1;
        }
    }
    if terms != account.merchant.terms {
        accounts.change(&command.name, TermsChange::Terms(Box::new(terms))).await?;
        changes += 1;
    }
    if changes == 0 {
        bail!(
            "nothing was changed: merchant {} is set so already, or nothing was asked for (`tollgate merchant set --help` \
             lists what can be)",
            command.name
        );
    }
    if command.cards.begins_uniqueness() {
        let doubles = accounts.doubled_cards(&command.name).await?;
        if doubles > 0 {
            let cards_have = if doubles == 1 { "card has" } else { "cards have" };
            println!(
                "{doubles} {cards_have} more than one token already: those stay, and from now on none gets another"
            );
        }
    }
    println!("merchant {} is changed; a running gateway goes by it from the next request on", command.name);
    Ok(())
}

fn rotations(command: &Set) -> anyhow::Result<Vec<PhraseRotation>> {
    let mut rotations = Vec::new();
    if let Some(text) = &command.sha_type {
        rotations.push(PhraseRotation::SetShaType(sha_type(text)?));
    }
    if let Some(text) = phrase(command.request_phrase.clone())? {
        rotations.push(PhraseRotation::SetRequest(text));
    }
    if let Some(text) = phrase(command.response_phrase.clone())? {
        rotations.push(PhraseRotation::SetResponse(text));
    }
    if let Some(text) = phrase(command.rotate_request_phrase.clone())? {
        rotations.push(PhraseRotation::BeginRequest(text));
    }
    if command.finish_rotation {
        rotations.push(PhraseRotation::Finish);
    }
    Ok(rotations)
}

fn changed_terms(terms: &Terms, command: &Set, reach: Reach) -> anyhow::Result<Terms> {
    let mut terms = terms.clone();
    if let Some(currencies) = &command.currencies {
        let old = terms.clone();
        let keep = |alpha: &String| -> anyhow::Result<CurrencyTerms> {
            let new = currency_terms(alpha)?;
            Ok(old.currency(new.currency).copied().unwrap_or(new))
        };
        terms.currencies = currencies.iter().map(keep).collect::<anyhow::Result<_>>()?;
    }
    if let Some(tokens) = &command.tokens {
        terms.tokens = match tokens.as_str() {
            "on" => TokenService::On,
            "off" => TokenService::Off,
            other => bail!("--tokens is on or off, not {other:?}"),
        };
    }
    for limit in &command.limit {
        let (alpha, amount) =
            limit.split_once('=').with_context(|| format!("--limit is CURRENCY=AMOUNT, not {limit:?}"))?;
        let currency = currency_terms(alpha)?.currency;
        let max = match amount {
            "none" => None,
            text => Some(
                Amount::parse_major(text, currency)
                    .with_context(|| format!("{text:?} is no amount of {alpha}"))?
                    .minor(),
            ),
        };
        let row = terms.currencies.iter_mut().find(|row| row.currency == currency);
        row.with_context(|| format!("the merchant does not take {alpha}: add it with --currencies first"))?
            .amount_minor_max = max;
    }
    if let Some(options) = &command.payment_options {
        let read = |name: &String| {
            Brand::parse(name).with_context(|| format!("{name:?} is no brand: VISA, MASTERCARD, AMEX, MADA or MEEZA"))
        };
        terms.payment_options = options.iter().map(read).collect::<anyhow::Result<_>>()?;
    }
    change_feedback(&mut terms.feedback, command, reach)?;
    command.channel.change(&mut terms.channel)?;
    command.page.change(&mut terms.channel.page, reach)?;
    command.cards.change(&mut terms)?;
    command.three_ds.change(&mut terms.three_ds)?;
    command.recurring.change(&mut terms.recurring)?;
    command.batch.change(&mut terms.batch)?;
    command.links.change(&mut terms.links)?;
    command.seller.change(&mut terms.seller);
    let acquirer = &mut terms.acquirer;
    for (field, value) in [
        (&mut acquirer.card_acceptor_id, &command.card_acceptor_id),
        (&mut acquirer.terminal_id, &command.terminal_id),
        (&mut acquirer.category_code, &command.category_code),
        (&mut acquirer.shop_name, &command.shop_name),
        (&mut acquirer.city, &command.city),
        (&mut acquirer.country, &command.country),
    ] {
        if let Some(value) = value {
            field.clone_from(value);
        }
    }
    Ok(terms)
}

fn change_feedback(feedback: &mut FeedbackTerms, command: &Set, reach: Reach) -> anyhow::Result<()> {
    for (field, value) in [
        (&mut feedback.direct_url, &command.direct_feedback_url),
        (&mut feedback.notification_url, &command.notification_feedback_url),
    ] {
        match value.as_deref() {
            None => {}
            Some("none") => *field = None,
            Some(url) => *field = Some(feedback_url(url, reach)?),
        }
    }
    for (field, value) in [
        (&mut feedback.direct_format, &command.direct_feedback_format),
        (&mut feedback.notification_format, &command.notification_feedback_format),
    ] {
        if let Some(name) = value {
            *field = feedback_format(name)?;
        }
    }
    for text in &command.channel_feedback_url {
        let own = OwnFeedback::parse("--channel-feedback-url", text)?;
        match own.value {
            "default" => feedback.clear_own(own.channel, own.kind),
            "none" => feedback.set_own(own.channel, own.kind, None),
            url => feedback.set_own(own.channel, own.kind, Some(feedback_url(url, reach)?)),
        }
    }
    for text in &command.channel_feedback_format {
        let own = OwnFeedback::parse("--channel-feedback-format", text)?;
        let row = feedback.own_mut(own.channel, own.kind);
        row.context(
            "only a channel with a URL of its own has a format of its own: set --channel-feedback-url first",
        )?
        .format = feedback_format(own.value)?;
    }
    Ok(())
}

/// What is to be changed for one channel and kind.
struct OwnFeedback<'a> {
    channel: Channel,
    kind: FeedbackKind,
    value: &'a str,
}

impl OwnFeedback<'_> {
    fn parse<'a>(option: &str, text: &'a str) -> anyhow::Result<OwnFeedback<'a>> {
        let parts = text.split_once('=').and_then(|(name, value)| {
            let (channel, kind) = name.split_once('.')?;
            Some(OwnFeedback { channel: Channel::parse(channel)?, kind: FeedbackKind::parse(kind)?, value })
        });
        let name = text.split_once('=').map_or(text, |(name, _)| name);
        let shown = mask_card_numbers(name);
        parts.with_context(|| {
            format!("{option} begins with trusted.direct= or trusted.notification=, not {:?}", harmless(&shown))
        })
    }
}

fn feedback_format(name: &str) -> anyhow::Result<FeedbackFormat> {
    FeedbackFormat::parse(name).with_context(|| format!("{name:?} is no format of feedback: json, form or xml"))
}

/// A URL that feedback can be delivered to, as far as it alone can tell.
fn feedback_url(url: &str, reach: Reach) -> anyhow::Result<String> {
    let shown = mask_card_numbers(url);
    if shown != url {
        bail!("the URL {shown} holds a card number");
    }
    match FeedbackUrl::parse(url, reach) {
        Ok(_) => Ok(url.to_owned()),
        Err(fault) => bail!("feedback can never be delivered to {:?}: {fault}", harmless(url)),
    }
}

async fn activate(accounts: &Accounts, command: Activate, now: Timestamp) -> anyhow::Result<()> {
    let document = std::fs::read(&command.document)
        .with_context(|| format!("the attestation {} cannot be read", command.document.display()))?;
    if document.is_empty() {
        bail!("the attestation {} is empty", command.document.display());
    }
    let last_day = Timestamp::parse_date(&command.valid_until)
        .with_context(|| format!("--valid-until is YYYY-MM-DD, not {:?}", command.valid_until))?;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &document);
    let attestation = Attestation {
        level: command.level,
        assessor: command.assessor,
        document: command.document.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        document_sha256: hex::encode(digest),
        valid_until: Timestamp(last_day.0.saturating_add(tollgate_core::time::DAY_US)),
        verified_by: command.verified_by,
        verified_at: now,
    };
    let account = accounts.change(&command.name, TermsChange::TrustedChannel(Some(attestation))).await?;
    println!("merchant {}: trusted channel {}", command.name, channel_words(&account.merchant.terms, now));
    Ok(())
}

async fn deactivate(accounts: &Accounts, command: &Deactivate) -> anyhow::Result<()> {
    accounts.change(&command.name, TermsChange::TrustedChannel(None)).await?;
    println!("merchant {}: trusted channel off", command.name);
    Ok(())
}

fn print_account(account: &Arc<Account>, format: Format, now: Timestamp) -> anyhow::Result<()> {
    match format {
        Format::Json => println!("{}", serde_json::to_string_pretty(&account_json(account, now))?),
        Format::Text => print_text(account, now),
    }
    Ok(())
}

fn print_text(account: &Account, now: Timestamp) {
    let merchant = &account.merchant;
    println!("{:<22}{}", "name", merchant.name);
    println!("{:<22}{}", "merchant_identifier", merchant.merchant_identifier);
    println!("{:<22}{}", "active", if merchant.active { "yes" } else { "no" });
    for credential in &merchant.credentials {
        println!("{:<22}{}", "access_code", credential.access_code);
        println!("{:<22}{}", "sha_type", credential.sha_type.name());
        for (index, phrase) in credential.request_phrases.iter().enumerate() {
            let note = if index == 0 { "" } else { "   (old, valid until --finish-rotation)" };
            println!("{:<22}{}{note}", "sha_request_phrase", phrase.reveal());
        }
        println!("{:<22}{}", "sha_response_phrase", credential.response_phrase.reveal());
    }
    for terms in &merchant.terms.currencies {
        let limit = terms.amount_minor_max.and_then(Amount::from_minor);
        let limit = limit
            .map_or_else(String::new, |amount| format!("   (up to {})", Money { amount, currency: terms.currency }));
        println!("{:<22}{}{limit}", "currency", terms.currency);
    }
    let options: Vec<_> = merchant.terms.payment_options.iter().map(|brand| brand.name()).collect();
    println!("{:<22}{}", "payment_options", options.join(" "));
    let tokens = match merchant.terms.tokens {
        TokenService::On => "on",
        TokenService::Off => "off",
    };
    println!("{:<22}{tokens}", "tokens");
    merchant_cards::print(&merchant.terms);
    merchant_three_ds::print(&merchant.terms.three_ds);
    merchant_recurring::print(&merchant.terms.recurring);
    merchant_batch::print(&merchant.terms.batch);
    merchant_links::print(&merchant.terms.links);
    merchant_seller::print(&merchant.terms.seller);
    println!("{:<22}{}", "trusted channel", channel_words(&merchant.terms, now));
    if let Some(attestation) = &merchant.terms.trusted_channel {
        println!(
            "{:<22}level {}, assessor {}, document {} (SHA-256 {})",
            "attestation", attestation.level, attestation.assessor, attestation.document, attestation.document_sha256
        );
        println!("{:<22}{} at {}", "verified by", attestation.verified_by, attestation.verified_at);
    }
    merchant_channel::print(&merchant.terms.channel, now);
    merchant_page::print(&merchant.terms.channel.page);
    let feedback = &merchant.terms.feedback;
    for (what, url, format) in [
        ("direct feedback", &feedback.direct_url, feedback.direct_format),
        ("notification feedback", &feedback.notification_url, feedback.notification_format),
    ] {
        println!("{what:<22}{}", endpoint_words(url.as_deref(), format));
    }
    for own in &feedback.channels {
        let what = format!("  {}.{}", own.channel.name(), own.kind);
        println!("{what:<22}{}", endpoint_words(own.url.as_deref(), own.format));
    }
}

fn endpoint_words(url: Option<&str>, format: FeedbackFormat) -> String {
    url.map_or_else(|| "none".to_owned(), |url| format!("{url} ({})", format.name()))
}

fn account_json(account: &Account, now: Timestamp) -> serde_json::Value {
    let merchant = &account.merchant;
    let credentials: Vec<_> = merchant
        .credentials
        .iter()
        .map(|credential| {
            serde_json::json!({
                "access_code": credential.access_code,
                "sha_type": credential.sha_type.name(),
                "sha_request_phrases": credential.request_phrases.iter().map(Secret::reveal).collect::<Vec<_>>(),
                "sha_response_phrase": credential.response_phrase.reveal(),
            })
        })
        .collect();
    let first = merchant.credentials.first();
    serde_json::json!({
        "name": merchant.name,
        "merchant_identifier": merchant.merchant_identifier,
        "access_code": first.map(|credential| &credential.access_code),
        "sha_request_phrase": first.and_then(|credential| credential.request_phrases.first()).map(Secret::reveal),
        "sha_response_phrase": first.map(|credential| credential.response_phrase.reveal()),
        "sha_type": first.map(|credential| credential.sha_type.name()),
        "active": merchant.active,
        "credentials": credentials,
        "activations": { "trusted_channel": channel_json(&merchant.terms, now) },
        "terms": merchant.terms,
    })
}

fn channel_json(terms: &Terms, now: Timestamp) -> serde_json::Value {
    let (state, days_left) = match terms.trusted_channel_at(now) {
        TrustedChannel::NotActivated => ("not activated", None),
        TrustedChannel::Expired => ("expired", None),
        TrustedChannel::Active { days_left } => ("active", Some(days_left)),
    };
    serde_json::json!({ "state": state, "days_left": days_left, "warning": terms.trusted_channel_at(now).warns() })
}

fn channel_words(terms: &Terms, now: Timestamp) -> String {
    let channel = terms.trusted_channel_at(now);
    match channel {
        TrustedChannel::NotActivated => "off: no attestation was verified".into(),
        TrustedChannel::Expired => "off: the attestation has expired".into(),
        TrustedChannel::Active { days_left } if channel.warns() => {
            format!("on; the attestation ends in {days_left} days: ask for a new one")
        }
        TrustedChannel::Active { days_left } => format!("on, for {days_left} days more"),
    }
}

fn currency_terms(alpha: &str) -> anyhow::Result<CurrencyTerms> {
    let currency = Currency::from_alpha(alpha).with_context(|| format!("{alpha:?} is no ISO 4217 currency"))?;
    Ok(CurrencyTerms { currency, amount_minor_max: None })
}

fn sha_type(name: &str) -> anyhow::Result<ShaType> {
    ShaType::parse(name)
        .with_context(|| format!("{name:?} is no SHA type: SHA-128, SHA-256, SHA-512, HMAC-256 or HMAC-512"))
}

/// A phrase from the command line, or from standard input, where no process list shows it.
fn phrase(text: Option<String>) -> anyhow::Result<Option<Secret>> {
    match text.as_deref() {
        Some("-") => {
            let mut line = String::new();
            std::io::stdin().read_line(&mut line)?;
            Ok(Some(Secret::new(line.trim_end_matches(['\r', '\n']))))
        }
        Some(text) => Ok(Some(Secret::new(text))),
        None => Ok(None),
    }
}
