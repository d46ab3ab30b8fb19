//! The way to the card network as one life of the gateway sees it: the real ISO 8583 link over the virtual network.

use crate::life::Life;
use crate::mutants::Twist;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use tollgate_acquirer::{Acquirer, Exchange, ExchangeResult, IsoLink, LinkState, NetworkRequest, NotSent, WireTrace};

/// The link of one life. When the life is over, the link is gone.
pub struct WorldLink {
    life: Life,
    link: Mutex<Option<Arc<IsoLink>>>,
    twist: Twist,
}

impl WorldLink {
    /// `link` for as long as `life` lasts.
    #[must_use]
    pub(crate) fn new(life: Life, link: IsoLink, twist: Twist) -> WorldLink {
        WorldLink { life, link: Mutex::new(Some(Arc::new(link))), twist }
    }

    /// Lets the link go.
    pub fn cut(&self) {
        self.link.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn link(&self) -> Option<Arc<IsoLink>> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Acquirer for WorldLink {
    fn exchange(&self, mut request: NetworkRequest) -> Pin<Box<dyn Future<Output = Exchange> + Send + '_>> {
        let invented = self.twist.request(&mut request);
        let link = self.link();
        Box::pin(async move {
            self.life.go_on().await;
            if let Some(exchange) = invented {
                return exchange;
            }
            let Some(link) = link else {
                return Exchange { result: ExchangeResult::NotSent(NotSent::LinkDown), trace: WireTrace::default() };
            };
            let exchange = tokio::select! {
                biased;
                () = self.life.ended() => None,
                exchange = link.exchange(request) => Some(exchange),
            };
            drop(link);
            match exchange {
                Some(exchange) => {
                    self.life.go_on().await;
                    self.twist.exchange(exchange)
                }
                None => pending().await,
            }
        })
    }

    fn state(&self) -> LinkState {
        self.link().map_or(LinkState::Down, |link| link.state())
    }
}
