//! What the shop says, in both languages. None of it needs escaping.

use crate::demo_shop::passed::{Verdict, Way};
use crate::demo_shop::plan::{Charge, Route, Wrong};
use tollgate_fort::text::Language;

/// The texts of one language.
pub struct Words {
    /// For `lang`.
    pub language: &'static str,
    /// For `dir`.
    pub direction: &'static str,
    pub shop: &'static str,
    pub other_language: &'static str,
    pub skip: &'static str,
    pub title: &'static str,
    pub intro: &'static str,
    pub cart: &'static str,
    pub quantity: &'static str,
    pub currency: &'static str,
    pub other_amount: &'static str,
    pub other_amount_hint: &'static str,
    pub total: &'static str,
    pub no_total: &'static str,
    pub update: &'static str,
    pub options: &'static str,
    pub three_ds: &'static str,
    pub three_ds_as_set: &'static str,
    pub three_ds_off: &'static str,
    pub place: &'static str,
    pub place_window: &'static str,
    pub place_frame: &'static str,
    pub remember: &'static str,
    pub unsaid: &'static str,
    pub yes: &'static str,
    pub no: &'static str,
    pub ways: &'static str,
    pub ways_hint: &'static str,
    pub purchase: &'static str,
    pub authorization: &'static str,
    pub create: &'static str,
    pub test_card: &'static str,
    pub expiry_only: &'static str,
    pub saved_card: &'static str,
    pub no_tokens: &'static str,
    pub code_sent: &'static str,
    pub code_yes: &'static str,
    pub code_no: &'static str,
    pub tries: &'static str,
    pub no_tries: &'static str,
    pub not_answered: &'static str,
    pub kept: &'static str,
    pub back: &'static str,
    pub next_step: &'static str,
    pub to_gateway: &'static str,
    pub to_gateway_again: &'static str,
    pub post_to_gateway: &'static str,
    pub show_card_form: &'static str,
    pub frame_title: &'static str,
    pub frame_hint: &'static str,
    pub own_form_hint: &'static str,
    pub card_number: &'static str,
    pub expiry: &'static str,
    pub expiry_hint: &'static str,
    pub security_code: &'static str,
    pub holder: &'static str,
    pub save_card: &'static str,
    pub test_cards: &'static str,
    pub use_card: &'static str,
    pub note: &'static str,
    pub three_ds_next: &'static str,
    pub three_ds_go: &'static str,
    pub three_ds_frame_title: &'static str,
    pub afterwards: &'static str,
    pub amount: &'static str,
    pub capture: &'static str,
    pub void: &'static str,
    pub refund: &'static str,
    pub check: &'static str,
    pub passed: &'static str,
    pub passed_hint: &'static str,
    pub parameter: &'static str,
    pub value: &'static str,
    pub not_signed: &'static str,
    pub hashed: &'static str,
    pub signature: &'static str,
    pub masked: &'static str,
    pub no_feedback: &'static str,
    pub look_again: &'static str,
    pub story: &'static str,
    pub story_hint: &'static str,
    pub copy: &'static str,
    pub trouble: &'static str,
    pub success: &'static str,
    pub refused: &'static str,
    pub waiting: &'static str,
    pub begun: &'static str,
    pub leave_title: &'static str,
    pub leave_go: &'static str,
    pub stray_title: &'static str,
    pub stray: &'static str,
    pub not_found: &'static str,
    pub not_found_hint: &'static str,
    pub foot: &'static str,
}

