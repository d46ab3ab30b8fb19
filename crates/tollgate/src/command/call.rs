//! `tollgate call`: any signed FORT request.

use super::{DataArg, Format, small_runtime};
use crate::client::Target;
use crate::data_folder::DataFolder;
use crate::running::Running;
use crate::wiring::{self, Keep, Opened};
use anyhow::{Context, bail};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use tollgate_app::{Account, Accounts};
use tollgate_core::command::SafeParams;
use tollgate_core::merchant::Credential;
use tollgate_fort::client::signed_json;
use tollgate_fort::command::safe_params;
use tollgate_fort::message::{Message, Value};
use tollgate_fort::service::Service;
use tollgate_fort::signature;

/// Who asks whom.
#[derive(Clone, Debug, Args)]
pub struct Caller {
    /// The merchant that signs
    #[arg(long, default_value = crate::demo::NAME)]
    pub merchant: String,
    /// The gateway [default: the one that runs on the data folder]
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// PEM file of a certificate authority to trust beside the system's
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// PEM file of a client certificate and its private key, to show where the merchant's card data needs one
    #[arg(long, value_name = "FILE")]
    pub client_cert: Option<PathBuf>,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

/// Send any signed FORT request.
#[derive(Debug, Args)]
pub struct Call {
    /// AUTHORIZATION, PURCHASE, CAPTURE, VOID_AUTHORIZATION, REFUND, CHECK_STATUS, or anything else
    command: String,
    /// Parameters as name=value; access_code, merchant_identifier, language and signature are added
    #[arg(value_name = "NAME=VALUE")]
    params: Vec<String>,
    #[command(flatten)]
    caller: Caller,
    #[command(flatten)]
    data: DataArg,
}

impl Call {
    /// Sends it and prints request and answer.
    ///
    /// # Errors
    /// When it cannot be sent, or the answer's signature is wrong.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let mut params = vec![(key_parameter(&self.command).to_owned(), self.command.clone())];
        for param in &self.params {
            let (name, value) = param.split_once('=').with_context(|| format!("{param:?} is not name=value"))?;
            params.push((name.to_owned(), value.to_owned()));
        }
        let folder = self.data.open()?;
        small_runtime()?.block_on(async {
            let opened = wiring::open(&folder, Keep::Existing).await?;
            let sent = send(&folder, &opened, &self.caller, params).await;
            wiring::close(opened).await;
            sent?.print(self.caller.format)?;
            Ok(ExitCode::SUCCESS)
        })
    }
}

/// A request and its answer.
pub struct Exchanged {
    request: Message,
    answer: Received,
}

/// An answer.
enum Received {
    /// Its fields in their order; the signature is right.
    Fields(Message),
    /// The text as it came, where the request has asked for XML. Its signature is not checked.
    Xml(String),
}

/// Signs `params` as the merchant, sends them, and checks the answer's signature, unless the answer is XML.
///
/// # Errors
/// When there is no such merchant, no gateway answers, or the answer's signature is wrong.
pub async fn send(
    folder: &DataFolder,
    opened: &Opened,
    caller: &Caller,
    params: Vec<(String, String)>,
) -> anyhow::Result<Exchanged> {
    let accounts = Accounts::new(opened.store.clone(), opened.vault.clone(), opened.clock.clone());
    let account = accounts.by_name(&caller.merchant).await?;
    let credential = first_credential(&account)?;
    let params = completed(&account, credential, params);
    let pairs: Vec<(&str, &str)> = params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let phrase = credential.request_phrases.first().context("the merchant has no request phrase")?;
    let body = signed_json(&pairs, phrase, credential.sha_type);
    let request = Message::from_json(&body).map_err(|fault| anyhow::anyhow!("{fault}"))?;
    let bytes = target(folder, caller)?.connect().await?.post(body).await?;
    let wants_xml = request.text("response_format").is_some_and(|format| format == "XML");
    if wants_xml && bytes.starts_with(b"<?xml") {
        return Ok(Exchanged { request, answer: Received::Xml(String::from_utf8_lossy(&bytes).into_owned()) });
    }
    let answer = Message::from_json(&bytes).map_err(|fault| anyhow::anyhow!("the answer cannot be read: {fault}"))?;
    let phrases = std::slice::from_ref(&credential.response_phrase);
    let is_signed = answer.text("signature").is_some();
    if is_signed && !signature::verify(&answer, &[], phrases, credential.sha_type).is_match() {
        bail!("the answer's signature is wrong: somebody changed it, or the response phrase differs");
    }
    Ok(Exchanged { request, answer: Received::Fields(answer) })
}

