//! Who may send how much at once. A lane is all that goes to one receiver.
//!
//! A lane whose receiver fails several times in a row counts as down: it keeps one place, to find out
//! when the receiver is back, and all lanes that are down share half of the places, so that however
//! many receivers are dead, the living ones have the other half.

use crate::settings::FeedbackSettings;
use std::collections::BTreeMap;
use tollgate_core::feedback::FeedbackLane;
use tollgate_store::LanePlaces;

/// From so many failures in a row on a lane is down.
pub const LANE_DOWN_AFTER_FAILURES: u32 = 3;
/// How many lanes are remembered; above it those that are well are forgotten.
const LANES_KEPT_MAX: usize = 8_192;

/// The lanes with something under way, and how their receivers did.
#[derive(Debug)]
pub struct Lanes {
    lane_in_flight_max: usize,
    in_flight_max: usize,
    in_flight: usize,
    /// In order, so that the places of lanes that are down go to the same ones in each run.
    lanes: BTreeMap<FeedbackLane, LaneState>,
}

#[derive(Debug, Default)]
struct LaneState {
    in_flight: usize,
    /// Failures since the last acknowledgement.
    failures: u32,
    /// Whether the receiver has acknowledged anything since the last failures, as far as this process
    /// knows.
    proven: bool,
}

impl LaneState {
    fn is_down(&self) -> bool {
        self.failures >= LANE_DOWN_AFTER_FAILURES
    }
}

/// How a delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The receiver acknowledged it.
    Acknowledged,
    /// It did not.
    Failed,
    /// Nothing was sent.
    Unsent,
}

/// What follows for the lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follows {
    /// Nothing.
    Nothing,
    /// The receiver answers again, or for the first time: what waits for it is due at once.
    CatchUp,
}

/// The places that are free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// In all.
    pub rows_max: usize,
    /// Of a lane that is not in `lanes`.
    pub lane_rows_max: usize,
    /// Of lanes that have fewer.
    pub lanes: Vec<LanePlaces>,
}

impl Lanes {
    /// No lane has anything under way.
    #[must_use]
    pub fn new(settings: &FeedbackSettings) -> Lanes {
        Lanes {
            lane_in_flight_max: settings.lane_in_flight_max.max(1),
            in_flight_max: settings.in_flight_max.max(2),
            in_flight: 0,
            lanes: BTreeMap::new(),
        }
    }

    /// A delivery begins.
    pub fn begin(&mut self, lane: FeedbackLane) {
        if self.lanes.len() >= LANES_KEPT_MAX {
            self.lanes.retain(|_, state| state.in_flight > 0 || state.is_down());
        }
        self.in_flight += 1;
        self.lanes.entry(lane).or_default().in_flight += 1;
    }

    /// A delivery has ended.
    pub fn end(&mut self, lane: FeedbackLane, ended: Ended) -> Follows {
        self.in_flight = self.in_flight.saturating_sub(1);
        let state = self.lanes.entry(lane).or_default();
        state.in_flight = state.in_flight.saturating_sub(1);
        match ended {
            Ended::Unsent => Follows::Nothing,
            Ended::Failed => {
                state.failures = state.failures.saturating_add(1);
                if state.is_down() {
                    state.proven = false;
                }
                Follows::Nothing
            }
            Ended::Acknowledged => {
                state.failures = 0;
                if std::mem::replace(&mut state.proven, true) { Follows::Nothing } else { Follows::CatchUp }
            }
        }
    }

    /// Whether the receiver of a lane counts as down.
    #[must_use]
    pub fn is_down(&self, lane: FeedbackLane) -> bool {
        self.lanes.get(&lane).is_some_and(LaneState::is_down)
    }

