//! The conformance suite: the rules that every store keeps, each as one test.
//!
//! A store's tests say how to open it ([`Subject`]) and expand [`conformance_tests!`](crate::conformance_tests);
//! every rule then is a test of its own, on an empty database of its own. A rule panics when it is
//! broken, which is what a test wants; nothing else may call it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod accounts;
mod agreements;
mod audit;
mod authentications;
mod batches;
mod chance;
mod channel;
mod checkouts;
mod claims;
mod corrections;
mod feedback;
mod fixtures;
mod keys;
mod lives;
mod messages;
mod model;
mod outcomes;
mod payment_links;
mod reading;
mod recovery;
mod reports;
mod routes;
mod schedules;
mod tokens;
mod unique_tokens;
mod verifications;

pub use accounts::*;
pub use agreements::*;
pub use audit::*;
pub use authentications::*;
pub use batches::*;
pub use channel::*;
pub use checkouts::*;
pub use claims::*;
pub use corrections::*;
pub use feedback::*;
pub use keys::*;
pub use lives::*;
pub use messages::*;
pub use model::*;
pub use outcomes::*;
pub use payment_links::*;
pub use reading::*;
pub use recovery::*;
pub use reports::*;
pub use routes::*;
pub use schedules::*;
pub use tokens::*;
pub use unique_tokens::*;
pub use verifications::*;

use crate::Store;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// A database of one test.
pub trait Subject: Send + Sync {
    /// Opens the store. The first time the database is empty; later everything that was answered must
    /// be there, whether the suite has dropped the stores it got before or still has them, like
    /// several processes.
    fn open(&self) -> Pin<Box<dyn Future<Output = Arc<dyn Store>> + Send + '_>>;
}

