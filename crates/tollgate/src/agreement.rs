//! What an operator asks of agreements.

use crate::desk::DeskRequest;
use crate::wiring::Opened;
use http::StatusCode;
use serde_json::{Value, json as object};
use tollgate_app::{AgreementDesk, AgreementDeskError, AgreementRest};
use tollgate_core::agreement::{Agreement, AgreementState};
use tollgate_store::ChargeState;

/// The most agreements that one list tells.
pub const LISTED_MAX: usize = 10_000;

/// A request, as it travels in `POST /operator/agreement`.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum AgreementRequest {
    /// Agreements of a merchant, in the order in which they were asked for.
    List {
        /// The merchant's handle.
        merchant: String,
        /// About this token only.
        token_name: Option<String>,
        /// After this one.
        after: Option<String>,
        /// At most so many.
        limit: usize,
    },
    /// One agreement with its charges.
    Show {
        /// The merchant's handle.
        merchant: String,
        /// The agreement's name.
        id: String,
    },
    /// End one for good.
    End {
        /// The merchant's handle.
        merchant: String,
        /// The agreement's name.
        id: String,
    },
}

impl DeskRequest for AgreementRequest {
    const ROUTE: &'static str = "agreement";
    type Desk = AgreementDesk;
    type Error = AgreementDeskError;

    fn desk(opened: &Opened) -> AgreementDesk {
        AgreementDesk::new(opened.store.clone(), opened.clock.clone())
    }

    async fn carry_out(self, desk: &AgreementDesk) -> Result<Value, AgreementDeskError> {
        match self {
            AgreementRequest::List { merchant, token_name, after, limit } => {
                let page = desk.list(&merchant, token_name, after.as_deref(), limit.min(LISTED_MAX)).await?;
                let agreements: Vec<Value> = page.agreements.iter().map(shown).collect();
                Ok(object!({ "agreements": agreements, "more": page.rest == AgreementRest::More }))
            }
            AgreementRequest::Show { merchant, id } => {
                let found = desk.show(&merchant, &id).await?;
                let charges: Vec<Value> = found
                    .charges
                    .iter()
                    .map(|charge| {
                        object!({
                            "fort_id": charge.fort_id.to_string(),
                            "at": charge.at.to_string(),
                            "state": match charge.state {
                                ChargeState::Open => "OPEN",
                                ChargeState::Succeeded => "SUCCEEDED",
                            },
                        })
                    })
                    .collect();
                let mut agreement = shown(&found.agreement);
                agreement["newest_charges"] = Value::Array(charges);
                Ok(agreement)
            }
            AgreementRequest::End { merchant, id } => Ok(object!({ "ended": shown(&desk.end(&merchant, &id).await?) })),
        }
    }

    fn status(error: &AgreementDeskError) -> StatusCode {
        match error {
            AgreementDeskError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
            AgreementDeskError::Opening(_) => StatusCode::CONFLICT,
            AgreementDeskError::NoMerchant(_) | AgreementDeskError::NoAgreement { .. } => StatusCode::NOT_FOUND,
        }
    }
}

fn shown(agreement: &Agreement) -> Value {
    let terms = &agreement.terms;
    let end = match agreement.state {
        AgreementState::Ended(end) => Some(end),
        AgreementState::Opening | AgreementState::Active => None,
    };
    object!({
        "agreement_id": agreement.id,
        "state": agreement.state.name(),
        "recurring_mode": terms.mode.name(),
        "amount": terms.money.amount.minor(),
        "currency": terms.money.currency,
        "token_name": agreement.token_name,
        "charges": agreement.charges,
        "charges_open": agreement.charges_open,
        "charges_max": terms.charges_max,
        "last_day": terms.last_day.map(|day| day.to_string()),
        "days_between_min": terms.days_between_min,
        "last_payment_at": agreement.paid_at.to_string(),
        "next_day": agreement.next_day().map(|day| day.to_string()),
        "opened_by": agreement.opened_by.to_string(),
        "opened_at": agreement.opened_at.to_string(),
        "network_transaction_id": agreement.network_transaction_id.as_ref().map(|id| id.as_str()),
        "ended_at": end.map(|end| end.at.to_string()),
        "ended_because": end.map(|end| end.why.words()),
    })
}
