//! What invoices say, on the page and on paper, in both languages. None of it needs escaping, and `{}` is where a value goes.

use tollgate_fort::text::Language;

/// The words of one language.
pub(crate) struct InvoiceWords {
    pub(crate) title: &'static str,
    pub(crate) number: &'static str,
    pub(crate) reference: &'static str,
    pub(crate) date: &'static str,
    pub(crate) due: &'static str,
    pub(crate) seller: &'static str,
    pub(crate) customer: &'static str,
    pub(crate) tax_number: &'static str,
    pub(crate) description: &'static str,
    pub(crate) quantity: &'static str,
    pub(crate) unit_price: &'static str,
    pub(crate) discount: &'static str,
    pub(crate) tax: &'static str,
    pub(crate) net: &'static str,
    pub(crate) before_tax: &'static str,
    tax_of: &'static str,
    pub(crate) total: &'static str,
    pub(crate) paid: &'static str,
    pub(crate) paid_at: &'static str,
    pub(crate) closed: &'static str,
    pub(crate) download: &'static str,
    pub(crate) phone: &'static str,
    pub(crate) scan: &'static str,
    pub(crate) address: &'static str,
}

impl InvoiceWords {
    /// The words of `language`.
    pub(crate) const fn of(language: Language) -> &'static InvoiceWords {
        match language {
            Language::English => &ENGLISH,
            Language::Arabic => &ARABIC,
        }
    }

    /// The tax of a rate in percent.
    pub(crate) fn tax_of(&self, percent: &str) -> String {
        self.tax_of.replace("{}", percent)
    }
}

static ENGLISH: InvoiceWords = InvoiceWords {
    title: "Invoice",
    number: "Invoice number",
    reference: "Order",
    date: "Date",
    due: "Due date",
    seller: "Seller",
    customer: "Customer",
    tax_number: "Tax number",
    description: "Description",
    quantity: "Quantity",
    unit_price: "Unit price",
    discount: "Discount",
    tax: "Tax",
    net: "Net amount",
    before_tax: "Total before tax",
    tax_of: "Tax {}%",
    total: "Total",
    paid: "Paid",
    paid_at: "Paid on",
    closed: "This invoice cannot be paid by its link any more.",
    download: "Download the invoice (PDF)",
    phone: "Pay with your phone",
    scan: "Scan the code with your phone to pay.",
    address: "Or open this address:",
};

static ARABIC: InvoiceWords = InvoiceWords {
    title: "فاتورة",
    number: "رقم الفاتورة",
    reference: "الطلب",
    date: "التاريخ",
    due: "تاريخ الاستحقاق",
    seller: "البائع",
    customer: "العميل",
    tax_number: "الرقم الضريبي",
    description: "الوصف",
    quantity: "الكمية",
    unit_price: "سعر الوحدة",
    discount: "خصم",
    tax: "الضريبة",
    net: "الصافي",
    before_tax: "المجموع قبل الضريبة",
    tax_of: "ضريبة {}%",
    total: "الإجمالي",
    paid: "مدفوعة",
    paid_at: "تاريخ الدفع",
    closed: "لم يعد دفع هذه الفاتورة ممكناً عبر رابطها.",
    download: "تنزيل الفاتورة (PDF)",
    phone: "ادفع بهاتفك",
    scan: "امسح الرمز بهاتفك للدفع.",
    address: "أو افتح هذا العنوان:",
};
