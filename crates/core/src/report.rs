//! Reports: which operations are in one, what each column tells of them, and their sums.
//!
//! One row is one operation. The rows of a report are fixed by its interval, and each row tells how its operation stands
//! when it is written. The columns are FORT's; what this gateway cannot know is empty.

use crate::card::CardFacts;
use crate::code::{ResponseCode, UNCERTAIN, message};
use crate::command::{Eci, SafeParams};
use crate::feedback::Channel;
use crate::money::Currency;
use crate::named_enum::named_enum;
use crate::order::{Operation, OperationKind, OperationState, Order};
use crate::time::Timestamp;
use crate::token::TokenRole;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The most filters of one report.
pub const FILTERS_MAX: usize = 10;
/// The most characters of a filter's value.
pub const FILTER_VALUE_CHARS_MAX: usize = 250;

/// GENERATE_REPORT: ordered. GET_REPORT: ready.
pub const REPORTED: ResponseCode = ResponseCode::new(56, message::SUCCESS);

/// The code of a call about reports that came to nothing, with `message`.
#[must_use]
pub const fn failed(message: u16) -> ResponseCode {
    ResponseCode::new(57, message)
}

named_enum! {
    /// A column of a report.
    ReportColumn {
        /// The order's number.
        FortId = 0 "fort_id",
        /// The order's reference.
        MerchantReference = 1 "merchant_reference",
        /// The issuer's authorization code; of a later operation without one of its own, that of its order.
        AuthorizationCode = 2 "authorization_code",
        /// As the request had it, else the payment's.
        CustomerName = 3 "customer_name",
        /// The same; else the address that the gateway's page saw.
        CustomerIp = 4 "customer_ip",
        /// Unknown here: addresses are not looked up.
        GeolocationIp = 5 "geolocation_ip",
        /// As the request had it, else the payment's.
        CustomerEmail = 6 "customer_email",
        /// Unknown here: acquirers are known by their address.
        AcquirerName = 7 "acquirer_name",
        /// The card's brand.
        PaymentOption = 8 "payment_option",
        /// The way by which the payment came.
        Channel = 9 "channel",
        /// When the operation was sent.
        TransactionDate = 10 "transaction_date",
        /// The masked card number.
        CardNumber = 11 "card_number",
        /// The card's expiry, YYMM.
        ExpiryDate = 12 "expiry_date",
        /// The name on the card.
        CardHolderName = 13 "card_holder_name",
        /// What the operation moves, in minor units; of a void, what it gives up.
        Amount = 14 "amount",
        /// Its currency.
        Currency = 15 "currency",
        /// The digits that the mask shows at the beginning.
        CardBin = 16 "card_bin",
        /// The order's indicator.
        Eci = 17 "eci",
        /// What the operation does.
        Operation = 18 "operation",
        /// The token that the payment used or made.
        TokenName = 19 "token_name",
        /// Whether the network was told of an authentication.
        ThreeDsIndicator = 20 "3ds_indicator",
        /// Whether a fraud rule has stopped it.
        FraudIndicator = 21 "fraud_indicator",
        /// No: there are no instalments here.
        InstallmentsIndicator = 22 "installments_indicator",
        /// The first two digits of the code.
        Status = 23 "status",
        /// The code that the merchant was told last.
        ResponseCode = 24 "response_code",
        /// Its text.
        ResponseMessage = 25 "response_message",
        /// The text of the network's code.
        ThirdPartyMessage = 26 "third_party_message",
        /// The network's code.
        ThirdPartyCode = 27 "third_party_code",
        /// When the order was made.
        OrderDate = 28 "order_date",
        /// As the request had it, else the payment's.
        OrderDescription = 29 "order_description",
        /// The merchant's number at the acquirer, as it is now.
        AcquirerMid = 30 "acquirer_mid",
        /// The network's code.
        AcquirerResponseCode = 31 "acquirer_response_code",
        /// Its text.
        AcquirerResponseMessage = 32 "acquirer_response_message",
        /// A word for it.
        ProcessorResponseCode = 33 "processor_response_code",
        /// SADAD is not spoken here.
        SadadOlp = 34 "sadad_olp",
        /// The same.
        SadadTransactionId = 35 "sadad_transaction_id",
        /// The payment link that was paid.
        PaymentLinkId = 36 "payment_link_id",
        /// FORT's subscription service is not there.
        InvoiceId = 37 "Invoice_id",
        /// There are no wallets.
        DigitalWallet = 38 "digital_wallet",
    }
}

