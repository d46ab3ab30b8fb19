//! CHECK_VERIFY_CARD_STATUS.

use crate::directory::Account;
use crate::gateway::Inner;
use tollgate_core::answer::{Answer, StatusFacts};
use tollgate_core::code;
use tollgate_core::command::VerificationStatusCommand;

pub(crate) async fn check_verification(
    inner: &Inner,
    account: &Account,
    command: &VerificationStatusCommand,
) -> Answer {
    match inner.store.verification(account.merchant.id, &command.merchant_reference).await {
        Ok(Some(order)) => {
            let status = StatusFacts {
                transaction_code: order.last.code,
                totals: order.totals,
                authorization_code: order.authorization_code,
                network: None,
            };
            Answer { status: Some(status), ..Answer::bare(code::STATUS_FOUND) }
        }
        Ok(None) => Answer::bare(code::STATUS_NOT_FOUND),
        Err(error) => {
            tracing::error!(%error, "CHECK_VERIFY_CARD_STATUS could not read the store");
            Answer::bare(code::STATUS_FAILED)
        }
    }
}
