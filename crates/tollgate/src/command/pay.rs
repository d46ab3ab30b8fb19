//! `tollgate pay`: a card payment, as a PCI-certified merchant sends it.

use super::call::{self, Caller};
use super::{DataArg, Format, small_runtime};
use crate::client::Target;
use crate::story;
use crate::wiring::{self, Keep};
use anyhow::{Context, bail};
use clap::Args;
use std::process::ExitCode;
use tollgate_core::ident::FortId;
use tollgate_core::money::{Amount, Currency};
use tollgate_core::secret::Wiped;
use tollgate_core::time::Clock;
use tollgate_vault::{JweAlgorithm, Jwk};

/// Make a signed payment with a card.
#[derive(Debug, Args)]
pub struct Pay {
    /// In major units, for example 100.00
    #[arg(long)]
    amount: String,
    /// ISO 4217, for example AED
    #[arg(long, default_value = "AED")]
    currency: String,
    /// The card number; '-' reads it from standard input
    #[arg(long)]
    card: String,
    /// YYMM
    #[arg(long)]
    expiry: String,
    /// The card security code
    #[arg(long)]
    cvv: Option<String>,
    /// The name on the card
    #[arg(long)]
    holder: Option<String>,
    /// Hold the money instead of taking it: AUTHORIZATION
    #[arg(long)]
    authorize: bool,
    /// Your order number [default: a new one]
    #[arg(long)]
    reference: Option<String>,
    /// The customer's e-mail address
    #[arg(long, default_value = "customer@example.org")]
    email: String,
    /// en or ar
    #[arg(long, default_value = "en")]
    language: String,
    /// Let 3-D Secure run where the card is enrolled; it is left out otherwise
    #[arg(long)]
    three_ds: bool,
    /// More parameters as name=value
    #[arg(value_name = "NAME=VALUE")]
    more: Vec<String>,
    /// Send the card data encrypted to a key that the gateway publishes: ec (ECDH-ES+A256KW) or rsa (RSA-OAEP-256)
    #[arg(long, value_enum, value_name = "ec|rsa", num_args = 0..=1, default_missing_value = "ec", require_equals = true)]
    encrypt: Option<Encryption>,
    /// Show the ISO 8583 messages that went over the wire, masked
    #[arg(long)]
    trace: bool,
    #[command(flatten)]
    caller: Caller,
    #[command(flatten)]
    data: DataArg,
}

/// How card data is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Encryption {
    /// ECDH-ES+A256KW on P-256
    Ec,
    /// RSA-OAEP-256
    Rsa,
}

impl Pay {
    /// Pays and prints what happened. Fails when the payment was not approved.
    ///
    /// # Errors
    /// When the payment cannot be sent.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let params = self.params()?;
        let folder = self.data.open()?;
        small_runtime()?.block_on(async {
            let opened = wiring::open(&folder, Keep::Existing).await?;
            let done = async {
                let params = match self.encrypt {
                    None => params,
                    Some(encryption) => {
                        let target = call::target(&folder, &self.caller)?;
                        encrypted(params, encryption, &target, opened.clock.now().unix_seconds()).await?
                    }
                };
                let exchanged = call::send(&folder, &opened, &self.caller, params).await?;
                exchanged.print(self.caller.format)?;
                let fort_id = exchanged.field("fort_id").and_then(|text| FortId::parse(&text));
                if let (true, Some(fort_id), Format::Text) = (self.trace, fort_id, self.caller.format)
                    && let Some(story) = opened.store.story(fort_id).await?
                {
                    println!("ISO 8583 on the wire (card data masked)");
                    story::print_wire(&story);
                }
                let status = exchanged.field("status").unwrap_or_default();
                if self.caller.format == Format::Text {
                    println!("{}", verdict(&status));
                }
                anyhow::Ok(if matches!(status.as_str(), "02" | "14") { ExitCode::SUCCESS } else { ExitCode::from(2) })
            };
            let code = done.await;
            wiring::close(opened).await;
            code
        })
    }

    fn params(&self) -> anyhow::Result<Vec<(String, String)>> {
        let currency = Currency::from_alpha(&self.currency)
            .with_context(|| format!("{:?} is no ISO 4217 currency", self.currency))?;
        let amount = Amount::parse_major(&self.amount, currency).with_context(|| {
            format!("{:?} is no amount of {currency}, which has {} decimals", self.amount, currency.exponent())
        })?;
        let reference = match &self.reference {
            Some(reference) => reference.clone(),
            None => new_reference()?,
        };
        let command = if self.authorize { "AUTHORIZATION" } else { "PURCHASE" };
        let mut params = vec![
            ("command".to_owned(), command.to_owned()),
            ("merchant_reference".to_owned(), reference),
            ("amount".to_owned(), amount.to_string()),
            ("currency".to_owned(), currency.to_string()),
            ("language".to_owned(), self.language.clone()),
            ("customer_email".to_owned(), self.email.clone()),
            ("card_number".to_owned(), self.card_number()?),
            ("expiry_date".to_owned(), self.expiry.clone()),
        ];
        for (name, value) in [("card_security_code", &self.cvv), ("card_holder_name", &self.holder)] {
            if let Some(value) = value {
                params.push((name.to_owned(), value.clone()));
            }
        }
        if !self.three_ds {
            params.push(("check_3ds".to_owned(), "NO".to_owned()));
        }
        for param in &self.more {
            let (name, value) = param.split_once('=').with_context(|| format!("{param:?} is not name=value"))?;
            if params.iter().any(|(known, _)| known == name) {
                bail!("{name} is there already{}", option_for(name));
            }
            params.push((name.to_owned(), value.to_owned()));
        }
        Ok(params)
    }

    fn card_number(&self) -> anyhow::Result<String> {
        if self.card != "-" {
            return Ok(self.card.clone());
        }
        let mut line = String::new();
        std::io::stdin().read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }
}