impl ReportColumn {
    /// The column of this name, exactly as FORT writes it.
    #[must_use]
    pub fn parse(name: &str) -> Option<ReportColumn> {
        ReportColumn::ALL.iter().copied().find(|column| column.name() == name)
    }

    /// Whether its values are words of ours, which a filter may write in either case.
    const fn is_ours(self) -> bool {
        matches!(
            self,
            ReportColumn::Channel
                | ReportColumn::Operation
                | ReportColumn::ThreeDsIndicator
                | ReportColumn::FraudIndicator
                | ReportColumn::InstallmentsIndicator
        )
    }
}

named_enum! {
    /// Which operations a report is about.
    ReportKind {
        /// All operations of payments, whatever became of them.
        Transactions = 0 "transactions",
        /// Those that succeeded: what a settlement is compared with.
        Financial = 1 "financial",
        /// Verifications of cards.
        Verifications = 2 "verifications",
    }
}

impl ReportKind {
    /// The kind of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<ReportKind> {
        ReportKind::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// Whether an operation belongs into such a report.
    #[must_use]
    pub fn has(self, row: &ReportRow) -> bool {
        let is_verification = row.order.kind.is_verification();
        match self {
            ReportKind::Transactions => !is_verification,
            ReportKind::Financial => !is_verification && row.operation.state == OperationState::Approved,
            ReportKind::Verifications => is_verification && row.operation.kind.begins(),
        }
    }
}

/// An interval of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ReportInterval {
    /// From this moment on,
    pub from: Timestamp,
    /// and before this one.
    pub before: Timestamp,
}

/// A column and a value that it has to have.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ReportFilter {
    /// The column.
    pub column: ReportColumn,
    /// The value.
    pub value: String,
}

/// What a report is about.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ReportSpec {
    /// Which operations.
    pub kind: ReportKind,
    /// When they were sent.
    pub interval: ReportInterval,
    /// The columns, in their order.
    pub columns: Vec<ReportColumn>,
    /// What rows have to be: one of the values of each column that is named.
    pub filters: Vec<ReportFilter>,
    /// The language of the texts, `en` or `ar`.
    pub language: String,
}

/// How a report is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReportFormat {
    /// CSV (RFC 4180) with a line of names.
    #[default]
    Csv,
    /// A JSON list with one object of texts for each row.
    Json,
}

/// GENERATE_REPORT, DOWNLOAD_REPORT or GET_REPORT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportCommand {
    /// Order a report.
    Generate {
        /// The merchant's name for it, up to 40 characters.
        reference: String,
        /// What it is about.
        spec: ReportSpec,
    },
    /// Fetch it.
    Download {
        /// Its name.
        reference: String,
        /// How it is to be written.
        format: ReportFormat,
    },
    /// Ask whether it is ready.
    Status {
        /// Its name.
        reference: String,
    },
}

named_enum! {
    /// Where a report that was ordered stands.
    ReportState {
        /// Its rows are being counted.
        Pending = 0 "pending",
        /// It can be fetched.
        Ready = 1 "ready",
        /// It has more rows than a report may have.
        TooLarge = 2 "too large",
    }
}

/// One operation as a report needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportRow {
    /// Its order as it is now, with the card and the token of the operation's own try.
    pub order: Order,
    /// The operation as it stands now.
    pub operation: Operation,
    /// The parameters that asked for it.
    pub request: SafeParams,
    /// Those of the order's first operation, where that is another one.
    pub payment_request: Option<SafeParams>,
    /// What became of it last; `None` while it is under way.
    pub outcome: Option<ReportOutcome>,
    /// Whether the network was told of an authentication for its payment.
    pub authentication: ReportAuthentication,
}

