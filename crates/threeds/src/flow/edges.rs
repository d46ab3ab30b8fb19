//! The transitions of an authentication, as one table: what an event does to it. Nothing else changes a state.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Where an authentication stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The 3DS method runs, and what the browser is has not come yet.
    Preparing,
    /// The 3DS method is over, or there is none; what the browser is has not come yet.
    NeedBrowser,
    /// What the browser is has come; the 3DS method runs.
    NeedMethod,
    /// The AReq is on its way.
    Requesting,
    /// The customer is challenged.
    Challenging,
    /// The customer came back from the challenge, and the RReq has not come.
    Returned,
    /// Over: the customer is authenticated, or it was attempted.
    Proved,
    /// Over: the issuer gave a result that proves nothing.
    NotProved,
    /// Over without a result.
    Failed,
}

impl State {
    /// All of them.
    pub const ALL: [State; 9] = [
        State::Preparing,
        State::NeedBrowser,
        State::NeedMethod,
        State::Requesting,
        State::Challenging,
        State::Returned,
        State::Proved,
        State::NotProved,
        State::Failed,
    ];

    /// Whether nothing leads out of it.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, State::Proved | State::NotProved | State::Failed)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Preparing => "preparing",
            State::NeedBrowser => "browser data needed",
            State::NeedMethod => "3DS method running",
            State::Requesting => "requesting",
            State::Challenging => "challenging",
            State::Returned => "returned, result awaited",
            State::Proved => "proved",
            State::NotProved => "not proved",
            State::Failed => "failed",
        })
    }
}

/// What happened to an authentication, as far as the table goes by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Happening {
    /// What the browser is came.
    BrowserCame,
    /// It came from a browser without scripts, in which no 3DS method can end.
    BrowserWithoutScript,
    /// It came from a browser without scripts, and the version needs what only a script can tell.
    BrowserUnfit,
    /// The ACS says that the 3DS method is done.
    MethodDone,
    /// It took too long.
    MethodTimedOut,
    /// ARes Y or A.
    AnswerProof,
    /// ARes N, U, R or I.
    AnswerNoProof,
    /// ARes C.
    AnswerChallenge,
    /// An ARes that is refused here.
    AnswerRefused,
    /// An Erro, no answer, or none that can be read.
    RequestFailed,
    /// RReq Y or A.
    ResultProof,
    /// RReq N, U or R.
    ResultNoProof,
    /// The customer came back: a CRes, or an Erro of the ACS by the browser.
    CameBack,
    /// The challenge took too long.
    ChallengeTimedOut,
    /// No RReq came after the customer did.
    ResultTimedOut,
    /// The customer cancelled at our page.
    Cancelled,
    /// The customer went away.
    Abandoned,
}

impl Happening {
    /// All of them.
    pub const ALL: [Happening; 17] = [
        Happening::BrowserCame,
        Happening::BrowserWithoutScript,
        Happening::BrowserUnfit,
        Happening::MethodDone,
        Happening::MethodTimedOut,
        Happening::AnswerProof,
        Happening::AnswerNoProof,
        Happening::AnswerChallenge,
        Happening::AnswerRefused,
        Happening::RequestFailed,
        Happening::ResultProof,
        Happening::ResultNoProof,
        Happening::CameBack,
        Happening::ChallengeTimedOut,
        Happening::ResultTimedOut,
        Happening::Cancelled,
        Happening::Abandoned,
    ];
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Happening::BrowserCame => "browser data came",
            Happening::BrowserWithoutScript => "browser data came, without scripts",
            Happening::BrowserUnfit => "browser data came, without scripts, for a version that needs them",
            Happening::MethodDone => "3DS method done",
            Happening::MethodTimedOut => "3DS method timed out",
            Happening::AnswerProof => "ARes Y or A",
            Happening::AnswerNoProof => "ARes N, U, R or I",
            Happening::AnswerChallenge => "ARes C",
            Happening::AnswerRefused => "ARes that is refused here",
            Happening::RequestFailed => "Erro, failure or time-out of the directory server",
            Happening::ResultProof => "RReq Y or A",
            Happening::ResultNoProof => "RReq N, U or R",
            Happening::CameBack => "CRes, or an Erro of the ACS by the browser",
            Happening::ChallengeTimedOut => "challenge timed out",
            Happening::ResultTimedOut => "no RReq in time",
            Happening::Cancelled => "cancelled by the customer",
            Happening::Abandoned => "abandoned",
        })
    }
}

/// One edge of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// From this state,
    pub from: State,
    /// when this happens,
    pub on: Happening,
    /// to this state.
    pub to: State,
}

