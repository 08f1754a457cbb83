//! `aura repl`: messages line by line, from a terminal or from a pipe.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _};

use clap::Parser;
use clap::error::ErrorKind;
use reedline::{FileBackedHistory, Prompt, PromptEditMode, PromptHistorySearch, Reedline, Signal};
use tokio::io::{AsyncBufReadExt as _, BufReader, stdin};

use super::failure::Failure;
use super::folder::DataFolder;
use super::parts::blocking;
use super::send;
use super::term::{print, tell};
use crate::config::Config;

const HELP: &str = "\
send TARGET METHOD [JSON_ARGS] [JSON_KWARGS]   send a message, such as: send system greet '[\"Bob\"]'
                                               (send --help tells more)
help                                           this text
exit                                           leave; Ctrl-D does too";

const HISTORY_LINES: usize = 1_000;

/// A line of the REPL.
#[derive(Parser)]
#[command(multicall = true, disable_help_subcommand = true)]
enum Line {
    /// Send a message to an object and wait for its result
    Send(send::Options),
    Help,
    #[command(alias = "quit")]
    Exit,
}

pub async fn repl(config: &Config) -> Result<(), Failure> {
    if io::stdin().is_terminal() && io::stdout().is_terminal() {
        from_terminal(config).await
    } else {
        from_pipe(config).await
    }
}

/// All lines, whatever becomes of them. A message that fails is no failure of the REPL, but a service that is not there.
async fn from_pipe(config: &Config) -> Result<(), Failure> {
    let mut end = Ok(());
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines
        .next_line()
        .await
        .map_err(|error| Failure::Failed(format!("The input cannot be read: {error}")))?
    {
        match obey(config, &line).await? {
            Next::Leave => break,
            Next::Line => {}
            Next::Unreachable => end = Err(Failure::Told(3)),
        }
    }
    end
}

async fn from_terminal(config: &Config) -> Result<(), Failure> {
    let mut editor = editor(config)?;
    tell(&format!("Messages go to AURA at {}. `help` tells how to send them, `exit` leaves.", config.url));
    loop {
        let read = blocking(move || {
            let signal = editor.read_line(&Arrows);
            // What is in the history stays there, however the program ends.
            let kept = editor.sync_history();
            (editor, signal.and_then(|signal| kept.map(|()| signal)))
        });
        let (returned, signal) = read.await?;
        editor = returned;
        match signal.map_err(|error| Failure::Failed(format!("The terminal cannot be read: {error}")))? {
            Signal::Success(line) => match obey(config, &line).await? {
                Next::Leave => return Ok(()),
                Next::Line | Next::Unreachable => {}
            },
            Signal::CtrlD => return Ok(()),
            _ => {}
        }
    }
}

fn editor(config: &Config) -> Result<Reedline, Failure> {
    let path = DataFolder::open(&config.data)?.history();
    let history = FileBackedHistory::with_file(HISTORY_LINES, path);
    let history = history.map_err(|error| Failure::Failed(format!("The history cannot be kept: {error}")))?;
    let editor = Reedline::create().with_history(Box::new(history));
    Ok(editor.with_ansi_colors(!config.no_color))
}

/// What comes after a line.
enum Next {
    Line,
    /// Another line, but for this one a service was not there.
    Unreachable,
    Leave,
}

/// Does what a line says.
async fn obey(config: &Config, line: &str) -> Result<Next, Failure> {
    let Some(words) = shlex::split(line) else {
        tell("A quotation mark is missing.");
        return Ok(Next::Line);
    };
    if words.is_empty() {
        return Ok(Next::Line);
    }
    let command = words[0].clone();
    let done = match Line::try_parse_from(words) {
        Ok(Line::Send(options)) => send::send(config, options).await,
        Ok(Line::Help) => print(HELP),
        Ok(Line::Exit) => return Ok(Next::Leave),
        Err(error) if error.kind() == ErrorKind::InvalidSubcommand => {
            tell(&format!(
                "'{command}' is no command here; `help` lists them. To send a message: send TARGET METHOD"
            ));
            Ok(())
        }
        Err(error) => {
            tell(error.to_string().trim_end());
            Ok(())
        }
    };
    match done {
        Ok(()) | Err(Failure::Told(1 | 130)) => Ok(Next::Line),
        Err(Failure::Told(3)) => Ok(Next::Unreachable),
        Err(gone @ Failure::Told(_)) => Err(gone),
        Err(failure) => {
            tell(&failure.to_string());
            Ok(if matches!(failure, Failure::Unreachable(_)) { Next::Unreachable } else { Next::Line })
        }
    }
}

/// The prompt `>>> `.
struct Arrows;

impl Prompt for Arrows {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        Cow::Borrowed(">>>")
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_indicator(&self, _: PromptEditMode) -> Cow<'_, str> {
        Cow::Borrowed(" ")
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        Cow::Borrowed("... ")
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        Cow::Owned(format!("(search: {}) ", search.term))
    }
}