    /// What may begin now.
    #[must_use]
    pub fn places(&self) -> Places {
        let down = || self.lanes.values().filter(|state| state.is_down());
        let down_in_flight: usize = down().map(|state| state.in_flight).sum();
        let mut down_free = (self.in_flight_max / 2).saturating_sub(down_in_flight);
        let mut lanes = Vec::new();
        for (lane, state) in &self.lanes {
            let free = if state.is_down() {
                let free = 1usize.saturating_sub(state.in_flight).min(down_free);
                down_free -= free;
                free
            } else if state.in_flight > 0 {
                self.lane_in_flight_max.saturating_sub(state.in_flight)
            } else {
                continue;
            };
            lanes.push(LanePlaces { lane: *lane, free });
        }
        Places {
            rows_max: self.in_flight_max.saturating_sub(self.in_flight),
            lane_rows_max: self.lane_in_flight_max,
            lanes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tollgate_core::feedback::{Channel, FeedbackKind};
    use tollgate_core::ident::MerchantId;

    fn lane(merchant: i64) -> FeedbackLane {
        FeedbackLane { merchant: MerchantId(merchant), channel: Channel::Trusted, kind: FeedbackKind::Direct }
    }

    fn free(lanes: &Lanes, merchant: i64) -> usize {
        let places = lanes.places();
        let fewer = places.lanes.iter().find(|places| places.lane == lane(merchant)).map(|places| places.free);
        fewer.unwrap_or(places.lane_rows_max).min(places.rows_max)
    }

    fn fails(lanes: &mut Lanes, merchant: i64, times: u32) {
        for _ in 0..times {
            lanes.begin(lane(merchant));
            assert_eq!(lanes.end(lane(merchant), Ended::Failed), Follows::Nothing);
        }
    }

    #[test]
    fn a_lane_has_four_places_and_all_have_sixty_four() {
        let mut lanes = Lanes::new(&FeedbackSettings::default());
        for taken in 0..4 {
            assert_eq!(free(&lanes, 1), 4 - taken);
            lanes.begin(lane(1));
        }
        assert_eq!(free(&lanes, 1), 0);
        assert_eq!(free(&lanes, 2), 4);
        for merchant in 2..=16 {
            (0..4).for_each(|_| lanes.begin(lane(merchant)));
        }
        assert_eq!((free(&lanes, 17), lanes.places().rows_max), (0, 0));
        assert_eq!(lanes.end(lane(3), Ended::Unsent), Follows::Nothing);
        assert_eq!(free(&lanes, 17), 1);
    }

    #[test]
    fn a_receiver_that_keeps_failing_has_one_place_until_it_answers() {
        let mut lanes = Lanes::new(&FeedbackSettings::default());
        fails(&mut lanes, 1, 2);
        assert_eq!(free(&lanes, 1), 4);
        fails(&mut lanes, 1, 1);
        assert!(lanes.is_down(lane(1)));
        assert_eq!(free(&lanes, 1), 1);
        lanes.begin(lane(1));
        assert_eq!(free(&lanes, 1), 0);
        assert_eq!(lanes.end(lane(1), Ended::Acknowledged), Follows::CatchUp);
        assert_eq!(free(&lanes, 1), 4);
    }

    #[test]
    fn dead_receivers_leave_half_of_the_places_to_the_living() {
        let mut lanes = Lanes::new(&FeedbackSettings::default());
        for merchant in 1..=200 {
            fails(&mut lanes, merchant, LANE_DOWN_AFTER_FAILURES);
        }
        let places = lanes.places();
        assert_eq!(places.lanes.iter().map(|places| places.free).sum::<usize>(), 32);
        for places in places.lanes.iter().filter(|places| places.free > 0) {
            lanes.begin(places.lane);
        }
        assert!((1..=200).all(|merchant| free(&lanes, merchant) == 0));
        assert_eq!((free(&lanes, 201), lanes.places().rows_max), (4, 32));
    }

    #[test]
    fn one_order_that_is_refused_among_many_does_not_make_the_lane_catch_up_each_time() {
        let mut lanes = Lanes::new(&FeedbackSettings::default());
        let mut one = |ended| {
            lanes.begin(lane(1));
            lanes.end(lane(1), ended)
        };
        assert_eq!(one(Ended::Acknowledged), Follows::CatchUp, "the first one since the start");
        for _ in 0..10 {
            assert_eq!(one(Ended::Failed), Follows::Nothing);
            assert_eq!(one(Ended::Acknowledged), Follows::Nothing);
        }
    }

    #[test]
    fn lanes_that_are_well_are_forgotten_when_there_are_too_many() {
        let mut lanes = Lanes::new(&FeedbackSettings::default());
        fails(&mut lanes, 0, LANE_DOWN_AFTER_FAILURES);
        for merchant in 1..20_000 {
            lanes.begin(lane(merchant));
            lanes.end(lane(merchant), Ended::Acknowledged);
        }
        assert!(lanes.lanes.len() <= LANES_KEPT_MAX);
        assert!(lanes.is_down(lane(0)));
    }
}
