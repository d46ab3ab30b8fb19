//! What the auditor says about tokens: a card is kept by the success of its payment alone, whoever pays by a name pays with
//! the card that was under it, and nobody is told of a name that is not there.

use super::{Auditor, Said, Verdict, said};
use crate::record::OrderNumber;
use crate::wallet::{Kept, TokenKey};

/// What a merchant wants of tokens in a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Nothing: the payment is by card.
    None,
    /// The card is kept under a name that the gateway makes.
    Remember,
    /// The card is kept under the merchant's own name with this number.
    Keep(u64),
    /// The card is that under the merchant's own name with this number.
    Use(u64),
    /// The card is that which another payment has kept under a name that the gateway made.
    UseOf(OrderNumber),
}

/// What a claimed order says of a token.
#[derive(Clone, Debug)]
pub enum ClaimedToken {
    /// Nothing.
    None,
    /// Its card comes from under this name.
    Uses(TokenKey),
    /// Its card is kept under this name when it succeeds, and has this number then.
    Saves {
        /// The name.
        key: TokenKey,
        /// The number of the card under it.
        id: i64,
    },
}

/// A token as the gateway keeps it when all is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinalToken {
    /// Its name.
    pub key: TokenKey,
    /// The card, by its place in the list of cards; `None` when it is none of them.
    pub card: Option<usize>,
    /// Whether it may be used.
    pub active: bool,
}

/// What a merchant does with a name outside of payments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chore {
    /// UPDATE_TOKEN with a new name.
    Rename,
    /// UPDATE_TOKEN that switches it off.
    SwitchOff,
    /// UPDATE_TOKEN that switches it on.
    SwitchOn,
    /// It is deleted.
    Delete,
}

impl Chore {
    /// The word for a story.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Chore::Rename => "is renamed",
            Chore::SwitchOff => "is switched off",
            Chore::SwitchOn => "is switched on",
            Chore::Delete => "is deleted",
        }
    }
}

/// The merchant's own name with this number.
#[must_use]
pub fn own_name(merchant: u64, number: u64) -> String {
    format!("card-{merchant}.{number}")
}

const TOKEN_UPDATED: u32 = 58_000;
const TOKEN_NOT_FOUND: u32 = 44;
const TOKEN_EXISTS: u32 = 114;

impl Auditor {
    /// The moment now, as tokens count it.
    #[must_use]
    pub fn token_step(&self) -> u64 {
        self.wallet.now()
    }

    /// An order is durable, with what it says of a token.
    pub fn claimed(&mut self, order: OrderNumber, token: ClaimedToken) {
        let Some(view) = self.orders.get_mut(&order) else { return };
        let (Some(meant), since) = (view.meant, view.asked_step) else { return };
        self.check_has_begun(order, meant);
        let Some(view) = self.orders.get_mut(&order) else { return };
        let own = |number| TokenKey { merchant: meant.merchant, name: own_name(meant.merchant, number) };
        let broken = match (meant.wish, &token) {
            (Wish::None, ClaimedToken::None) => {
                if view.page.is_none() {
                    view.cards = vec![meant.card];
                }
                None
            }
            (Wish::Remember, ClaimedToken::Saves { key, .. })
                if key.merchant == meant.merchant && self.wallet.since(key, 0).all(|kept| kept.is_none()) =>
            {
                None
            }
            (Wish::Keep(number), ClaimedToken::Saves { key, .. }) if *key == own(number) => None,
            (Wish::Use(_) | Wish::UseOf(_), ClaimedToken::Uses(key)) => {
                let named = match meant.wish {
                    Wish::UseOf(maker) => self.wallet.made_by(maker).map(|made| made.key.clone()),
                    Wish::Use(number) => Some(own(number)),
                    _ => None,
                };
                let usable = self.wallet.since(key, since).flatten().filter(|kept| kept.active);
                view.cards = usable.map(|kept| kept.card).collect();
                view.uses = Some(key.clone());
                (named.as_ref() != Some(key) || view.cards.is_empty())
                    .then_some("who pays by a name names one that is there and switched on")
            }
            _ => Some("a payment does with tokens what its merchant asked for"),
        };
        if let ClaimedToken::Saves { key, id } = &token {
            if view.page.is_none() {
                view.cards = vec![meant.card];
            }
            let card = view.cards.first().copied().unwrap_or(meant.card);
            self.wallet.wait(order, key.clone(), Kept { id: *id, card, active: true });
        }
        if let Some(rule) = broken {
            self.found(Some(order), rule, format!("{:?}, {token:?}", meant.wish));
        }
    }

    /// The outcome of a payment is durable: it has succeeded, or has come to nothing.
    pub fn payment_ended(&mut self, order: OrderNumber, succeeded: bool) {
        self.due_ended(order);
        if !succeeded {
            return self.wallet.forgo(order);
        }
        let Some(view) = self.orders.get(&order) else { return };
        let charged = view.book.held + view.book.taken_at_once;
        if charged == 0 && self.wallet.waits(order) {
            let found = format!("nothing is booked, {:?}", view.book);
            self.found(Some(order), "a card is kept by a payment that is booked", found);
        }
        self.wallet.fulfil(order);
    }

    /// The kept card with number `id` has durably this name and status.
    pub fn token_changed(&mut self, id: i64, name: &str, active: bool) {
        if !self.wallet.change(id, name, active) {
            self.found(None, "only what is there is changed, to a name that is free", format!("card {id}, {name}"));
        }
    }

