//! `genesis/GUIDE.md`, typed as it stands. What a fence holds is told by its language: `console` commands after `$ ` with
//! what they print (`...` stands for anything, and nothing shown for anything at all), `powershell` commands of Windows,
//! `text` what is seen elsewhere. Comments before a fence say what is special about it:
//!
//! - `needs: WHAT`: cannot be run on every machine. What needs `docker` is run where the images are; all else is reported
//!   as skipped, by its command.
//! - `exit: CODE`, or `any`: how its commands end, if not with 0.
//! - `background`: `aura serve`, which runs already while the guide is read.
//! - `monologue`: what stands in the server's log in the end.

use std::fs;
use std::process::Stdio;

use aura_tests::compose::{Folder, bare};
use aura_tests::{Done, Instance, Reply, ScriptedMind, Server, root};

pub struct Block {
    line: usize,
    language: String,
    marks: Vec<(String, String)>,
    text: Vec<String>,
}

struct Typed {
    command: String,
    shown: String,
}

impl Block {
    fn mark(&self, name: &str) -> Option<&str> {
        self.marks.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    fn is_typed(&self) -> bool {
        self.language == "console" && self.mark("background").is_none()
    }

    /// Whether it is run on every machine.
    fn is_run(&self) -> bool {
        self.is_typed() && self.mark("needs").is_none()
    }

    /// Its name among the skipped tests and what it needs, if it may be skipped.
    pub fn skipped(&self) -> Option<(String, String)> {
        let first = self.text.first().map(String::as_str).unwrap_or_default();
        let needs = self.mark("needs")?;
        let name = format!("guide::needs_{}::{}", needs.replace(' ', "_"), first.trim_start_matches("$ "));
        Some((name, needs.to_owned()))
    }

    pub fn needs_docker_alone(&self) -> bool {
        self.mark("needs") == Some("docker")
    }

    fn commands(&self) -> Vec<Typed> {
        let mut commands: Vec<Typed> = Vec::new();
        for line in &self.text {
            match (line.strip_prefix("$ "), commands.last_mut()) {
                (Some(command), _) => {
                    commands.push(Typed { command: command.to_owned(), shown: String::new() });
                }
                (None, Some(last)) => last.shown.extend([line, "\n"]),
                (None, None) => panic!("line {}: a console begins with a command", self.line),
            }
        }
        commands
    }

    /// Types its commands with `shell`, and compares what they print.
    fn run(&self, shell: impl Fn(&str) -> Done) {
        for Typed { command, shown } in self.commands() {
            let done = shell(&command);
            let place = format!("line {} of the guide: $ {command}\n{}", self.line, done.stdout);
            match self.mark("exit") {
                Some("any") => {}
                code => assert_eq!(
                    done.code,
                    Some(code.map_or(0, |code| code.parse().expect("a code"))),
                    "{place}"
                ),
            }
            assert!(
                shown.is_empty() || fits(&done.stdout, &shown),
                "{place}\nis not what is shown:\n{shown}"
            );
        }
    }
}

/// Whether it is this text, in which `...` stands for anything.
fn fits(text: &str, shown: &str) -> bool {
    let pieces: Vec<&str> = shown.trim_end().split("...").collect();
    let [first, middle @ .., last] = pieces.as_slice() else { return text.trim_end() == shown.trim_end() };
    let Some(mut rest) = text.trim_end().strip_prefix(first) else { return false };
    for piece in middle {
        let Some((_, after)) = rest.split_once(piece) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

pub fn read() -> Vec<Block> {
    let text = fs::read_to_string(root().join("genesis/GUIDE.md")).expect("the guide is there");
    let (mut blocks, mut marks, mut open) = (Vec::new(), Vec::new(), None::<Block>);
    for (number, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(""), Some(block)) => blocks.push(block),
            (Some(language), None) => {
                let marks = std::mem::take(&mut marks);
                open =
                    Some(Block { line: number + 1, language: language.to_owned(), marks, text: Vec::new() });
            }
            (Some(_), Some(block)) => {
                panic!("line {}: a fence in a fence of line {}", number + 1, block.line)
            }
            (None, Some(mut block)) => {
                block.text.push(line.to_owned());
                open = Some(block);
            }
            (None, None) => match line.strip_prefix("<!-- ").and_then(|line| line.strip_suffix(" -->")) {
                Some(mark) => {
                    let (name, value) = mark.split_once(": ").unwrap_or((mark, ""));
                    marks.push((name.to_owned(), value.to_owned()));
                }
                None => marks.clear(),
            },
        }
    }
    assert!(open.is_none(), "a fence is not closed");
    blocks
}

pub fn every_block_is_run_or_marked() {
    let blocks = read();
    for block in &blocks {
        let line = block.line;
        let known = |name: &str| ["needs", "exit", "background", "monologue"].contains(&name);
        assert!(block.marks.iter().all(|(name, _)| known(name)), "line {line}: {:?}", block.marks);
        match block.language.as_str() {
            "console" => assert!(!block.commands().is_empty(), "line {line}"),
            "powershell" => assert_eq!(block.mark("needs"), Some("windows"), "line {line}"),
            "text" => assert!(block.mark("needs").is_none(), "line {line}"),
            other => panic!("line {line}: what is {other}?"),
        }
    }
    assert!(blocks.iter().filter(|block| block.is_run()).count() >= 8, "nearly nothing of it is run");
}

/// Without `-T`, Compose wants a terminal to type at wherever there is one to print to.
pub fn containers_read_what_is_piped_into_them() {
    let commands: Vec<_> = read().iter().filter(|block| block.is_typed()).flat_map(Block::commands).collect();
    let mut into_containers = commands.iter().filter(|typed| typed.command.contains(" exec ")).peekable();
    assert!(into_containers.peek().is_some(), "nothing is typed into a container");
    for Typed { command, .. } in into_containers {
        assert!(command.contains(" exec -T "), "{command}");
    }
}

/// What the doctor looks at stands in the guide as the doctor says it.
pub fn the_doctors_table_is_in_it() {
    let text = fs::read_to_string(root().join("genesis/GUIDE.md")).expect("the guide is there");
    let (_, rest) = text.split_once("\n<!-- doctor -->\n").expect("where it begins");
    let (table, _) = rest.split_once("\n<!-- /doctor -->\n").expect("where it ends");
    let doctor = Instance::new(&[]).run(&["doctor", "--explain", "--markdown"]);
    assert_eq!(table.trim(), doctor.stdout.trim(), "put in what `aura doctor --explain --markdown` prints");
}

/// Each link to a file of this repository, and to a heading of the guide, leads somewhere.
pub fn its_links_lead_somewhere() {
    let text = fs::read_to_string(root().join("genesis/GUIDE.md")).expect("the guide is there");
    let slug = |heading: &str| {
        let kept = heading.trim_start_matches('#').trim().to_lowercase();
        kept.chars()
            .filter(|letter| letter.is_alphanumeric() || *letter == ' ')
            .collect::<String>()
            .replace(' ', "-")
    };
    let headings: Vec<String> = text.lines().filter(|line| line.starts_with('#')).map(slug).collect();
    for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap_or_default()) {
        match link.strip_prefix('#') {
            Some(heading) => {
                assert!(headings.iter().any(|known| known == heading), "#{heading}: {headings:?}");
            }
            None if link.starts_with("https://") => {}
            None => assert!(root().join("genesis").join(link).exists(), "{link}"),
        }
    }
}

