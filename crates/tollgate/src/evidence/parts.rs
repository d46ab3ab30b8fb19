//! What the evidence is made of.

use crate::admin_client::AdminClient;
use crate::audit_heads::HeadFile;
use crate::command::audit::audit_json;
use crate::command::keys::inventory;
use crate::config::Config;
use crate::data_folder::DataFolder;
use crate::pci_scope;
use crate::running::Running;
use crate::wiring::Opened;
use anyhow::Context;
use http::Method;
use http_body_util::{BodyExt, Limited};
use serde_json::{Value, json};
use std::time::Duration;
use tollgate_app::{Accounts, AuditFilter, ChannelKeys, count_audit, verify_audit};
use tollgate_core::time::Clock;
use tollgate_core::time::{DAY_US, Timestamp};
use tollgate_http::client_certificate_of_pem;
use tollgate_store::AuditChain;

/// The largest page of metrics that is read, in bytes.
const METRICS_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long the gateway may take to answer, in milliseconds.
const METRICS_MS_MAX: u64 = 10_000;
/// What is counted of interest to an assessor.
const COUNTERS: &[&str] = &[
    "tollgate_stray_card_numbers_total",
    "tollgate_source_refusals_total",
    "tollgate_pci_scope_contradictions_total",
    "tollgate_channel_replays_total",
    "tollgate_operator_unauthorized_total",
    "tollgate_forced_corrections_total",
    "tollgate_keys_rows_resealed_total",
];
/// How far back the second count of the audit log goes, in days.
const AUDIT_DAYS: i64 = 365;
/// What the program may be built of, development tools included.
const COMPONENTS: &str = include_str!("../../../../Cargo.lock");

pub(super) async fn keys(opened: &Opened) -> anyhow::Result<Value> {
    inventory(opened.custody()?.as_ref(), opened.store.as_ref(), opened.clock.now()).await
}

pub(super) async fn channel_keys(opened: &Opened) -> anyhow::Result<Value> {
    let now = opened.clock.now();
    let keys = ChannelKeys::new(opened.store.clone(), opened.vault.clone(), opened.clock.clone()).all().await?;
    let rows: Vec<Value> = keys
        .iter()
        .map(|key| {
            json!({
                "kid": key.public.kid,
                "alg": key.public.alg,
                "made_at": key.created_at.to_string(),
                "age_days": days_between(key.created_at, now),
                "published": key.accepted_until.is_none(),
                "accepted_until": key.accepted_until.map(|until| until.to_string()),
            })
        })
        .collect();
    Ok(Value::Array(rows))
}

/// Whether the audit log is unbroken, and how often each thing in it was done.
pub(super) async fn audit(folder: &DataFolder, opened: &Opened) -> anyhow::Result<Value> {
    let heads = HeadFile::of(folder).read()?;
    let report = verify_audit(&*opened.store, &opened.vault, AuditChain::SOLE, &heads).await?;
    let counted = async |from: Option<Timestamp>| {
        let counts = count_audit(&*opened.store, &AuditFilter { from, ..AuditFilter::default() }).await?;
        let named = counts.iter().map(|(action, count)| (action.name().to_owned(), Value::from(*count)));
        anyhow::Ok(Value::Object(named.collect()))
    };
    let year_ago = Timestamp(opened.clock.now().0.saturating_sub(AUDIT_DAYS.saturating_mul(DAY_US)));
    // What cannot be read cannot be counted; that it is broken is what matters then.
    let (all, recent) = match report.broken {
        None => (counted(None).await?, counted(Some(year_ago)).await?),
        Some(_) => (Value::Null, Value::Null),
    };
    Ok(json!({ "verified": audit_json(&report, heads.len()), "counts": all, "counts_of_the_last_365_days": recent }))
}

