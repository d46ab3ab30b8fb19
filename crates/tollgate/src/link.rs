//! What an operator asks of payment links. Making one goes by the same rules as PAYMENT_LINK of the payment API.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::StatusCode;
use serde_json::{Value, json as object};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use tollgate_app::{Account, Gateway, LinkRest, Refused, SeenLink};
use tollgate_core::payment_link::{LinkEnd, LinkNotification, LinkTarget, PaymentLinkId, UpdateLinkCommand};
use tollgate_core::refusal::Refusal;
use tollgate_fort::command::Request;
use tollgate_fort::message::Message;
use tollgate_fort::service::Service;
use tollgate_fort::text::{Language, response_message};
use tollgate_http::{InvoicePaperFault, OperatorRequest, OperatorRoute, Response, invoice_pdf, json, problem};

/// The most links that one list tells.
pub const LISTED_MAX: usize = 1_000;
/// The most messages that are told of one link, the newest.
const MESSAGES_TOLD_MAX: usize = 50;

/// A request, as it travels in `POST /operator/link`.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum LinkRequest {
    /// Make one.
    Create {
        /// The merchant's handle.
        merchant: String,
        /// The parameters of PAYMENT_LINK, without those that name the account.
        params: BTreeMap<String, String>,
        /// For how long from now it can be paid, in milliseconds, where the parameters do not say it.
        lasts_ms: Option<u64>,
    },
    /// Links of a merchant, newest first.
    List {
        /// The merchant's handle.
        merchant: String,
        /// Only those of this reference.
        merchant_reference: Option<String>,
        /// Only those made before the one with this id.
        before: Option<String>,
        /// At most so many.
        limit: usize,
    },
    /// One link.
    Show {
        /// The merchant's handle.
        merchant: String,
        /// The link's id.
        name: String,
    },
    /// Tell the customer of one now.
    Send {
        /// The merchant's handle.
        merchant: String,
        /// The link's id.
        name: String,
        /// By which ways, from now on, as `notification_type` says it; those of the link where it is not given.
        by: Option<String>,
    },
    /// The invoice of one, as a PDF.
    Pdf {
        /// The merchant's handle.
        merchant: String,
        /// The link's id.
        name: String,
        /// `en` or `ar`; the link's own where it is not said.
        language: Option<String>,
    },
    /// Close one for good.
    Close {
        /// The merchant's handle.
        merchant: String,
        /// The link's id.
        name: String,
    },
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// There is no such merchant.
    #[error("there is no merchant {0}; `tollgate merchant list` shows them all")]
    NoMerchant(String),
    /// The merchant has no such link.
    #[error("the merchant has no payment link {0}; `tollgate link list` shows them all")]
    NoLink(String),
    /// Nobody said how the customer is to be told.
    #[error("say by which way: --by EMAIL, --by SMS or --by EMAIL,SMS")]
    NoWay,
    /// The gateway refused.
    #[error("{} ({}): {}", .0.code, response_message(.0.code, Language::English), in_words(.0))]
    Refused(Refusal),
    /// It has no invoice, or that cannot be put on paper.
    #[error(transparent)]
    Paper(#[from] InvoicePaperFault),
    /// The account cannot be read.
    #[error("the account cannot be read: {0}")]
    Account(String),
}

fn in_words(refusal: &Refusal) -> String {
    match &refusal.parameter {
        Some(parameter) => format!("{parameter}: {}", refusal.detail),
        None => refusal.detail.clone().into_owned(),
    }
}

impl From<Refused> for LinkError {
    fn from(refused: Refused) -> LinkError {
        LinkError::Refused(refused.refusal)
    }
}

impl From<Refusal> for LinkError {
    fn from(refusal: Refusal) -> LinkError {
        LinkError::Refused(refusal)
    }
}

