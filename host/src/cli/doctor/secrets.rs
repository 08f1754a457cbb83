//! What was set, and who could read or guess what has to stay secret.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::diagnosis::{Diagnosis, State};
use super::fix::Fix;
use super::machine::Machine;
use crate::config::{Config, Origin, Setting};

const FILES: [&str; 2] = [".env", "aura.toml"];

/// What a token needs not to be guessed.
const LENGTH: usize = 16;

/// Which files of settings are read.
pub fn settings(folder: &Path) -> Diagnosis {
    let there: Vec<_> = FILES.into_iter().filter(|name| folder.join(name).is_file()).collect();
    Diagnosis::ok(
        "settings",
        match there.as_slice() {
            [] => "neither .env nor aura.toml here: the environment and defaults decide".to_owned(),
            files => format!("read from {}", files.join(" and ")),
        },
    )
}

/// The files that hold a secret that is in force: its value is shown masked.
pub fn files(settings: &[Setting]) -> Vec<PathBuf> {
    let secret = settings.iter().filter(|setting| setting.is_masked());
    let mut files: Vec<PathBuf> = secret
        .filter_map(|setting| match &setting.origin {
            Origin::DotEnv => Some(PathBuf::from(FILES[0])),
            Origin::Toml => Some(PathBuf::from(FILES[1])),
            Origin::File(path) => Some(PathBuf::from(path)),
            Origin::Flag | Origin::Environment | Origin::Default => None,
        })
        .collect();
    files.sort_unstable();
    files.dedup();
    files
}

/// Whether this user alone reads those files.
pub fn readers(machine: &Machine, files: &[PathBuf]) -> Vec<Diagnosis> {
    const NAME: &str = "secrets";
    let me = rustix::process::geteuid().as_raw();
    let exposed: Vec<_> = files.iter().filter_map(|file| exposed(machine, file, me)).collect();
    if !exposed.is_empty() {
        return exposed;
    }
    vec![match files {
        [] => Diagnosis::skipped(NAME, "no file holds one"),
        files => {
            let files: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
            Diagnosis::ok(NAME, format!("others cannot read {}", files.join(", ")))
        }
    }]
}

fn exposed(machine: &Machine, file: &Path, me: u32) -> Option<Diagnosis> {
    let fail = |found, cure: String| Some(Diagnosis::bad(State::Fail, "secrets", found).cured_by(cure));
    let shown = file.display();
    // A container is handed them so, and nobody else is in it.
    if file.starts_with(machine.path("/run/secrets")) {
        return None;
    }
    // It was read a moment ago.
    let seen = fs::metadata(file).ok()?;
    let owner = seen.uid();
    if owner != me && owner != 0 {
        return fail(
            format!("{shown} holds a secret and belongs to user {owner}"),
            format!("Run `sudo chown {me} {shown}`, then `chmod 600 {shown}`."),
        );
    }
    let mode = seen.mode() & 0o777;
    let for_others = mode & 0o077;
    if for_others == 0 {
        return None;
    }
    let found = format!("{shown} holds a secret, and others may get at it (mode {mode:03o})");
    let diagnosis = fail(found, format!("Run `chmod 600 {shown}`."));
    if owner == me {
        diagnosis.map(|diagnosis| diagnosis.with(Fix::Restrict(file.to_owned())))
    } else {
        diagnosis
    }
}

pub fn token(config: &Config) -> Diagnosis {
    const NAME: &str = "token";
    let Some(token) = &config.api_token else {
        return Diagnosis::skipped(NAME, "AURA_API_TOKEN is not set");
    };
    match token.reveal().len() {
        ..LENGTH => Diagnosis::bad(
            State::Warn,
            NAME,
            format!("AURA_API_TOKEN has fewer than {LENGTH} characters, and can be guessed"),
        )
        .cured_by("Set it to what `openssl rand -hex 32` prints."),
        _ => Diagnosis::ok(NAME, format!("AURA_API_TOKEN has {LENGTH} characters or more")),
    }
}

/// Whether strangers could send messages.
pub fn access(config: &Config) -> Diagnosis {
    const NAME: &str = "access";
    let host = &config.api_host;
    match (config.api_is_loopback(), &config.api_token) {
        (true, _) => Diagnosis::ok(NAME, format!("{host} is reached from this machine alone")),
        (false, Some(_)) => {
            Diagnosis::ok(NAME, format!("{host} is reached from elsewhere, with AURA_API_TOKEN"))
        }
        (false, None) => Diagnosis::bad(
            State::Fail,
            NAME,
            format!(
                "{host} can be reached from other machines, and AURA_API_TOKEN is not set: `aura serve` refuses to start"
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, chown};

    use super::*;

    fn told(machine: &Machine, files: &[PathBuf]) -> Vec<String> {
        readers(machine, files).iter().map(Diagnosis::told).collect()
    }

    #[test]
    fn files_with_secrets_are_for_their_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let layout = [("/home/.env", ""), ("/run/secrets/token", "")];
        let machine = Machine::laid_out(folder.path(), &layout);
        let (file, given) = (machine.path("/home/.env"), machine.path("/run/secrets/token"));
        let mode = |mode| fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let shown = file.display();
        let files = [file.clone(), given.clone()];
        mode(0o640);
        assert_eq!(
            told(&machine, &files),
            [format!(
                "fail: {shown} holds a secret, and others may get at it (mode 640) -> Run `chmod 600 {shown}`. [fix]"
            )]
        );
        mode(0o600);
        assert_eq!(told(&machine, &files), [format!("ok: others cannot read {shown}, {}", given.display())]);
        assert_eq!(told(&machine, &[]), ["skipped: no file holds one"]);
        // Only the superuser can give a file away.
        if chown(&file, Some(12_345), None).is_ok() {
            assert_eq!(
                told(&machine, &files),
                [format!(
                    "fail: {shown} holds a secret and belongs to user 12345 -> Run `sudo chown 0 {shown}`, then `chmod 600 \
                     {shown}`."
                )]
            );
        }
    }

    #[test]
    fn a_file_counts_where_its_secret_is_in_force() {
        let setting = |name, value: &str, origin| Setting { name, value: value.to_owned(), origin };
        let settings = [
            setting("AURA_API_TOKEN", "********", Origin::DotEnv),
            setting("AURA_DATA", "/data", Origin::Toml),
            setting("OLLAMA_HOST", "http://********@mind", Origin::DotEnv),
            setting("ARANGO_PASS", "********", Origin::File("/run/secrets/pass".to_owned())),
            setting("OPENAI_API_KEY", "********", Origin::Environment),
        ];
        assert_eq!(files(&settings), [Path::new("/run/secrets/pass"), Path::new(".env")]);
    }

    #[test]
    fn files_of_settings_need_not_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let told = || settings(folder.path()).told();
        assert_eq!(told(), "ok: neither .env nor aura.toml here: the environment and defaults decide");
        fs::write(folder.path().join("aura.toml"), "").unwrap();
        assert_eq!(told(), "ok: read from aura.toml");
    }
}
