//! `tollgate link create|list|show|send|close|pdf|qr`.

use super::{OperatorArgs, small_runtime};
use crate::data_folder::DataFolder;
use crate::duration::Duration;
use crate::link::LinkRequest;
use crate::operator::OperatorClient;
use anyhow::Context;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use clap::{Args, Subcommand};
use http::Method;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use tollgate_core::invoice::{LINE_SEPARATOR, line_in_minor_units, parse_lines, totals};
use tollgate_core::money::{Amount, Currency};
use tollgate_core::shown::harmless;

/// Make, list, show, send and close payment links.
#[derive(Debug, Args)]
pub struct Link {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    common: OperatorArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a link, to be given to the customer
    Create(Box<Create>),
    /// List a merchant's links, newest first
    List {
        /// The merchant's handle
        merchant: String,
        /// Only those of this order number
        #[arg(long)]
        reference: Option<String>,
        /// Go on behind the link of this id
        #[arg(long, value_name = "ID")]
        after: Option<String>,
        /// At most so many, up to 1000
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Show one link
    Show {
        /// The merchant's handle
        merchant: String,
        /// The link's id
        id: String,
    },
    /// Send a link to its customer, or send it again
    Send {
        /// The merchant's handle
        merchant: String,
        /// The link's id
        id: String,
        /// By which ways, now and from now on: EMAIL, SMS or EMAIL,SMS [default: those of the link]
        #[arg(long, value_name = "WAYS")]
        by: Option<String>,
    },
    /// Write the invoice of a link as a PDF
    Pdf {
        /// The merchant's handle
        merchant: String,
        /// The link's id
        id: String,
        /// The file [default: invoice-ID.pdf]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// en or ar [default: the link's own]
        #[arg(long)]
        language: Option<String>,
    },
    /// Show the address of a link as a QR code
    Qr {
        /// The merchant's handle
        merchant: String,
        /// The link's id
        id: String,
        /// Write it to this file as an SVG picture instead
        #[arg(long, value_name = "FILE")]
        svg: Option<PathBuf>,
    },
    /// Close a link for good: nobody pays by it any more
    Close {
        /// The merchant's handle
        merchant: String,
        /// The link's id
        id: String,
    },
}

#[derive(Debug, Args)]
struct Create {
    /// The merchant's handle
    merchant: String,
    /// The merchant's order number
    #[arg(long)]
    reference: String,
    /// In major units, for example 100.00 [default: the total of the lines]
    #[arg(long, required_unless_present = "line")]
    amount: Option<String>,
    /// A line of an invoice: description;quantity;unit price;tax rate;discount, prices in major units and the last two as need
    /// be, as in 'Novel;2;35.00;5%'; may be given several times
    #[arg(long, value_name = "LINE")]
    line: Vec<String>,
    /// The invoice's number
    #[arg(long, value_name = "NUMBER", requires = "line")]
    invoice_number: Option<String>,
    /// The day until which it is to be paid, such as 2027-01-31
    #[arg(long, value_name = "DATE", requires = "line")]
    due: Option<String>,
    /// ISO 4217, for example AED
    #[arg(long, default_value = "AED")]
    currency: String,
    /// The customer's mail address
    #[arg(long)]
    email: String,
    /// The customer's name
    #[arg(long)]
    name: Option<String>,
    /// The customer's telephone number, digits alone, with 00 and the country's code
    #[arg(long)]
    phone: Option<String>,
    /// What is paid for; the customer sees it
    #[arg(long)]
    description: Option<String>,
    /// For how long it can be paid, such as 12h, 7d or 2w
    #[arg(long = "for", value_name = "TIME", default_value = "7d", conflicts_with = "until")]
    lasts: Duration,
    /// Until when it can be paid, such as 2027-12-20T15:36:55+03:00
    #[arg(long, value_name = "MOMENT")]
    until: Option<String>,
    /// Hold the money instead of taking it: AUTHORIZATION
    #[arg(long)]
    authorize: bool,
    /// An id of your own [default: a new number]
    #[arg(long)]
    id: Option<String>,
    /// The one payment option that can be paid with, such as VISA
    #[arg(long)]
    payment_option: Option<String>,
    /// Where the customer goes after paying [default: a receipt]
    #[arg(long, value_name = "URL")]
    return_url: Option<String>,
    /// How the customer is told: EMAIL, SMS, or EMAIL,SMS [default: you give the address to the customer yourself]
    #[arg(long, value_name = "WAYS")]
    notify: Option<String>,
    /// When the customer is reminded: times before the end, such as 3d,1d, or 'none' [default: as the merchant's account
    /// says]
    #[arg(long, value_name = "TIMES")]
    reminders: Option<String>,
    /// en or ar
    #[arg(long, default_value = "en")]
    language: String,
}

impl Link {
    /// Runs it, on the running gateway: customers can come to no other one.
    ///
    /// # Errors
    /// Why nothing was done.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let folder = self.common.data.open()?;
        let request = match self.action {
            Action::Create(create) => create.request()?,
            Action::List { merchant, reference, after, limit } => {
                LinkRequest::List { merchant, merchant_reference: reference, before: after, limit }
            }
            Action::Pdf { merchant, id, output, language } => {
                let path = output.unwrap_or_else(|| PathBuf::from(format!("invoice-{id}.pdf")));
                let answer = ask(&folder, &LinkRequest::Pdf { merchant, name: id, language })?;
                let pdf = answer["pdf"].as_str().and_then(|text| BASE64_STANDARD.decode(text).ok());
                let pdf = pdf.context("the gateway's answer holds no PDF")?;
                std::fs::write(&path, pdf).with_context(|| format!("{} cannot be written", path.display()))?;
                println!("{}", path.display());
                return Ok(ExitCode::SUCCESS);
            }
            Action::Qr { merchant, id, svg } => {
                let answer = ask(&folder, &LinkRequest::Show { merchant, name: id })?;
                let address = answer["payment_link"].as_str().context("the gateway's answer holds no address")?;
                match svg {
                    None => print!("{}\n{address}\n", tollgate_paper::qr_terminal(address)?),
                    Some(path) => std::fs::write(&path, tollgate_paper::qr_svg(address)?)
                        .with_context(|| format!("{} cannot be written", path.display()))?,
                }
                return Ok(ExitCode::SUCCESS);
            }
            Action::Show { merchant, id } => LinkRequest::Show { merchant, name: id },
            Action::Send { merchant, id, by } => LinkRequest::Send { merchant, name: id, by },
            Action::Close { merchant, id } => LinkRequest::Close { merchant, name: id },
        };
        let answer = ask(&folder, &request)?;
        self.common.print(&answer, print)
    }
}

