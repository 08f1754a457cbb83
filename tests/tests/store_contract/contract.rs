//! The list of what every store promises, in one place for all of them.

use aura::store::Store;

/// An image that outlives the store that has it open.
pub trait Image {
    fn empty() -> Self;
    /// Opens the image, perhaps beside others that have it open.
    fn open(&self) -> impl Store;
}

/// Calls a macro with its own arguments, then the cases by topic: each one is a function of that module.
macro_rules! contract_cases {
    ($then:ident!($($arguments:tt)*)) => {
        $then! {
            $($arguments)*;
            cases: [
                genesis_happens_once
                objects_are_created_once_and_only_on_existing_prototypes
                the_nearest_method_is_found_breadth_first
                attributes_are_inherited_from_the_nearest
                attributes_keep_their_text_and_order
                a_patch_respects_the_revision
                versions_count_up_and_keep_their_quota
                a_cycle_is_committed_whole
                a_failing_precondition_changes_nothing
                a_failing_change_undoes_what_went_before
                a_message_takes_effect_once
                a_commit_may_bring_its_message
                concurrent_cycles_lose_no_update
                an_idempotency_key_names_one_message
                accepted_messages_survive_a_restart
                messages_are_listed_newest_first
            ]
            history: [
                invocations_are_listed_newest_first
                records_come_back_as_they_were
                contents_are_kept_once
                one_version_is_found_by_its_number
                fuel_is_charged_with_the_commit
            ]
            sharing: [
                a_new_lease_ends_the_one_before
                messages_of_a_server_that_is_gone_are_taken_over
                an_image_can_be_open_twice
                what_runs_is_listed_as_unfinished
                a_message_takes_its_turn
                write_skew_is_prevented
                what_was_inherited_is_a_precondition
                prototypes_can_be_replaced_and_form_circles
                limits_are_kept
                an_exported_image_can_be_imported
                a_broken_import_leaves_nothing
                a_sound_image_is_found_sound
            ]
        }
    };
}