const GREET: &str = "return f'Hello, I am {self.key}.'";
const LIST_FILES: &str = "import os\nreturn os.listdir('.')";

pub fn commands_do_what_it_says() {
    let mind = ScriptedMind::start_blocking();
    mind.by_method(|method| match method {
        "greet" => Some(Reply::code(GREET)),
        "list_files" => Some(Reply::code(LIST_FILES)),
        _ => None,
    });
    let blocks = read();
    let server = Server::start(&mind);
    for block in blocks.iter().filter(|block| block.is_run()) {
        block.run(|line| server.cli().shell(line));
    }
    for block in blocks.iter().filter(|block| block.mark("background").is_some()) {
        let typed: Vec<_> = block.commands().into_iter().map(|typed| typed.command).collect();
        assert_eq!(typed, ["aura serve"], "line {}", block.line);
    }
    let log = server.kill().log();
    for block in blocks.iter().filter(|block| block.mark("monologue").is_some()) {
        let shown = format!("...{}...", block.text.join("\n"));
        assert!(fits(&log, &shown), "line {} of the guide is not in the log:\n{log}", block.line);
    }
}

/// What needs Docker alone, with the real images. The launcher is run twice, and changes nothing the second time.
pub fn containers_do_what_it_says() {
    let place = Containers::new();
    for block in read().iter().filter(|block| block.is_typed() && block.needs_docker_alone()) {
        block.run(|line| place.shell(line));
        if block.commands().iter().any(|typed| typed.command == "genesis/puter.sh") {
            let before = place.running();
            assert_eq!(before.lines().count(), 2, "{before}");
            let again = place.shell("genesis/puter.sh");
            assert_eq!(again.code, Some(0), "{}", again.stdout);
            assert_eq!(place.running(), before);
        }
    }
    assert_eq!(place.running(), "");
}

/// A checkout with a Compose project of its own, which goes with this value.
struct Containers {
    folder: Folder,
    name: String,
}

impl Containers {
    fn new() -> Self {
        let folder = Folder::copied();
        folder.add("genesis");
        Self { folder, name: format!("auraguide{}", std::process::id()) }
    }

    fn shell(&self, line: &str) -> Done {
        let mut command = bare("bash");
        command.args(["-c", &format!("exec 2>&1; {line}")]);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        // No model is fetched for a test.
        command.env("COMPOSE_PROJECT_NAME", &self.name).env("OLLAMA_HOST", "http://nobody.invalid:11434");
        command.output().expect("bash is there").into()
    }

    /// The containers, by their ids.
    fn running(&self) -> String {
        self.shell(&format!(
            "docker ps --quiet --no-trunc --filter label=com.docker.compose.project={}",
            self.name
        ))
        .stdout
    }
}

impl Drop for Containers {
    fn drop(&mut self) {
        self.shell("genesis/puter.sh down");
        self.shell(&format!("docker volume rm {0}_data {0}_sockets", self.name));
    }
}
