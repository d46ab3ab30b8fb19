//! The ledger's thread: it alone changes the book and writes the file.
//!
//! It takes whatever waits, decides all of it, commits once, and only then lets the answers go.

use crate::account_key::AccountKey;
use crate::accounts::Accounts;
use crate::answer::{Answer, Outbox};
use crate::book::{Book, BookLimits};
use crate::credential::{Credential, advice, initiator_name};
use crate::decide::{Decision, decide};
use crate::entry::{Effect, EntryIndex};
use crate::ledger_file::{Addition, LedgerFile, LedgerFileError, NumberedEntry};
use crate::read::Payment;
use crate::request::{AccountId, Request};
use crate::response_code::ResponseCode;
use crate::stats::{LedgerCounts, Stats};
use crate::text::{Rrn, ShortText};
use crate::views::{AccountBalance, AccountView, LedgerCurrencyTotals, LedgerEntry, LedgerTotals};
use crate::wish::{Delivery, Wish};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tollgate_core::time::Clock;

/// The most commands that wait for the thread; connections wait when there are as many.
const COMMANDS_MAX: usize = 1_024;
/// The most commands in one commit.
const COMMANDS_PER_COMMIT_MAX: usize = 256;
/// The most entries or accounts that a query gives.
const ROWS_MAX: usize = 1_000;

/// The way to the thread. It ends when the last of these is gone.
#[derive(Clone, Debug)]
pub(crate) struct LedgerHandle {
    commands: mpsc::Sender<Command>,
}

/// The thread is gone: the file failed, and could not be read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LedgerGone;

/// The messages of one read, and where their answers go.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) jobs: Vec<Job>,
    pub(crate) outbox: Outbox,
}

/// A message for the ledger.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) payment: Payment,
    pub(crate) key: AccountKey,
    pub(crate) wish: Wish,
}

#[derive(Debug)]
enum Command {
    Batch(Batch),
    Totals(oneshot::Sender<LedgerTotals>),
    EntriesByRrn(Rrn, oneshot::Sender<Vec<LedgerEntry>>),
    EntriesByMask(String, oneshot::Sender<Vec<LedgerEntry>>),
    Accounts(Option<String>, oneshot::Sender<Vec<AccountView>>),
    Account(AccountId, oneshot::Sender<Option<AccountView>>),
}

/// What the thread is set up with.
pub(crate) struct LedgerSetup {
    pub(crate) book_limits: BookLimits,
    pub(crate) accounts_max: usize,
    pub(crate) seed: u64,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) stats: Arc<Stats>,
    /// Accounts that exist from the start: key and mask.
    pub(crate) known_cards: Vec<KnownCard>,
}

/// A card with an account from the start.
#[derive(Clone, Debug)]
pub(crate) struct KnownCard {
    pub(crate) key: AccountKey,
    pub(crate) mask: String,
}

/// The running thread.
pub(crate) struct LedgerThread {
    pub(crate) handle: LedgerHandle,
    pub(crate) thread: std::thread::JoinHandle<()>,
}

/// Opens the file, reads it, and starts the thread.
///
/// # Errors
/// When the file cannot be used, or the system gives no thread.
pub(crate) fn start(path: &Path, setup: LedgerSetup) -> Result<LedgerThread, LedgerFileError> {
    let file = LedgerFile::open(path)?;
    let accounts = file.load_accounts(setup.accounts_max)?;
    let book = file.load_book(setup.book_limits)?;
    let mut ledger = Ledger { file, accounts, book, setup };
    ledger.open_known_accounts()?;
    let (sender, receiver) = mpsc::channel(COMMANDS_MAX);
    let thread = std::thread::Builder::new()
        .name("issuer-ledger".to_owned())
        .spawn(move || ledger.run(receiver))
        .map_err(|error| LedgerFileError::Damaged { problem: format!("its thread cannot start: {error}") })?;
    Ok(LedgerThread { handle: LedgerHandle { commands: sender }, thread })
}

impl LedgerHandle {
    /// Hands messages over; waits while the ledger has too many.
    pub(crate) async fn submit(&self, batch: Batch) -> Result<(), LedgerGone> {
        self.commands.send(Command::Batch(batch)).await.map_err(|_| LedgerGone)
    }

    /// Whether it takes messages.
    pub(crate) fn is_up(&self) -> bool {
        !self.commands.is_closed()
    }

    pub(crate) async fn totals(&self) -> Result<LedgerTotals, LedgerGone> {
        self.ask(Command::Totals).await
    }

    pub(crate) async fn entries_by_rrn(&self, rrn: Rrn) -> Result<Vec<LedgerEntry>, LedgerGone> {
        self.ask(|reply| Command::EntriesByRrn(rrn, reply)).await
    }