impl Words {
    /// The texts of this language.
    pub const fn of(language: Language) -> &'static Words {
        match language {
            Language::English => &ENGLISH,
            Language::Arabic => &ARABIC,
        }
    }

    /// The name of a route.
    pub fn route(&self, route: Route) -> &'static str {
        match (self.is_english(), route) {
            (true, Route::Redirection) => "Redirection",
            (true, Route::Standard) => "Standard merchant page",
            (true, Route::Custom) => "Custom merchant page",
            (true, Route::Trusted) => "Trusted channel",
            (true, Route::Token) => "Saved card",
            (true, Route::Create) => "Save a card",
            (false, Route::Redirection) => "إعادة التوجيه",
            (false, Route::Standard) => "صفحة التاجر القياسية",
            (false, Route::Custom) => "صفحة التاجر المخصصة",
            (false, Route::Trusted) => "القناة الموثوقة",
            (false, Route::Token) => "بطاقة محفوظة",
            (false, Route::Create) => "حفظ بطاقة",
        }
    }

    /// What happens on a route.
    pub fn about(&self, route: Route) -> &'static str {
        match (self.is_english(), route) {
            (true, Route::Redirection) => {
                "The customer goes to the gateway's page, types the card there and comes back."
            }
            (true, Route::Standard) => {
                "The gateway's card form stands in a frame of this shop. A token comes back, and the shop's server pays with it."
            }
            (true, Route::Custom) => {
                "The shop's own card form posts straight to the gateway. The shop sees a token, never the card."
            }
            (true, Route::Trusted) => {
                "The shop's server sends the card itself, as PCI-certified merchants may. Here it is a test card of this list."
            }
            (true, Route::Token) => "Pay again with a card that an earlier try of this browser has saved.",
            (true, Route::Create) => {
                "CREATE_TOKEN: the gateway keeps a card for later. Nothing is paid and no issuer is asked."
            }
            (false, Route::Redirection) => "ينتقل العميل إلى صفحة البوابة ويكتب بيانات بطاقته هناك ثم يعود.",
            (false, Route::Standard) => {
                "يظهر نموذج البطاقة الخاص بالبوابة داخل إطار في هذا المتجر. يعود رمز مميّز ويدفع به خادم المتجر."
            }
            (false, Route::Custom) => {
                "نموذج البطاقة الخاص بالمتجر يُرسَل مباشرةً إلى البوابة. يرى المتجر رمزًا مميّزًا ولا يرى البطاقة أبدًا."
            }
            (false, Route::Trusted) => {
                "يرسل خادم المتجر البطاقة بنفسه، كما يجوز للتجار الحاصلين على شهادة PCI. وهي هنا بطاقة اختبار من هذه القائمة."
            }
            (false, Route::Token) => "ادفع مجددًا ببطاقة حفظتها محاولة سابقة من هذا المتصفح.",
            (false, Route::Create) => "CREATE_TOKEN: تحفظ البوابة البطاقة لوقت لاحق. لا يُدفع شيء ولا يُسأل مُصدِر البطاقة.",
        }
    }

    /// The name of what becomes of the money.
    pub const fn charge(&self, charge: Charge) -> &'static str {
        match charge {
            Charge::Purchase => self.purchase,
            Charge::Authorization => self.authorization,
        }
    }

    /// What is wrong with a form.
    pub fn wrong(&self, wrong: Wrong) -> &'static str {
        match (self.is_english(), wrong) {
            (true, Wrong::Button) => "That button is not on this page. Please press one of those below.",
            (true, Wrong::Amount) => {
                "There is nothing to pay: put something into the cart, or type an amount with no more decimals than the currency has."
            }
            (true, Wrong::Card) => "Please choose a test card of the list.",
            (true, Wrong::Token) => "This browser has no such saved card. Save one first, by any other route.",
            (false, Wrong::Button) => "هذا الزر غير موجود في هذه الصفحة. يُرجى الضغط على أحد الأزرار أدناه.",
            (false, Wrong::Amount) => {
                "لا يوجد ما يُدفع: ضع شيئًا في السلة أو اكتب مبلغًا لا تزيد منازله العشرية على منازل العملة."
            }
            (false, Wrong::Card) => "يُرجى اختيار بطاقة اختبار من القائمة.",
            (false, Wrong::Token) => "لا توجد بطاقة محفوظة كهذه لدى هذا المتصفح. احفظ بطاقة أولًا بأي طريقة أخرى.",
        }
    }

    /// What a message was.
    pub fn way(&self, way: Way) -> &'static str {
        match (self.is_english(), way) {
            (true, Way::Form) => "The form that the browser posts",
            (true, Way::Call) => "The shop's server asks",
            (true, Way::Answer) => "The gateway answers",
            (true, Way::ReturnedByPost) => "The browser comes back by POST",
            (true, Way::ReturnedByGet) => "The browser comes back by GET",
            (true, Way::Feedback { .. }) => "Feedback to the shop's server",
            (false, Way::Form) => "النموذج الذي يرسله المتصفح",
            (false, Way::Call) => "خادم المتجر يطلب",
            (false, Way::Answer) => "البوابة تجيب",
            (false, Way::ReturnedByPost) => "يعود المتصفح بطريقة POST",
            (false, Way::ReturnedByGet) => "يعود المتصفح بطريقة GET",
            (false, Way::Feedback { .. }) => "إشعار إلى خادم المتجر",
        }
    }

    /// What the shop finds of a signature.
    pub fn verdict(&self, verdict: Verdict) -> &'static str {
        match (self.is_english(), verdict) {
            (true, Verdict::Ours) => "signed by the shop",
            (true, Verdict::Fits) => "signature fits",
            (true, Verdict::Differs) => "signature does not fit",
            (true, Verdict::Unsigned) => "not signed",
            (false, Verdict::Ours) => "موقَّع من المتجر",
            (false, Verdict::Fits) => "التوقيع مطابق",
            (false, Verdict::Differs) => "التوقيع غير مطابق",
            (false, Verdict::Unsigned) => "غير موقَّع",
        }
    }

    fn is_english(&self) -> bool {
        self.language == "en"
    }
}

