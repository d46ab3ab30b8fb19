//! What the pages say, in both languages. None of it needs escaping, and `{}` is where a value goes.

use super::typed::Fault;
use super::view::Notice;
use tollgate_fort::text::Language;

/// The words of one language.
pub(super) struct Words {
    pub(super) lang: &'static str,
    pub(super) dir: &'static str,
    pub(super) other_lang: &'static str,
    pub(super) other_language: &'static str,
    pub(super) sandbox: &'static str,
    pub(super) gateway: &'static str,
    pub(super) card_title: &'static str,
    pub(super) tokenize_title: &'static str,
    pub(super) amount: &'static str,
    pub(super) order: &'static str,
    pub(super) reference: &'static str,
    pub(super) brands: &'static str,
    pub(super) number: &'static str,
    pub(super) expiry: &'static str,
    pub(super) expiry_hint: &'static str,
    pub(super) code: &'static str,
    pub(super) code_hint: &'static str,
    pub(super) code_hint_amex: &'static str,
    pub(super) holder: &'static str,
    pub(super) optional: &'static str,
    pub(super) your_card: &'static str,
    pub(super) valid_until: &'static str,
    pub(super) save: &'static str,
    pub(super) save_hint: &'static str,
    pub(super) pay: &'static str,
    pub(super) hand_over: &'static str,
    pub(super) sending: &'static str,
    pub(super) cancel: &'static str,
    pub(super) errors_title: &'static str,
    pub(super) attempts_one: &'static str,
    pub(super) attempts_two: &'static str,
    pub(super) attempts_few: &'static str,
    pub(super) attempts_many: &'static str,
    pub(super) minutes_one: &'static str,
    pub(super) minutes_two: &'static str,
    pub(super) minutes_few: &'static str,
    pub(super) minutes_many: &'static str,
    pub(super) ends_at: &'static str,
    pub(super) ends_soon: &'static str,
    pub(super) private: &'static str,
    pub(super) wait_title: &'static str,
    pub(super) wait: &'static str,
    pub(super) wait_again: &'static str,
    pub(super) check_title: &'static str,
    pub(super) check: &'static str,
    pub(super) go_on: &'static str,
    pub(super) challenge_title: &'static str,
    pub(super) challenge: &'static str,
    pub(super) challenge_button: &'static str,
    pub(super) challenge_hint: &'static str,
    pub(super) back_title: &'static str,
    pub(super) press: &'static str,
    pub(super) refused_title: &'static str,
    pub(super) nothing_charged: &'static str,
    pub(super) tell_the_shop: &'static str,
    pub(super) ended_title: &'static str,
    pub(super) ended: &'static str,
    pub(super) time_up_title: &'static str,
    pub(super) cancelled_title: &'static str,
    pub(super) cancelled: &'static str,
    pub(super) paid_title: &'static str,
    pub(super) paid: &'static str,
    pub(super) not_paid_title: &'static str,
    pub(super) unknown_title: &'static str,
    pub(super) unknown: &'static str,
    pub(super) kept_title: &'static str,
    pub(super) kept: &'static str,
    pub(super) unavailable_title: &'static str,
    pub(super) unavailable: &'static str,
}

/// The grammatical numbers that the words tell apart; Arabic has one form more than that for 11 and above, which reads
/// as `many` here, since no page counts further than 99.
enum Plural {
    One,
    Two,
    Few,
    Many,
}

fn plural(count: u32) -> Plural {
    match count {
        1 => Plural::One,
        2 => Plural::Two,
        3..=10 => Plural::Few,
        _ => Plural::Many,
    }
}

