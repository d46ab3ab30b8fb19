//! With what the tries of an order were made: its row has the card of the newest one alone.

use crate::failure::{Failure, unreadable};
use crate::prepared::Prepared;
use crate::rows::{CardColumns, card_of, first};
use rusqlite::params;
use tollgate_core::order::{Operation, Order};
use tollgate_core::token::{OrderToken, TokenRole};

/// Notes the card and the token of a try that begins.
pub(crate) fn insert(connection: &Prepared<'_>, order: &Order, operation: &Operation) -> Result<(), Failure> {
    let card = CardColumns::of(order.card.as_ref());
    connection
        .prepare_cached(
            "INSERT INTO try_cards (operation_id, brand, card_mask, card_expiry, card_holder, token_name, token_role) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            operation.id.0,
            card.brand,
            card.mask,
            card.expiry,
            card.holder,
            order.token.as_ref().map(|token| &token.name),
            order.token.as_ref().map(|token| token.role.number()),
        ])?;
    Ok(())
}

/// An order as one of its operations is told: with the card and the token of its own try, where a later one has replaced
/// them.
pub(crate) fn of_its_own(connection: &Prepared<'_>, order: Order, operation: &Operation) -> Result<Order, Failure> {
    if !operation.kind.begins() || operation.wire.rrn == order.original.rrn {
        return Ok(order);
    }
    let mut statement = connection.prepare_cached(
        "SELECT brand, card_mask, card_expiry, card_holder, token_name, token_role FROM try_cards WHERE operation_id = ?1",
    )?;
    let of_try = first(statement.query([operation.id.0])?, |row| {
        let token = match row.get::<_, Option<String>>(4)? {
            None => None,
            Some(name) => {
                let role = row.get::<_, Option<u8>>(5)?.and_then(TokenRole::from_number);
                Some(OrderToken { name, role: role.ok_or_else(|| unreadable("try_cards.token_role"))? })
            }
        };
        Ok((card_of(row, 0)?, token))
    })?;
    Ok(match of_try {
        Some((card, token)) => Order { card, token, ..order },
        None => order,
    })
}