    /// A name is durably deleted. `was_there` says whether the gateway found a card.
    pub fn token_deleted(&mut self, key: &TokenKey, was_there: bool) {
        if self.wallet.delete(key) != was_there {
            self.found(None, "what is deleted was there", format!("{key:?}, found: {was_there}"));
        }
    }

    /// The card that a first message charges is the one that was sent, or the one under the name at that time.
    pub(super) fn check_card(&mut self, order: OrderNumber, card: usize) {
        let Some(view) = self.orders.get(&order).filter(|view| !view.cards.contains(&card)) else { return };
        let found = format!("card {card}, expected one of {:?}, {:?}", view.cards, view.uses);
        self.found(Some(order), "the card that is charged is the one that was sent, or that the name held", found);
    }

    /// An answer or a feedback about a payment names a token, or none.
    pub fn told_token(&mut self, order: OrderNumber, code: u32, named: Option<&str>) {
        let Some(view) = self.orders.get(&order) else { return };
        let Some(meant) = view.meant else { return };
        let (made, since) = (self.wallet.made_by(order), view.asked_step);
        let was_gone = |key: &TokenKey, since: u64| self.wallet.since(key, since).any(|kept| kept.is_none());
        let broken = match named {
            Some(name) => {
                let key = TokenKey { merchant: meant.merchant, name: name.to_owned() };
                let is_made = made.is_some_and(|made| made.key == key);
                let is_used =
                    view.uses.as_ref() == Some(&key) && self.wallet.since(&key, since).any(|kept| kept.is_some());
                // Whether the name was still there could not be found out.
                let is_excused = self.wallet.given_up(order) == Some(&key) && view.was_unread;
                // Nobody knows whether the order is durable that would use the name which the merchant has sent.
                let is_own = matches!(meant.wish, Wish::Use(_) | Wish::UseOf(_)) && said(code) == Said::DontKnow;
                (!is_made && !is_used && !is_excused && !is_own)
                    .then_some("who is told of a name has made it, or has used it")
            }
            None if said(code) == Said::Yes => {
                let is_told_of = |key, since| !was_gone(key, since);
                let untold = made.is_some_and(|made| is_told_of(&made.key, made.since))
                    || view.uses.as_ref().is_some_and(|key| is_told_of(key, since));
                untold.then_some("a payment tells the name that it made or used, as long as it is there")
            }
            None => None,
        };
        if let Some(rule) = broken {
            let found = format!("told {code:05} and {named:?}, made {made:?}, used {:?}", view.uses);
            self.found(Some(order), rule, found);
        }
    }

    /// An order could not be read.
    pub fn order_unread(&mut self, order: OrderNumber) {
        if let Some(view) = self.orders.get_mut(&order) {
            view.was_unread = true;
        }
    }

    /// A merchant is answered to a chore that it began at `since`. `next` is the name afterwards.
    pub fn chore_done(&mut self, chore: Chore, key: &TokenKey, next: &TokenKey, since: u64, code: u32) {
        let was = |key: &TokenKey, is: fn(&Option<Kept>) -> bool| self.wallet.since(key, since).any(|kept| is(&kept));
        let is_true = match code {
            TOKEN_UPDATED if chore == Chore::SwitchOff => was(next, |kept| kept.is_some_and(|kept| !kept.active)),
            TOKEN_UPDATED if chore == Chore::SwitchOn => was(next, |kept| kept.is_some_and(|kept| kept.active)),
            TOKEN_UPDATED => was(next, Option::is_some),
            TOKEN_NOT_FOUND => was(key, Option::is_none),
            TOKEN_EXISTS => was(next, Option::is_some),
            _ => true,
        };
        if !is_true {
            let found = format!("{chore:?} of {key:?}: {code:05}");
            self.found(None, "what is told of a name is true", found);
        }
    }

    /// How many cards are kept under a name.
    #[must_use]
    pub fn tokens_kept(&self) -> u64 {
        self.wallet.all().count() as u64
    }

    /// Everything is over: compares what is kept.
    pub fn close_tokens(&mut self, finals: &[FinalToken]) {
        let expected: Vec<FinalToken> = self
            .wallet
            .all()
            .map(|(key, kept)| FinalToken { key: key.clone(), card: Some(kept.card), active: kept.active })
            .collect();
        let mut kept = finals.to_vec();
        kept.sort_by(|one, other| one.key.cmp(&other.key));
        if kept != expected {
            let missing = expected.iter().find(|token| !kept.contains(token));
            let left_over = kept.iter().find(|token| !expected.contains(token));
            let found = format!("missing {missing:?}, left over {left_over:?}");
            self.found(None, "in the end those cards are kept whose payments succeeded", found);
        }
        let broken = self.orders.iter().find_map(|(order, view)| {
            let makes = matches!(view.meant?.wish, Wish::Remember | Wish::Keep(_));
            let made = self.wallet.made_by(*order).is_some();
            let is_right = match view.paid {
                // A payment that was undone before an operator took it for a success has kept nothing.
                Verdict::Yes if !view.mistakes.is_empty() => true,
                Verdict::Yes if makes => made || self.wallet.given_up(*order).is_some(),
                Verdict::No => !made,
                Verdict::Yes | Verdict::Open => true,
            };
            (!is_right || self.wallet.waits(*order)).then_some((*order, view.paid, made))
        });
        if let Some((order, paid, made)) = broken {
            let found = format!("told {paid:?}, kept: {made}");
            self.found(Some(order), "a card is kept exactly if its payment succeeded", found);
        }
    }
}
