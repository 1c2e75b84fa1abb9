//! That these tests can fail: each deliberate fault that the simulation does not find in a thousand histories
//! fails the test that is there for its clause (`tests/faults.rs` has the others).

use pullcord::core::fault::Fault;

use super::{news, one_bad_item, progress_outbox, progress_sync, store, tabs};

/// Each fault, and its test.
const FOUND_BY: &[(Fault, fn())] = &[
    (
        Fault::EvictsInVain,
        store::a_disk_that_stays_full_costs_two_evictions_and_not_the_cache,
    ),
    (
        Fault::DoubtsNeverRest,
        one_bad_item::doubt::a_doubt_that_brought_nothing_is_not_raised_again_for_an_hour,
    ),
    (
        Fault::MarkIsNotTaken,
        one_bad_item::doubt::where_none_is_named_all_are_in_doubt_by_one_mark,
    ),
    (
        Fault::RepairsAreNotCompared,
        one_bad_item::repairs::of_two_copies_of_one_version_the_one_less_put_right_stays_in_whatever_order_they_come,
    ),
    (
        Fault::NamelessIsNobody,
        one_bad_item::left_out::in_the_list_an_entry_with_an_id_is_listed_and_from_a_nameless_one_nothing_is_concluded,
    ),
    (
        Fault::ProgressIsNotHeard,
        progress_sync::sizes::a_request_on_which_bytes_arrive_is_not_given_up,
    ),
    (
        Fault::FailingHoldsUpTheTimer,
        progress_sync::one_fails::a_conversation_that_fails_and_is_notified_of_all_the_time_leaves_the_others_their_timer,
    ),
    (
        Fault::ServersFaultHoldsUp,
        progress_outbox::failing::a_message_that_the_server_fails_over_lets_the_next_one_go,
    ),
    (
        Fault::EditLeavesUnfenced,
        progress_outbox::answers::an_edit_of_a_client_that_may_have_slept_waits_for_its_fence,
    ),
    (
        Fault::KeyIsNotTaken,
        progress_outbox::store::an_own_message_keeps_its_key_also_where_the_server_gives_no_client_id,
    ),
    (
        Fault::AskIsNotRepeated,
        tabs::asks::an_answer_or_a_question_that_is_lost_is_asked_for_again,
    ),
    (
        Fault::PromotedForgetsItsAsks,
        tabs::moves::at_a_move_nothing_flickers_and_what_was_asked_is_done,
    ),
    (
        Fault::NobodyRemindsOfWishes,
        tabs::wishes::a_wish_of_which_nobody_was_told_is_looked_for,
    ),
    (
        Fault::ChangedBlockIsLost,
        tabs::following::a_block_that_a_later_commit_has_changed_is_not_lost,
    ),
    (
        Fault::AnswerIsNotShown,
        tabs::asks::an_edit_of_what_nobody_holds_is_shown_where_it_was_made,
    ),
    (
        Fault::MoveIsNotLive,
        tabs::moves::what_comes_while_the_work_moves_is_live_in_each,
    ),
    (
        Fault::LostIsWrittenTo,
        tabs::lost::a_lost_database_is_written_to_once_it_is_this_clients,
    ),
    (
        Fault::LostIsNotReadAgain,
        tabs::lost::a_follower_that_finds_its_database_lost_reads_what_is_stored_in_its_place,
    ),
    (
        Fault::ReplacedIsNotRead,
        tabs::lost::who_writes_its_fence_late_reads_what_another_has_written_meanwhile,
    ),
    (
        Fault::LostOwnGoesWithItsWriter,
        tabs::lost::who_follows_stores_what_it_has_in_mind_where_its_writer_is_gone,
    ),
    (
        Fault::ToldIsForgotten,
        news::a_message_that_nobody_has_seen_is_told_once,
    ),
    (
        Fault::ShownIsNews,
        news::what_a_client_on_screen_shows_is_not_told,
    ),
];

#[test]
fn what_the_simulation_does_not_find_its_rules_test_does() {
    for (fault, test) in FOUND_BY {
        Fault::switch(Some(*fault));
        let outcome = std::panic::catch_unwind(test);
        Fault::switch(None);
        assert!(outcome.is_err(), "its test passes with {fault:?}");
    }
}
