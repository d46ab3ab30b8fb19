//! `tollgate batch upload|process|cancel|status|results|errors|list`.

use super::call::{Caller, first_credential, target};
use super::{DataArg, Format, small_runtime};
use crate::batch::BatchRequest;
use crate::client::Connection;
use crate::data_folder::DataFolder;
use crate::operator::OperatorClient;
use crate::wiring::{self, Keep};
use anyhow::{Context, bail};
use bytes::Bytes;
use clap::{Args, Subcommand};
use http::{Method, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde_json::Value;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tollgate_app::{Account, Accounts};
use tollgate_core::batch::FILE_BYTES_MAX;
use tollgate_core::shown::harmless;
use tollgate_fort::client::signed_json;
use tollgate_fort::message::Message;
use tollgate_fort::service::Endpoint;
use tollgate_fort::signature;

/// The largest answer that is no file of results, in bytes.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// How often progress is asked for, in milliseconds.
const WATCH_EVERY_MS: u64 = 500;
/// How wide a progress bar is, in characters.
const BAR_CHARS: u64 = 40;
/// The code that a refused row's code begins with.
const REFUSED: &str = "00";

/// Upload files of payments and operations, have them processed, and read their results.
#[derive(Debug, Args)]
pub struct BatchArgs {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    data: DataArg,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Upload a CSV file as a merchant: signed, and sent over HTTP like a merchant's own server does
    Upload {
        /// The file; its first row names the columns
        file: PathBuf,
        /// batch_reference: 1 to 20 letters, digits and - _ . / [default: the file's name without .csv]
        #[arg(long)]
        reference: Option<String>,
        #[command(flatten)]
        caller: Caller,
    },
    /// Have the rows of a validated batch carried out
    Process {
        /// batch_reference of the upload
        reference: String,
        /// execution_date: when the first row may begin, with an offset (2027-01-31T06:00:00+04:00) [default: at once]
        #[arg(long, value_name = "DATE")]
        at: Option<String>,
        #[command(flatten)]
        caller: Caller,
    },
    /// Give a batch up that has not begun: none of its rows is ever carried out
    Cancel {
        /// batch_reference of the upload
        reference: String,
        #[command(flatten)]
        caller: Caller,
    },
    /// Show how far a batch is
    Status {
        /// batch_reference of the upload
        reference: String,
        /// Ask again until there is nothing to wait for
        #[arg(long)]
        watch: bool,
        #[command(flatten)]
        caller: Caller,
    },
    /// Print the results of a batch as CSV once it is done; before, how it stands
    Results {
        /// batch_reference of the upload
        reference: String,
        /// Write them to this file instead
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
        #[command(flatten)]
        caller: Caller,
    },
    /// List the rows that came to nothing so far, with column and reason; at any time
    Errors {
        /// batch_reference of the upload
        reference: String,
        #[command(flatten)]
        caller: Caller,
    },
    /// List batches, the newest first
    List {
        /// Of this merchant alone
        #[arg(long)]
        merchant: Option<String>,
        /// Go on after the batch of this number
        #[arg(long, value_name = "BATCH_ID")]
        before: Option<String>,
        /// At most so many, up to 500
        #[arg(long, default_value_t = 50)]
        limit: usize,
        /// How to print it
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
}

impl BatchArgs {
    /// Runs it.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let folder = self.data.open()?;
        small_runtime()?.block_on(async {
            match self.action {
                Action::Upload { file, reference, caller } => upload(&folder, &file, reference, &caller).await,
                Action::Cancel { reference, caller } => cancel(&folder, reference, &caller).await,
                Action::Process { reference, at, caller } => {
                    let mut params = vec![("service_command", "PROCESS_BATCH"), ("batch_reference", &*reference)];
                    params.extend(at.as_deref().map(|at| ("execution_date", at)));
                    let signer = Signer::open(&folder, &caller).await?;
                    match signer.ask(&folder, &caller, &params).await? {
                        Answered::Fields(fields) => print_fields(&fields, caller.format),
                        Answered::Results(_) => bail!("the gateway answered with a file"),
                    }
                }
                Action::Status { reference, watch, caller } => status(&folder, &reference, watch, &caller).await,
                Action::Results { reference, output, caller } => {
                    results(&folder, &reference, output.as_deref(), &caller).await
                }
                Action::Errors { reference, caller } => errors(&folder, &reference, &caller).await,
                Action::List { merchant, before, limit, format } => {
                    list(&folder, BatchRequest::List { merchant, before, limit }, format).await
                }
            }
        })
    }
}

/// A merchant that signs.
struct Signer {
    account: Arc<Account>,
}

/// What a call was answered.
enum Answered {
    /// Fields, whose signature is right.
    Fields(Message),
    /// A file of results, on its way.
    Results(Incoming),
}

impl Signer {
    async fn open(folder: &DataFolder, caller: &Caller) -> anyhow::Result<Signer> {
        let opened = wiring::open(folder, Keep::Existing).await?;
        let accounts = Accounts::new(opened.store.clone(), opened.vault.clone(), opened.clock.clone());
        let account = accounts.by_name(&caller.merchant).await;
        drop(accounts);
        wiring::close(opened).await;
        Ok(Signer { account: account? })
    }

    fn completed<'a>(&'a self, given: &[(&'a str, &'a str)]) -> anyhow::Result<Vec<(&'a str, &'a str)>> {
        let mut params = given.to_vec();
        params.extend([
            ("access_code", first_credential(&self.account)?.access_code.as_str()),
            ("merchant_identifier", self.account.merchant.merchant_identifier.as_str()),
            ("language", "en"),
        ]);
        Ok(params)
    }

    /// Signs, sends, and checks the answer's signature.
    async fn ask(&self, folder: &DataFolder, caller: &Caller, params: &[(&str, &str)]) -> anyhow::Result<Answered> {
        let credential = first_credential(&self.account)?;
        let phrase = credential.request_phrases.first().context("the merchant has no request phrase")?;
        let body = signed_json(&self.completed(params)?, phrase, credential.sha_type);
        let mut connection = target(folder, caller)?.connect().await?;
        self.answered(&mut connection, Endpoint::BatchApi, "application/json", body).await
    }

    async fn answered(
        &self,
        connection: &mut Connection,
        endpoint: Endpoint,
        content_type: &str,
        body: Vec<u8>,
    ) -> anyhow::Result<Answered> {
        let response = connection.post_to(endpoint.path(), content_type, Bytes::from(body)).await?;
        let is_csv =
            response.headers().get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/csv"));
        if is_csv {
            return Ok(Answered::Results(response.into_body()));
        }
        let read = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let bytes = read.map_err(anyhow::Error::from_boxed)?.to_bytes();
        let fields =
            Message::from_json(&bytes).map_err(|fault| anyhow::anyhow!("the answer cannot be read: {fault}"))?;
        let credential = first_credential(&self.account)?;
        let phrases = std::slice::from_ref(&credential.response_phrase);
        let is_signed = fields.text("signature").is_some();
        if is_signed && !signature::verify(&fields, &[], phrases, credential.sha_type).is_match() {
            bail!("the answer's signature is wrong: somebody changed it, or the response phrase differs");
        }
        Ok(Answered::Fields(fields))
    }
}