/// The last outcome of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportOutcome {
    /// What the merchant was told.
    pub code: ResponseCode,
    /// ISO 8583:1987 field 39.
    pub network_code: Option<String>,
    /// Field 38.
    pub authorization_code: Option<String>,
}

/// Whether the network was told of an authentication (3-D Secure).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportAuthentication {
    /// It was.
    Told,
    /// It was not.
    None,
}

/// The texts of codes, which are the wire's.
#[derive(Clone, Copy, Debug)]
pub struct ReportTexts {
    /// That of a response code.
    pub response: fn(ResponseCode) -> &'static str,
    /// That of a code of the network, when it has one.
    pub network: fn(&str) -> Option<&'static str>,
}

/// What makes cells of rows.
#[derive(Clone, Debug)]
pub struct ReportCells {
    /// The texts.
    pub texts: ReportTexts,
    /// The merchant's number at the acquirer.
    pub acquirer_mid: String,
}

impl ReportCells {
    /// What a column tells of an operation; empty where there is nothing to tell.
    #[must_use]
    pub fn cell<'a>(&'a self, row: &'a ReportRow, column: ReportColumn) -> Cow<'a, str> {
        let order = &row.order;
        let network = || row.outcome.as_ref().and_then(|outcome| outcome.network_code.as_deref());
        let network_text = || network().and_then(self.texts.network).unwrap_or_default();
        match column {
            ReportColumn::FortId => order.fort_id.to_string().into(),
            ReportColumn::MerchantReference => order.merchant_reference.as_str().into(),
            ReportColumn::AuthorizationCode => row.authorization_code().unwrap_or_default().into(),
            ReportColumn::CustomerName | ReportColumn::CustomerEmail | ReportColumn::OrderDescription => {
                row.parameter(column.name()).unwrap_or_default().into()
            }
            ReportColumn::CustomerIp => {
                let seen = || row.parameter(SafeParams::CUSTOMER_IP_SEEN);
                row.parameter(column.name()).or_else(seen).unwrap_or_default().into()
            }
            ReportColumn::PaymentOption => order.card.as_ref().map_or("", |card| card.brand.name()).into(),
            ReportColumn::Channel => row.channel().into(),
            ReportColumn::TransactionDate => date_time(row.operation.wire.sent_at).into(),
            ReportColumn::OrderDate => date_time(order.created_at).into(),
            ReportColumn::CardNumber => order.card.as_ref().map_or("", |card| &card.mask).into(),
            ReportColumn::ExpiryDate => order.card.as_ref().map_or("", |card| &card.expiry).into(),
            ReportColumn::CardHolderName => {
                order.card.as_ref().and_then(|card| card.holder.as_deref()).unwrap_or_default().into()
            }
            ReportColumn::CardBin => order.card.as_ref().map_or("", leading_digits).into(),
            ReportColumn::Amount => row.operation.money.amount.to_string().into(),
            ReportColumn::Currency => row.operation.money.currency.alpha().into(),
            ReportColumn::Eci => order.eci.name().into(),
            ReportColumn::Operation => row.operation_name().into(),
            ReportColumn::TokenName => row.token_name().unwrap_or_default().into(),
            ReportColumn::ThreeDsIndicator => yes_if(row.authentication == ReportAuthentication::Told),
            ReportColumn::FraudIndicator => yes_if(row.code().message() == message::FRAUD),
            ReportColumn::InstallmentsIndicator => yes_if(false),
            ReportColumn::Status => row.code().status_text().into(),
            ReportColumn::ResponseCode => row.code().to_string().into(),
            ReportColumn::ResponseMessage => (self.texts.response)(row.code()).into(),
            ReportColumn::ThirdPartyCode | ReportColumn::AcquirerResponseCode => network().unwrap_or_default().into(),
            ReportColumn::ThirdPartyMessage | ReportColumn::AcquirerResponseMessage => network_text().into(),
            ReportColumn::ProcessorResponseCode => match network() {
                None => "",
                Some("00") => "APPROVED",
                Some(_) => "DECLINED",
            }
            .into(),
            ReportColumn::AcquirerMid => self.acquirer_mid.as_str().into(),
            ReportColumn::PaymentLinkId => row.parameter(SafeParams::PAYMENT_LINK).unwrap_or_default().into(),
            ReportColumn::GeolocationIp
            | ReportColumn::AcquirerName
            | ReportColumn::SadadOlp
            | ReportColumn::SadadTransactionId
            | ReportColumn::InvoiceId
            | ReportColumn::DigitalWallet => "".into(),
        }
    }