/// Merchants without their credentials, and without URLs, which may hold some.
pub(super) async fn merchants(opened: &Opened) -> anyhow::Result<Value> {
    let accounts = Accounts::new(opened.store.clone(), opened.vault.clone(), opened.clock.clone()).all().await?;
    let scopes = pci_scope::of(&*opened.store, &accounts).await?;
    let now = opened.clock.now();
    let rows: Vec<Value> = accounts
        .iter()
        .zip(&scopes)
        .map(|(account, scope)| {
            let merchant = &account.merchant;
            let credentials = merchant.credentials.iter();
            json!({
                "name": merchant.name,
                "active": merchant.active,
                "attestation": merchant.terms.trusted_channel.as_ref().map(|attestation| json!({
                    "level": attestation.level,
                    "assessor": attestation.assessor,
                    "document": attestation.document,
                    "document_sha256": attestation.document_sha256,
                    "valid_until": attestation.valid_until.to_string(),
                    "days_left": days_between(now, attestation.valid_until),
                    "verified_by": attestation.verified_by,
                    "verified_at": attestation.verified_at.to_string(),
                })),
                "channel": merchant.terms.channel,
                "signatures": credentials.map(|credential| json!({
                    "digest": credential.sha_type.name(),
                    "phrase_rotation_under_way": credential.request_phrases.len() > 1,
                })).collect::<Vec<_>>(),
                "scope": pci_scope::json(scope),
            })
        })
        .collect();
    Ok(Value::Array(rows))
}

pub(super) fn tls(config: &Config, now: Timestamp) -> Value {
    let server = &config.server;
    let Some(path) = &server.tls_certificate else {
        return json!({ "here": false, "plain_http": server.plain_http, "listen": server.listen.to_string() });
    };
    let read = std::fs::read(path).map_err(|error| error.to_string());
    let certificate = match read.map(|pem| client_certificate_of_pem(&pem)) {
        Err(error) => json!({ "error": error }),
        Ok(None) => json!({ "error": "the file holds no certificate in PEM" }),
        Ok(Some(certificate)) => json!({
            "sha256": certificate.fingerprint.to_string(),
            "valid_from": certificate.valid_from.map(|at| at.to_string()),
            "valid_until": certificate.valid_until.map(|at| at.to_string()),
            "days_left": certificate.valid_until.map(|until| days_between(now, until)),
        }),
    };
    json!({
        "here": true,
        "listen": server.listen.to_string(),
        "versions": ["TLS 1.2", "TLS 1.3"],
        "client_certificates": server.client_certificates,
        "certificate": certificate,
    })
}

/// The counters of the running gateway; that none runs is told as such.
pub(super) async fn counters(folder: &DataFolder) -> Value {
    let asked = tokio::time::timeout(Duration::from_millis(METRICS_MS_MAX), metrics(folder)).await;
    match asked.unwrap_or_else(|_| Err(anyhow::anyhow!("the running gateway took too long to answer"))) {
        Err(error) => json!({ "running": false, "why": format!("{error:#}") }),
        Ok(page) => {
            let is_wanted = |line: &&str| COUNTERS.iter().any(|name| line.starts_with(name));
            let counts: serde_json::Map<String, Value> = page
                .lines()
                .filter(is_wanted)
                .filter_map(|line| line.rsplit_once(' '))
                .map(|(name, count)| (name.to_owned(), count.into()))
                .collect();
            json!({ "running": true, "counters": counts, "not_listed": "what is not listed was not counted yet: 0" })
        }
    }
}

async fn metrics(folder: &DataFolder) -> anyhow::Result<String> {
    let running = Running::read(folder)?;
    let address = running.admin.context("the running gateway has no admin address")?;
    let client = AdminClient { address, who: "the running gateway", token: None, answer_ms_max: METRICS_MS_MAX };
    let response = client.send(Method::GET, "/metrics", &Value::Null).await?;
    let body = Limited::new(response.into_body(), METRICS_BYTES_MAX).collect().await;
    let body = body.map_err(anyhow::Error::from_boxed)?.to_bytes();
    Ok(String::from_utf8_lossy(&body).into_owned())
}

pub(super) fn software() -> anyhow::Result<Value> {
    let locked: toml::Table = COMPONENTS.parse()?;
    let packages =
        locked.get("package").and_then(toml::Value::as_array).context("the list of components is unreadable")?;
    let text = |package: &toml::Value, name: &str| package.get(name).and_then(toml::Value::as_str).map(str::to_owned);
    let components: Vec<Value> = packages
        .iter()
        // What has a source is not ours.
        .filter(|package| package.get("source").is_some())
        .map(|package| {
            json!({ "name": text(package, "name"), "version": text(package, "version"), "sha256": text(package, "checksum") })
        })
        .collect();
    Ok(json!({
        "tollgate": env!("CARGO_PKG_VERSION"),
        "components": components,
        "about": "third-party components at their locked versions; those that only tests and development use are among them",
        "licences": "checked by cargo-deny against deny.toml of the source",
    }))
}

fn days_between(from: Timestamp, to: Timestamp) -> i64 {
    to.0.saturating_sub(from.0).div_euclid(DAY_US)
}