impl LinkRequest {
    /// Carries it out on `gateway`.
    ///
    /// # Errors
    /// Why nothing was done.
    pub async fn carry_out(self, gateway: &Gateway) -> Result<Value, LinkError> {
        match self {
            LinkRequest::Create { merchant, mut params, lasts_ms } => {
                let account = account(gateway, &merchant).await?;
                if let Some(lasts_ms) = lasts_ms {
                    let end = gateway.now().plus_ms(lasts_ms).to_string();
                    params.insert("request_expiry_date".to_owned(), end);
                }
                create(gateway, &account, params).await
            }
            LinkRequest::List { merchant, merchant_reference, before, limit } => {
                let account = account(gateway, &merchant).await?;
                let before = match before {
                    Some(name) => Some(named(gateway, &account, &name).await?.link.id),
                    None => None,
                };
                list(gateway, &account, merchant_reference.as_deref(), before, limit.min(LISTED_MAX)).await
            }
            LinkRequest::Show { merchant, name } => {
                let account = account(gateway, &merchant).await?;
                told(gateway, &account, &name).await
            }
            LinkRequest::Send { merchant, name, by } => {
                let account = account(gateway, &merchant).await?;
                let seen = named(gateway, &account, &name).await?;
                let ways = match by {
                    Some(by) => by.split(',').map(way).collect::<Result<Vec<_>, _>>()?,
                    None => seen.link.notifications.clone(),
                };
                if ways.is_empty() {
                    return Err(LinkError::NoWay);
                }
                let send = UpdateLinkCommand { notify: Some(ways), ..nothing_of(&name) };
                gateway.update_payment_link(&account, &send).await?;
                told(gateway, &account, &name).await
            }
            LinkRequest::Pdf { merchant, name, language } => {
                let account = account(gateway, &merchant).await?;
                let seen = named(gateway, &account, &name).await?;
                let language = Language::of(Some(language.as_deref().unwrap_or(&seen.link.language)));
                let pdf = invoice_pdf(&seen, language).await?;
                Ok(object!({ "payment_link_id": seen.link.name, "pdf": BASE64_STANDARD.encode(pdf) }))
            }
            LinkRequest::Close { merchant, name } => {
                let account = account(gateway, &merchant).await?;
                named(gateway, &account, &name).await?;
                let close = UpdateLinkCommand { end: Some(LinkEnd::Close), ..nothing_of(&name) };
                gateway.update_payment_link(&account, &close).await?;
                Ok(shown(&named(gateway, &account, &name).await?))
            }
        }
    }
}

fn way(name: &str) -> Result<LinkNotification, LinkError> {
    let ways = [LinkNotification::Email, LinkNotification::Sms];
    ways.into_iter().find(|way| way.name() == name).ok_or(LinkError::NoWay)
}

/// An update of a link that changes nothing yet.
fn nothing_of(name: &str) -> UpdateLinkCommand {
    UpdateLinkCommand {
        target: LinkTarget::Name(name.to_owned()),
        amount: None,
        expires_at: None,
        end: None,
        customer_email: None,
        customer_name: None,
        customer_phone: None,
        notify: None,
    }
}

/// A link with what was sent about it.
async fn told(gateway: &Gateway, account: &Account, name: &str) -> Result<Value, LinkError> {
    let seen = named(gateway, account, name).await?;
    let rows = gateway.payment_link_messages(seen.link.id, MESSAGES_TOLD_MAX).await;
    let rows = rows.map_err(|error| LinkError::Account(error.to_string()))?;
    let messages: Vec<Value> = rows
        .iter()
        .rev()
        .map(|row| {
            object!({
                "id": row.id.0,
                "kind": row.kind.name(),
                "channel": row.lane.channel.name(),
                "state": row.state.name(),
                "created_at": row.created_at.to_string(),
                "settled_at": row.settled_at.map(|at| at.to_string()),
                "reason": row.reason,
            })
        })
        .collect();
    let mut value = shown(&seen);
    if let Some(members) = value.as_object_mut() {
        members.insert("messages".to_owned(), messages.into());
    }
    Ok(value)
}

async fn account(gateway: &Gateway, name: &str) -> Result<Arc<Account>, LinkError> {
    let all = gateway.directory().all().await.map_err(|error| LinkError::Account(error.to_string()))?;
    let found = all.into_iter().find(|account| account.merchant.name == name);
    found.ok_or_else(|| LinkError::NoMerchant(name.to_owned()))
}

async fn named(gateway: &Gateway, account: &Account, name: &str) -> Result<SeenLink, LinkError> {
    let target = LinkTarget::Name(name.to_owned());
    gateway.payment_link_of(account, &target).await?.ok_or_else(|| LinkError::NoLink(name.to_owned()))
}