    /// Whether an operation belongs into a report: by its kind, and because each column that a filter names has one of
    /// the values that filters give it.
    #[must_use]
    pub fn fits(&self, spec: &ReportSpec, row: &ReportRow) -> bool {
        spec.kind.has(row) && spec.filters.iter().all(|filter| self.fits_one_of(spec, row, filter.column))
    }

    fn fits_one_of(&self, spec: &ReportSpec, row: &ReportRow, column: ReportColumn) -> bool {
        let cell = self.cell(row, column);
        let is_wanted = |filter: &ReportFilter| match column.is_ours() {
            true => filter.value.eq_ignore_ascii_case(&cell),
            false => filter.value == cell,
        };
        spec.filters.iter().filter(|filter| filter.column == column).any(is_wanted)
    }
}

impl ReportRow {
    /// What the merchant was told of it last: 15777 while nobody knows.
    #[must_use]
    pub fn code(&self) -> ResponseCode {
        self.outcome.as_ref().map_or(UNCERTAIN, |outcome| outcome.code)
    }

    /// The issuer's code; an operation that follows from an approval, and brought none, has that of the approval.
    fn authorization_code(&self) -> Option<&str> {
        let own = self.outcome.as_ref().and_then(|outcome| outcome.authorization_code.as_deref());
        let of_order = || self.order.authorization_code.as_deref().filter(|_| !self.operation.kind.begins());
        own.or_else(of_order)
    }

    /// A parameter of its request, else of the payment's.
    fn parameter(&self, name: &str) -> Option<&str> {
        let of_payment = || self.payment_request.as_ref().and_then(|params| params.get(name));
        self.request.get(name).or_else(of_payment)
    }

    /// The token by the name under which the merchant may know it.
    fn token_name(&self) -> Option<&str> {
        match self.operation.kind.begins() {
            true => self.order.token_name_in(self.operation.state),
            // What follows stands on an approval.
            false => self.order.token_name_in(OperationState::Approved),
        }
    }

    fn channel(&self) -> &'static str {
        let is_of_page = || self.order.token.as_ref().is_some_and(|token| token.role == TokenRole::Keeps);
        match (self.order.eci, self.order.channel) {
            (Eci::Moto, _) => "MOTO",
            (Eci::Recurring, _) => "Recurring",
            (Eci::Ecommerce, Channel::Redirection) => "Redirection",
            // The card was typed on the merchant's page and came to us as a provisional token.
            (Eci::Ecommerce, Channel::Trusted) if is_of_page() => "Merchant Page",
            (Eci::Ecommerce, Channel::Trusted) => "Trusted",
        }
    }

    fn operation_name(&self) -> &'static str {
        match self.operation.kind {
            kind if kind.begins() && self.order.kind.is_verification() => "card verification",
            OperationKind::Authorize => "authorization",
            OperationKind::Purchase => "purchase",
            OperationKind::Capture => "capture",
            OperationKind::Void => "void authorization",
            OperationKind::Refund => "refund",
            OperationKind::Verify => "card verification",
        }
    }
}

fn yes_if(is_so: bool) -> Cow<'static, str> {
    if is_so { "yes".into() } else { "no".into() }
}

/// What a mask shows before its stars.
fn leading_digits(card: &CardFacts) -> &str {
    let end = card.mask.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(0);
    card.mask.get(..end).unwrap_or_default()
}

/// A moment as FORT writes it: ISO 8601 to the second, with the offset of UTC in digits.
fn date_time(at: Timestamp) -> String {
    let t = at.utc();
    format!("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}+00:00", t.year, t.month, t.day, t.hour, t.minute, t.second)
}