/// Expands to one test per rule. The argument is an expression that makes a new
/// [`Subject`](crate::conformance::Subject). The tests run on two threads, or with `of_one_thread` behind it
/// on one. The caller depends on `tokio` with its macros and the multi-thread runtime.
#[macro_export]
macro_rules! conformance_tests {
    ($make:expr) => {
        $crate::conformance_tests! { @rules [flavor = "multi_thread", worker_threads = 2] $make }
    };
    ($make:expr, of_one_thread) => {
        $crate::conformance_tests! { @rules [flavor = "current_thread"] $make }
    };
    (@rules $runtime:tt $make:expr) => {
        $crate::conformance_tests! { @each $runtime $make;
            the_first_channel_keys_are_made_once
            a_rotation_leaves_old_channel_keys_a_time_that_only_shrinks
            one_of_many_users_of_a_nonce_wins
            one_of_many_claimers_of_a_reference_wins
            a_taken_reference_names_the_order_that_took_it
            another_merchant_may_use_the_same_reference
            a_taken_number_changes_nothing
            the_first_operation_has_the_number_of_its_order
            an_operation_is_claimed_on_the_version_that_was_judged
            an_order_has_one_open_operation_at_most
            an_operation_of_a_missing_or_foreign_order_is_not_claimed
            one_of_many_captures_wins
            a_taken_operation_number_changes_nothing
            a_maintenance_reference_is_used_once_per_merchant
            a_refund_that_came_to_nothing_frees_its_reference
            a_refund_that_counts_or_may_count_keeps_its_reference
            an_outcome_is_written_once
            an_outcome_needs_the_state_that_was_judged
            sums_that_break_are_refused_and_change_nothing
            an_outcome_may_open_only_its_own_operation
            a_refused_call_does_not_fail_its_neighbours
            a_call_refused_at_its_last_step_changes_nothing
            an_unknown_outcome_waits_in_the_recovery_queue_until_it_is_settled
            a_late_answer_ends_a_recovery_only_before_its_first_message
            a_late_answer_and_a_recovery_message_never_both_win
            recoveries_come_longest_due_first
            a_row_that_keeps_failing_holds_nobody_back
            one_of_many_attempts_begins
            the_backlog_counts_rows_and_knows_the_oldest
            an_attempt_is_noted_once
            a_node_has_one_life_at_a_time
            one_of_many_begins_a_life_of_a_node
            a_sole_tenant_ends_every_earlier_life
            a_life_that_was_renewed_is_not_taken_for_dead
            a_renewal_and_an_end_never_both_win
            operations_of_the_living_are_nobody_elses
            a_capture_belongs_to_the_life_that_sent_it
            what_a_forgotten_life_left_is_found
            an_attempt_of_a_living_life_is_nobody_elses
            a_late_note_frees_no_other_attempt
            a_correction_is_written_with_its_reasons_and_ends_the_recovery
            a_correction_and_a_recovery_message_never_both_win
            an_operation_is_corrected_as_often_as_it_takes
            a_refund_that_counts_after_all_keeps_its_reference
            an_operation_has_one_proposal_until_it_is_settled
            what_waits_is_listed_and_counted_by_age_and_way_out
            feedback_is_written_with_its_outcome_or_not_at_all
            feedback_of_one_order_and_lane_goes_out_in_order
            feedback_that_keeps_failing_holds_back_its_own_order_alone
            a_feedback_lease_holds_until_it_runs_out
            one_of_many_workers_leases_a_feedback
            feedback_lanes_take_turns
            each_feedback_lane_has_its_turn
            what_a_killed_node_leased_is_given_back
            a_lost_feedback_lease_writes_nothing_but_the_attempt
            paused_feedback_comes_back_when_it_is_roused
            the_oldest_paused_feedback_of_a_lane_is_leased_as_a_probe_when_it_was_left_alone
            a_feedback_lane_that_answers_again_catches_up
            replayed_feedback_goes_out_again_in_order
            what_is_told_of_a_schedule_and_later_of_its_order_goes_out_in_turn
            feedback_attempts_are_bounded_and_the_first_and_last_stay
            feedback_is_listed_by_every_part_of_a_filter
            the_feedback_backlog_counts_what_is_not_delivered
            unfinished_operations_come_oldest_first
            an_order_is_found_by_each_of_its_names_and_by_its_merchant_alone
            orders_of_a_reference_come_newest_first
            a_story_is_complete_and_in_order
            totals_add_up_by_currency
            everything_reads_back_as_it_was_written
            what_was_answered_is_there_after_reopening
            a_merchant_is_added_and_saved_by_version
            names_identifiers_and_access_codes_are_unique
            a_logo_belongs_to_its_merchant_and_is_replaced_as_a_whole
            the_generation_grows_with_every_saved_account
            one_of_many_savers_of_a_version_wins
            a_merchant_and_period_has_one_data_key
            a_generation_of_a_month_has_one_data_key
            the_generation_of_data_keys_grows_with_every_change
            a_data_key_is_rewrapped_on_the_version_that_was_read
            sealed_rows_are_walked_to_the_last
            sealed_bytes_are_replaced_on_what_was_read
            entries_are_written_with_their_call_or_not_at_all
            the_first_row_since_a_moment_is_found
            entries_of_what_follows_from_an_outcome_are_written_with_it
            entries_before_the_log_is_begun_are_refused
            many_writers_make_one_chain
            what_the_store_does_itself_is_noted
            a_route_keeps_its_first_use_and_its_last
            a_route_is_noted_with_the_card_that_came_by_it_or_not_at_all
            what_the_network_is_told_of_an_authentication_stays_with_its_operation
            an_authentication_of_an_operation_that_is_not_added_is_not_written
            refusals_are_found_by_reference_and_by_order
            refusals_are_bounded_and_the_oldest_go
            a_token_reads_back_and_its_name_is_unique_per_merchant
            one_of_many_takes_a_token_name
            a_token_is_changed_by_version
            tokens_are_listed_by_age_and_by_card
            a_token_comes_into_use_with_the_success_of_its_payment
            a_late_success_makes_the_token_and_a_reversal_does_not
            a_new_card_takes_a_tokens_place_only_by_success
            a_new_card_does_not_switch_a_token_on
            a_provisional_token_is_kept_by_a_success
            lapsed_tokens_are_deleted_unless_a_payment_may_keep_them
            a_deleted_token_stays_gone
            traces_are_erased_and_nothing_else
            a_card_is_put_under_a_name_unless_it_is_switched_off
            a_look_for_lapsed_tokens_sees_what_the_sweep_deletes
            an_order_names_no_token_that_it_did_not_make
            an_order_and_its_token_belong_together
            a_card_that_is_kept_again_has_its_first_token
            each_customer_of_a_card_has_one_token
            many_who_keep_a_card_at_once_have_one_token
            a_card_is_kept_for_so_many_customers_and_no_more
            doubles_from_before_the_rule_stay
            a_token_is_not_switched_on_beside_another_of_its_card
            a_token_made_by_itself_goes_by_the_rule
            a_card_put_under_a_name_goes_by_the_rule
            a_card_put_again_before_its_payment_goes_by_the_newest_wish
            a_card_put_under_a_customers_name_is_not_the_customers
            random_cards_keep_to_the_rule
            an_agreement_begins_with_the_success_of_its_payment
            an_agreement_whose_payment_comes_to_nothing_is_gone
            one_of_many_takes_the_name_of_an_agreement
            a_charge_is_counted_with_its_intent_and_given_back_when_it_comes_to_nothing
            one_of_many_charges_has_the_version_that_was_judged
            an_agreement_is_about_the_token_that_the_order_came_to_name
            an_order_and_its_agreement_belong_together
            what_was_settled_wrongly_is_put_right_in_its_agreement
            an_agreement_is_ended_once_and_listed_in_order
            a_token_is_noted_with_the_first_payment_of_its_customer
            a_new_card_under_a_name_was_never_paid_with
            a_try_on_the_page_opens_an_agreement
            a_verification_claims_no_reference
            a_verification_is_never_found_as_an_order
            what_follows_from_an_outcome_is_written_with_it
            a_checkout_reads_back_with_its_order
            a_checkout_that_does_not_fit_its_order_is_refused
            a_reference_of_the_api_and_of_the_page_is_one
            a_second_request_goes_on_with_the_first_ones_checkout
            a_second_request_leaves_an_authentication_where_it_is
            another_request_finds_the_reference_of_a_checkout_taken
            an_order_goes_on_after_its_checkout_was_forgotten
            a_taken_number_takes_the_order_of_a_checkout_back
            a_checkout_is_changed_by_version
            a_card_is_held_for_an_order_that_takes_a_try_alone
            a_card_is_kept_with_the_end_of_its_checkout
            the_end_of_a_checkout_tells_of_the_token_that_its_card_has
            one_of_many_keeps_a_card_at_a_checkout
            a_card_that_is_not_kept_changes_nothing
            late_checkouts_come_oldest_first_and_ended_ones_are_forgotten
            an_order_without_a_card_has_nothing_to_rotate
            a_try_is_written_with_its_checkout
            a_try_begins_where_the_table_says
            an_order_that_was_worked_on_takes_no_try
            a_try_is_claimed_on_what_was_judged
            one_of_many_tries_begins
            a_try_brings_all_that_an_intent_has
            an_order_of_which_nothing_was_sent_is_closed_in_one_commit
            an_order_is_closed_on_what_was_judged
            feedback_of_a_try_has_the_card_of_its_own
            an_authentication_that_is_wanted_begins_with_the_decline
            what_begins_with_a_decline_fits_it_or_nothing_is_written
            a_batch_reads_back_and_its_reference_is_one_merchants_own
            a_batch_is_there_in_whole_or_not_at_all
            a_batch_changes_by_the_table_alone
            a_batch_is_one_living_gateways_to_work_on
            rows_are_judged_once_and_doubles_are_refused
            a_row_is_begun_with_its_intent_or_not_at_all
            one_of_many_begins_a_row
            a_row_ends_once_and_the_last_one_ends_the_batch
            a_batch_waits_for_its_date_or_is_given_up
            a_row_makes_one_payment_link
            a_payment_link_reads_back_by_each_of_its_names
            a_payment_link_needs_a_free_id_and_a_free_reference
            one_of_many_payment_links_has_a_reference
            a_payment_link_is_changed_by_version_and_openings_are_none
            payment_links_are_listed_newest_first
            a_customer_of_a_payment_link_claims_its_reference
            nothing_is_begun_by_a_payment_link_that_was_overtaken
            one_of_many_begins_to_pay_by_a_link
            a_schedule_begins_with_its_agreement_and_is_gone_with_it
            an_attempt_begins_with_its_intent_and_its_outcome_moves_the_schedule_on
            an_unknown_attempt_holds_its_schedule_until_it_is_settled
            one_of_many_begins_an_attempt
            an_attempt_is_claimed_on_what_was_judged
            an_order_and_its_schedule_belong_together
            due_schedules_are_one_living_gateways_to_charge
            a_schedule_is_changed_by_version_and_ends_with_its_agreement
            an_attempt_that_counts_after_all_is_the_last_of_its_due_date
            what_happens_to_a_schedule_is_told_in_the_same_commit
            schedules_and_attempts_are_listed_in_order
            a_report_reads_back_and_its_reference_is_one_merchants_own
            a_report_is_counted_once
            a_report_has_what_was_sent_in_its_interval
            pages_of_a_report_neither_lose_nor_repeat_an_operation
            a_row_of_a_report_tells_how_its_operation_stands
            messages_are_written_with_what_they_tell_of
            a_message_is_written_with_its_outcome_or_not_at_all
            messages_to_customers_are_limited
            a_message_lease_holds_until_it_runs_out
            one_of_many_workers_leases_a_message
            a_message_is_settled_once_and_keeps_its_reason
            what_a_server_is_told_of_one_thing_goes_out_in_order
            message_lanes_take_turns
            message_attempts_are_bounded
            messages_are_listed_by_every_part_of_a_filter
            a_payment_link_is_watched_by_the_time
            the_first_opening_of_a_payment_link_is_told
            random_calls_answer_as_the_model_does
        }
    };
    (@each $runtime:tt $make:expr; $($rule:ident)*) => {
        $( $crate::conformance_tests! { @one $runtime $make; $rule } )*
    };
    (@one [$($runtime:tt)*] $make:expr; $rule:ident) => {
        #[::tokio::test($($runtime)*)]
        async fn $rule() {
            let subject = $make;
            $crate::conformance::$rule(&subject).await;
        }
    };
}
