//! Merchants that behave as badly as real ones: they hang up, ask twice, retry, capture and void at once, and ask for
//! more than there is.

use crate::audit::agreements::{Agreed, ChargedBy};
use crate::audit::tokens::{Chore, Wish};
use crate::audit::{Ask, Meant};
use crate::chance::Chance;
use crate::customers::{Customer, comes_by_the_page};
use crate::desk::{Desk, Heard};
use crate::plan::Plan;
use crate::record::OrderNumber;
use crate::shop::{CARDS, MERCHANTS, currencies};
use std::time::Duration;
use tollgate_core::money::Currency;
use tollgate_core::order::PayKind;

/// A customer's session at a merchant: one payment, and what is done with it later.
pub struct Session {
    /// Its number.
    pub order: OrderNumber,
    /// The merchant.
    pub merchant: u64,
    /// AUTHORIZATION or PURCHASE.
    pub kind: PayKind,
    /// The card, the amount and the currency.
    pub meant: Meant,
    /// The same currency.
    pub currency: Currency,
    /// When it begins, in milliseconds from the beginning of the run.
    pub begins_ms: u64,
    /// What its merchant does meanwhile with a name that cards are kept under.
    pub chore: Option<TokenChore>,
    /// How its payment comes.
    pub way: Way,
    chance: Chance,
}

/// How a payment comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Over the payment API.
    Api,
    /// By a customer at the gateway's page, who decides by this seed.
    Page {
        /// The seed of the run.
        seed: u64,
    },
}

/// Something that a merchant does with one of its own names outside of payments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenChore {
    /// What.
    pub chore: Chore,
    /// The number of the name.
    pub name: u64,
    /// The number of the new name, if it gets one.
    pub next: u64,
    /// So long after the session's beginning, in milliseconds.
    pub after_ms: u64,
}

/// How many names of its own each merchant has: few, so that payments meet at them.
const OWN_NAMES: u64 = 6;
/// Who pays by the name that another payment made pays at most so many sessions later.
const SESSIONS_BACK_MAX: u64 = 60;

/// How often a merchant asks again before it gives up.
const TRIES_MAX: u64 = 8;

impl Session {
    /// The session with this number: it is the same in every run of a seed.
    #[must_use]
    pub fn of(plan: &Plan, order: OrderNumber) -> Session {
        let mut chance = Chance::of(plan.seed, "session", &[u64::from(order)]);
        let currency = chance.pick(&currencies());
        let card = usize::try_from(chance.between(0, CARDS - 1)).unwrap_or(0);
        let merchant = chance.between(0, MERCHANTS - 1);
        let way = if comes_by_the_page(plan, order) { Way::Page { seed: plan.seed } } else { Way::Api };
        let wish = match (way, wish_of(plan, order, merchant)) {
            (Way::Api, wish) => wish,
            // Names are for the API; a customer at the page is asked whether the card shall be kept.
            (Way::Page { .. }, Wish::Remember) => Wish::Remember,
            (Way::Page { .. }, _) => Wish::None,
        };
        let agreed = agreed_of(plan, order, merchant);
        let wish = match agreed {
            Agreed::Nothing => wish,
            Agreed::Opens { .. } => Wish::Remember,
            Agreed::Charges(opener) => Wish::UseOf(opener),
        };
        let holds = chance.happens(6_000) && !matches!(agreed, Agreed::Charges(_));
        Session {
            order,
            merchant,
            kind: if holds { PayKind::Authorization } else { PayKind::Purchase },
            currency,
            meant: Meant {
                merchant,
                card,
                wish,
                agreed,
                currency: currency.numeric(),
                amount: chance.between(100, 200_000),
            },
            begins_ms: match agreed {
                Agreed::Charges(opener) => charge_day_ms(plan, order, opener),
                Agreed::Nothing | Agreed::Opens { .. } => {
                    u64::from(order) * crate::plan::SESSION_EVERY_MS + chance.between(0, 2_000)
                }
            },
            chore: chore_of(plan, order),
            way,
            chance,
        }
    }

