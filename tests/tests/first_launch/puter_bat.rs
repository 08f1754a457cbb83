//! `genesis/puter.bat`, run with the rules of cmd that `cmd.rs` states: from many folders, and where something is missing.

use std::fs;

use aura_tests::root;

use super::cmd::{Batch, Call, Run};

fn text(name: &str) -> String {
    fs::read_to_string(root().join("genesis").join(name)).expect("it is text")
}

/// What is asked of WSL, in this order, and how it answers where all is well.
const QUESTIONS: [(&str, i32); 5] = [
    ("--status", 0),
    ("-e bash -c exit 0", 0),
    ("-e grep -q -e -Microsoft /proc/sys/kernel/osrelease", 1),
    ("-e test -f genesis/puter.sh", 0),
    ("-e bash genesis/puter.sh", 0),
];

/// Runs it as Explorer does, with one question answered otherwise.
fn run(folder: &str, arguments: &str, ill: Option<(&str, i32)>) -> Run {
    let command_line = format!("C:\\WINDOWS\\system32\\cmd.exe /c \"\"{folder}\\genesis\\puter.bat\" \"");
    run_as(&command_line, folder, arguments, ill)
}

fn run_as(command_line: &str, folder: &str, arguments: &str, ill: Option<(&str, i32)>) -> Run {
    let text = text("puter.bat");
    let batch = Batch { text: &text, folder: &format!("{folder}\\genesis\\"), arguments, command_line };
    batch.run(|call| {
        let line = call.arguments.join(" ");
        let ill = ill.filter(|(question, _)| line.contains(question)).map(|(_, code)| code);
        let well = QUESTIONS.iter().find(|(question, _)| line.contains(question)).map(|(_, code)| *code);
        ill.or(well).unwrap_or_else(|| panic!("not expected: {line}"))
    })
}

fn wsl(arguments: &[&str], window: Option<&str>) -> Call {
    let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    Call { program: "wsl.exe".to_owned(), arguments, window: window.map(ToOwned::to_owned) }
}

/// Each folder, and the distribution that has to be named for it.
const FOLDERS: [(&str, Option<&str>); 12] = [
    (r"C:\aura", None),
    (r"D:\code\aura", None),
    (r"C:\Users\Robin Goodfellow\my code\aura", None),
    (r"C:\a & b\aura (1)", None),
    (r"C:\100% mine\aura", None),
    (r"C:\%PATH%\%~dp0\%%a", None),
    (r"C:\wow!\!PATH!", None),
    (r"C:\hat^\it's, a; comma=here", None),
    (r"C:\Grüße\日本\aura", None),
    (r"E:", None),
    (r"\\wsl.localhost\Ubuntu-24.04\home\robin\my aura", Some("Ubuntu-24.04")),
    (r"\\WSL$\Debian\srv\a & b (c)", Some("Debian")),
];

pub fn the_folder_is_handed_over_as_it_is() {
    for (folder, distribution) in FOLDERS {
        let run = run(folder, "", None);
        let there = format!("{folder}\\genesis\\..");
        let named: Vec<&str> = distribution.map(|name| ["-d", name]).into_iter().flatten().collect();
        let ask = |question: &[&str]| wsl(&[&named[..], question].concat(), None);
        let open = |title, command| {
            let client = ["--cd", &there, "-e", "bash", "genesis/puter.sh", command];
            wsl(&[&named[..], &client].concat(), Some(title))
        };
        let expected = [
            wsl(&["--status"], None),
            ask(&["-e", "bash", "-c", "exit 0"]),
            ask(&["-e", "grep", "-q", "-e", "-Microsoft", "/proc/sys/kernel/osrelease"]),
            ask(&["--cd", &there, "-e", "test", "-f", "genesis/puter.sh"]),
            ask(&["--cd", &there, "-e", "bash", "genesis/puter.sh"]),
            open("AURA monologue", "monologue"),
            open("AURA client", "client"),
        ];
        assert_eq!(run.calls, expected, "{folder}");
        assert_eq!((run.status, run.said.as_str(), run.paused), (0, "", false), "{folder}");
    }
}

