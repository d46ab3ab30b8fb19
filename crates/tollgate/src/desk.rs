//! What an operator asks of tokens, agreements and schedules: the same requests to a running gateway and to the store of a
//! stopped one, with the same answers.

use crate::data_folder::DataFolder;
use crate::operator::OperatorClient;
use crate::run_lock::RunLock;
use crate::wiring::{self, Keep, Opened};
use http::{Method, StatusCode};
use serde_json::Value;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use tollgate_http::{OperatorRequest, OperatorRoute, Response, json, problem};

/// A request of an operator, as it travels in `POST /operator/` and its route.
pub trait DeskRequest: serde::Serialize + serde::de::DeserializeOwned + Send + 'static {
    /// The name of its route.
    const ROUTE: &'static str;
    /// What carries it out.
    type Desk: Send + Sync + 'static;
    /// Why it was not.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The desk of a store that no gateway has open.
    fn desk(opened: &Opened) -> Self::Desk;

    /// Carries it out.
    ///
    /// # Errors
    /// Why nothing was done.
    fn carry_out(self, desk: &Self::Desk) -> impl Future<Output = Result<Value, Self::Error>> + Send;

    /// How a running gateway answers an error.
    fn status(error: &Self::Error) -> StatusCode;
}

/// Has a request carried out by the gateway that runs on `folder` if there is one, else on the store itself.
///
/// # Errors
/// Why nothing was done.
pub async fn ask<R: DeskRequest>(folder: &DataFolder, request: R) -> anyhow::Result<Value> {
    match OperatorClient::of_running(folder)? {
        Some(gateway) => gateway.ask(Method::POST, R::ROUTE, &serde_json::to_value(&request)?).await,
        None => on_store(folder, request).await,
    }
}

/// No gateway runs: the folder is locked, so that none starts meanwhile.
async fn on_store<R: DeskRequest>(folder: &DataFolder, request: R) -> anyhow::Result<Value> {
    let _only_one = RunLock::take(folder)?;
    let opened = wiring::open(folder, Keep::Existing).await?;
    let desk = R::desk(&opened);
    let done = request.carry_out(&desk).await;
    drop(desk);
    wiring::close(opened).await;
    Ok(done?)
}

/// What is behind the route of such requests in a running gateway.
pub struct DeskRoute<R: DeskRequest> {
    desk: R::Desk,
}

impl<R: DeskRequest> DeskRoute<R> {
    /// The route to this desk.
    pub const fn new(desk: R::Desk) -> DeskRoute<R> {
        DeskRoute { desk }
    }

    async fn answer(&self, request: &OperatorRequest) -> Response {
        if request.method != Method::POST || !request.path.is_empty() {
            return problem(StatusCode::NOT_FOUND, format!("try POST {}", R::ROUTE));
        }
        let asked: R = match request.json() {
            Ok(asked) => asked,
            Err(response) => return *response,
        };
        match asked.carry_out(&self.desk).await {
            Ok(value) => json(StatusCode::OK, &value),
            Err(error) => problem(R::status(&error), error.to_string()),
        }
    }
}

impl<R: DeskRequest> OperatorRoute for DeskRoute<R> {
    fn name(&self) -> &'static str {
        R::ROUTE
    }

    fn call(self: Arc<Self>, request: OperatorRequest) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        Box::pin(async move { self.answer(&request).await })
    }
}