/// The sums of operations by currency and by what they do, exact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportTotals {
    /// By currency, then by operation.
    pub sums: BTreeMap<(Currency, OperationKind), ReportSum>,
}

/// How many operations there were, and how much those that succeeded moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ReportSum {
    /// Those that succeeded.
    pub succeeded: u64,
    /// What they moved, in minor units.
    pub amount: u128,
    /// Those that came to nothing: declined, reversed, or never sent.
    pub failed: u64,
    /// Those of which nobody knows yet.
    pub unknown: u64,
}

impl ReportTotals {
    /// Adds one operation.
    pub fn add(&mut self, operation: &Operation) {
        let sum = self.sums.entry((operation.money.currency, operation.kind)).or_default();
        match operation.state {
            OperationState::Approved => {
                sum.succeeded += 1;
                // A sum of 2^64 amounts of 64 bits fits.
                sum.amount += u128::from(operation.money.amount.minor());
            }
            OperationState::Sent | OperationState::Unknown => sum.unknown += 1,
            OperationState::Declined | OperationState::Reversed | OperationState::NotSent => sum.failed += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::bin::Brand;
    use crate::ident::{FortId, MerchantId, OperationId, Stan};
    use crate::money::{AMOUNT_MINOR_MAX, Amount, Money};
    use crate::order::{LastOperation, PayKind, Phase, Totals, WireReference};
    use crate::token::OrderToken;

    fn money(minor: u64, currency: &str) -> Money {
        Money { amount: Amount::from_minor(minor).unwrap(), currency: Currency::from_alpha(currency).unwrap() }
    }

    fn params(pairs: &[(&str, &str)]) -> SafeParams {
        let mut params = SafeParams::default();
        pairs.iter().for_each(|(name, value)| params.push(name, value));
        params
    }

    /// A row of an approved purchase.
    fn row() -> ReportRow {
        let id = OperationId(179_518_080_000_000_000);
        let sent_at = Timestamp::parse_utc("2026-11-20T21:59:59.999Z").unwrap();
        let wire = WireReference { stan: Stan::folded(7), rrn: id.rrn(), sent_at };
        let order = Order {
            fort_id: FortId(id.0),
            merchant: MerchantId(1),
            merchant_reference: "A-1".to_owned(),
            kind: PayKind::Purchase,
            money: money(1500, "KWD"),
            eci: Eci::Ecommerce,
            channel: Channel::Trusted,
            card: Some(CardFacts {
                mask: "40055500****0001".to_owned(),
                expiry: "3005".to_owned(),
                holder: None,
                brand: Brand::Visa,
            }),
            token: None,
            credential: None,
            phase: Phase::Purchased,
            totals: Totals::default(),
            open_operation: None,
            version: 2,
            authorization_code: Some("A1B2C3".to_owned()),
            original: wire,
            last: LastOperation { kind: OperationKind::Purchase, code: ResponseCode::new(14, 0), network_code: None },
            created_at: Timestamp::parse_utc("2026-11-20T21:50:00Z").unwrap(),
        };
        let operation = Operation {
            id,
            fort_id: order.fort_id,
            kind: OperationKind::Purchase,
            money: order.money,
            state: OperationState::Approved,
            wire,
        };
        ReportRow {
            order,
            operation,
            request: params(&[("customer_name", "Layla"), ("merchant_extra", "not told")]),
            payment_request: None,
            outcome: Some(ReportOutcome {
                code: ResponseCode::new(14, 0),
                network_code: Some("00".to_owned()),
                authorization_code: Some("A1B2C3".to_owned()),
            }),
            authentication: ReportAuthentication::Told,
        }
    }

    fn cells() -> ReportCells {
        let response = |code: ResponseCode| if code.message() == 0 { "Success" } else { "not success" };
        let network = |code: &str| (code == "51").then_some("Not sufficient funds");
        ReportCells { texts: ReportTexts { response, network }, acquirer_mid: "MID1".to_owned() }
    }

    fn told(row: &ReportRow, name: &str) -> String {
        cells().cell(row, ReportColumn::parse(name).unwrap()).into_owned()
    }

    #[test]
    fn the_columns_are_forts_thirty_nine_and_read_back() {
        assert_eq!(ReportColumn::ALL.len(), 39);
        for column in ReportColumn::ALL {
            assert_eq!(ReportColumn::parse(column.name()), Some(*column));
            let kept = serde_json::to_string(column).unwrap();
            assert_eq!(serde_json::from_str::<ReportColumn>(&kept).unwrap(), *column);
        }
        for wrong in ["", "fort_ID", "Invoice_Id", "invoice_id", "three_ds_indicator", "merchant_extra"] {
            assert_eq!(ReportColumn::parse(wrong), None, "{wrong}");
        }
        for kind in ReportKind::ALL {
            assert_eq!(ReportKind::parse(kind.name()), Some(*kind));
        }
    }

    #[test]
    fn cells_tell_what_is_known_and_nothing_else() {
        let row = row();
        for (name, value) in [
            ("fort_id", "179518080000000000"),
            ("amount", "1500"),
            ("currency", "KWD"),
            ("transaction_date", "2026-11-20T21:59:59+00:00"),
            ("order_date", "2026-11-20T21:50:00+00:00"),
            ("card_bin", "40055500"),
            ("card_holder_name", ""),
            ("customer_name", "Layla"),
            ("customer_email", ""),
            ("operation", "purchase"),
            ("3ds_indicator", "yes"),
            ("response_message", "Success"),
            ("acquirer_response_message", ""),
            ("acquirer_mid", "MID1"),
        ] {
            assert_eq!(told(&row, name), value, "{name}");
        }
    }

    #[test]
    fn what_is_under_way_is_told_as_unknown() {
        let sent = ReportRow { outcome: None, ..row() };
        assert_eq!(told(&sent, "response_code"), "15777");
        assert_eq!(told(&sent, "status"), "15");
        assert_eq!(told(&sent, "processor_response_code"), "");
        assert_eq!(told(&sent, "authorization_code"), "", "the order's is that of an approval to come");
    }

    #[test]
    fn what_follows_is_told_with_its_payments_facts() {
        let mut refund = row();
        refund.operation.kind = OperationKind::Refund;
        refund.request = params(&[("order_description", "broken lamp")]);
        refund.payment_request = Some(params(&[
            ("customer_name", "Layla"),
            ("order_description", "a lamp"),
            (SafeParams::CUSTOMER_IP_SEEN, "192.0.2.1"),
            (SafeParams::PAYMENT_LINK, "L-1"),
        ]));
        refund.outcome = Some(ReportOutcome {
            code: ResponseCode::new(7, 29),
            network_code: Some("51".to_owned()),
            authorization_code: None,
        });
        for (name, value) in [
            ("operation", "refund"),
            ("customer_name", "Layla"),
            ("order_description", "broken lamp"),
            ("customer_ip", "192.0.2.1"),
            ("payment_link_id", "L-1"),
            ("authorization_code", "A1B2C3"),
            ("third_party_message", "Not sufficient funds"),
            ("acquirer_response_code", "51"),
            ("processor_response_code", "DECLINED"),
            ("status", "07"),
        ] {
            assert_eq!(told(&refund, name), value, "{name}");
        }
    }

    #[test]
    fn the_channel_is_that_of_the_payment() {
        let channel = |eci, channel, role: Option<TokenRole>| {
            let mut row = row();
            (row.order.eci, row.order.channel) = (eci, channel);
            row.order.token = role.map(|role| OrderToken { name: "t".to_owned(), role });
            told(&row, "channel")
        };
        assert_eq!(channel(Eci::Ecommerce, Channel::Trusted, None), "Trusted");
        assert_eq!(channel(Eci::Ecommerce, Channel::Trusted, Some(TokenRole::Uses)), "Trusted");
        assert_eq!(channel(Eci::Ecommerce, Channel::Trusted, Some(TokenRole::Keeps)), "Merchant Page");
        assert_eq!(channel(Eci::Ecommerce, Channel::Redirection, None), "Redirection");
        assert_eq!(channel(Eci::Moto, Channel::Trusted, None), "MOTO");
        assert_eq!(channel(Eci::Recurring, Channel::Trusted, Some(TokenRole::Uses)), "Recurring");
    }

    #[test]
    fn a_token_that_is_still_to_be_made_has_no_name() {
        let mut row = row();
        row.order.token = Some(OrderToken { name: "t".to_owned(), role: TokenRole::Saves });
        assert_eq!(told(&row, "token_name"), "t");
        row.operation.state = OperationState::Declined;
        assert_eq!(told(&row, "token_name"), "");
    }

    #[test]
    fn kinds_part_payments_successes_and_verifications() {
        let kinds = |row: &ReportRow| ReportKind::ALL.iter().copied().filter(|kind| kind.has(row)).collect::<Vec<_>>();
        let mut row = row();
        assert_eq!(kinds(&row), [ReportKind::Transactions, ReportKind::Financial]);
        for state in [OperationState::Sent, OperationState::Unknown, OperationState::Declined, OperationState::Reversed]
        {
            row.operation.state = state;
            assert_eq!(kinds(&row), [ReportKind::Transactions], "{state}");
        }
        row.operation.state = OperationState::Approved;
        (row.order.kind, row.operation.kind) = (PayKind::VerifyByHold, OperationKind::Authorize);
        assert_eq!(kinds(&row), [ReportKind::Verifications]);
        assert_eq!(told(&row, "operation"), "card verification");
        row.operation.kind = OperationKind::Void;
        assert!(kinds(&row).is_empty(), "what gives its hold up is no call");
    }

    #[test]
    fn filters_of_one_column_are_either_and_of_several_all() {
        let fits = |filters: &[(ReportColumn, &str)]| {
            let filter =
                |(column, value): &(ReportColumn, &str)| ReportFilter { column: *column, value: (*value).into() };
            let spec = ReportSpec {
                kind: ReportKind::Transactions,
                interval: ReportInterval { from: Timestamp(0), before: Timestamp(1) },
                columns: vec![ReportColumn::FortId],
                filters: filters.iter().map(filter).collect(),
                language: "en".to_owned(),
            };
            cells().fits(&spec, &row())
        };
        let (currency, option, secure) =
            (ReportColumn::Currency, ReportColumn::PaymentOption, ReportColumn::ThreeDsIndicator);
        assert!(fits(&[]));
        assert!(fits(&[(currency, "KWD"), (option, "VISA")]));
        assert!(!fits(&[(currency, "KWD"), (option, "MASTERCARD")]));
        assert!(fits(&[(currency, "AED"), (option, "VISA"), (currency, "KWD")]));
        assert!(!fits(&[(currency, "AED"), (currency, "SAR")]));
        assert!(fits(&[(secure, "YES")]) && fits(&[(secure, "yes")]) && !fits(&[(secure, "NO")]));
        assert!(!fits(&[(currency, "kwd")]), "values that are not ours are compared exactly");
        assert!(fits(&[(ReportColumn::SadadOlp, "")]));
    }

    #[test]
    fn sums_count_what_succeeded_alone() {
        let mut totals = ReportTotals::default();
        let mut add = |kind, state, minor| {
            let money = money(minor, "AED");
            totals.add(&Operation { kind, state, money, ..row().operation });
        };
        let largest = AMOUNT_MINOR_MAX;
        for _ in 0..3 {
            add(OperationKind::Purchase, OperationState::Approved, largest);
        }
        add(OperationKind::Purchase, OperationState::Declined, 5);
        add(OperationKind::Purchase, OperationState::Unknown, 5);
        add(OperationKind::Refund, OperationState::Approved, 7);
        let aed = Currency::from_alpha("AED").unwrap();
        let sum = totals.sums[&(aed, OperationKind::Purchase)];
        assert_eq!((sum.succeeded, sum.failed, sum.unknown, sum.amount), (3, 1, 1, 3 * u128::from(largest)));
        assert_eq!(totals.sums[&(aed, OperationKind::Refund)].amount, 7);
    }
}