/// The parameters with `encrypted_card_data` in place of the card's own.
async fn encrypted(
    params: Vec<(String, String)>,
    encryption: Encryption,
    target: &Target,
    now_seconds: i64,
) -> anyhow::Result<Vec<(String, String)>> {
    const CARD: [&str; 4] = ["card_number", "expiry_date", "card_security_code", "card_holder_name"];
    let keys = target.connect().await?.get(KEYS_PATH).await.context("the gateway publishes no keys")?;
    let keys: Keys = serde_json::from_slice(&keys).context("the published keys cannot be read")?;
    let algorithm = match encryption {
        Encryption::Ec => JweAlgorithm::EcdhEsA256Kw,
        Encryption::Rsa => JweAlgorithm::RsaOaep256,
    };
    let key = keys.keys.iter().find(|key| key.algorithm() == Some(algorithm));
    let key = key.with_context(|| format!("the gateway publishes no key for {}", algorithm.name()))?;
    let (card, mut params): (Vec<_>, Vec<_>) = params.into_iter().partition(|(name, _)| CARD.contains(&name.as_str()));
    let mut content: serde_json::Map<_, _> = card.into_iter().map(|(name, value)| (name, value.into())).collect();
    let mut nonce = [0u8; 16];
    aws_lc_rs::rand::fill(&mut nonce).map_err(|_| anyhow::anyhow!("the system gives no random numbers"))?;
    content.insert("jti".to_owned(), hex::encode(nonce).into());
    content.insert("iat".to_owned(), now_seconds.into());
    let content = Wiped::new(serde_json::to_vec(&content)?);
    params.push(("encrypted_card_data".to_owned(), tollgate_vault::encrypt(&content, key)?));
    Ok(params)
}

/// Where a gateway publishes its keys for card data.
const KEYS_PATH: &str = "/.well-known/tollgate/jwks.json";

#[derive(serde::Deserialize)]
struct Keys {
    keys: Vec<Jwk>,
}

/// How to say instead what an option says.
fn option_for(name: &str) -> String {
    const OPTIONS: [(&str, &str); 11] = [
        ("command", "--authorize"),
        ("merchant_reference", "--reference"),
        ("amount", "--amount"),
        ("currency", "--currency"),
        ("language", "--language"),
        ("customer_email", "--email"),
        ("card_number", "--card"),
        ("expiry_date", "--expiry"),
        ("card_security_code", "--cvv"),
        ("card_holder_name", "--holder"),
        ("check_3ds", "--three-ds"),
    ];
    match OPTIONS.iter().find(|(parameter, _)| *parameter == name) {
        Some((_, option)) => format!(": use {option}, or `tollgate call`, which adds none of these by itself"),
        None => String::new(),
    }
}

fn verdict(status: &str) -> &'static str {
    match status {
        "14" => "paid",
        "02" => "authorized: the money is held; CAPTURE takes it",
        "15" => "unknown: the network did not confirm it; CHECK_STATUS tells when it is settled",
        "20" => "waiting for 3-D Secure",
        "00" => "refused: nothing was done",
        _ => "declined",
    }
}

fn new_reference() -> anyhow::Result<String> {
    let mut bytes = [0u8; 6];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| anyhow::anyhow!("the system gives no random numbers"))?;
    Ok(format!("TG-{}", hex::encode(bytes)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        pay: Pay,
    }

    fn params(more: &[&str]) -> anyhow::Result<Vec<(String, String)>> {
        let line = ["pay", "--amount", "1.00", "--card", "4005550000000001", "--expiry", "2905", "--cvv", "123"];
        let line = line.iter().chain(&["--holder", "A B"]).chain(more);
        Line::try_parse_from(line).unwrap().pay.params()
    }

    #[test]
    fn what_an_option_says_is_not_said_twice() {
        for (name, _) in params(&[]).unwrap() {
            let error = params(&[&format!("{name}=x")]).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{name} is there already: use --")), "{error}");
        }
        let error = params(&["order_description=a", "order_description=b"]).unwrap_err().to_string();
        assert_eq!(error, "order_description is there already");
        assert_eq!(params(&["order_description=a"]).unwrap().last().unwrap().1, "a");
    }
}