/// What an event does; a pair that is not here changes nothing.
pub const EDGES: &[Edge] = &[
    edge(State::Preparing, Happening::BrowserCame, State::NeedMethod),
    edge(State::Preparing, Happening::BrowserWithoutScript, State::Requesting),
    edge(State::Preparing, Happening::BrowserUnfit, State::Failed),
    edge(State::Preparing, Happening::MethodDone, State::NeedBrowser),
    edge(State::Preparing, Happening::MethodTimedOut, State::NeedBrowser),
    edge(State::Preparing, Happening::Cancelled, State::Failed),
    edge(State::Preparing, Happening::Abandoned, State::Failed),
    edge(State::NeedBrowser, Happening::BrowserCame, State::Requesting),
    edge(State::NeedBrowser, Happening::BrowserWithoutScript, State::Requesting),
    edge(State::NeedBrowser, Happening::BrowserUnfit, State::Failed),
    edge(State::NeedBrowser, Happening::Cancelled, State::Failed),
    edge(State::NeedBrowser, Happening::Abandoned, State::Failed),
    edge(State::NeedMethod, Happening::MethodDone, State::Requesting),
    edge(State::NeedMethod, Happening::MethodTimedOut, State::Requesting),
    edge(State::NeedMethod, Happening::Cancelled, State::Failed),
    edge(State::NeedMethod, Happening::Abandoned, State::Failed),
    edge(State::Requesting, Happening::AnswerProof, State::Proved),
    edge(State::Requesting, Happening::AnswerNoProof, State::NotProved),
    edge(State::Requesting, Happening::AnswerChallenge, State::Challenging),
    edge(State::Requesting, Happening::AnswerRefused, State::Failed),
    edge(State::Requesting, Happening::RequestFailed, State::Failed),
    edge(State::Requesting, Happening::Cancelled, State::Failed),
    edge(State::Requesting, Happening::Abandoned, State::Failed),
    edge(State::Challenging, Happening::ResultProof, State::Proved),
    edge(State::Challenging, Happening::ResultNoProof, State::NotProved),
    edge(State::Challenging, Happening::CameBack, State::Returned),
    edge(State::Challenging, Happening::ChallengeTimedOut, State::Failed),
    edge(State::Challenging, Happening::Cancelled, State::Failed),
    edge(State::Challenging, Happening::Abandoned, State::Failed),
    edge(State::Returned, Happening::ResultProof, State::Proved),
    edge(State::Returned, Happening::ResultNoProof, State::NotProved),
    edge(State::Returned, Happening::ResultTimedOut, State::Failed),
    edge(State::Returned, Happening::Cancelled, State::Failed),
    edge(State::Returned, Happening::Abandoned, State::Failed),
];

/// The state that follows, if the event can happen in this one.
#[must_use]
pub fn after(from: State, on: Happening) -> Option<State> {
    EDGES.iter().find(|edge| edge.from == from && edge.on == on).map(|edge| edge.to)
}

/// The table as Markdown, for the documents.
#[must_use]
pub fn as_markdown() -> String {
    let mut text = String::from("| authentication is | event | it becomes |\n|---|---|---|\n");
    for edge in EDGES {
        text.push_str(&format!("| {} | {} | {} |\n", edge.from, edge.on, edge.to));
    }
    text
}

const fn edge(from: State, on: Happening, to: State) -> Edge {
    Edge { from, on, to }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_pair_has_two_edges() {
        for (index, edge) in EDGES.iter().enumerate() {
            assert!(!EDGES[..index].iter().any(|other| other.from == edge.from && other.on == edge.on), "{edge:?}");
        }
    }

    #[test]
    fn nothing_leads_out_of_the_end_and_everything_comes_to_one() {
        for state in State::ALL {
            let leaves = EDGES.iter().any(|edge| edge.from == state);
            assert_eq!(leaves, !state.is_over(), "{state}");
            if !state.is_over() {
                assert_eq!(after(state, Happening::Abandoned), Some(State::Failed), "{state}");
                assert_eq!(after(state, Happening::Cancelled), Some(State::Failed), "{state}");
            }
        }
    }

    #[test]
    fn a_proof_comes_from_an_ares_or_an_rreq_and_nothing_else() {
        for edge in EDGES.iter().filter(|edge| edge.to == State::Proved) {
            assert!(matches!(edge.on, Happening::AnswerProof | Happening::ResultProof), "{edge:?}");
        }
    }

    #[test]
    fn documents_show_the_table_as_it_is() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/three-ds.md");
        let document = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            document.contains(&as_markdown()),
            "docs/three-ds.md differs from the table; write it anew with: cargo run -p xtask -- docs"
        );
    }
}