const ENGLISH: Words = Words {
    language: "en",
    direction: "ltr",
    shop: "Demo shop",
    other_language: "العربية",
    skip: "Skip to the content",
    title: "Pay by every route, and watch what passes",
    intro: "This is a shop like any merchant's, in front of your own gateway. The money is play money: the cards are answered by \
            the sandbox card network. After each payment you see every signed message.",
    cart: "Your cart",
    quantity: "Quantity",
    currency: "Currency",
    other_amount: "Another amount",
    other_amount_hint: "in place of what the items cost",
    total: "Total",
    no_total: "nothing to pay",
    update: "Update",
    options: "Options",
    three_ds: "3-D Secure",
    three_ds_as_set: "as the gateway decides",
    three_ds_off: "off (check_3ds=NO)",
    place: "3-D Secure opens",
    place_window: "in the whole window",
    place_frame: "in a frame of the shop",
    remember: "Keep the card (remember_me)",
    unsaid: "not said",
    yes: "YES",
    no: "NO",
    ways: "Ways to pay",
    ways_hint: "Each button begins an order of its own, in that language.",
    purchase: "Pay",
    authorization: "Hold",
    create: "Save",
    test_card: "Test card",
    expiry_only: "expiry",
    saved_card: "Saved card",
    no_tokens: "No card is saved yet. Pay by another route first; the trusted channel saves a card with remember_me=YES.",
    code_sent: "Security code",
    code_yes: "with one",
    code_no: "without",
    tries: "What you have tried",
    no_tries: "Nothing yet. The last 200 tries are kept in memory until the gateway ends.",
    not_answered: "no answer yet",
    kept: "a card to keep",
    back: "Back to the shop",
    next_step: "Next step",
    to_gateway: "The order is signed. The form below takes your browser to the gateway.",
    to_gateway_again: "Nothing was paid. The same form may be posted again.",
    post_to_gateway: "Go to the gateway",
    show_card_form: "Show the card form",
    frame_title: "The gateway's card form",
    frame_hint: "What you type in the frame goes to the gateway alone.",
    own_form_hint: "This form is the shop's, but it posts to the gateway: what you type never reaches the shop. Use test cards only.",
    card_number: "Card number",
    expiry: "Expiry",
    expiry_hint: "year and month: YYMM",
    security_code: "Security code",
    holder: "Name on the card (may stay empty)",
    save_card: "Keep this card (remember_me=YES, added by the browser)",
    test_cards: "Test cards",
    use_card: "Use",
    note: "What happens",
    three_ds_next: "The card's issuer wants to see its customer first (20064).",
    three_ds_go: "Go to 3-D Secure",
    three_ds_frame_title: "3-D Secure",
    afterwards: "Afterwards",
    amount: "Amount",
    capture: "Capture",
    void: "Void",
    refund: "Refund",
    check: "Check status",
    passed: "What passed",
    passed_hint: "Newest first. Card data is masked here; the phrases are secrets of the merchant and are shown as a word.",
    parameter: "Parameter",
    value: "Value",
    not_signed: "not signed",
    hashed: "The text that is hashed",
    signature: "Signature",
    masked: "The real text has the values behind the masks.",
    no_feedback: "No feedback of this order came yet.",
    look_again: "Look again",
    story: "The gateway's own story",
    story_hint: "In a terminal:",
    copy: "Copy",
    trouble: "The gateway gave no answer that can be read",
    success: "Done",
    refused: "Not done",
    waiting: "Waiting",
    begun: "Begun",
    leave_title: "Back at the shop",
    leave_go: "Continue in the shop",
    stray_title: "A return of no try that is known",
    stray: "The shop forgets its tries when the gateway ends, and after 200 more. This is what came:",
    not_found: "There is nothing here",
    not_found_hint: "A try is shown to the browser that made it, and is forgotten when the gateway ends.",
    foot: "Sandbox only: a gateway that was started without --dev has no shop.",
};

