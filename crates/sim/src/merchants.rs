//! Merchants that behave as badly as real ones: they hang up, ask twice, retry, capture and void at once, and ask for
//! more than there is.

use crate::audit::{Ask, Meant};
use crate::chance::Chance;
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
    chance: Chance,
}

/// How often a merchant asks again before it gives up.
const TRIES_MAX: u64 = 8;

impl Session {
    /// The session with this number: it is the same in every run of a seed.
    #[must_use]
    pub fn of(plan: &Plan, order: OrderNumber) -> Session {
        let mut chance = Chance::of(plan.seed, "session", &[u64::from(order)]);
        let currency = chance.pick(&currencies());
        let card = usize::try_from(chance.between(0, CARDS - 1)).unwrap_or(0);
        Session {
            order,
            merchant: chance.between(0, MERCHANTS - 1),
            kind: if chance.happens(6_000) { PayKind::Authorization } else { PayKind::Purchase },
            currency,
            meant: Meant { card, currency: currency.numeric(), amount: chance.between(100, 200_000) },
            begins_ms: u64::from(order) * crate::plan::SESSION_EVERY_MS + chance.between(0, 2_000),
            chance,
        }
    }

    /// Plays the session to its end.
    pub async fn play(mut self, desk: &Desk) {
        desk.sleep_until(self.begins_ms).await;
        if self.chance.happens(100) {
            self.ask_for_nothing_known(desk).await;
        }
        self.pay(desk).await;
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
