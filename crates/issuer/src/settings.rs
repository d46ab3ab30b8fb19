//! How a sandbox network is set up.

use serde::Deserialize;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// The settings of an [`Issuer`](crate::Issuer). Each has a default that suits a laptop.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IssuerSettings {
    /// The ledger's file; the account key lies beside it under the same name with `.key`.
    pub data_path: PathBuf,
    /// Where acquirers connect; port 0 takes a free one.
    pub iso_listen: SocketAddr,
    /// The admin port; port 0 takes a free one.
    pub admin_listen: SocketAddr,
    /// The 3-D Secure directory server, which 3DS Servers call; port 0 takes a free one.
    pub ds_listen: SocketAddr,
    /// The 3-D Secure ACS, which browsers reach; port 0 takes a free one.
    pub acs_listen: SocketAddr,
    /// Where browsers reach the ACS, for example `https://acs.example`, without a slash at the end; `None`: at the address
    /// that it listens on.
    pub acs_url: Option<String>,
    /// A PEM file of authorities that the directory server trusts beside the system's when it calls a 3DS Server by https.
    pub ds_ca_certificates: Option<PathBuf>,
    /// Which addresses may be listened on.
    pub exposure: Exposure,
    /// The message spec, one of those built into `tollgate-iso8583`.
    pub spec: String,
    /// The framing, for example `binary2` or `binary2+tpdu:6000010000`.
    pub framing: String,
    /// An answer that is slow on purpose comes after this many milliseconds.
    pub slow_ms: u64,
    /// An answer that is late on purpose, later than an acquirer waits, comes after this many milliseconds.
    pub late_ms: u64,
    /// Makes authorization codes and garbage: the same seed, the same run.
    pub seed: u64,
    /// How far the network's clock goes before the one it is started with, in microseconds: a sandbox whose
    /// clock was moved starts its network with it.
    pub clock_offset_us: i64,
    /// What each account may spend in each currency, in major units.
    pub open_to_buy_major: u64,
    /// How much of everything there may be.
    pub limits: IssuerLimits,
}

/// Which addresses may be listened on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exposure {
    /// Loopback addresses only: whoever can connect can spend.
    Loopback,
    /// Any address, because the network around is closed.
    AnyAddress,
}

/// How much of everything there may be.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IssuerLimits {
    /// Connections of acquirers at the same time.
    pub connections_max: u32,
    /// Connections of the admin port at the same time.
    pub admin_connections_max: u32,
    /// Connections of the directory server at the same time.
    pub ds_connections_max: u32,
    /// Connections of the ACS at the same time.
    pub acs_connections_max: u32,
    /// Challenges of the ACS that are kept, open and over; beyond that the oldest goes.
    pub challenges_max: u32,
    /// A message, in bytes.
    pub frame_bytes_max: usize,
    /// A connection on which nothing comes for so many milliseconds is closed.
    pub idle_ms_max: u64,
    /// Entries of the ledger, held in memory at about 350 bytes each.
    pub entries_max: u32,
    /// Accounts.
    pub accounts_max: u32,
    /// Answers that are slow or late on purpose and wait at the same time.
    pub delayed_answers_max: u32,
}

impl Default for IssuerSettings {
    fn default() -> IssuerSettings {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        IssuerSettings {
            data_path: PathBuf::from("tollgate-issuer.db"),
            iso_listen: SocketAddr::new(loopback, 8583),
            admin_listen: SocketAddr::new(loopback, 8584),
            ds_listen: SocketAddr::new(loopback, 8585),
            acs_listen: SocketAddr::new(loopback, 8586),
            acs_url: None,
            ds_ca_certificates: None,
            exposure: Exposure::Loopback,
            spec: "iso8583-1987-ascii".to_owned(),
            framing: "binary2".to_owned(),
            slow_ms: 2_000,
            late_ms: 15_000,
            seed: 8583,
            clock_offset_us: 0,
            open_to_buy_major: 1_000_000,
            limits: IssuerLimits::default(),
        }
    }
}

impl Default for IssuerLimits {
    fn default() -> IssuerLimits {
        IssuerLimits {
            connections_max: 64,
            admin_connections_max: 16,
            ds_connections_max: 128,
            acs_connections_max: 128,
            challenges_max: 2_000,
            frame_bytes_max: 8_192,
            idle_ms_max: 300_000,
            entries_max: 5_000_000,
            accounts_max: 1_000_000,
            delayed_answers_max: 10_000,
        }
    }
}