const ARABIC: Words = Words {
    language: "ar",
    direction: "rtl",
    shop: "متجر تجريبي",
    other_language: "English",
    skip: "الانتقال إلى المحتوى",
    title: "ادفع بكل الطرق وشاهد ما يجري بينها",
    intro: "هذا متجر كمتجر أي تاجر، يقف أمام بوابتك أنت. النقود ليست حقيقية: تجيب عن البطاقات شبكة بطاقات تجريبية. بعد كل \
            عملية دفع ترى جميع الرسائل الموقَّعة.",
    cart: "سلتك",
    quantity: "الكمية",
    currency: "العملة",
    other_amount: "مبلغ آخر",
    other_amount_hint: "بدلًا من ثمن السلع",
    total: "الإجمالي",
    no_total: "لا شيء للدفع",
    update: "تحديث",
    options: "خيارات",
    three_ds: "\u{2066}3-D Secure\u{2069}",
    three_ds_as_set: "كما تقرر البوابة",
    three_ds_off: "متوقف (check_3ds=NO)",
    place: "تُفتح \u{2066}3-D Secure\u{2069}",
    place_window: "في النافذة كلها",
    place_frame: "في إطار داخل المتجر",
    remember: "الاحتفاظ بالبطاقة (remember_me)",
    unsaid: "لا يُذكر",
    yes: "YES",
    no: "NO",
    ways: "طرق الدفع",
    ways_hint: "كل زر يبدأ طلبًا مستقلًا بتلك اللغة.",
    purchase: "دفع",
    authorization: "حجز",
    create: "حفظ",
    test_card: "بطاقة اختبار",
    expiry_only: "الانتهاء",
    saved_card: "بطاقة محفوظة",
    no_tokens: "لا توجد بطاقة محفوظة بعد. ادفع أولًا بطريقة أخرى؛ القناة الموثوقة تحفظ البطاقة مع remember_me=YES.",
    code_sent: "رمز الأمان",
    code_yes: "مع رمز",
    code_no: "من دون رمز",
    tries: "ما جرّبته",
    no_tries: "لا شيء بعد. تبقى آخر 200 محاولة في الذاكرة حتى تتوقف البوابة.",
    not_answered: "لا جواب بعد",
    kept: "بطاقة للحفظ",
    back: "العودة إلى المتجر",
    next_step: "الخطوة التالية",
    to_gateway: "الطلب موقَّع. ينقل النموذج أدناه متصفحك إلى البوابة.",
    to_gateway_again: "لم يُدفع شيء. يمكن إرسال النموذج نفسه مرة أخرى.",
    post_to_gateway: "الذهاب إلى البوابة",
    show_card_form: "إظهار نموذج البطاقة",
    frame_title: "نموذج البطاقة الخاص بالبوابة",
    frame_hint: "ما تكتبه داخل الإطار يذهب إلى البوابة وحدها.",
    own_form_hint: "هذا نموذج المتجر، لكنه يُرسَل إلى البوابة: ما تكتبه لا يصل إلى المتجر أبدًا. استخدم بطاقات الاختبار فقط.",
    card_number: "رقم البطاقة",
    expiry: "تاريخ الانتهاء",
    expiry_hint: "السنة ثم الشهر: YYMM",
    security_code: "رمز الأمان",
    holder: "الاسم على البطاقة (يجوز تركه فارغًا)",
    save_card: "الاحتفاظ بهذه البطاقة (remember_me=YES يضيفها المتصفح)",
    test_cards: "بطاقات الاختبار",
    use_card: "استخدام",
    note: "ما يحدث",
    three_ds_next: "يريد مُصدِر البطاقة التحقق من عميله أولًا (20064).",
    three_ds_go: "الذهاب إلى \u{2066}3-D Secure\u{2069}",
    three_ds_frame_title: "\u{2066}3-D Secure\u{2069}",
    afterwards: "بعد ذلك",
    amount: "المبلغ",
    capture: "تحصيل",
    void: "إلغاء الحجز",
    refund: "رد المبلغ",
    check: "الاستعلام عن الحالة",
    passed: "ما جرى تبادله",
    passed_hint: "الأحدث أولًا. بيانات البطاقة مخفية هنا؛ وعبارات التوقيع أسرار التاجر وتظهر ككلمة واحدة.",
    parameter: "المعامل",
    value: "القيمة",
    not_signed: "غير موقَّع",
    hashed: "النص الذي تُحسب بصمته",
    signature: "التوقيع",
    masked: "في النص الحقيقي القيم التي تخفيها النجوم.",
    no_feedback: "لم يصل بعد أي إشعار عن هذا الطلب.",
    look_again: "تحقق مجددًا",
    story: "رواية البوابة نفسها",
    story_hint: "في الطرفية:",
    copy: "نسخ",
    trouble: "لم تُعطِ البوابة جوابًا يمكن قراءته",
    success: "تم",
    refused: "لم يتم",
    waiting: "قيد الانتظار",
    begun: "بدأ",
    leave_title: "عودة إلى المتجر",
    leave_go: "المتابعة في المتجر",
    stray_title: "عودة لا تخص أي محاولة معروفة",
    stray: "ينسى المتجر محاولاته عندما تتوقف البوابة وبعد 200 محاولة أخرى. هذا ما وصل:",
    not_found: "لا يوجد شيء هنا",
    not_found_hint: "تظهر المحاولة للمتصفح الذي بدأها وتُنسى عندما تتوقف البوابة.",
    foot: "بيئة تجريبية فقط: البوابة التي تُشغَّل من دون --dev ليس فيها متجر.",
};