/// The gateway that is called.
///
/// # Errors
/// When none runs on the folder and none is named, or the name is no URL.
pub fn target(folder: &DataFolder, caller: &Caller) -> anyhow::Result<Target> {
    let url = match &caller.url {
        Some(url) => url.clone(),
        None => Running::read(folder)?.url,
    };
    Target::parse_showing(&url, caller.ca.as_deref(), caller.client_cert.as_deref())
}

impl Exchanged {
    /// Prints both, the request masked.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn print(&self, format: Format) -> anyhow::Result<()> {
        let mut request = safe_params(&self.request);
        if let Some(encrypted) = self.request.text(ENCRYPTED) {
            let beginning: String = encrypted.chars().take(ENCRYPTED_CHARS_SHOWN).collect();
            request.push(ENCRYPTED, &format!("{beginning}... ({} characters)", encrypted.chars().count()));
        }
        // The gateway has masked what has to be masked; its own numbers are not for hiding.
        match format {
            Format::Json => {
                let answer = match &self.answer {
                    Received::Fields(fields) => serde_json::json!(texts(fields)),
                    Received::Xml(text) => serde_json::json!(text),
                };
                let both = serde_json::json!({ "request": request, "answer": answer });
                println!("{}", serde_json::to_string_pretty(&both)?);
            }
            Format::Text => {
                println!("request (card data masked)");
                request.iter().for_each(|param| println!("  {:<27} {}", param.name, param.value));
                match &self.answer {
                    Received::Fields(fields) => {
                        println!("answer (signature checked)");
                        texts(fields).iter().for_each(|param| println!("  {:<27} {}", param.name, param.value));
                    }
                    Received::Xml(text) => {
                        println!("answer (XML as it came, its signature not checked)\n{}", text.trim_end());
                    }
                }
            }
        }
        Ok(())
    }

    /// One field of the answer; none of an answer in XML.
    pub fn field(&self, name: &str) -> Option<String> {
        match &self.answer {
            Received::Fields(fields) => fields.text(name).map(std::borrow::Cow::into_owned),
            Received::Xml(_) => None,
        }
    }
}

/// Card data that was encrypted: what is kept leaves it out, and here it is shown that it was sent.
const ENCRYPTED: &str = "encrypted_card_data";
/// How much of it is shown: of its head, which tells the algorithm and the key.
const ENCRYPTED_CHARS_SHOWN: usize = 40;

fn texts(message: &Message) -> SafeParams {
    let mut params = SafeParams::default();
    for (name, value) in message.params() {
        params.push(name, &shown(value));
    }
    params
}

/// A value as clients hash it: lists and objects written out.
fn shown(value: Value<'_>) -> String {
    match value {
        Value::List(list) => format!("[{}]", list.iter().map(shown).collect::<Vec<_>>().join(", ")),
        Value::Object(object) => {
            let members = object.iter().map(|(name, value)| format!("{name}={}", shown(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        scalar => scalar.scalar().unwrap_or_default().into_owned(),
    }
}

/// The merchant's first credential.
///
/// # Errors
/// When it has none.
pub fn first_credential(account: &Arc<Account>) -> anyhow::Result<&Credential> {
    account
        .merchant
        .credentials
        .first()
        .with_context(|| format!("merchant {} has no access code", account.merchant.name))
}

/// Adds what every request needs and was not given.
fn completed(account: &Account, credential: &Credential, given: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut params = given;
    for (name, value) in [
        ("access_code", credential.access_code.as_str()),
        ("merchant_identifier", account.merchant.merchant_identifier.as_str()),
        ("language", "en"),
    ] {
        if !params.iter().any(|(given, _)| given == name) {
            params.push((name.to_owned(), value.to_owned()));
        }
    }
    params
}

fn key_parameter(command: &str) -> &'static str {
    match Service::from_name(command) {
        Some(service) => service.key(),
        None if matches!(command, "SDK_TOKEN" | "TOKENIZATION" | "CREATE_TOKEN" | "UPDATE_TOKEN" | "PAYMENT_LINK") => {
            "service_command"
        }
        None if command.starts_with("CHECK_") || command.starts_with("GET_") => "query_command",
        None => "command",
    }
}
