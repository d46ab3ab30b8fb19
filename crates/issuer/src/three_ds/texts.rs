//! What the pages of the ACS say, in two languages.

use super::challenge::Notice;
use tollgate_core::bin::Brand;

/// A language of the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    /// Left to right.
    English,
    /// Right to left.
    Arabic,
}

impl Language {
    /// By a tag such as `ar-AE` (`browserLanguage`); whatever is not Arabic reads English.
    pub(crate) fn of_tag(tag: &str) -> Language {
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        if primary.eq_ignore_ascii_case("ar") { Language::Arabic } else { Language::English }
    }

    /// Reads [`Language::code`].
    pub(crate) fn parse(code: &str) -> Option<Language> {
        [Language::English, Language::Arabic].into_iter().find(|language| language.code() == code)
    }

    /// ISO 639-1.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::Arabic => "ar",
        }
    }

    /// The value of `dir`.
    pub(crate) const fn direction(self) -> &'static str {
        match self {
            Language::English => "ltr",
            Language::Arabic => "rtl",
        }
    }

    /// The other one.
    pub(crate) const fn other(self) -> Language {
        match self {
            Language::English => Language::Arabic,
            Language::Arabic => Language::English,
        }
    }

    /// What it calls itself.
    pub(crate) const fn own_name(self) -> &'static str {
        match self {
            Language::English => "English",
            Language::Arabic => "العربية",
        }
    }

    /// Its texts.
    pub(crate) const fn texts(self) -> &'static Texts {
        match self {
            Language::English => &ENGLISH,
            Language::Arabic => &ARABIC,
        }
    }
}

/// The texts of one language.
#[derive(Debug)]
pub(crate) struct Texts {
    pub(crate) bank: &'static str,
    pub(crate) title: &'static str,
    pub(crate) lead: &'static str,
    pub(crate) merchant: &'static str,
    pub(crate) amount: &'static str,
    pub(crate) date: &'static str,
    pub(crate) card: &'static str,
    pub(crate) code: &'static str,
    pub(crate) sandbox: &'static str,
    pub(crate) submit: &'static str,
    pub(crate) resend: &'static str,
    pub(crate) cancel: &'static str,
    pub(crate) help: &'static str,
    pub(crate) help_text: &'static str,
    pub(crate) returning: &'static str,
    pub(crate) returning_lead: &'static str,
    pub(crate) go_on: &'static str,
    pub(crate) over: &'static str,
    pub(crate) over_lead: &'static str,
    months: [&'static str; 12],
    no_code: &'static str,
    sent_again: &'static str,
    not_sent_again: &'static str,
    wrong_one_left: &'static str,
    wrong_two_left: &'static str,
}

impl Texts {
    /// A notice in words; `None` when there is nothing to say.
    pub(crate) const fn notice(&self, notice: Notice) -> Option<&'static str> {
        match notice {
            Notice::None => None,
            Notice::Wrong { tries_left: 1 } => Some(self.wrong_one_left),
            Notice::Wrong { .. } => Some(self.wrong_two_left),
            Notice::NoCode => Some(self.no_code),
            Notice::SentAgain => Some(self.sent_again),
            Notice::NotSentAgain => Some(self.not_sent_again),
        }
    }

    /// The day of `YYYYMMDD…` in words; `None` when it is none.
    pub(crate) fn day(&self, date: &str) -> Option<String> {
        let part = |range: std::ops::Range<usize>| date.get(range)?.parse::<usize>().ok();
        let (year, month, day) = (part(0..4)?, part(4..6)?, part(6..8)?);
        let name = self.months.get(month.checked_sub(1)?)?;
        (1..=31).contains(&day).then(|| format!("{day} {name} {year}"))
    }
}

/// The name of a scheme, as it stands on the page.
pub(crate) const fn scheme(brand: Brand) -> &'static str {
    match brand {
        Brand::Visa => "Visa",
        Brand::Mastercard => "Mastercard",
        Brand::Amex => "American Express",
        Brand::Mada => "mada",
        Brand::Meeza => "Meeza",
    }
}