    /// Asks for the payment, or sends the customer to the page for it.
    async fn begin(&mut self, desk: &Desk) {
        match self.way {
            Way::Api => self.pay(desk).await,
            Way::Page { seed } => Customer::of(self, desk, seed).pay().await,
        }
    }

    /// Plays the session, which begins now, to its end.
    pub async fn play(mut self, desk: &Desk) {
        if self.chance.happens(100) {
            self.ask_for_nothing_known(desk).await;
        }
        match self.chore {
            Some(chore) => {
                let (merchant, order) = (self.merchant, self.order);
                tokio::join!(self.begin(desk), desk.do_chore(merchant, order, chore));
            }
            None => self.begin(desk).await,
        }
        if !desk.is_paid(self.order) {
            return;
        }
        match self.kind {
            PayKind::Authorization => self.take_or_give_up(desk).await,
            PayKind::Purchase | PayKind::VerifyAccount | PayKind::VerifyByHold => {}
        }
        if self.chance.happens(2_500) {
            self.think().await;
            self.give_back(desk).await;
        }
        while self.chance.happens(3_000) {
            self.think().await;
            desk.status(&self).await;
        }
    }

    /// An operation on an order that does not exist.
    async fn ask_for_nothing_known(&mut self, desk: &Desk) {
        let ask = self.chance.pick(&[Ask::Capture, Ask::Void, Ask::Refund]);
        let patience = self.patience();
        desk.maintain(self, ask, self.meant.amount, patience).await;
        desk.status(self).await;
    }

    /// Asks for the payment until it is known what became of it, or the merchant gives up.
    async fn pay(&mut self, desk: &Desk) {
        let mut heard = if self.chance.happens(500) {
            let between =
                Duration::from_millis(if self.chance.happens(5_000) { 0 } else { self.chance.between(1, 200) });
            let (one, two) = (self.patience(), self.patience());
            let again = async {
                tokio::time::sleep(between).await;
                desk.pay(self, two).await
            };
            let both = tokio::join!(desk.pay(self, one), again);
            if both.0.is_final() { both.0 } else { both.1 }
        } else {
            let patience = self.patience();
            desk.pay(self, patience).await
        };
        for _ in 0..TRIES_MAX {
            if heard.is_final() {
                return;
            }
            let pause_ms = if self.chance.happens(5_000) { 100 } else { self.chance.between(500, 25_000) };
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
            heard = if self.chance.happens(3_000) {
                let patience = self.patience();
                desk.pay(self, patience).await
            } else {
                desk.status(self).await
            };
        }
    }

    /// What merchants do with a hold.
    async fn take_or_give_up(&mut self, desk: &Desk) {
        self.think().await;
        let whole = self.meant.amount;
        let (one, two) = (self.patience(), self.patience());
        match self.chance.between(0, 99) {
            0..=34 => {
                let heard = desk.maintain(self, Ask::Capture, whole, one).await;
                self.insist(desk, Ask::Capture, whole, heard).await;
            }
            35..=49 => {
                let part = self.chance.between(1, whole);
                let heard = desk.maintain(self, Ask::Capture, part, one).await;
                self.insist(desk, Ask::Capture, part, heard).await;
                self.think().await;
                desk.maintain(self, Ask::Capture, whole.saturating_sub(part).max(1), two).await;
            }
            50..=59 => {
                tokio::join!(
                    desk.maintain(self, Ask::Capture, whole, one),
                    desk.maintain(self, Ask::Capture, whole, two)
                );
            }
            60..=69 => {
                tokio::join!(desk.maintain(self, Ask::Capture, whole, one), desk.maintain(self, Ask::Void, 0, two));
            }
            70..=79 => {
                let heard = desk.maintain(self, Ask::Void, 0, one).await;
                self.insist(desk, Ask::Void, 0, heard).await;
            }
            80..=84 => {
                desk.maintain(self, Ask::Capture, whole + 1, one).await;
            }
            85..=89 => {
                let thirds = [self.chance.between(1, whole), self.chance.between(1, whole)];
                let third = self.patience();
                tokio::join!(
                    desk.maintain(self, Ask::Capture, thirds[0], one),
                    desk.maintain(self, Ask::Capture, thirds[1], two),
                    desk.maintain(self, Ask::Capture, whole, third),
                );
            }
            _ => {}
        }
    }

