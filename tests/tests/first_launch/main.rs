//! What a first launch begins with: the launchers of `genesis/`, and its guide.

mod checkout;
mod cmd;
mod guide;
mod puter_bat;
mod puter_sh;

use std::process::ExitCode;

use aura_tests::{trials, which};
use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let in_containers = std::env::var_os("AURA_TEST_IMAGES").is_some();
    let mut trials = trials![
        puter_sh::a_second_run_changes_nothing,
        puter_sh::no_docker,
        puter_sh::docker_does_not_answer,
        puter_sh::this_user_may_not,
        puter_sh::compose_is_missing_or_old,
        puter_sh::the_older_compose_will_do,
        puter_sh::a_port_is_taken,
        puter_sh::what_is_ill_is_shown,
        puter_sh::waiting_ends,
        puter_sh::images_are_built,
        puter_sh::an_interrupted_run_is_completed,
        puter_sh::an_empty_secret_is_told,
        puter_sh::the_mind_is_found,
        puter_sh::ollama_on_this_machine_is_found if which("curl").is_some(),
        puter_sh::arango_gets_its_secrets_and_is_kept,
        puter_sh::its_project_has_a_name_of_its_own,
        puter_sh::a_full_disk_is_told if puter_sh::can_mount(),
        puter_sh::wrong_usage_is_told,
        puter_sh::the_other_commands_need_a_server,
        puter_sh::shellcheck_is_content if which("shellcheck").is_some(),
        puter_bat::the_folder_is_handed_over_as_it_is,
        puter_bat::arguments_are_handed_over,
        puter_bat::what_is_missing_is_told,
        puter_bat::a_network_share_is_told,
        puter_bat::it_pauses_after_a_double_click,
        puter_bat::line_endings_are_kept,
        guide::every_block_is_run_or_marked,
        guide::containers_read_what_is_piped_into_them,
        guide::the_doctors_table_is_in_it,
        guide::its_links_lead_somewhere,
        guide::commands_do_what_it_says,
        guide::containers_do_what_it_says if in_containers,
    ];
    // What this machine lacks is named, command by command.
    let blocks = guide::read();
    let skipped = blocks.iter().filter(|block| !(in_containers && block.needs_docker_alone()));
    trials.extend(skipped.filter_map(guide::Block::skipped).map(|(name, needs)| {
        let fails = move || Err(format!("it needs {needs}").into());
        Trial::test(name, fails).with_ignored_flag(true)
    }));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