pub fn arguments_are_handed_over() {
    for (arguments, windows) in [
        ("up --gpu", 2),
        ("--gpu up", 2),
        ("--arango --no-models", 2),
        ("status", 0),
        ("down", 0),
        ("--no-models status", 0),
        ("--help", 0),
        ("--gpu --help", 0),
    ] {
        let run = run(r"C:\my aura", arguments, None);
        let handed = run.calls.iter().find(|call| call.arguments.ends_with(&words(arguments)));
        assert!(
            handed.is_some_and(|call| call.arguments.contains(&"genesis/puter.sh".to_owned())),
            "{arguments}"
        );
        let opened = run.calls.iter().filter(|call| call.window.is_some()).count();
        assert_eq!((opened, run.status), (windows, 0), "{arguments}");
    }
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(ToOwned::to_owned).collect()
}

pub fn what_is_missing_is_told() {
    let none = "The Windows Subsystem for Linux is not installed, or does not start.\n\
        Open PowerShell as administrator, run: wsl --install   then restart Windows and run this again.\n";
    let no_distribution = "WSL has no Linux distribution that can be used.\n\
        In PowerShell: wsl --install -d Ubuntu   then: wsl --set-default Ubuntu   and run this again.\n";
    let version_one = "The Linux distribution runs under WSL 1, which has no Linux kernel.\n\
        In PowerShell: wsl --list --verbose   then: wsl --set-version NAME 2   and run this again.\n";
    let unseen = "WSL cannot see the folder of this file. Drives of the network and encrypted ones are not mounted \
        there.\nCopy it to a drive of this computer, or better: clone it inside WSL. Then run puter.bat there.\n";
    for (question, code, status, said) in [
        // As cmd says when there is no such program, and as wsl.exe says when it fails.
        ("--status", 9009, 3, none),
        ("--status", 50, 3, none),
        ("exit 0", -1, 3, no_distribution),
        ("grep", 0, 3, version_one),
        ("test", 1, 3, unseen),
        // The words are those of puter.sh then.
        ("bash genesis/puter.sh", 3, 3, ""),
        ("bash genesis/puter.sh", 130, 130, ""),
    ] {
        let run = run(r"C:\a & b\aura (1)", "", Some((question, code)));
        assert_eq!((run.status, run.said.as_str()), (status, said), "{question}");
        assert!(run.calls.iter().all(|call| call.window.is_none()), "{question}");
    }
}

pub fn a_network_share_is_told() {
    let run = run(r"\\server\wsl$\aura", "", None);
    let said = "This folder is on a network share, which WSL does not see.\n\
        Copy it to a drive of this computer, or better: clone it inside WSL. Then run puter.bat there.\n";
    assert_eq!((run.status, run.said.as_str(), run.calls.len()), (3, said, 1));
}

/// Only where the window closes with it: not when it is started from a prompt.
pub fn it_pauses_after_a_double_click() {
    let ill = Some(("--status", 50));
    assert!(run(r"C:\a & b\my aura", "", ill).paused);
    let prompts = [
        r#""C:\WINDOWS\system32\cmd.exe""#,
        r#""C:\WINDOWS\system32\cmd.exe" /c ""C:\aura\genesis\puter.bat"""#,
        r#""C:\WINDOWS\system32\cmd.exe" /c ""C:\aura\genesis\puter.bat" up""#,
    ];
    for prompt in prompts {
        assert!(!run_as(prompt, r"C:\aura", "", ill).paused, "{prompt}");
    }
}

pub fn line_endings_are_kept() {
    let batch = text("puter.bat");
    assert!(batch.is_ascii(), "cmd reads it in the code page of the user");
    assert_eq!(batch.matches('\n').count(), batch.matches("\r\n").count());
    assert!(!text("puter.sh").contains('\r'));
    let attributes = fs::read_to_string(root().join(".gitattributes")).expect("it is text");
    for line in ["* text=auto eol=lf", "*.bat text eol=crlf"] {
        assert!(attributes.lines().any(|given| given == line), "{line}");
    }
}
