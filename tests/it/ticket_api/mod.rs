//! The conformance suite for ticket APIs: what every adapter must do, as a matrix of offices and cases.
//!
//! Each adapter stands in two offices: one as its contract assumes the server, and one whose server words
//! everything in another way, with `bot.toml` set for it. What an API cannot do has no case missing: the case
//! says how it is refused. What only one contract leaves open is in `own`.

use std::time::Duration;

use futures::future::BoxFuture;

use office::Office;

mod closing;
mod disguise;
mod dresses;
mod endings;
mod files;
mod finding;
mod lists;
mod office;
mod opening;
mod own;

/// Opens an office whose calls end within this time.
type Open = fn(Duration) -> BoxFuture<'static, Office>;

/// Makes a module for each office, with a test for each case.
macro_rules! matrix {
    (offices { $($office:ident: $adapter:ident::$open:ident;)* } cases $cases:tt) => {
        $(matrix! { @ $office $adapter $open $cases })*
    };
    (@ $office:ident $adapter:ident $open:ident { $($subject:ident: $($case:ident)*;)* }) => {
        mod $office {
            $($(
                #[tokio::test]
                async fn $case() {
                    super::$subject::$case(super::own::$adapter::$open).await;
                }
            )*)*
        }
    };
}

matrix! {
    offices {
        paradarum: paradarum::office;
        paradarum_in_another_dress: paradarum::office_in_another_dress;
        i3d: i3d::office;
        i3d_in_another_dress: i3d::office_in_another_dress;
        whmcs: whmcs::office;
        whmcs_in_another_dress: whmcs::office_in_another_dress;
        keliweb: keliweb::office;
        keliweb_in_another_dress: keliweb::office_in_another_dress;
        hostup: hostup::office;
        hostup_in_another_dress: hostup::office_in_another_dress;
    }
    cases {
        opening:
            the_catalog_names_topics_and_properties
            creates_with_and_without_topic_and_property
            words_that_nobody_knows_hold_no_ticket_up
            a_priority_is_heeded_where_there_are_any
            a_property_that_nobody_knows_is_refused
            a_text_without_words_is_refused
            a_subject_is_one_line_within_the_limit
            texts_arrive_as_they_were_written
            guests_are_known_by_name_and_address_or_not_at_all
            a_ticket_is_called_as_people_call_it
            replies_and_tells_staff_from_customer;
        files:
            files_of_a_new_ticket_arrive
            files_of_a_reply_arrive
            files_of_staff_can_be_had
            a_file_that_is_none_of_the_tickets_is_not_found
            a_way_of_files_that_it_has_not_is_unsupported
            a_staged_file_can_be_dropped
            a_file_above_the_limit_is_refused_with_the_limit_named
            a_file_that_breaks_off_at_its_source_is_not_filed;
        lists:
            lists_every_ticket_once
            half_a_look_is_none
            what_is_another_accounts_is_not_shown
            what_staff_answered_is_among_the_active
            a_new_message_changes_the_mark;
        closing:
            closing_twice_is_a_success_or_unsupported
            a_lost_closing_can_be_made_again
            a_closed_ticket_is_opened_again_by_the_next_reply
            reopening_is_a_call_or_unsupported
            a_ticket_that_is_closed_for_good_says_so;
        finding:
            finds_a_lost_create_by_its_marker
            finds_a_lost_reply_by_its_marker
            a_look_that_cannot_be_finished_is_none;
        dresses:
            numbers_and_flags_may_be_strings
            digits_may_be_numbers
            a_list_of_one_may_be_its_element
            an_empty_list_may_hold_an_empty_list
            an_empty_list_may_be_null
            what_is_empty_may_be_missing
            what_nobody_asked_for_may_be_there;
        endings:
            each_ending_of_a_write_is_certain_or_unknown
            each_ending_of_a_closing_is_certain_or_unknown
            what_is_unknown_of_a_read_is_tried_again
            what_is_no_answer_is_not_taken_for_one
            a_refusal_that_cannot_be_explained_is_tried_again
            too_many_calls_freeze_the_api
            a_hanging_call_may_still_run
            a_server_that_is_not_there_was_surely_not_reached
            a_removed_or_merged_ticket_is_not_found
            an_account_that_is_not_the_keys_is_unauthorized
            a_revoked_key_is_unauthorized
            no_error_shows_the_key
            knows_the_servers_time;
    }
}
