//! The guest and what it is compiled to: neither is run when it is not what was made, nor when others could have
//! changed it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use aura_tests::{Done, Instance, Server};

use crate::api::{NOWHERE, install, to};

/// The guest that all tests use, and its compiled image.
pub struct Kept {
    guest: PathBuf,
    image: PathBuf,
}

/// What is in parentheses after SHA-256.
fn digests(done: &Done) -> Vec<&str> {
    let line = done.stdout.lines().find(|line| line.contains("Python guest: ")).expect("a line");
    line.split(['(', ')']).filter_map(|word| word.strip_prefix("SHA-256 ")).collect()
}

pub fn kept() -> Kept {
    let done = Instance::new(&[NOWHERE]).run(&["doctor"]);
    let cache = done.stdout.lines().find_map(|line| line.strip_prefix("AURA_CACHE")).expect("a setting");
    let cache = Path::new(cache.split_whitespace().next().expect("a folder"));
    let line =
        done.stdout.lines().find_map(|line| line.strip_prefix("ok    Python guest: ")).expect("a guest");
    let guest = PathBuf::from(line.split(" (").next().expect("a path"));
    let digest = digests(&done)[1];
    let image = fs::read_dir(cache.join("image")).expect("images").find_map(|entry| {
        let path = entry.expect("an entry").path();
        let is = path.extension().is_some_and(|end| end == "sha256");
        (is && fs::read_to_string(&path).expect("a digest") == digest).then(|| path.with_extension(""))
    });
    Kept { guest, image: image.expect("the image") }
}

/// An instance with copies of them in a cache of its own.
pub fn copied(kept: &Kept) -> (Instance, PathBuf, PathBuf) {
    let mut instance = Instance::new(&[NOWHERE]);
    let cache = instance.folder().join("cache");
    fs::create_dir_all(cache.join("image")).expect("a folder");
    let image = cache.join("image").join(kept.image.file_name().expect("a name"));
    fs::copy(&kept.image, &image).expect("a copy");
    fs::copy(beside(&kept.image), beside(&image)).expect("a copy");
    let guest = cache.join("python.wasm");
    fs::copy(&kept.guest, &guest).expect("a copy");
    fs::set_permissions(cache.join("image"), Permissions::from_mode(0o755)).expect("permissions");
    instance.set("AURA_CACHE", &cache.display().to_string());
    instance.set("AURA_GUEST", &guest.display().to_string());
    (instance, guest, image)
}

/// Where the digest of a file is.
fn beside(file: &Path) -> PathBuf {
    file.with_added_extension("sha256")
}

pub fn flip_in_the_middle(file: &Path) {
    let mut bytes = fs::read(file).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(file, bytes).expect("a file");
}

#[tokio::test]
async fn a_compiled_image_that_is_not_what_was_written_is_made_again() {
    let kept = kept();
    let (instance, _, image) = copied(&kept);
    let sound = fs::read(&image).expect("the image");
    let is_used = || {
        let done = instance.run(&["doctor"]);
        assert!(done.stdout.contains(" Python guest: "), "{done:?}");
        done.stdout.contains("ok    Python guest: ")
    };
    assert!(is_used());
    flip_in_the_middle(&image);
    assert!(!is_used(), "a byte differs");
    fs::write(&image, &sound[..sound.len() / 2]).expect("the image");
    assert!(!is_used(), "it is cut off");
    fs::write(&image, "no machine code").expect("the image");
    assert!(!is_used(), "it is something else");
    fs::write(beside(&image), "").expect("a digest");
    assert!(!is_used(), "there is no digest");
    // The SHA-256 of what is there now.
    fs::write(beside(&image), "b502fe3053408f97200562205a53e13d4d880d35efc9cbab2502ed06f02ed7c2")
        .expect("a digest");
    assert!(!is_used(), "it is no image, whatever its digest");

    let server = Server::serve(instance.clone());
    install(server.client(), "system", "greet", "return 'hello'").await;
    let record = server.client().message(&to("system", "greet").to_string()).await;
    assert_eq!(record.result.get(), r#""hello""#);
    assert!(is_used(), "it was made again");
    assert_eq!(digests(&instance.run(&["doctor"])).len(), 2);
}

#[test]
fn a_compiled_image_that_others_may_write_to_is_not_used() {
    let kept = kept();
    let (instance, _, image) = copied(&kept);
    let folder = image.parent().expect("a folder").to_owned();
    let refused = |file: &Path| {
        for command in [&["audit", "-"][..], &["serve", "--port", "0"]] {
            let done = instance.run_with(command, "pass");
            assert_eq!(done.code, Some(3), "{done:?}");
            let text = format!("error: others may write to {}: ", file.display());
            assert!(done.stderr.contains(&text), "{done:?}");
        }
        let done = instance.run(&["doctor"]);
        assert!(done.stdout.contains("FAIL  Python guest: ") && done.code == Some(1), "{done:?}");
    };
    for file in [&folder, &image] {
        let mode = fs::metadata(file).expect("a file").permissions();
        for open in [0o020, 0o002] {
            fs::set_permissions(file, Permissions::from_mode(mode.mode() | open)).expect("permissions");
            refused(file);
        }
        fs::set_permissions(file, mode).expect("permissions");
        // Only the superuser can give a file away.
        if chown(file, Some(12_345), None).is_ok() {
            refused(file);
            chown(file, Some(0), None).expect("an owner");
        }
    }
    assert_eq!(instance.run_with(&["audit", "-"], "pass").code, Some(0));
}

#[test]
fn a_guest_that_is_not_what_was_built_is_not_run() {
    let kept = kept();
    let (instance, guest, _) = copied(&kept);
    let digest = digests(&instance.run(&["doctor"]))[0].to_owned();
    fs::write(beside(&guest), &digest).expect("a digest");
    assert_eq!(instance.run_with(&["audit", "-"], "pass").code, Some(0));
    flip_in_the_middle(&guest);
    let text = format!("the Python guest {} is damaged: run `cargo xtask guest`", guest.display());
    let done = instance.run_with(&["audit", "-"], "pass");
    assert_eq!((done.code, done.stderr), (Some(3), format!("error: {text}\n")));
    let done = instance.run(&["doctor"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.stdout.contains(&format!("FAIL  Python guest: {}: {text}", guest.display())), "{done:?}");
}
