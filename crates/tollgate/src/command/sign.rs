//! `tollgate sign`: signs a body, or explains why a signature differs.

use super::call::first_credential;
use super::{DataArg, small_runtime};
use crate::wiring::{self, Keep};
use anyhow::{Context, bail};
use clap::Args;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use tollgate_app::{Account, Accounts};
use tollgate_core::merchant::{Credential, ShaType};
use tollgate_core::secret::Secret;
use tollgate_fort::client::{signed_form, signed_json, signed_message};
use tollgate_fort::explain::{Finding, explain};
use tollgate_fort::message::{BODY_BYTES_MAX, Message};
use tollgate_fort::service::{Service, recut};

/// Sign a JSON or form body, or explain why a signature differs.
///
/// The phrases are those of a merchant on the data folder; or give --phrase (and --response-phrase for
/// --explain), then no data folder is needed.
#[derive(Debug, Args)]
pub struct Sign {
    /// The body: a file, or '-' for standard input
    #[arg(default_value = "-")]
    body: PathBuf,
    /// Say what we hashed, what the sender most likely hashed, the first difference and its cause
    #[arg(long)]
    explain: bool,
    /// Sign with the response phrase, as the gateway signs its answers
    #[arg(long, conflicts_with = "explain")]
    response: bool,
    /// The merchant [default: the one of the body's access_code, else demo]
    #[arg(long)]
    merchant: Option<String>,
    /// The request phrase
    #[arg(long)]
    phrase: Option<String>,
    /// The response phrase
    #[arg(long)]
    response_phrase: Option<String>,
    /// SHA-128, SHA-256, SHA-512, HMAC-256 or HMAC-512; with --phrase
    #[arg(long, default_value = "SHA-256")]
    sha_type: String,
    #[command(flatten)]
    data: DataArg,
}

impl Sign {
    /// Signs, or explains. With --explain, fails when the signature is wrong, or right but refused for a value that would
    /// let the answer's signature fit other parameters.
    ///
    /// # Errors
    /// When the body or the credentials cannot be read.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let body = read_body(&self.body)?;
        let form = !body.trim_ascii_start().starts_with(b"{");
        let message = if form { Message::from_form(&body) } else { Message::from_json(&body) };
        let message =
            message.map_err(|fault| anyhow::anyhow!("the body is neither a JSON object nor a form: {fault}"))?;
        let credential = self.credential(&message)?;
        if self.explain {
            return Ok(explained(&message, &credential));
        }
        let phrase = if self.response { Some(&credential.response_phrase) } else { credential.request_phrases.first() };
        let phrase = phrase.context("the merchant has no request phrase")?;
        if !form && message.params().any(|(_, value)| value.scalar().is_none()) {
            println!("{}", String::from_utf8_lossy(&signed_message(&message, phrase, credential.sha_type)));
            return Ok(ExitCode::SUCCESS);
        }
        let texts = flat(&message)?;
        let params: Vec<(&str, &str)> = texts.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        if form {
            // An answer is signed whole; of a request the gateway leaves out what the browser adds.
            let exclude = match Service::of(&message) {
                Ok(service) if !self.response => service.signature_exclude(),
                _ => &[],
            };
            println!("{}", signed_form(&params, exclude, phrase, credential.sha_type));
        } else {
            println!("{}", String::from_utf8_lossy(&signed_json(&params, phrase, credential.sha_type)));
        }
        Ok(ExitCode::SUCCESS)
    }

    fn credential(&self, message: &Message) -> anyhow::Result<Credential> {
        if let Some(phrase) = &self.phrase {
            let sha_type = ShaType::parse(&self.sha_type).with_context(|| {
                format!("{:?} is no SHA type: SHA-128, SHA-256, SHA-512, HMAC-256 or HMAC-512", self.sha_type)
            })?;
            return Ok(Credential {
                access_code: message.text("access_code").unwrap_or_default().into_owned(),
                sha_type,
                request_phrases: vec![Secret::new(phrase.as_str())],
                response_phrase: Secret::new(self.response_phrase.as_deref().unwrap_or(phrase)),
            });
        }
        let folder = self.data.open()?;
        small_runtime()?.block_on(async {
            let opened = wiring::open(&folder, Keep::Existing).await?;
            let accounts = Accounts::new(opened.store.clone(), opened.vault.clone(), opened.clock.clone());
            let found = self.find(&accounts, message).await;
            drop(accounts);
            wiring::close(opened).await;
            found
        })
    }

    async fn find(&self, accounts: &Accounts, message: &Message) -> anyhow::Result<Credential> {
        let access_code = message.text("access_code");
        if let (None, Some(code)) = (&self.merchant, &access_code) {
            let all = accounts.all().await?;
            let found = all.iter().find_map(|account: &Arc<Account>| account.merchant.credential(code));
            return found.cloned().with_context(|| {
                format!("no merchant has the access_code {code}: name one with --merchant, or give --phrase")
            });
        }
        let account = accounts.by_name(self.merchant.as_deref().unwrap_or(crate::demo::NAME)).await?;
        match access_code.and_then(|code| account.merchant.credential(&code).cloned()) {
            Some(credential) => Ok(credential),
            None => first_credential(&account).cloned(),
        }
    }
}

fn explained(message: &Message, credential: &Credential) -> ExitCode {
    let service = Service::of(message).ok();
    let exclude = service.map_or(&[][..], Service::signature_exclude);
    let explanation = explain(message, exclude, credential);
    println!("{explanation}");
    // A right signature that an answer could not carry: the gateway refuses that as well.
    let refusal = service.and_then(|service| recut(service, message));
    if let Some(refusal) = &refusal {
        let parameter = refusal.parameter.as_deref().unwrap_or_default();
        println!("\nThe gateway refuses it with {} for {parameter}: {}.", refusal.code, refusal.detail);
    }
    let is_right = matches!(explanation.finding, Finding::Matches(_));
    if is_right && refusal.is_none() { ExitCode::SUCCESS } else { ExitCode::from(2) }
}

fn read_body(path: &Path) -> anyhow::Result<zeroize::Zeroizing<Vec<u8>>> {
    let mut body = zeroize::Zeroizing::new(Vec::new());
    let limit = u64::try_from(BODY_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    if path == Path::new("-") {
        std::io::stdin().take(limit).read_to_end(&mut body).context("standard input cannot be read")?;
    } else {
        let file = std::fs::File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
        file.take(limit).read_to_end(&mut body).with_context(|| format!("{} cannot be read", path.display()))?;
    }
    if body.len() > BODY_BYTES_MAX {
        bail!("the body is larger than {BODY_BYTES_MAX} bytes, which no FORT request may be");
    }
    Ok(body)
}

/// The parameters as texts: a signed body of ours has no lists and objects.
fn flat(message: &Message) -> anyhow::Result<Vec<(String, String)>> {
    message
        .params()
        .filter(|(name, _)| *name != "signature")
        .map(|(name, value)| {
            let text = value.scalar().map(std::borrow::Cow::into_owned);
            let text =
                text.with_context(|| format!("{name} is a list or an object; only flat bodies are signed here"))?;
            Ok((name.to_owned(), text))
        })
        .collect()
}
