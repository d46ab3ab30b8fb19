//! How customers are told of payment links and reminded of them, and whether a merchant's server hears of how they stand.

use crate::message::{MessageAbout, MessageChannel, MessageKind, NewMessage};
use crate::payment_link::{LinkNotification, PaymentLink};
use crate::time::Timestamp;

/// The most reminders of one link.
pub const REMINDERS_MAX: usize = 5;
/// The fewest digits of a telephone number, with its country's code (ITU-T E.164 has no lower bound; fewer is a slip).
const PHONE_DIGITS_MIN: usize = 8;
/// The most (ITU-T E.164).
const PHONE_DIGITS_MAX: usize = 15;
/// Minutes in a day.
const DAY_MINUTES: u32 = 24 * 60;
/// The longest time before the end at which a reminder may lie, in minutes: as long as a link may last.
const BEFORE_MINUTES_MAX: u32 = 365 * DAY_MINUTES;

/// What an account has agreed about its payment links.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkTerms {
    /// Whether its server is told of how links stand.
    #[serde(default)]
    pub notifications: LinkNotifications,
    /// When customers are reminded, of links that do not say it themselves.
    #[serde(default)]
    pub reminders: Reminders,
}

/// Whether a merchant's server is told of each change of a link's state. Plugins of shops do not know such
/// notifications, so nobody gets them without asking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkNotifications {
    /// It is not.
    #[default]
    Off,
    /// It is, at its notification URL of the redirection channel.
    On,
}

impl LinkNotifications {
    /// The name used in commands.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            LinkNotifications::Off => "off",
            LinkNotifications::On => "on",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<LinkNotifications> {
        [LinkNotifications::Off, LinkNotifications::On].into_iter().find(|one| one.name() == name)
    }
}

/// When a customer is reminded: minutes before the end of a link, the longest first; at most [`REMINDERS_MAX`].
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Reminders(Vec<u32>);

impl Reminders {
    /// Reads `3d,1d,12h`, or `none`. Units are d, h and m; `None` where it is no such list, or too long a one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Reminders> {
        if text == "none" {
            return Some(Reminders::default());
        }
        let mut minutes = text.split(',').map(|one| minutes_of(one.trim())).collect::<Option<Vec<u32>>>()?;
        minutes.sort_unstable_by(|one, other| other.cmp(one));
        minutes.dedup();
        (minutes.len() <= REMINDERS_MAX).then_some(Reminders(minutes))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The moments before `end`, the earliest first.
    pub fn moments(&self, end: Timestamp) -> impl Iterator<Item = Timestamp> + '_ {
        self.0.iter().map(move |minutes| Timestamp(end.0.saturating_sub(i64::from(*minutes) * 60_000_000)))
    }
}

impl std::fmt::Display for Reminders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (place, minutes) in self.0.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            match (minutes % DAY_MINUTES, minutes % 60) {
                (0, _) => write!(f, "{comma}{}d", minutes / DAY_MINUTES)?,
                (_, 0) => write!(f, "{comma}{}h", minutes / 60)?,
                _ => write!(f, "{comma}{minutes}m")?,
            }
        }
        Ok(())
    }
}

fn minutes_of(text: &str) -> Option<u32> {
    let unit = text.chars().next_back()?;
    let each = match unit {
        'm' => 1,
        'h' => 60,
        'd' => DAY_MINUTES,
        _ => return None,
    };
    let digits = text.strip_suffix(unit)?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let minutes = digits.parse::<u32>().ok()?.checked_mul(each)?;
    (1..=BEFORE_MINUTES_MAX).contains(&minutes).then_some(minutes)
}

/// A telephone number as providers take it, `+` and digits (ITU-T E.164), of one as FORT writes it, `00` and digits.
#[must_use]
pub fn international_phone(phone: &str) -> Option<String> {
    let digits = phone.strip_prefix("00").or_else(|| phone.strip_prefix('+'))?;
    let is_number = (PHONE_DIGITS_MIN..=PHONE_DIGITS_MAX).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && !digits.starts_with('0');
    is_number.then(|| format!("+{digits}"))
}

impl LinkNotification {
    /// By which way it goes.
    #[must_use]
    pub const fn channel(self) -> MessageChannel {
        match self {
            LinkNotification::Email => MessageChannel::Email,
            LinkNotification::Sms => MessageChannel::Sms,
        }
    }

    /// Its name in `notification_type`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.channel().name()
    }
}

impl PaymentLink {
    /// What tells its customer of it, by each of its ways, at `at`. `occasion` tells one time from another.
    #[must_use]
    pub fn messages(&self, kind: MessageKind, occasion: i64, at: Timestamp) -> Vec<NewMessage> {
        let message = |way: &LinkNotification| NewMessage {
            merchant: self.merchant,
            about: MessageAbout::PaymentLink(self.id),
            kind,
            channel: way.channel(),
            occasion,
            at,
        };
        self.notifications.iter().map(message).collect()
    }

    /// What tells the merchant's server that it came to stand so.
    #[must_use]
    pub const fn notice(&self, kind: MessageKind, occasion: i64, at: Timestamp) -> NewMessage {
        let about = MessageAbout::PaymentLink(self.id);
        NewMessage { merchant: self.merchant, about, kind, channel: MessageChannel::Server, occasion, at }
    }

