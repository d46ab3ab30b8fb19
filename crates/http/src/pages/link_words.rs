//! What the pages of payment links say, in both languages. None of it needs escaping, and `{}` is where a value goes.

use tollgate_fort::text::Language;

/// The words of one language.
pub(super) struct LinkWords {
    pub(super) title: &'static str,
    pub(super) link: &'static str,
    pub(super) valid_until: &'static str,
    pub(super) gmt: &'static str,
    days: Counted,
    hours: Counted,
    last_hour: &'static str,
    pub(super) make: &'static str,
    pub(super) agree: &'static str,
    pub(super) terms: &'static str,
    pub(super) terms_missing: &'static str,
    pub(super) paid_title: &'static str,
    pub(super) paid: &'static str,
    pub(super) paid_told: &'static str,
    pub(super) paid_amount: &'static str,
    pub(super) paid_at: &'static str,
    pub(super) transaction: &'static str,
    pub(super) expired_title: &'static str,
    pub(super) expired: &'static str,
    pub(super) closed_title: &'static str,
    pub(super) closed: &'static str,
    pub(super) used_title: &'static str,
    pub(super) used: &'static str,
    pub(super) missing_title: &'static str,
    pub(super) missing: &'static str,
}

/// A noun with its number, in the forms that Arabic tells apart: 1, 2, 3 to 10, 11 to 99, and whole hundreds.
struct Counted {
    one: &'static str,
    two: &'static str,
    few: &'static str,
    many: &'static str,
    hundreds: &'static str,
}

impl Counted {
    fn told(&self, count: u64) -> String {
        let form = match (count, count % 100) {
            (1, _) => self.one,
            (2, _) => self.two,
            (_, 3..=10) => self.few,
            (_, 11..=99) => self.many,
            _ => self.hundreds,
        };
        form.replace("{}", &count.to_string())
    }
}

/// Milliseconds in an hour.
const HOUR_MS: u64 = 3_600_000;
/// Milliseconds in a day.
const DAY_MS: u64 = 24 * HOUR_MS;

impl LinkWords {
    /// The words of `language`.
    pub(super) const fn of(language: Language) -> &'static LinkWords {
        match language {
            Language::English => &ENGLISH,
            Language::Arabic => &ARABIC,
        }
    }

    /// How much time is left, in whole days, or in whole hours of the last day.
    pub(super) fn time_left(&self, left_ms: u64) -> String {
        match (left_ms / DAY_MS, left_ms / HOUR_MS) {
            (0, 0) => self.last_hour.to_owned(),
            (0, hours) => self.hours.told(hours),
            (days, _) => self.days.told(days),
        }
    }
}

static ENGLISH: LinkWords = LinkWords {
    title: "Payment request",
    link: "Link number",
    valid_until: "Valid until",
    gmt: "GMT",
    days: Counted { one: "1 day", two: "2 days", few: "{} days", many: "{} days", hundreds: "{} days" },
    hours: Counted { one: "1 hour", two: "2 hours", few: "{} hours", many: "{} hours", hundreds: "{} hours" },
    last_hour: "less than an hour",
    make: "Make a payment",
    agree: "I agree to the terms and conditions",
    terms: "Read the terms and conditions",
    terms_missing: "Tick the box to agree to the terms and conditions. Without that nothing can be paid.",
    paid_title: "The invoice has been paid",
    paid: "Please keep these numbers as your receipt.",
    paid_told: "The shop has been told. Please keep these numbers as your receipt.",
    paid_amount: "Amount paid",
    paid_at: "Paid on",
    transaction: "Transaction number",
    expired_title: "This payment link has expired",
    expired: "Nothing was charged. Please ask the shop for a new link.",
    closed_title: "This payment link is closed",
    closed: "Nothing can be paid by it any more. If you have not paid yet, please ask the shop.",
    used_title: "This order was paid or begun in another way",
    used: "Nothing was charged here. Please ask the shop how your order stands.",
    missing_title: "There is no such payment link",
    missing: "Please check the address, or ask the shop for it.",
};

static ARABIC: LinkWords = LinkWords {
    title: "طلب دفع",
    link: "رقم الرابط",
    valid_until: "صالح حتى",
    gmt: "بتوقيت غرينتش",
    days: Counted {
        one: "يوم واحد", two: "يومان", few: "{} أيام", many: "{} يوماً", hundreds: "{} يوم"
    },
    hours: Counted {
        one: "ساعة واحدة", two: "ساعتان", few: "{} ساعات", many: "{} ساعة", hundreds: "{} ساعة"
    },
    last_hour: "أقل من ساعة",
    make: "ادفع الآن",
    agree: "أوافق على الشروط والأحكام",
    terms: "اقرأ الشروط والأحكام",
    terms_missing: "ضع علامة في المربع للموافقة على الشروط والأحكام. لا يمكن الدفع من دون ذلك.",
    paid_title: "تم دفع الفاتورة",
    paid: "يُرجى الاحتفاظ بهذه الأرقام إيصالاً لك.",
    paid_told: "أُبلغ المتجر بذلك. يُرجى الاحتفاظ بهذه الأرقام إيصالاً لك.",
    paid_amount: "المبلغ المدفوع",
    paid_at: "تاريخ الدفع",
    transaction: "رقم العملية",
    expired_title: "انتهت صلاحية رابط الدفع هذا",
    expired: "لم يُخصم أي مبلغ. يُرجى طلب رابط جديد من المتجر.",
    closed_title: "رابط الدفع هذا مغلق",
    closed: "لم يعد الدفع ممكناً عبره. إذا لم تدفع بعد، فيُرجى سؤال المتجر.",
    used_title: "دُفع هذا الطلب أو بدأ دفعه بطريقة أخرى",
    used: "لم يُخصم أي مبلغ هنا. يُرجى سؤال المتجر عن حالة طلبك.",
    missing_title: "لا يوجد رابط دفع بهذا العنوان",
    missing: "يُرجى التحقق من العنوان أو طلبه من المتجر.",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_that_is_left_is_told_in_whole_units() {
        let (english, arabic) = (LinkWords::of(Language::English), LinkWords::of(Language::Arabic));
        for (left_ms, en, ar) in [
            (HOUR_MS - 1, "less than an hour", "أقل من ساعة"),
            (HOUR_MS, "1 hour", "ساعة واحدة"),
            (DAY_MS - 1, "23 hours", "23 ساعة"),
            (DAY_MS, "1 day", "يوم واحد"),
            (2 * DAY_MS + HOUR_MS, "2 days", "يومان"),
            (7 * DAY_MS, "7 days", "7 أيام"),
            (30 * DAY_MS, "30 days", "30 يوماً"),
            (103 * DAY_MS, "103 days", "103 أيام"),
            (200 * DAY_MS, "200 days", "200 يوم"),
            (365 * DAY_MS, "365 days", "365 يوماً"),
        ] {
            assert_eq!((english.time_left(left_ms), arabic.time_left(left_ms)), (en.to_owned(), ar.to_owned()));
        }
    }
}
