//! CHECK_STATUS.

use crate::directory::Account;
use crate::gateway::Inner;
use tollgate_core::answer::{Answer, NetworkFacts, OrderFacts, StatusFacts};
use tollgate_core::code;
use tollgate_core::command::{StatusCommand, ThirdPartyCodes};
use tollgate_core::decide;
use tollgate_core::order::Order;

pub(crate) async fn check_status(inner: &Inner, account: &Account, command: &StatusCommand) -> Answer {
    match inner.store.order(account.merchant.id, &command.target).await {
        Ok(Some(stored)) if decide::names_agree(&stored.order, &command.target).is_ok() => {
            found(&stored.order, command)
        }
        Ok(_) => Answer::bare(code::STATUS_NOT_FOUND),
        Err(error) => {
            tracing::error!(%error, "CHECK_STATUS could not read the store");
            Answer::bare(code::STATUS_FAILED)
        }
    }
}

fn found(order: &Order, command: &StatusCommand) -> Answer {
    let network = order.last.network_code.clone().filter(|_| command.third_party_codes == ThirdPartyCodes::Wanted);
    let status = StatusFacts {
        transaction_code: order.last.code,
        totals: order.totals,
        authorization_code: order.authorization_code.clone(),
        network: network.map(|acquirer_code| NetworkFacts {
            processor_code: if acquirer_code == "00" { "APPROVED" } else { "DECLINED" },
            acquirer_code,
        }),
    };
    let facts = OrderFacts { fort_id: order.fort_id, merchant_reference: order.merchant_reference.clone() };
    Answer { order: Some(facts), status: Some(status), ..Answer::bare(code::STATUS_FOUND) }
}