    /// The moment that reminders lie before: the day on which its invoice is due, in UTC, or its end where that comes first.
    #[must_use]
    pub fn reminded_before(&self) -> Timestamp {
        let due = self.invoice.as_ref().and_then(|invoice| invoice.due);
        due.map_or(self.expires_at, |due| due.start().min(self.expires_at))
    }

    /// The next moment after `after` at which something follows for it: a reminder, or its end. `None` where nothing
    /// does any more.
    #[must_use]
    pub fn next_watch(&self, after: Timestamp) -> Option<Timestamp> {
        if self.closed_at.is_some() {
            return None;
        }
        let reminders = self.reminder_moments().into_iter().chain([self.expires_at]);
        reminders.filter(|at| *at > after).min()
    }

    /// The reminder that is due at `now`, of those that lie at `since` or later: the last one, since one is enough.
    #[must_use]
    pub fn due_reminder(&self, since: Timestamp, now: Timestamp) -> Option<Timestamp> {
        self.reminder_moments().into_iter().filter(|at| *at >= since && *at <= now).max()
    }

    fn reminder_moments(&self) -> Vec<Timestamp> {
        if self.notifications.is_empty() {
            return Vec::new();
        }
        // One that would have lain before the link was made would tell nothing new.
        self.reminders.moments(self.reminded_before()).filter(|at| *at > self.created_at).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ident::MerchantId;
    use crate::invoice::{DueDate, Invoice, Seller};
    use crate::money::Currency;
    use crate::order::PayKind;
    use crate::payment_link::{LinkCustomer, PaymentLinkId};

    const DAY_US: i64 = 86_400_000_000;

    fn link(reminders: &str) -> PaymentLink {
        PaymentLink {
            id: PaymentLinkId(1),
            merchant: MerchantId(1),
            name: "INV-1".into(),
            access_code: "AC".into(),
            merchant_reference: "R-1".into(),
            kind: PayKind::Purchase,
            amount_minor: 100,
            currency: Currency::from_alpha("AED").unwrap(),
            language: "en".into(),
            payment_option: None,
            description: None,
            return_url: None,
            customer: LinkCustomer::default(),
            invoice: None,
            created_at: Timestamp(0),
            expires_at: Timestamp(2 * DAY_US),
            closed_at: None,
            order: None,
            notifications: vec![LinkNotification::Email],
            reminders: Reminders::parse(reminders).unwrap(),
            version: 1,
        }
    }

    #[test]
    fn reminders_are_read_and_written_in_order() {
        for (text, shown) in [("1d,3d", "3d,1d"), ("none", "none"), ("36h,90m,36h", "36h,90m"), (" 1d , 2h", "1d,2h")] {
            assert_eq!(Reminders::parse(text).unwrap().to_string(), shown);
        }
        for text in ["", "3", "d", "3w", "0d", "1d,", "-1d", "366d", "1d,2d,3d,4d,5d,6d", "99999999999d", "٣d"] {
            assert_eq!(Reminders::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_link_is_watched_at_its_reminders_and_at_its_end() {
        let link = link("3d,1d,1h");
        let (day, hour) = (Timestamp(DAY_US), Timestamp(2 * DAY_US - DAY_US / 24));
        assert_eq!(link.next_watch(link.created_at), Some(day), "the one of three days before lies too early");
        assert_eq!(link.next_watch(day), Some(hour));
        assert_eq!(link.next_watch(hour), Some(link.expires_at));
        assert_eq!(link.next_watch(link.expires_at), None);
        assert_eq!(link.due_reminder(day, Timestamp(DAY_US + 1)), Some(day));
        assert_eq!(link.due_reminder(day, hour), Some(hour), "of two that were missed one is sent");
        assert_eq!(link.due_reminder(hour, Timestamp(hour.0 - 1)), None);
        let nobody_is_told = PaymentLink { notifications: Vec::new(), ..link.clone() };
        assert_eq!(nobody_is_told.next_watch(link.created_at), Some(link.expires_at));
        assert_eq!(PaymentLink { closed_at: Some(day), ..link }.next_watch(Timestamp(0)), None);
    }

    #[test]
    fn an_invoice_is_reminded_of_before_the_day_on_which_it_is_due() {
        let due = |day: &str| Invoice {
            number: None,
            due: DueDate::parse(day),
            seller: Seller::default(),
            lines: Vec::new(),
        };
        let link = |day: &str| {
            let created_at = Timestamp::parse_date("2027-01-01").unwrap();
            let expires_at = Timestamp::parse_date("2027-02-10").unwrap();
            PaymentLink { created_at, expires_at, invoice: Some(Box::new(due(day))), ..link("1d") }
        };
        let reminded = |day: &str| link(day).next_watch(link(day).created_at);
        assert_eq!(reminded("2027-01-31"), Timestamp::parse_date("2027-01-30"));
        assert_eq!(reminded("2027-03-31"), Timestamp::parse_date("2027-02-09"), "the link ends before");
    }

    #[test]
    fn telephone_numbers_have_a_countrys_code() {
        assert_eq!(international_phone("00962797219966").as_deref(), Some("+962797219966"));
        assert_eq!(international_phone("+971501234567").as_deref(), Some("+971501234567"));
        for phone in ["0797219966", "00", "001234", "0012345678901234567", "00962x", "000962797219966", ""] {
            assert_eq!(international_phone(phone), None, "{phone}");
        }
    }
}
