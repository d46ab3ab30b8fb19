//! UPDATE_AGREEMENT and CHECK_AGREEMENT.

use super::{Request, mandatory, optional};
use crate::message::Message;
use tollgate_core::agreement::Day;
use tollgate_core::code::refused;
use tollgate_core::command::{CheckAgreementCommand, ScheduleStatusWish, UpdateAgreementCommand};
use tollgate_core::money::Amount;
use tollgate_core::refusal::Refusal;

pub(super) fn check(message: &Message) -> Result<Request, Refusal> {
    let agreement_id = mandatory(message, "agreement_id")?;
    Ok(Request::CheckAgreement(Box::new(CheckAgreementCommand { agreement_id })))
}

pub(super) fn update(message: &Message) -> Result<Request, Refusal> {
    let amount = message.text("recurring_amount").map(|digits| {
        let detail = "an amount is 1 to 10 digits and above zero";
        let refusal = || Refusal::request(refused::INVALID_AMOUNT, "recurring_amount", detail);
        Amount::parse_positive(&digits).ok_or_else(refusal)
    });
    let next_day = message.text("recurring_next_charge_date").map(|text| {
        let detail = "a date is YYYY-MM-DD";
        let refusal = || Refusal::request(refused::INVALID_FORMAT, "recurring_next_charge_date", detail);
        Day::parse(&text).ok_or_else(refusal)
    });
    Ok(Request::UpdateAgreement(Box::new(UpdateAgreementCommand {
        agreement_id: mandatory(message, "agreement_id")?,
        // The table lets no other words through.
        status: message.text("agreement_status").and_then(|name| ScheduleStatusWish::parse(&name)),
        amount: amount.transpose()?,
        token_name: optional(message, "token_name"),
        next_day: next_day.transpose()?,
    })))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::service::Service;

    const WHOLE: [(&str, &str); 6] = [
        ("service_command", "UPDATE_AGREEMENT"),
        ("access_code", "AC"),
        ("merchant_identifier", "MI"),
        ("agreement_id", "SUB-1"),
        ("language", "en"),
        ("signature", "00"),
    ];

    fn parsed(more: &[(&'static str, &'static str)]) -> Result<UpdateAgreementCommand, Refusal> {
        let all: Vec<_> = WHOLE.iter().chain(more).copied().collect();
        let message = Message::from_json(&crate::client::json(&all)).unwrap();
        match Request::parse(Service::of(&message)?, &message)? {
            Request::UpdateAgreement(command) => Ok(*command),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_not_sent_stays() {
        let nothing = parsed(&[]).unwrap();
        assert_eq!(nothing.agreement_id, "SUB-1");
        assert_eq!((nothing.status, nothing.amount, nothing.token_name, nothing.next_day), (None, None, None, None));
        let all = parsed(&[
            ("agreement_status", "PAUSED"),
            ("recurring_amount", "1500"),
            ("token_name", "T"),
            ("recurring_next_charge_date", "2027-02-28"),
        ]);
        let all = all.unwrap();
        assert_eq!(all.status, Some(ScheduleStatusWish::Paused));
        assert_eq!(all.amount.map(|amount| amount.minor()), Some(1_500));
        assert_eq!(all.next_day.map(|day| day.to_string()).as_deref(), Some("2027-02-28"));
    }

    #[test]
    fn values_of_no_meaning_are_refused() {
        for (name, value, code) in [
            ("agreement_status", "ENDED", refused::VALUE_NOT_ALLOWED),
            ("recurring_amount", "0", refused::INVALID_AMOUNT),
            ("recurring_next_charge_date", "2027-02-30", refused::INVALID_FORMAT),
        ] {
            assert_eq!(parsed(&[(name, value)]).unwrap_err().code, code, "{name}={value}");
        }
    }
}