    pub(crate) async fn entries_by_mask(&self, mask: String) -> Result<Vec<LedgerEntry>, LedgerGone> {
        self.ask(|reply| Command::EntriesByMask(mask, reply)).await
    }

    pub(crate) async fn accounts(&self, mask: Option<String>) -> Result<Vec<AccountView>, LedgerGone> {
        self.ask(|reply| Command::Accounts(mask, reply)).await
    }

    pub(crate) async fn account(&self, id: AccountId) -> Result<Option<AccountView>, LedgerGone> {
        self.ask(|reply| Command::Account(id, reply)).await
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, LedgerGone> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| LedgerGone)?;
        answer.await.map_err(|_| LedgerGone)
    }
}

struct Ledger {
    file: LedgerFile,
    accounts: Accounts,
    book: Book,
    setup: LedgerSetup,
}

/// Answers that wait for the commit.
struct Waiting {
    outbox: Outbox,
    answers: Vec<Answer>,
}

impl Ledger {
    fn open_known_accounts(&mut self) -> Result<(), LedgerFileError> {
        let mut addition = Addition::default();
        for card in self.setup.known_cards.clone() {
            if self.accounts.find(&card.key).is_none() {
                addition.accounts.extend(self.accounts.add(card.key, card.mask));
            }
        }
        self.file.append(&addition, &self.accounts)
    }

    fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut taken = Vec::with_capacity(COMMANDS_PER_COMMIT_MAX);
        while commands.blocking_recv_many(&mut taken, COMMANDS_PER_COMMIT_MAX) > 0 {
            if let Err(error) = self.step(&mut taken) {
                // Nothing of this step was answered. What is in memory may be ahead of the file: read it again.
                tracing::error!(%error, "the sandbox ledger could not commit; it is read again from its file");
                taken.clear();
                if let Err(error) = self.reload() {
                    tracing::error!(%error, "the sandbox ledger cannot be read: the network stops");
                    return;
                }
            }
        }
    }

    fn step(&mut self, taken: &mut Vec<Command>) -> Result<(), LedgerFileError> {
        let mut addition = Addition::default();
        let mut waiting = Vec::with_capacity(taken.len());
        let mut queries = Vec::new();
        let mut counts = LedgerCounts::default();
        for command in taken.drain(..) {
            match command {
                Command::Batch(Batch { jobs, outbox }) => {
                    let mut answers = Vec::with_capacity(jobs.len());
                    for job in jobs {
                        answers.push(self.decide(job, &mut addition, &mut counts)?);
                    }
                    answers.retain(|answer| answer.delivery != Delivery::Silent);
                    waiting.push(Waiting { outbox, answers });
                }
                query => queries.push(query),
            }
        }
        if !addition.entries.is_empty() || !addition.accounts.is_empty() {
            self.file.append(&addition, &self.accounts)?;
        }
        self.setup.stats.ledger().add(&counts);
        for Waiting { outbox, answers } in waiting {
            if !answers.is_empty() {
                self.setup.stats.answers_lost.add(outbox.send(answers));
            }
        }
        for query in queries {
            self.answer_query(query);
        }
        Ok(())
    }

    fn reload(&mut self) -> Result<(), LedgerFileError> {
        self.accounts = self.file.load_accounts(self.setup.accounts_max)?;
        self.book = self.file.load_book(self.setup.book_limits)?;
        Ok(())
    }

    fn decide(
        &mut self,
        job: Job,
        addition: &mut Addition,
        counts: &mut LedgerCounts,
    ) -> Result<Answer, LedgerFileError> {
        let Job { payment, key, wish } = job;
        let class = payment.name.class;
        let Some(account) = self.account_of(&key, &payment, addition) else {
            counts.count(class, ResponseCode::SYSTEM_MALFUNCTION);
            return Ok(Answer::plain(payment.echo, ResponseCode::SYSTEM_MALFUNCTION));
        };
        let request = Request {
            name: payment.name,
            kind: payment.kind,
            account,
            currency: payment.currency,
            amount_minor: payment.amount_minor,
            refusal: wish.refusal,
            credential: payment.credential,
        };
        let decision = decide(&self.book, &request, self.setup.clock.now(), self.setup.seed);
        let answer = match decision {
            Decision::New(entry) => {
                let index = self.book.apply(&entry)?;
                addition.entries.push(NumberedEntry { index, entry });
                counts.tombstones += u64::from(entry.effect == Effect::Tombstone);
                let Wish { delivery, .. } = wish;
                let authorization_code = entry.authorization_code;
                let (transaction_id, advice) = (entry.transaction_id, advice(entry.credential.as_ref(), entry.code));
                Answer { echo: payment.echo, code: entry.code, authorization_code, transaction_id, advice, delivery }
            }
            Decision::Repeat { code, authorization_code, transaction_id } => {
                counts.repeats += 1;
                let advice = advice(payment.credential.as_ref(), code);
                let delivery = Delivery::Plain;
                Answer { echo: payment.echo, code, authorization_code, transaction_id, advice, delivery }
            }
            Decision::NameTaken => {
                counts.names_taken += 1;
                Answer::plain(payment.echo, ResponseCode::DUPLICATE)
            }
            Decision::Full => Answer::plain(payment.echo, ResponseCode::SYSTEM_MALFUNCTION),
        };
        counts.count(class, answer.code);
        Ok(answer)
    }

    fn account_of(&mut self, key: &AccountKey, payment: &Payment, addition: &mut Addition) -> Option<AccountId> {
        if let Some(account) = self.accounts.find(key) {
            return Some(account);
        }
        let mask = payment.echo.pan.as_ref()?.mask();
        let account = self.accounts.add(*key, mask)?;
        addition.accounts.push(account);
        Some(account)
    }

    /// Whoever asked may have gone; then nobody hears the answer.
    fn answer_query(&self, query: Command) {
        match query {
            Command::Batch(_) => {}
            Command::Totals(reply) => drop(reply.send(self.totals())),
            Command::EntriesByRrn(rrn, reply) => drop(reply.send(self.entries(&self.book.with_rrn(rrn)))),
            Command::EntriesByMask(mask, reply) => {
                let accounts = self.accounts.with_mask(Some(&mask));
                drop(reply.send(self.entries(&self.book.newest_of(&accounts, ROWS_MAX))));
            }
            Command::Accounts(mask, reply) => {
                let found = self.accounts.with_mask(mask.as_deref());
                drop(reply.send(found.into_iter().take(ROWS_MAX).filter_map(|id| self.account(id)).collect()));
            }
            Command::Account(id, reply) => drop(reply.send(self.account(id))),
        }
    }

    fn totals(&self) -> LedgerTotals {
        let currencies = self.book.totals().map(|(currency, sums)| LedgerCurrencyTotals {
            currency: currency.alpha().to_owned(),
            held: sums.held,
            posted: sums.posted,
            refunded: sums.refunded,
            entries: sums.entries,
        });
        LedgerTotals { entries: self.book.len() as u64, currencies: currencies.collect() }
    }

    fn entries(&self, indexes: &[EntryIndex]) -> Vec<LedgerEntry> {
        indexes.iter().filter_map(|index| self.entry(*index)).collect()
    }

    fn entry(&self, index: EntryIndex) -> Option<LedgerEntry> {
        let entry = self.book.at(index)?;
        Some(LedgerEntry {
            sequence: u64::from(index.0) + 1,
            at: entry.at.to_string(),
            message_type: entry.name.class.name().to_owned(),
            acquirer: entry.name.acquirer,
            stan: format!("{:06}", entry.name.stan),
            transmission_time: format!("{:010}", entry.name.sent_at),
            rrn: entry.name.rrn.as_str().to_owned(),
            account: entry.account.0,
            mask: self.accounts.get(entry.account)?.mask.clone(),
            currency: entry.currency.alpha().to_owned(),
            amount: entry.amount_minor,
            response_code: entry.code.to_string(),
            authorization_code: entry.authorization_code.as_ref().map(ShortText::as_str).map(str::to_owned),
            network_transaction_id: entry.transaction_id.as_ref().map(ShortText::as_str).map(str::to_owned),
            initiator: entry.credential.map(|told| initiator_name(told.by).to_owned()),
            credential: entry.credential.map(|told| told.indicator.as_str().to_owned()),
            original_transaction_id: entry.credential.and_then(|told| Some(told.original?.as_str().to_owned())),
            link: entry.credential.as_ref().and_then(Credential::link).map(|link| link.name().to_owned()),
            effect: entry.effect.name().to_owned(),
            target: entry.target.map(|target| u64::from(target.0) + 1),
            held_delta: entry.delta.held,
            posted_delta: entry.delta.posted,
            refunded_delta: entry.delta.refunded,
        })
    }

    fn account(&self, id: AccountId) -> Option<AccountView> {
        let mask = self.accounts.get(id)?.mask.clone();
        let balances = self.book.account_currencies(id).into_iter().map(|currency| {
            let sums = self.book.account_sums(id, currency);
            AccountBalance {
                currency: currency.alpha().to_owned(),
                open_to_buy: self.book.open_to_buy(id, currency),
                held: sums.held,
                posted: sums.posted,
                refunded: sums.refunded,
            }
        });
        Some(AccountView { id: id.0, mask, balances: balances.collect() })
    }
}