fn ask(folder: &DataFolder, request: &LinkRequest) -> anyhow::Result<Value> {
    small_runtime()?.block_on(async {
        let gateway = OperatorClient::needed(folder)?;
        gateway.ask(Method::POST, "link", &serde_json::to_value(request)?).await
    })
}

impl Create {
    fn request(self) -> anyhow::Result<LinkRequest> {
        let currency = Currency::from_alpha(&self.currency)
            .with_context(|| format!("--currency is three capitals of ISO 4217, not {:?}", self.currency))?;
        let lines = self.lines(currency)?;
        let amount = match &self.amount {
            Some(text) => Amount::parse_major(text, currency).with_context(|| {
                format!("--amount is in major units of {currency} with at most {} decimals", currency.exponent())
            })?,
            None => {
                let total = totals(&parse_lines(&lines)?)?.total_minor;
                Amount::from_minor(total).context("the total is no amount")?
            }
        };
        let given = [
            ("merchant_reference", Some(self.reference)),
            ("amount", Some(amount.to_string())),
            ("currency", Some(currency.to_string())),
            ("customer_email", Some(self.email)),
            ("customer_name", self.name),
            ("customer_phone", self.phone),
            ("order_description", self.description),
            ("request_expiry_date", self.until.clone()),
            ("link_command", self.authorize.then(|| "AUTHORIZATION".to_owned())),
            ("payment_link_id", self.id),
            ("payment_option", self.payment_option),
            ("return_url", self.return_url),
            ("invoice_lines", Some(lines).filter(|lines| !lines.is_empty())),
            ("invoice_number", self.invoice_number),
            ("due_date", self.due),
            ("language", Some(self.language)),
            ("notification_type", self.notify),
            ("link_reminders", self.reminders),
        ];
        let params: BTreeMap<String, String> =
            given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        let lasts_ms = self.until.is_none().then_some(self.lasts.ms);
        Ok(LinkRequest::Create { merchant: self.merchant, params, lasts_ms })
    }
}