impl Words {
    /// The words of `language`.
    pub(super) const fn of(language: Language) -> &'static Words {
        match language {
            Language::English => &ENGLISH,
            Language::Arabic => &ARABIC,
        }
    }

    /// How many tries are left.
    pub(super) fn attempts_left(&self, count: u32) -> String {
        let words = match plural(count) {
            Plural::One => self.attempts_one,
            Plural::Two => self.attempts_two,
            Plural::Few => self.attempts_few,
            Plural::Many => self.attempts_many,
        };
        words.replace("{}", &count.to_string())
    }

    /// How many minutes are left.
    pub(super) fn minutes_left(&self, count: u32) -> String {
        let words = match plural(count) {
            Plural::One => self.minutes_one,
            Plural::Two => self.minutes_two,
            Plural::Few => self.minutes_few,
            Plural::Many => self.minutes_many,
        };
        words.replace("{}", &count.to_string())
    }

    /// What is wrong with a field, and what to do.
    pub(super) const fn fault(&self, fault: Fault) -> &'static str {
        let is_english = matches!(self.lang.as_bytes(), b"en");
        match fault {
            Fault::NumberMissing if is_english => "Enter the card number.",
            Fault::NumberNotDigits if is_english => "Enter all digits of the card number: 12 to 19 of them.",
            Fault::NumberMistyped if is_english => "Check the card number: one of its digits is wrong.",
            Fault::BrandNotTaken if is_english => "This shop does not take this card. Use another one.",
            Fault::ExpiryMissing if is_english => "Enter the expiry date.",
            Fault::ExpiryUnreadable if is_english => {
                "Enter the expiry date as on the card: month, then year, such as 08/29."
            }
            Fault::ExpiryTurned if is_english => "Enter the month first, then the year, with a slash: such as 08/29.",
            Fault::ExpiryPast if is_english => "This card has expired. Check the date, or use another card.",
            Fault::CodeMissing if is_english => "Enter the security code.",
            Fault::CodeWrongLength if is_english => {
                "Enter the security code: 3 digits on the back, or 4 on the front of American Express."
            }
            Fault::HolderUnfit if is_english => "Enter the name as on the card: letters only, at most 50.",
            Fault::NumberMissing => "أدخل رقم البطاقة.",
            Fault::NumberNotDigits => "أدخل رقم البطاقة كاملاً: من 12 إلى 19 رقماً.",
            Fault::NumberMistyped => "تحقّق من رقم البطاقة: أحد أرقامه غير صحيح.",
            Fault::BrandNotTaken => "لا يقبل هذا المتجر هذه البطاقة. استخدم بطاقة أخرى.",
            Fault::ExpiryMissing => "أدخل تاريخ الانتهاء.",
            Fault::ExpiryUnreadable => "أدخل تاريخ الانتهاء كما على البطاقة: الشهر ثم السنة، مثل 08/29.",
            Fault::ExpiryTurned => "أدخل الشهر أولاً ثم السنة وبينهما شرطة مائلة، مثل 08/29.",
            Fault::ExpiryPast => "انتهت صلاحية هذه البطاقة. تحقّق من التاريخ أو استخدم بطاقة أخرى.",
            Fault::CodeMissing => "أدخل رمز الأمان.",
            Fault::CodeWrongLength => "أدخل رمز الأمان: 3 أرقام على ظهر البطاقة، أو 4 على وجه بطاقة أمريكان إكسبريس.",
            Fault::HolderUnfit => "أدخل الاسم كما على البطاقة: أحرف فقط، 50 على الأكثر.",
        }
    }

    /// What became of the last try, and what to do.
    pub(super) const fn notice(&self, notice: Notice) -> &'static str {
        let is_english = matches!(self.lang.as_bytes(), b"en");
        match notice {
            Notice::Declined if is_english => {
                "Your bank declined the payment, and nothing was charged. Try again, or use another card."
            }
            Notice::NotAuthenticated if is_english => {
                "Your bank could not confirm that it is you, and nothing was charged. Try again, or use another card."
            }
            Notice::Unavailable if is_english => {
                "Your bank cannot be reached at the moment, and nothing was charged. Try again, or use another card."
            }
            Notice::InsufficientFunds if is_english => {
                "There is not enough money on this card, and nothing was charged. Use another card."
            }
            Notice::Declined => "رفض مصرفك الدفع ولم يُخصم أي مبلغ. حاول مرة أخرى أو استخدم بطاقة أخرى.",
            Notice::NotAuthenticated => {
                "تعذّر على مصرفك التحقق من هويتك ولم يُخصم أي مبلغ. حاول مرة أخرى أو استخدم بطاقة أخرى."
            }
            Notice::Unavailable => {
                "لا يمكن الوصول إلى مصرفك حالياً ولم يُخصم أي مبلغ. حاول مرة أخرى أو استخدم بطاقة أخرى."
            }
            Notice::InsufficientFunds => "الرصيد في هذه البطاقة غير كافٍ ولم يُخصم أي مبلغ. استخدم بطاقة أخرى.",
        }
    }
}

