//! Single packages from Debian's archive, unpacked into a folder: nothing is installed, and the machine's own
//! package lists stay as they are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::workspace::capture;

/// An apt of its own, that reads the machine's mirror and keeps everything it writes in one folder.
pub struct Apt {
    folder: PathBuf,
    mirror: Mirror,
}

impl Apt {
    pub fn new(folder: PathBuf) -> Result<Self> {
        let system = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let is_debian = system.lines().any(|line| line == "ID=debian");
        ensure!(is_debian, "this is not a Debian system");
        let codename =
            system.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME=")).unwrap_or("sid");
        let mirror = source_files()?
            .iter()
            .filter_map(|path| fs::read_to_string(path).ok())
            .find_map(|text| Mirror::of_suite(codename, &text))
            .with_context(|| format!("/etc/apt names no mirror with {codename} main"))?;
        for part in ["sources", "lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(folder.join(part))?;
        }
        Ok(Self { folder, mirror })
    }

    /// Makes the packages of `suite`, and of it alone, known.
    pub fn offer(&self, suite: &str) -> Result<()> {
        let options =
            self.mirror.signed_by.as_ref().map_or(String::new(), |key| format!(" [signed-by={key}]"));
        let line = format!("deb{options} {} {suite} main\n", self.mirror.uri);
        fs::write(self.folder.join("sources/only.list"), line)?;
        capture(self.command("apt-get").args(["-o", "Acquire::Languages=none", "--error-on=any", "update"]))?;
        Ok(())
    }

    /// The versions of a package that are on offer, newest first.
    pub fn versions(&self, package: &str) -> Result<Vec<String>> {
        let table = capture(self.command("apt-cache").args(["madison", package]))?;
        Ok(table.lines().filter_map(|line| Some(line.split('|').nth(1)?.trim().to_owned())).collect())
    }

    pub fn unpack(&self, package: &str, version: &str, into: &Path) -> Result<()> {
        let scratch = self.folder.join("download");
        fs::create_dir_all(&scratch)?;
        let wanted = format!("{package}={version}");
        capture(self.command("apt-get").current_dir(&scratch).args(["download", &wanted]))?;
        for archive in fs::read_dir(&scratch)? {
            capture(Command::new("dpkg").arg("-x").arg(archive?.path()).arg(into))?;
        }
        Ok(fs::remove_dir_all(scratch)?)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for (setting, part) in
            [("Dir::Etc::sourceparts", "sources"), ("Dir::State::lists", "lists"), ("Dir::Cache", "cache")]
        {
            command.arg("-o").arg(format!("{setting}={}", self.folder.join(part).display()));
        }
        command.args(["-o", "Dir::Etc::sourcelist=/dev/null", "-o", "APT::Sandbox::User=root"]);
        command
    }
}

fn source_files() -> Result<Vec<PathBuf>> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(folder) = fs::read_dir("/etc/apt/sources.list.d") {
        for entry in folder {
            files.push(entry?.path());
        }
    }
    files.sort();
    Ok(files)
}

/// Where the machine gets Debian's packages from, and the key that signs them.
#[derive(Debug, PartialEq)]
struct Mirror {
    uri: String,
    signed_by: Option<String>,
}

impl Mirror {
    /// Reads both forms of apt's sources: a line `deb [options] uri suite components…`, and a paragraph of fields
    /// (`Types:`, `URIs:`, …). Either is told by the words in it.
    fn of_suite(codename: &str, text: &str) -> Option<Self> {
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let entries: Vec<String> = if lines.iter().any(|line| line.starts_with("URIs:")) {
            let paragraphs = lines.split(|line| line.trim().is_empty()).map(|fields| fields.join(" "));
            paragraphs.filter(|entry| !entry.contains("Enabled: no")).collect()
        } else {
            lines.iter().map(ToString::to_string).collect()
        };
        entries.iter().find_map(|entry| {
            let words: Vec<&str> = entry.split([' ', '\t', '[', ']', '=']).collect();
            let fits = ["deb", codename, "main"].iter().all(|word| words.contains(word));
            let uri = words.iter().find(|word| word.contains(":/"))?;
            let key = words.iter().find(|word| word.starts_with('/') && word.ends_with("pg"));
            fits.then(|| Self { uri: (*uri).to_owned(), signed_by: key.map(ToString::to_string) })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Mirror;

    fn mirror(uri: &str, signed_by: Option<&str>) -> Mirror {
        Mirror { uri: uri.into(), signed_by: signed_by.map(Into::into) }
    }

    #[test]
    fn the_mirror_is_the_one_with_the_systems_own_suite() {
        let paragraphs = "Types: deb\n# http://old.example/debian\nURIs: http://a.example/debian-security\n\
                          Suites: bookworm-security\nComponents: main\n\n\
                          Types: deb deb-src\nURIs: http://b.example/debian\nSuites: bookworm bookworm-updates\n\
                          Components: main contrib\nSigned-By: /keys/debian.gpg\n";
        let expected = mirror("http://b.example/debian", Some("/keys/debian.gpg"));
        assert_eq!(Mirror::of_suite("bookworm", paragraphs), Some(expected));
        assert_eq!(Mirror::of_suite("trixie", paragraphs), None);
    }

    #[test]
    fn one_line_entries_may_have_options() {
        let lines = "# deb http://old.example/debian bookworm main\ndeb http://c.example/other stable main\n\
                     deb [arch=amd64 signed-by=/keys/a.gpg] http://b.example/debian bookworm main contrib\n\
                     deb http://d.example/debian trixie main\n";
        let expected = mirror("http://b.example/debian", Some("/keys/a.gpg"));
        assert_eq!(Mirror::of_suite("bookworm", lines), Some(expected));
        assert_eq!(Mirror::of_suite("trixie", lines), Some(mirror("http://d.example/debian", None)));
    }
}