    /// What merchants do with money that was taken.
    async fn give_back(&mut self, desk: &Desk) {
        let whole = self.meant.amount;
        let part = self.chance.between(1, whole);
        let (one, two) = (self.patience(), self.patience());
        match self.chance.between(0, 9) {
            0..=3 => {
                let heard = desk.maintain(self, Ask::Refund, whole, one).await;
                self.insist(desk, Ask::Refund, whole, heard).await;
            }
            4..=5 => {
                let heard = desk.maintain(self, Ask::Refund, part, one).await;
                self.insist(desk, Ask::Refund, part, heard).await;
                desk.maintain(self, Ask::Refund, whole - part + 1, two).await;
            }
            6..=8 => {
                tokio::join!(desk.maintain(self, Ask::Refund, whole, one), desk.maintain(self, Ask::Refund, part, two));
            }
            _ => {
                desk.maintain(self, Ask::Refund, whole + 1, one).await;
            }
        }
    }

    /// Asks again after no answer, or asks for the status in a loop.
    async fn insist(&mut self, desk: &Desk, ask: Ask, amount: u64, mut heard: Heard) {
        let again = self.chance.happens(4_000);
        for _ in 0..TRIES_MAX {
            if heard.is_final() {
                return;
            }
            self.think().await;
            if again {
                let patience = self.patience();
                heard = desk.maintain(self, ask, amount, patience).await;
            } else {
                heard = desk.status(self).await;
            }
        }
    }

