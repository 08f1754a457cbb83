//! What a first launch begins with: the launchers of `genesis/`, and its guide.

mod batch;
mod checkout;
mod cmd;
mod guide;
mod puter;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use self::checkout::which;

fn main() -> ExitCode {
    let trial = |name: &str, test: fn()| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    };
    let mut trials = vec![
        trial("puter_sh::a_second_run_changes_nothing", puter::a_second_run_changes_nothing),
        trial("puter_sh::no_docker", puter::no_docker),
        trial("puter_sh::docker_does_not_answer", puter::docker_does_not_answer),
        trial("puter_sh::this_user_may_not", puter::this_user_may_not),
        trial("puter_sh::compose_is_missing_or_old", puter::compose_is_missing_or_old),
        trial("puter_sh::the_older_compose_will_do", puter::the_older_compose_will_do),
        trial("puter_sh::a_port_is_taken", puter::a_port_is_taken),
        trial("puter_sh::what_is_ill_is_shown", puter::what_is_ill_is_shown),
        trial("puter_sh::waiting_ends", puter::waiting_ends),
        trial("puter_sh::images_are_built", puter::images_are_built),
        trial("puter_sh::an_interrupted_run_is_completed", puter::an_interrupted_run_is_completed),
        trial("puter_sh::an_empty_secret_is_told", puter::an_empty_secret_is_told),
        trial("puter_sh::the_mind_is_found", puter::the_mind_is_found),
        trial("puter_sh::ollama_on_this_machine_is_found", puter::ollama_on_this_machine_is_found)
            .with_ignored_flag(which("curl").is_none()),
        trial("puter_sh::arango_gets_its_secrets_and_is_kept", puter::arango_gets_its_secrets_and_is_kept),
        trial("puter_sh::its_project_has_a_name_of_its_own", puter::its_project_has_a_name_of_its_own),
        trial("puter_sh::a_full_disk_is_told", puter::a_full_disk_is_told)
            .with_ignored_flag(!puter::can_mount()),
        trial("puter_sh::wrong_usage_is_told", puter::wrong_usage_is_told),
        trial("puter_sh::the_other_commands_need_a_server", puter::the_other_commands_need_a_server),
        trial("puter_sh::shellcheck_is_content", puter::shellcheck_is_content)
            .with_ignored_flag(which("shellcheck").is_none()),
        trial("puter_bat::the_folder_is_handed_over_as_it_is", batch::the_folder_is_handed_over_as_it_is),
        trial("puter_bat::arguments_are_handed_over", batch::arguments_are_handed_over),
        trial("puter_bat::what_is_missing_is_told", batch::what_is_missing_is_told),
        trial("puter_bat::a_network_share_is_told", batch::a_network_share_is_told),
        trial("puter_bat::it_pauses_after_a_double_click", batch::it_pauses_after_a_double_click),
        trial("puter_bat::line_endings_are_kept", batch::line_endings_are_kept),
    ];
    let in_containers = std::env::var_os("AURA_TEST_IMAGES").is_some();
    trials.extend([
        trial("guide::every_block_is_run_or_marked", guide::every_block_is_run_or_marked),
        trial("guide::containers_read_what_is_piped_into_them", guide::containers_read_what_is_piped_into_them),
        trial("guide::the_doctors_table_is_in_it", guide::the_doctors_table_is_in_it),
        trial("guide::its_links_lead_somewhere", guide::its_links_lead_somewhere),
        trial("guide::commands_do_what_it_says", guide::commands_do_what_it_says),
        trial("guide::containers_do_what_it_says", guide::containers_do_what_it_says)
            .with_ignored_flag(!in_containers),
    ]);
    // What this machine lacks is named, command by command.
    let blocks = guide::read();
    let skipped = blocks.iter().filter(|block| !(in_containers && block.needs_docker_alone()));
    trials.extend(skipped.filter_map(guide::Block::skipped).map(|(name, needs)| {
        let fails = move || Err(format!("it needs {needs}").into());
        Trial::test(name, fails).with_ignored_flag(true)
    }));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
