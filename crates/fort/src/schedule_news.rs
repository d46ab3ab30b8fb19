//! What a merchant is told of a schedule that the gateway charges by itself, beside the outcome of each charge. FORT has no
//! such feedback: it is ours.

use crate::response::Fields;
use crate::text::Language;
use tollgate_core::code::{ResponseCode, message};
use tollgate_core::schedule::{NewsKind, ScheduleNews};

/// The value of `service_command`, by which a receiver knows such a feedback from those of payments.
pub const SCHEDULE_NEWS: &str = "AGREEMENT_NOTIFICATION";
/// The code of every one: no payment has it, so that no receiver takes it for one.
pub const SCHEDULE_NEWS_CODE: ResponseCode = ResponseCode::new(58, message::SUCCESS);

/// For whom a feedback is written.
#[derive(Clone, Copy, Debug)]
pub struct NewsReader<'a> {
    /// The access code whose phrase signs it.
    pub access_code: &'a str,
    /// The merchant's identifier.
    pub merchant_identifier: &'a str,
    /// In which language.
    pub language: Language,
}

/// The fields of such a feedback, not signed yet.
#[must_use]
pub fn schedule_news(news: &ScheduleNews, reader: &NewsReader<'_>) -> Fields {
    let event = match news.kind {
        NewsKind::Upcoming => "UPCOMING",
        NewsKind::Paused => "PAUSED",
        NewsKind::Resumed => "RESUMED",
        NewsKind::Ended => "ENDED",
        NewsKind::GivenUp => "GIVEN_UP",
    };
    let language = match reader.language {
        Language::English => "en",
        Language::Arabic => "ar",
    };
    Fields::of(
        &[
            ("service_command", SCHEDULE_NEWS),
            ("access_code", reader.access_code),
            ("merchant_identifier", reader.merchant_identifier),
            ("language", language),
            ("agreement_id", &news.agreement_id),
            ("agreement_event", event),
            ("agreement_status", news.state.name()),
            ("agreement_note", news.state.why().unwrap_or_default()),
            ("recurring_due_date", &news.due_day.to_string()),
            ("recurring_amount", &news.money.amount.to_string()),
            ("currency", &news.money.currency.to_string()),
        ],
        SCHEDULE_NEWS_CODE,
        reader.language,
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tollgate_core::agreement::Day;
    use tollgate_core::money::{Amount, Currency, Money};
    use tollgate_core::schedule::{PauseWhy, SchedulePause, ScheduleState};
    use tollgate_core::time::Timestamp;

    #[test]
    fn news_tell_what_happened_to_which_agreement_and_are_no_payment() {
        let at = Timestamp(1_795_176_000_000_000);
        let news = ScheduleNews {
            kind: NewsKind::Paused,
            agreement_id: "SUB-JO".into(),
            due_day: Day::parse("2027-01-31").unwrap(),
            money: Money { amount: Amount::from_minor(4_900).unwrap(), currency: Currency::from_alpha("AED").unwrap() },
            state: ScheduleState::Paused(SchedulePause { why: PauseWhy::HardDecline, since: at }),
            at,
        };
        let reader = NewsReader { access_code: "AC", merchant_identifier: "MI", language: Language::English };
        let fields = schedule_news(&news, &reader);
        for (name, value) in [
            ("service_command", "AGREEMENT_NOTIFICATION"),
            ("agreement_id", "SUB-JO"),
            ("agreement_event", "PAUSED"),
            ("agreement_status", "PAUSED"),
            ("agreement_note", "hard decline"),
            ("recurring_due_date", "2027-01-31"),
            ("recurring_amount", "4900"),
            ("currency", "AED"),
            ("status", "58"),
            ("response_code", "58000"),
        ] {
            assert_eq!(fields.get(name), Some(value), "{name}");
        }
        assert_eq!(fields.get("fort_id"), None, "no receiver takes it for a payment");
        let active = ScheduleNews { kind: NewsKind::Upcoming, state: ScheduleState::Active, ..news };
        assert_eq!(schedule_news(&active, &reader).get("agreement_note"), None, "nothing empty is told");
    }
}