    async fn think(&mut self) {
        let ms =
            if self.chance.happens(6_000) { self.chance.between(0, 500) } else { self.chance.between(500, 15_000) };
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    /// How long the merchant waits for an answer before it hangs up.
    fn patience(&mut self) -> Duration {
        let ms = if self.chance.happens(9_000) { 60_000 } else { self.chance.between(10, 30_000) };
        Duration::from_millis(ms)
    }
}

/// The merchant of the session with this number.
fn merchant_of_session(plan: &Plan, order: OrderNumber) -> u64 {
    let mut chance = Chance::of(plan.seed, "session", &[u64::from(order)]);
    // As `Session::of` draws: currency, card, merchant.
    chance.pick(&currencies());
    chance.between(0, CARDS - 1);
    chance.between(0, MERCHANTS - 1)
}

/// What a session's merchant wants of tokens.
fn wish_of(plan: &Plan, order: OrderNumber, merchant: u64) -> Wish {
    let mut chance = Chance::of(plan.seed, "token", &[u64::from(order)]);
    let drawn = chance.between(0, 99);
    let own = chance.between(0, OWN_NAMES - 1);
    match drawn {
        0..=7 => Wish::Remember,
        8..=16 => Wish::Keep(own),
        17..=26 => Wish::Use(own),
        27..=TOKENS_LAST => {
            let back = u32::try_from(chance.between(1, SESSIONS_BACK_MAX)).unwrap_or(1);
            // The nearest payment from there on back that asked the same merchant to remember its card.
            let makers = (0..=order.saturating_sub(back)).rev().take(SESSIONS_LOOKED_AT_MAX);
            let maker = makers.into_iter().find(|maker| {
                merchant_of_session(plan, *maker) == merchant
                    && Chance::of(plan.seed, "token", &[u64::from(*maker)]).between(0, 99) <= REMEMBERED_LAST
            });
            maker.filter(|_| order >= back).map_or(Wish::None, Wish::UseOf)
        }
        _ => Wish::None,
    }
}

/// What a session has to do with an agreement: some open one of a few charges, more charge one, and so often that they meet
/// at the last charge that is left.
fn agreed_of(plan: &Plan, order: OrderNumber, merchant: u64) -> Agreed {
    let mut chance = Chance::of(plan.seed, "agreement", &[u64::from(order)]);
    let drawn = chance.between(0, 99);
    if drawn > CHARGE_LAST || !may_agree(plan, order) {
        return Agreed::Nothing;
    }
    if drawn <= OPENER_LAST {
        let of_merchant = chance.between(1, CHARGES_AGREED_MAX);
        let is_scheduled = plan.has_schedules() && chance.happens(SCHEDULED_PER_10_000);
        let (charged, charges_max) = match is_scheduled {
            true => (ChargedBy::Gateway, of_merchant + chance.between(1, DUE_DATES_AGREED_MAX)),
            false => (ChargedBy::Merchant, of_merchant),
        };
        return Agreed::Opens { charges_max: u32::try_from(charges_max).unwrap_or(1), charged };
    }
    let back = u32::try_from(chance.between(1, SESSIONS_BACK_MAX)).unwrap_or(1);
    let openers = (0..=order.saturating_sub(back)).rev().take(SESSIONS_LOOKED_AT_MAX);
    let opener = openers.into_iter().find(|opener| {
        Chance::of(plan.seed, "agreement", &[u64::from(*opener)]).between(0, 99) <= OPENER_LAST
            && may_agree(plan, *opener)
            && merchant_of_session(plan, *opener) == merchant
    });
    opener.filter(|_| order >= back).map_or(Agreed::Nothing, Agreed::Charges)
}

/// When a charge begins: an agreement has two moments at which all its charges do, so that they meet.
fn charge_day_ms(plan: &Plan, order: OrderNumber, opener: OrderNumber) -> u64 {
    let after_ms = Chance::of(plan.seed, "charge-day", &[u64::from(order)]).pick(&CHARGE_DAYS_MS);
    u64::from(opener) * crate::plan::SESSION_EVERY_MS + after_ms
}

/// So long after the payment that opens an agreement its charges begin, in milliseconds.
const CHARGE_DAYS_MS: [u64; 2] = [6_000, 20_000];

/// Agreements come over the API, with payments that want nothing else of tokens.
fn may_agree(plan: &Plan, order: OrderNumber) -> bool {
    let token = Chance::of(plan.seed, "token", &[u64::from(order)]).between(0, 99);
    token > TOKENS_LAST && !comes_by_the_page(plan, order)
}

/// The last of a hundred numbers that stand for a payment which opens an agreement.
const OPENER_LAST: u64 = 9;
/// The last of those that stand for one which charges it.
const CHARGE_LAST: u64 = 44;
/// The most charges that are agreed.
const CHARGES_AGREED_MAX: u64 = 4;
/// The most charges that are agreed beside them where the gateway charges by itself.
const DUE_DATES_AGREED_MAX: u64 = 4;
/// So many of 10,000 agreements have a schedule, under seeds with schedules.
const SCHEDULED_PER_10_000: u64 = 7_000;
/// The last number of those by which [`wish_of`] wants something.
const TOKENS_LAST: u64 = 36;

/// How many sessions are looked at for one whose card was to be remembered.
const SESSIONS_LOOKED_AT_MAX: usize = 100;
/// The last number of those that stand for [`Wish::Remember`].
const REMEMBERED_LAST: u64 = 7;

/// What a session's merchant does meanwhile with a name.
fn chore_of(plan: &Plan, order: OrderNumber) -> Option<TokenChore> {
    let mut chance = Chance::of(plan.seed, "token-chore", &[u64::from(order)]);
    chance.happens(1_500).then(|| TokenChore {
        chore: chance.pick(&[
            Chore::Rename,
            Chore::Rename,
            Chore::SwitchOff,
            Chore::SwitchOn,
            Chore::SwitchOn,
            Chore::Delete,
        ]),
        name: chance.between(0, OWN_NAMES - 1),
        next: chance.between(0, OWN_NAMES - 1),
        after_ms: if chance.happens(5_000) { chance.between(0, 100) } else { chance.between(0, 20_000) },
    })
}