async fn upload(
    folder: &DataFolder,
    file: &Path,
    reference: Option<String>,
    caller: &Caller,
) -> anyhow::Result<ExitCode> {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let reference = reference.unwrap_or(stem);
    let size = std::fs::metadata(file).with_context(|| format!("{} cannot be read", file.display()))?.len();
    if size > FILE_BYTES_MAX as u64 {
        bail!("{} has {size} bytes, and a batch at most {FILE_BYTES_MAX}: make several files of it", file.display());
    }
    let content = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let signer = Signer::open(folder, caller).await?;
    let credential = first_credential(&signer.account)?;
    let phrase = credential.request_phrases.first().context("the merchant has no request phrase")?;
    let params = signer.completed(&[("service_command", "UPLOAD_BATCH_FILE"), ("batch_reference", &reference)])?;
    let signed = signature::sign(params.iter().copied(), phrase, credential.sha_type);
    let boundary = boundary()?;
    let mut body = Vec::with_capacity(content.len() + 2048);
    for (name, value) in params.iter().copied().chain([("signature", signed.as_str())]) {
        body.extend_from_slice(
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").as_bytes(),
        );
    }
    let quoted = name.replace(['"', '\r', '\n', '\\'], "_");
    body.extend_from_slice(
        format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{quoted}\"\r\n\
             Content-Type: text/csv\r\n\r\n"
        )
        .as_bytes(),
    );
    body.extend_from_slice(&content);
    drop(content);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    let mut connection = target(folder, caller)?.connect().await?;
    let content_type = format!("multipart/form-data; boundary={boundary}");
    match signer.answered(&mut connection, Endpoint::Upload, &content_type, body).await? {
        Answered::Results(_) => bail!("the gateway answered with a file"),
        Answered::Fields(fields) => {
            let code = print_fields(&fields, caller.format)?;
            if caller.format == Format::Text && fields.text("status").as_deref() == Some("50") {
                println!("next: tollgate batch status {reference} --watch, then tollgate batch process {reference}");
            }
            Ok(code)
        }
    }
}

