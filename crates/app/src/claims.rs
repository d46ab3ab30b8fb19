//! Who is working on which operation right now: the payment itself, a recovery message, the janitor or an
//! operator's correction. No two of them ever work on one operation at the same time. That is so within one
//! process; between gateways on one store, operations and recovery messages name the life they belong to.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use tollgate_core::ident::OperationId;

/// The operations that somebody works on in this process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claims {
    taken: Arc<Mutex<HashSet<OperationId>>>,
}

/// A claim on one operation; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Claim {
    claims: Claims,
    operation: OperationId,
}

impl Claims {
    /// Takes the claim, unless somebody has it.
    pub(crate) fn take(&self, operation: OperationId) -> Option<Claim> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.insert(operation).then(|| Claim { claims: self.clone(), operation })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut taken = self.claims.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.remove(&self.operation);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_claim_is_one_persons_until_it_is_given_back() {
        let claims = Claims::default();
        let claim = claims.take(OperationId(1)).unwrap();
        assert!(claims.take(OperationId(1)).is_none());
        assert!(claims.take(OperationId(2)).is_some(), "another operation is free");
        drop(claim);
        assert!(claims.take(OperationId(1)).is_some());
    }
}