static ENGLISH: Words = Words {
    lang: "en",
    dir: "ltr",
    other_lang: "ar",
    other_language: "العربية",
    sandbox: "Sandbox: no money moves",
    gateway: "Payment page",
    card_title: "Pay by card",
    tokenize_title: "Card details",
    amount: "Amount to pay",
    order: "Your order",
    reference: "Order number",
    brands: "Cards that are taken:",
    number: "Card number",
    expiry: "Expiry date",
    expiry_hint: "MM / YY",
    code: "Security code",
    code_hint: "3 digits on the back",
    code_hint_amex: "4 digits on the front",
    holder: "Name on card",
    optional: "(optional)",
    your_card: "Your card",
    valid_until: "Valid until",
    save: "Save this card for next time",
    save_hint: "I agree that my card number and its expiry date are kept safely, so that I can pay in this shop again \
                without typing them. The security code is never kept.",
    pay: "Pay",
    hand_over: "Continue",
    sending: "One moment…",
    cancel: "Cancel and go back",
    errors_title: "Please check what you have entered",
    attempts_one: "One try is left.",
    attempts_two: "Two tries are left.",
    attempts_few: "{} tries are left.",
    attempts_many: "{} tries are left.",
    minutes_one: "You have one minute to finish.",
    minutes_two: "You have two minutes to finish.",
    minutes_few: "You have {} minutes to finish.",
    minutes_many: "You have {} minutes to finish.",
    ends_at: "This page ends at {}.",
    ends_soon: "Less than two minutes are left.",
    private: "Your card details go to this payment page and not to the shop.",
    wait_title: "Please wait",
    wait: "Your payment is under way. Please do not close this page: it goes on by itself.",
    wait_again: "If nothing happens, look again",
    check_title: "One moment, please",
    check: "The payment is being made safe with your bank.",
    go_on: "Continue",
    challenge_title: "Your bank asks you to confirm",
    challenge: "Please confirm the payment with your bank.",
    challenge_button: "Go to my bank",
    challenge_hint: "Confirmation of your bank",
    back_title: "Back to the shop",
    press: "Press the button to go on at the shop.",
    refused_title: "This request cannot be carried out",
    nothing_charged: "Nothing was charged. Please go back to the shop and try again.",
    tell_the_shop: "If you see this page again, please tell the shop:",
    ended_title: "This payment page is over",
    ended: "It was finished, or its time is up. Please go back to the shop to see how your order stands.",
    time_up_title: "The time is up",
    cancelled_title: "You have cancelled",
    cancelled: "Nothing was charged. You can close this page.",
    paid_title: "Thank you, it is paid",
    paid: "The shop has been told. You can close this page.",
    not_paid_title: "It was not paid",
    unknown_title: "Your bank has not answered yet",
    unknown: "Please do not pay again. The shop will tell you as soon as it knows whether the payment went through.",
    kept_title: "Thank you",
    kept: "The shop has received what it needs. You can close this page.",
    unavailable_title: "The payment page cannot answer now",
    unavailable: "Please try again in a minute.",
};