/// What no file holds by chance.
fn boundary() -> anyhow::Result<String> {
    let mut bytes = [0u8; 16];
    aws_lc_rs::rand::fill(&mut bytes).ok().context("the system gives no randomness")?;
    Ok(format!("tollgate-x{}", hex::encode(bytes)))
}

async fn cancel(folder: &DataFolder, reference: String, caller: &Caller) -> anyhow::Result<ExitCode> {
    let request = serde_json::to_value(&BatchRequest::Cancel { merchant: caller.merchant.clone(), reference })?;
    let answer = OperatorClient::needed(folder)?.ask(Method::POST, "batch", &request).await?;
    match caller.format {
        Format::Json => println!("{}", serde_json::to_string_pretty(&answer)?),
        Format::Text => print_status(&answer),
    }
    Ok(ExitCode::SUCCESS)
}

async fn results(
    folder: &DataFolder,
    reference: &str,
    output: Option<&Path>,
    caller: &Caller,
) -> anyhow::Result<ExitCode> {
    let signer = Signer::open(folder, caller).await?;
    let params = [("service_command", "GET_BATCH_RESULTS"), ("batch_reference", reference)];
    let mut body = match signer.ask(folder, caller, &params).await? {
        Answered::Fields(fields) => {
            print_fields(&fields, caller.format)?;
            if fields.text("status").as_deref() == Some("70") {
                println!("validated, not processed yet: tollgate batch process {reference}");
                return Ok(ExitCode::SUCCESS);
            }
            return Ok(ExitCode::FAILURE);
        }
        Answered::Results(body) => body,
    };
    let mut out: Box<dyn Write> = match output {
        None => Box::new(std::io::stdout().lock()),
        Some(path) => {
            let file = std::fs::File::create(path).with_context(|| format!("{} cannot be written", path.display()))?;
            Box::new(std::io::BufWriter::new(file))
        }
    };
    while let Some(frame) = body.frame().await {
        let frame = frame.context("the results broke off in the middle: ask again, what came is not all of them")?;
        if let Some(data) = frame.data_ref() {
            out.write_all(data)?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

async fn status(folder: &DataFolder, reference: &str, watch: bool, caller: &Caller) -> anyhow::Result<ExitCode> {
    let request = BatchRequest::Status { merchant: caller.merchant.clone(), reference: reference.to_owned() };
    let request = serde_json::to_value(&request)?;
    let is_drawn = watch && caller.format == Format::Text && std::io::stdout().is_terminal();
    loop {
        let answer = OperatorClient::needed(folder)?.ask(Method::POST, "batch", &request).await?;
        let state = text(&answer, "state");
        let is_over = !matches!(state.as_str(), "uploaded" | "validating" | "processing");
        if is_drawn {
            print!("\r\x1b[K{}", bar(&answer));
            std::io::stdout().flush()?;
        }
        if is_over || !watch {
            if is_drawn {
                println!();
            }
            match caller.format {
                Format::Json => println!("{}", serde_json::to_string_pretty(&answer)?),
                Format::Text => print_status(&answer),
            }
            return Ok(ExitCode::SUCCESS);
        }
        tokio::time::sleep(Duration::from_millis(WATCH_EVERY_MS)).await;
    }
}

fn print_status(answer: &Value) {
    println!("{}", bar(answer));
    let rows = &answer["rows"];
    for (what, value) in [
        ("batch", text(answer, "batch_id")),
        ("merchant", text(answer, "merchant")),
        ("reference", text(answer, "reference")),
        ("file", harmless(&text(answer, "file")).into_owned()),
        ("state", text(answer, "state")),
        ("why", text(answer, "why")),
        ("rows", number(rows, "rows").to_string()),
        ("refused", number(rows, "refused").to_string()),
        ("with a result", number(rows, "done").to_string()),
        ("succeeded", number(rows, "succeeded").to_string()),
        ("uploaded", text(answer, "uploaded_at")),
        ("validated", text(answer, "validated_at")),
        ("asked for", text(answer, "asked_at")),
        ("begins", text(answer, "execute_at")),
        (if text(answer, "state") == "cancelled" { "cancelled" } else { "done" }, text(answer, "done_at")),
    ] {
        if !value.is_empty() {
            println!("{what:<16}{value}");
        }
    }
}

/// How far it is: of the validation, or of the processing.
fn bar(answer: &Value) -> String {
    let rows = &answer["rows"];
    let state = text(answer, "state");
    let all = number(rows, "rows");
    let done = match state.as_str() {
        "uploaded" | "validating" => number(rows, "judged"),
        "processing" | "done" => number(rows, "done"),
        _ => all,
    };
    let part = |of: u64| done.saturating_mul(of).checked_div(all).unwrap_or(of);
    let filled = usize::try_from(part(BAR_CHARS)).unwrap_or(0);
    let empty = usize::try_from(BAR_CHARS).unwrap_or(0).saturating_sub(filled);
    format!("[{}{}] {:>3}% {done} of {all} rows, {state}", "#".repeat(filled), ".".repeat(empty), part(100))
}

async fn errors(folder: &DataFolder, reference: &str, caller: &Caller) -> anyhow::Result<ExitCode> {
    let gateway = OperatorClient::needed(folder)?;
    let (mut after, mut any) = (0, false);
    loop {
        let (merchant, reference) = (caller.merchant.clone(), reference.to_owned());
        let request = serde_json::to_value(&BatchRequest::Results { merchant, reference, after })?;
        let answer = gateway.ask(Method::POST, "batch", &request).await?;
        let results = answer["results"].as_array().cloned().unwrap_or_default();
        for row in &results {
            after = u32::try_from(number(row, "place")).unwrap_or(u32::MAX);
            let code = text(row, "code");
            let is_success = code.ends_with("000") && !code.starts_with(REFUSED);
            if is_success {
                continue;
            }
            any = true;
            match caller.format {
                Format::Json => println!("{row}"),
                Format::Text => {
                    let column = text(row, "column");
                    let at = if column.is_empty() { String::new() } else { format!(" at {}", harmless(&column)) };
                    let why = text(row, "why");
                    let why = if why.is_empty() { String::new() } else { format!(": {}", harmless(&why)) };
                    println!("line {}  {code} {}{at}{why}", number(row, "line"), text(row, "message"));
                }
            }
        }
        if answer["more"] != true {
            break;
        }
    }
    if !any && caller.format == Format::Text {
        println!("no row came to nothing so far");
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(folder: &DataFolder, request: BatchRequest, format: Format) -> anyhow::Result<ExitCode> {
    let gateway = OperatorClient::needed(folder)?;
    let answer = gateway.ask(Method::POST, "batch", &serde_json::to_value(&request)?).await?;
    if format == Format::Json {
        println!("{}", serde_json::to_string_pretty(&answer)?);
        return Ok(ExitCode::SUCCESS);
    }
    let batches = answer["batches"].as_array().cloned().unwrap_or_default();
    if batches.is_empty() {
        println!("no batches");
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "{:<20}{:<16}{:<22}{:<24}{:>9}{:>9}{:>9}",
        "batch_id", "merchant", "reference", "state", "rows", "refused", "done"
    );
    for batch in &batches {
        let field = |name: &str| text(batch, name);
        let rows = &batch["rows"];
        println!(
            "{:<20}{:<16}{:<22}{:<24}{:>9}{:>9}{:>9}",
            field("batch_id"),
            field("merchant"),
            field("reference"),
            field("state"),
            number(rows, "rows"),
            number(rows, "refused"),
            number(rows, "done"),
        );
    }
    if answer["more"] == true
        && let Some(last) = batches.last()
    {
        println!("there are more: go on with --before {}", text(last, "batch_id"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints an answer; it fails when the answer says no.
fn print_fields(fields: &Message, format: Format) -> anyhow::Result<ExitCode> {
    let pairs: Vec<(&str, String)> =
        fields.params().map(|(name, value)| (name, value.scalar().unwrap_or_default().into_owned())).collect();
    match format {
        Format::Json => {
            let map: serde_json::Map<String, Value> =
                pairs.iter().map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str()))).collect();
            println!("{}", serde_json::to_string_pretty(&map)?);
        }
        Format::Text => {
            println!("answer (signature checked)");
            pairs.iter().for_each(|(name, value)| println!("  {:<27} {}", harmless(name), harmless(value)));
        }
    }
    let status = fields.text("status").unwrap_or_default();
    let is_well = matches!(&*status, "50" | "70" | "72");
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or_default()
}
