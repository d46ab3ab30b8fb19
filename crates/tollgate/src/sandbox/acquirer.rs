//! The link of a sandbox: the real one, and in front of it the faults that were asked for by reference.

use super::{NetworkAdmin, ReferenceFaults};
use http::Method;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use tollgate_acquirer::{Acquirer, Exchange, LinkState, NetworkKind, NetworkRequest};
use tollgate_core::ident::{OperationId, Rrn};
use tollgate_issuer::{FaultOperation, FaultWish};
use tollgate_store::Store;

/// A link whose messages may meet a fault by merchant reference.
pub struct SandboxAcquirer {
    link: Arc<dyn Acquirer>,
    store: Arc<dyn Store>,
    network: NetworkAdmin,
    faults: Arc<ReferenceFaults>,
}

impl SandboxAcquirer {
    /// `link`, with `faults` before it.
    pub fn new(
        link: Arc<dyn Acquirer>,
        store: Arc<dyn Store>,
        network: NetworkAdmin,
        faults: Arc<ReferenceFaults>,
    ) -> SandboxAcquirer {
        SandboxAcquirer { link, store, network, faults }
    }

    /// Asks the network for the fault that waits for this message, if one does.
    async fn arm(&self, rrn: Rrn, operation: FaultOperation) -> anyhow::Result<()> {
        let Some(id) = OperationId::from_rrn(rrn) else { return Ok(()) };
        // The intent is in the store before the message comes here.
        let Some(found) = self.store.operation(id).await? else { return Ok(()) };
        let order = &found.stored.order;
        // What is sent has a card.
        let mask = order.card.as_ref().map_or("", |card| &card.mask);
        let Some(behaviour) = self.faults.take(&order.merchant_reference, operation, mask) else {
            return Ok(());
        };
        let wish =
            FaultWish { behaviour, operation: Some(operation), mask: None, rrn: Some(rrn.to_string()), count: 1 };
        self.network.ask(Method::POST, "/faults", &serde_json::to_value(&wish)?).await.map(|_| ())
    }
}

impl Acquirer for SandboxAcquirer {
    fn exchange(&self, request: NetworkRequest) -> Pin<Box<dyn Future<Output = Exchange> + Send + '_>> {
        Box::pin(async move {
            if let Some(operation) = operation_of(request.kind).filter(|_| !self.faults.is_empty())
                && let Err(error) = self.arm(request.wire.rrn, operation).await
            {
                tracing::warn!(%error, "a fault by merchant reference could not be asked for");
            }
            self.link.exchange(request).await
        })
    }

    fn state(&self) -> LinkState {
        self.link.state()
    }
}

/// What a first transmission does; repeats and reversals meet no fault.
const fn operation_of(kind: NetworkKind) -> Option<FaultOperation> {
    match kind {
        NetworkKind::Authorize | NetworkKind::Verify => Some(FaultOperation::Authorize),
        NetworkKind::Purchase => Some(FaultOperation::Purchase),
        NetworkKind::Refund => Some(FaultOperation::Refund),
        NetworkKind::CaptureAdvice => Some(FaultOperation::Capture),
        NetworkKind::Void => Some(FaultOperation::Void),
        NetworkKind::CaptureAdviceRepeat | NetworkKind::ReversalAdvice | NetworkKind::ReversalAdviceRepeat => None,
    }
}