/// By the rules of the payment API, as if the merchant's server had asked.
async fn create(
    gateway: &Gateway,
    account: &Arc<Account>,
    mut params: BTreeMap<String, String>,
) -> Result<Value, LinkError> {
    let merchant = &account.merchant;
    let access_code = merchant.credentials.first().map(|credential| credential.access_code.clone()).unwrap_or_default();
    for (name, value) in [
        ("service_command", Service::PaymentLink.name()),
        ("access_code", &access_code),
        ("merchant_identifier", &merchant.merchant_identifier),
        // The operator is known already; the table only wants to see one.
        ("signature", "00"),
    ] {
        params.insert(name.to_owned(), value.to_owned());
    }
    params.entry("notification_type".to_owned()).or_insert_with(|| "NONE".to_owned());
    let body = serde_json::to_vec(&params).map_err(|error| LinkError::Account(error.to_string()))?;
    let message = Message::from_json(&body).map_err(|error| LinkError::Account(error.to_string()))?;
    let Request::PaymentLink(command) = Request::parse(Service::PaymentLink, &message)? else {
        return Err(LinkError::Account("PAYMENT_LINK asks for something else".to_owned()));
    };
    let answer = gateway.create_payment_link(account, &access_code, &command).await?;
    let Some(facts) = answer.link else {
        let why = response_message(answer.code, Language::English);
        return Err(LinkError::Account(format!("{} ({why}): ask `tollgate link list`", answer.code)));
    };
    Ok(shown(&named(gateway, account, &facts.name).await?))
}

async fn list(
    gateway: &Gateway,
    account: &Account,
    merchant_reference: Option<&str>,
    before: Option<PaymentLinkId>,
    limit: usize,
) -> Result<Value, LinkError> {
    let page = gateway.payment_links(account, merchant_reference, before, limit).await?;
    let links: Vec<Value> = page.links.iter().map(shown).collect();
    Ok(object!({ "links": links, "more": page.rest == LinkRest::More }))
}

fn ways_of(ways: &[LinkNotification]) -> String {
    if ways.is_empty() { "NONE".to_owned() } else { ways.iter().map(|way| way.name()).collect::<Vec<_>>().join(",") }
}

fn shown(seen: &SeenLink) -> Value {
    let link = &seen.link;
    object!({
        "payment_link_id": link.name,
        "payment_link": seen.url,
        "status": seen.stand.status().name(),
        "merchant_reference": link.merchant_reference,
        "link_command": link.kind.command(),
        "amount": link.amount_minor,
        "currency": link.currency,
        "shown_amount": link.money().to_string(),
        "description": link.description,
        "customer_email": link.customer.email,
        "customer_name": link.customer.name,
        "customer_phone": link.customer.phone,
        "language": link.language,
        "payment_option": link.payment_option,
        "return_url": link.return_url,
        "notification_type": ways_of(&link.notifications),
        "link_reminders": link.reminders.to_string(),
        "invoice": link.invoice,
        "created_at": link.created_at.to_string(),
        "expires_at": link.expires_at.to_string(),
        "closed_at": link.closed_at.map(|at| at.to_string()),
        "openings": seen.openings.count,
        "first_opened_at": seen.openings.first_at.map(|at| at.to_string()),
        "last_opened_at": seen.openings.last_at.map(|at| at.to_string()),
        "fort_id": link.order.map(|order| order.to_string()),
        "cards_tried": seen.tries,
        "paid_at": seen.paid_at.map(|at| at.to_string()),
    })
}

/// What is behind `/operator/link`.
pub struct LinkRoute {
    gateway: Gateway,
}

impl LinkRoute {
    /// The route of this gateway's links.
    pub const fn new(gateway: Gateway) -> LinkRoute {
        LinkRoute { gateway }
    }

    async fn answer(&self, request: &OperatorRequest) -> Response {
        if request.method != http::Method::POST || !request.path.is_empty() {
            return problem(StatusCode::NOT_FOUND, "try POST link");
        }
        let asked: LinkRequest = match request.json() {
            Ok(asked) => asked,
            Err(response) => return *response,
        };
        match asked.carry_out(&self.gateway).await {
            Ok(value) => json(StatusCode::OK, &value),
            Err(error @ (LinkError::Account(_) | LinkError::Paper(InvoicePaperFault::Ours(_)))) => {
                problem(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
            }
            Err(error @ LinkError::Refused(_)) => problem(StatusCode::CONFLICT, error.to_string()),
            Err(error) => problem(StatusCode::NOT_FOUND, error.to_string()),
        }
    }
}

impl OperatorRoute for LinkRoute {
    fn name(&self) -> &'static str {
        "link"
    }

    fn call(self: Arc<Self>, request: OperatorRequest) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        Box::pin(async move { self.answer(&request).await })
    }
}