static ENGLISH: Texts = Texts {
    bank: "Sandbox Bank",
    title: "Confirm your payment",
    lead: "Enter the 6-digit code that we sent to your phone.",
    merchant: "Merchant",
    amount: "Amount",
    date: "Date",
    card: "Card",
    code: "Code",
    sandbox: "Sandbox: the code is",
    submit: "Confirm",
    resend: "Send the code again",
    cancel: "Cancel",
    help: "Need help?",
    help_text: "Your bank asks for this code to make sure that it is you who pays. Never tell it to anybody, not even to \
                somebody who says that he calls from the bank. If you did not begin this payment, cancel it. This is a test: \
                no message was sent, and no money moves.",
    returning: "Returning to the shop",
    returning_lead: "One moment, please. If nothing happens, use the button.",
    go_on: "Continue",
    over: "This page is no longer valid",
    over_lead: "The confirmation is over, or was never begun. Go back to the shop and look at your order there.",
    months: [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
    no_code: "The code has 6 digits.",
    sent_again: "We sent the code again.",
    not_sent_again: "The code cannot be sent again. Use the one you have, or cancel.",
    wrong_one_left: "This code is wrong. You have one more try.",
    wrong_two_left: "This code is wrong. You have two more tries.",
};

static ARABIC: Texts = Texts {
    bank: "بنك ساندبوكس",
    title: "تأكيد عملية الدفع",
    lead: "أدخل الرمز المكوّن من 6 أرقام المُرسل إلى هاتفك.",
    merchant: "التاجر",
    amount: "المبلغ",
    date: "التاريخ",
    card: "البطاقة",
    code: "الرمز",
    sandbox: "بيئة اختبار: الرمز هو",
    submit: "تأكيد",
    resend: "إعادة إرسال الرمز",
    cancel: "إلغاء",
    help: "هل تحتاج إلى مساعدة؟",
    help_text: "يطلب البنك هذا الرمز للتأكد من أنك صاحب عملية الدفع. لا تُفصح عنه لأي شخص، حتى لمن يقول إنه يتصل من البنك. \
                إذا لم تكن أنت من بدأ هذه العملية فألغِها. هذا اختبار: لم تُرسل أي رسالة ولن يُسحب أي مبلغ.",
    returning: "جارٍ الرجوع إلى المتجر",
    returning_lead: "لحظة من فضلك. إذا لم يحدث شيء فاستخدم الزر.",
    go_on: "متابعة",
    over: "هذه الصفحة لم تعد صالحة",
    over_lead: "انتهت عملية التأكيد أو لم تبدأ بعد. ارجع إلى المتجر وتحقق من طلبك هناك.",
    months: [
        "يناير",
        "فبراير",
        "مارس",
        "أبريل",
        "مايو",
        "يونيو",
        "يوليو",
        "أغسطس",
        "سبتمبر",
        "أكتوبر",
        "نوفمبر",
        "ديسمبر",
    ],
    no_code: "الرمز مكوّن من 6 أرقام.",
    sent_again: "أعدنا إرسال الرمز.",
    not_sent_again: "لا يمكن إرسال الرمز مرة أخرى. استخدم الرمز الذي لديك أو ألغِ العملية.",
    wrong_one_left: "الرمز غير صحيح. لديك محاولة واحدة أخرى.",
    wrong_two_left: "الرمز غير صحيح. لديك محاولتان أخريان.",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_found_by_its_tag() {
        for tag in ["ar", "ar-AE", "AR_sa", "ar-EG-u-nu-latn"] {
            assert_eq!(Language::of_tag(tag), Language::Arabic, "{tag}");
        }
        for tag in ["en", "en-GB", "fr", "", "arz"] {
            assert_eq!(Language::of_tag(tag), Language::English, "{tag}");
        }
    }

    #[test]
    fn a_day_is_written_out_and_nonsense_is_none() {
        assert_eq!(ENGLISH.day("20261126101500").as_deref(), Some("26 November 2026"));
        assert_eq!(ARABIC.day("20261126101500").as_deref(), Some("26 نوفمبر 2026"));
        for wrong in ["", "2026", "20261326", "20260026", "20261100", "2026112é"] {
            assert_eq!(ENGLISH.day(wrong), None, "{wrong}");
        }
    }
}