static ARABIC: Words = Words {
    lang: "ar",
    dir: "rtl",
    other_lang: "en",
    other_language: "English",
    sandbox: "بيئة تجريبية: لا تُحوَّل أي أموال",
    gateway: "صفحة الدفع",
    card_title: "الدفع بالبطاقة",
    tokenize_title: "بيانات البطاقة",
    amount: "المبلغ المطلوب",
    order: "طلبك",
    reference: "رقم الطلب",
    brands: "البطاقات المقبولة:",
    number: "رقم البطاقة",
    expiry: "تاريخ الانتهاء",
    expiry_hint: "شهر / سنة",
    code: "رمز الأمان",
    code_hint: "3 أرقام على ظهر البطاقة",
    code_hint_amex: "4 أرقام على وجه البطاقة",
    holder: "الاسم على البطاقة",
    optional: "(اختياري)",
    your_card: "بطاقتك",
    valid_until: "صالحة حتى",
    save: "احفظ هذه البطاقة للمرة القادمة",
    save_hint: "أوافق على حفظ رقم بطاقتي وتاريخ انتهائها حفظاً آمناً لأدفع في هذا المتجر مرة أخرى دون إعادة كتابتهما. لا \
                يُحفظ رمز الأمان أبداً.",
    pay: "ادفع",
    hand_over: "متابعة",
    sending: "لحظة من فضلك…",
    cancel: "إلغاء والعودة",
    errors_title: "يُرجى مراجعة ما أدخلته",
    attempts_one: "بقيت محاولة واحدة.",
    attempts_two: "بقيت محاولتان.",
    attempts_few: "بقيت {} محاولات.",
    attempts_many: "بقيت {} محاولة.",
    minutes_one: "لديك دقيقة واحدة لإتمام الدفع.",
    minutes_two: "لديك دقيقتان لإتمام الدفع.",
    minutes_few: "لديك {} دقائق لإتمام الدفع.",
    minutes_many: "لديك {} دقيقة لإتمام الدفع.",
    ends_at: "تنتهي هذه الصفحة عند {}.",
    ends_soon: "بقي أقل من دقيقتين.",
    private: "تصل بيانات بطاقتك إلى صفحة الدفع هذه ولا تصل إلى المتجر.",
    wait_title: "يُرجى الانتظار",
    wait: "عملية الدفع جارية. يُرجى عدم إغلاق هذه الصفحة، فهي تُتابع تلقائياً.",
    wait_again: "إذا لم يحدث شيء، فانظر مرة أخرى",
    check_title: "لحظة من فضلك",
    check: "يجري تأمين الدفع مع مصرفك.",
    go_on: "متابعة",
    challenge_title: "يطلب مصرفك تأكيدك",
    challenge: "يُرجى تأكيد الدفع لدى مصرفك.",
    challenge_button: "الانتقال إلى مصرفي",
    challenge_hint: "التأكيد لدى مصرفك",
    back_title: "العودة إلى المتجر",
    press: "اضغط على الزر للمتابعة في المتجر.",
    refused_title: "تعذّر تنفيذ هذا الطلب",
    nothing_charged: "لم يُخصم أي مبلغ. يُرجى العودة إلى المتجر والمحاولة مرة أخرى.",
    tell_the_shop: "إذا ظهرت هذه الصفحة مرة أخرى، فيُرجى إبلاغ المتجر بما يلي:",
    ended_title: "انتهت صفحة الدفع هذه",
    ended: "اكتملت أو انتهى وقتها. يُرجى العودة إلى المتجر لمعرفة حالة طلبك.",
    time_up_title: "انتهى الوقت",
    cancelled_title: "لقد ألغيت الدفع",
    cancelled: "لم يُخصم أي مبلغ. يمكنك إغلاق هذه الصفحة.",
    paid_title: "شكراً لك، تم الدفع",
    paid: "أُبلغ المتجر بذلك. يمكنك إغلاق هذه الصفحة.",
    not_paid_title: "لم يتم الدفع",
    unknown_title: "لم يرد مصرفك بعد",
    unknown: "يُرجى عدم الدفع مرة أخرى. سيُخبرك المتجر فور معرفته بنتيجة الدفع.",
    kept_title: "شكراً لك",
    kept: "تلقّى المتجر ما يحتاج إليه. يمكنك إغلاق هذه الصفحة.",
    unavailable_title: "لا يمكن لصفحة الدفع الرد الآن",
    unavailable: "يُرجى المحاولة بعد دقيقة.",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arabic_counts_in_its_own_forms() {
        let words = Words::of(Language::Arabic);
        for (count, told) in [
            (1, "بقيت محاولة واحدة."),
            (2, "بقيت محاولتان."),
            (3, "بقيت 3 محاولات."),
            (10, "بقيت 10 محاولات."),
            (11, "بقيت 11 محاولة."),
            (99, "بقيت 99 محاولة."),
        ] {
            assert_eq!(words.attempts_left(count), told);
        }
        assert_eq!(Words::of(Language::English).minutes_left(14), "You have 14 minutes to finish.");
    }
}