impl Create {
    /// The lines as the wire has them.
    fn lines(&self, currency: Currency) -> anyhow::Result<String> {
        let mut lines = Vec::with_capacity(self.line.len());
        for (line, number) in self.line.iter().zip(1..) {
            let read = line_in_minor_units(line, currency);
            lines.push(read.with_context(|| format!("--line, the {number}. of them ({currency})"))?);
        }
        Ok(lines.join(&LINE_SEPARATOR.to_string()))
    }
}

fn print(answer: &Value) {
    let Some(links) = answer["links"].as_array() else { return print_one(answer) };
    if links.is_empty() {
        println!("no payment links");
    }
    for link in links {
        let field = |name: &str| text(link, name);
        println!(
            "{:<20}  {:<7}  {:<24}  {:>16}  until {}  {} opened",
            field("payment_link_id"),
            field("status"),
            field("merchant_reference"),
            field("shown_amount"),
            field("expires_at"),
            link["openings"]
        );
    }
    if answer["more"] == true
        && let Some(last) = links.last()
    {
        println!("there are more: go on with --after {}", text(last, "payment_link_id"));
    }
}

fn print_one(link: &Value) {
    for (what, name) in [
        ("payment link", "payment_link_id"),
        ("address", "payment_link"),
        ("stands", "status"),
        ("merchant reference", "merchant_reference"),
        ("amount", "shown_amount"),
        ("command", "link_command"),
        ("description", "description"),
        ("customer", "customer_email"),
        ("customer's name", "customer_name"),
        ("customer's phone", "customer_phone"),
        ("payment option", "payment_option"),
        ("return URL", "return_url"),
        ("customer is told by", "notification_type"),
        ("reminders", "link_reminders"),
        ("made", "created_at"),
        ("valid until", "expires_at"),
        ("closed", "closed_at"),
        ("first opened", "first_opened_at"),
        ("last opened", "last_opened_at"),
        ("order", "fort_id"),
        ("paid", "paid_at"),
    ] {
        println!("{what:<20}{}", text(link, name));
    }
    let invoice = &link["invoice"];
    if invoice.is_object() {
        println!("{:<20}{}", "invoice number", text(invoice, "number"));
        println!("{:<20}{}", "lines", invoice["lines"].as_array().map_or(0, Vec::len));
    }
    println!("{:<20}{} times", "opened", link["openings"]);
    println!("{:<20}{}", "cards tried", link["cards_tried"]);
    for message in link["messages"].as_array().into_iter().flatten() {
        let field = |name: &str| text(message, name);
        let number = format!("message {}", message["id"]);
        let (kind, channel, state) = (field("kind"), field("channel"), field("state"));
        println!("{number:<20}{kind} by {channel}: {state} {} {}", field("settled_at"), field("reason"));
    }
}

fn text(value: &Value, name: &str) -> String {
    harmless(value[name].as_str().unwrap_or("-")).into_owned()
}
