//! What letters about payment links say, in both languages. None of it needs escaping.

use super::letter::LetterOccasion;
use tollgate_fort::text::Language;

/// The words of one language.
pub(super) struct LetterWords {
    pub(super) greeting_before: &'static str,
    pub(super) greeting_after: &'static str,
    pub(super) greeting_nobody: &'static str,
    pub(super) amount: &'static str,
    pub(super) what: &'static str,
    pub(super) pay_here: &'static str,
    pub(super) not_clickable: &'static str,
    pub(super) caution: &'static str,
    request_subject: &'static str,
    reminder_subject: &'static str,
    request: &'static str,
    reminder: &'static str,
    request_sms: &'static str,
    reminder_sms: &'static str,
    after_sms: &'static str,
}

impl LetterWords {
    /// The words of `language`.
    pub(super) const fn of(language: Language) -> &'static LetterWords {
        match language {
            Language::English => &ENGLISH,
            Language::Arabic => &ARABIC,
        }
    }

    /// What a mail is about.
    pub(super) fn subject(&self, occasion: LetterOccasion, shop: &str, amount: &str) -> String {
        let words = match occasion {
            LetterOccasion::Request => self.request_subject,
            LetterOccasion::Reminder => self.reminder_subject,
        };
        format!("{words} {shop}: {amount}")
    }

    /// How a mail begins.
    pub(super) fn greeting(&self, customer: Option<&str>) -> String {
        match customer {
            None => self.greeting_nobody.to_owned(),
            Some(customer) => format!("{} {customer}{}", self.greeting_before, self.greeting_after),
        }
    }

    /// Who wants what.
    pub(super) fn opening(&self, occasion: LetterOccasion, shop: &str) -> String {
        let words = match occasion {
            LetterOccasion::Request => self.request,
            LetterOccasion::Reminder => self.reminder,
        };
        words.replace("{}", shop)
    }

    /// What a text message says before the amount and after it.
    pub(super) const fn sms(&self, occasion: LetterOccasion) -> (&'static str, &'static str) {
        match occasion {
            LetterOccasion::Request => (self.request_sms, self.after_sms),
            LetterOccasion::Reminder => (self.reminder_sms, self.after_sms),
        }
    }
}

static ENGLISH: LetterWords = LetterWords {
    greeting_before: "Hello",
    greeting_after: ",",
    greeting_nobody: "Hello,",
    amount: "Amount",
    what: "For",
    pay_here: "Pay by card on this page:",
    not_clickable: "If the button does nothing, open this address:",
    caution: "If you do not know what this is for, do not pay, and ask the shop. Nobody will ask you for card details by mail.",
    request_subject: "Payment request from",
    reminder_subject: "Reminder of the payment request from",
    request: "{} asks you for a payment.",
    reminder: "{} asked you for a payment, which has not come yet. Soon it cannot be paid by this link any more.",
    request_sms: "please pay",
    reminder_sms: "a reminder, please pay",
    after_sms: ":",
};

static ARABIC: LetterWords = LetterWords {
    greeting_before: "مرحباً",
    greeting_after: "،",
    greeting_nobody: "مرحباً،",
    amount: "المبلغ",
    what: "مقابل",
    pay_here: "ادفع بالبطاقة في هذه الصفحة:",
    not_clickable: "إذا لم يعمل الزر، فافتح هذا العنوان:",
    caution: "إذا كنت لا تعرف سبب هذا الطلب فلا تدفع، واسأل المتجر. لن يطلب منك أحد بيانات بطاقتك بالبريد.",
    request_subject: "طلب دفع من",
    reminder_subject: "تذكير بطلب الدفع من",
    request: "يطلب منك {} دفع مبلغ.",
    reminder: "طلب منك {} دفع مبلغ لم يصل بعد. قريباً لن يمكن الدفع عبر هذا الرابط.",
    request_sms: "يُرجى دفع",
    reminder_sms: "تذكير، يُرجى دفع",
    after_sms: ":",
};
