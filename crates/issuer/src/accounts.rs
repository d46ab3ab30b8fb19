//! The accounts of a data file: a key and a mask for each card.

use crate::account_key::AccountKey;
use crate::request::AccountId;
use foldhash::fast::RandomState;
use std::collections::HashMap;

/// All accounts.
#[derive(Debug)]
pub(crate) struct Accounts {
    list: Vec<Account>,
    by_key: HashMap<AccountKey, AccountId, RandomState>,
    accounts_max: usize,
}

/// An account, without its sums: those are the ledger's.
#[derive(Debug)]
pub(crate) struct Account {
    /// Under which it is found.
    pub(crate) key: AccountKey,
    /// First six and last four digits of the card number.
    pub(crate) mask: String,
}

impl Accounts {
    /// None yet, and at most `accounts_max` ever.
    pub(crate) fn new(accounts_max: usize) -> Accounts {
        Accounts { list: Vec::new(), by_key: HashMap::default(), accounts_max }
    }

    /// The account of a key, if there is one.
    pub(crate) fn find(&self, key: &AccountKey) -> Option<AccountId> {
        self.by_key.get(key).copied()
    }

    /// Makes an account; `None` when there are as many as may be.
    pub(crate) fn add(&mut self, key: AccountKey, mask: String) -> Option<AccountId> {
        if self.list.len() >= self.accounts_max { None } else { self.load(key, mask) }
    }

    /// Takes over an account that exists already, whatever the limit.
    pub(crate) fn load(&mut self, key: AccountKey, mask: String) -> Option<AccountId> {
        let id = AccountId(u32::try_from(self.list.len() + 1).ok()?);
        self.list.push(Account { key, mask });
        self.by_key.insert(key, id);
        Some(id)
    }

    /// An account by its number.
    pub(crate) fn get(&self, id: AccountId) -> Option<&Account> {
        self.list.get(usize::try_from(id.0).ok()?.checked_sub(1)?)
    }

    /// The accounts with this mask; with none given, all of them.
    pub(crate) fn with_mask(&self, mask: Option<&str>) -> Vec<AccountId> {
        self.list
            .iter()
            .enumerate()
            .filter(|(_, account)| mask.is_none_or(|mask| account.mask == mask))
            .filter_map(|(index, _)| u32::try_from(index + 1).ok().map(AccountId))
            .collect()
    }
}
