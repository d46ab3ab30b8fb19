//! The port for wrapped data keys, which the vault defines and stores keep.

pub use tollgate_vault::{
    DataKeyId, DataKeys, NewDataKey, PortError, PortFuture, RewrappedDataKey, RotationState, SealedCard, WrappedDataKey,
};
