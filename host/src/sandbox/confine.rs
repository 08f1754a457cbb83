//! What a process gives up for good before it runs what others wrote: Linux does not let it have it back.
//!
//! Of use where an isolate is broken out of: whoever gets that far finds a process that can compute, speak on the
//! connections it has, accept others, and nothing else.

use std::{fmt, io};

use thiserror::Error;

/// What is in force, and what this machine does not offer.
#[derive(Clone, Debug, Default)]
pub struct Confinement {
    pub held: Vec<String>,
    pub missing: Vec<String>,
}

impl fmt::Display for Confinement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.held.is_empty() {
            f.write_str("not confined")?;
        } else {
            write!(f, "confined by {}", self.held.join(", "))?;
        }
        if self.missing.is_empty() { Ok(()) } else { write!(f, "; without {}", self.missing.join(", ")) }
    }
}

/// Whether the text of a [`Confinement`] says that nothing of it is missing.
pub fn is_confined(said: &str) -> bool {
    said.starts_with("confined by ") && !said.contains("; without ")
}

impl Confinement {
    fn note(&mut self, what: &str, done: Result<Option<&str>, String>) {
        match done {
            Ok(None) => self.held.push(what.to_owned()),
            Ok(Some(part)) => self.held.push(format!("{what} ({part})")),
            Err(why) => self.missing.push(format!("{what} ({why})")),
        }
    }
}

/// Why nothing was done.
#[derive(Debug, Error)]
pub enum ConfineError {
    #[error("/proc/self/task: {0}")]
    Uncounted(#[from] io::Error),
    #[error("a process with {0} threads cannot be confined")]
    Threads(usize),
}

/// Confines this process, which has to have one thread: those that it starts are confined with it.
///
/// It may keep the files it has open, and have so many, `most_files`.
pub fn confine(most_files: u64) -> Result<Confinement, ConfineError> {
    let mut confinement = Confinement::default();
    #[cfg(target_os = "linux")]
    linux::confine(most_files, &mut confinement)?;
    #[cfg(not(target_os = "linux"))]
    confinement.missing.push(format!("anything that would keep it from more than {most_files} files"));
    Ok(confinement)
}

/// Closes whatever file this process was started with, beside the standard ones.
pub fn close_inherited_files() {
    #[cfg(target_os = "linux")]
    // SAFETY: nothing of this process has opened a file yet.
    unsafe {
        libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32);
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;

    use landlock::{
        ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, LandlockStatus,
        RestrictionStatus, Ruleset, RulesetAttr as _, RulesetStatus, Scope,
    };
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs};

    use super::{ConfineError, Confinement};

    pub fn confine(most_files: u64, confinement: &mut Confinement) -> Result<(), ConfineError> {
        // Landlock is a matter of each thread.
        let threads = fs::read_dir("/proc/self/task")?.count();
        if threads != 1 {
            return Err(ConfineError::Threads(threads));
        }
        let said = |error: rustix::io::Errno| error.to_string();
        let limit = |resource, most| {
            setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) }).map_err(said)
        };
        let limits = limit(Resource::Core, 0).and_then(|()| limit(Resource::Nofile, most_files));
        confinement.note("limits", limits.map(|()| None));
        let none = CapabilitySets {
            effective: CapabilitySet::empty(),
            permitted: CapabilitySet::empty(),
            inheritable: CapabilitySet::empty(),
        };
        let privileges = set_no_new_privs(true)
            .and_then(|()| set_capabilities(None, none))
            .and_then(|()| set_dumpable_behavior(DumpableBehavior::NotDumpable));
        confinement.note("no privileges", privileges.map(|()| None).map_err(said));
        confinement.note("Landlock", landlock());
        confinement
            .note("seccomp", super::calls::allow_only().map(|()| None).map_err(|error| error.to_string()));
        Ok(())
    }

    /// No files, no network, no signals to others: whatever of it the kernel knows of.
    fn landlock() -> Result<Option<&'static str>, String> {
        let ruled = Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(ABI::V5))
            .and_then(|rules| rules.handle_access(AccessNet::from_all(ABI::V4)))
            .and_then(|rules| rules.scope(Scope::from_all(ABI::V6)))
            .and_then(Ruleset::create)
            .and_then(landlock::RulesetCreated::restrict_self);
        match ruled {
            Ok(RestrictionStatus { ruleset: RulesetStatus::FullyEnforced, .. }) => Ok(None),
            Ok(RestrictionStatus { ruleset: RulesetStatus::PartiallyEnforced, .. }) => {
                Ok(Some("as far as this kernel knows it"))
            }
            Ok(RestrictionStatus { landlock: LandlockStatus::NotEnabled, .. }) => {
                Err("switched off in this kernel".to_owned())
            }
            Ok(_) => Err("not in this kernel".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

#[cfg(target_os = "linux")]
mod calls {
    //! The system calls that are left.
    //!
    //! All others fail with `EPERM`. They do not kill the process: a call is refused either way, and the runs of
    //! others go on.

    use std::collections::BTreeMap;

    use seccompiler::SeccompCmpArgLen::{Dword, Qword};
    use seccompiler::SeccompCmpOp::{Eq, MaskedEq};
    use seccompiler::{
        BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
        SeccompRule, apply_filter_all_threads,
    };

    /// `PAGEMAP_SCAN` of `linux/fs.h`: which pages a run has written to.
    const PAGEMAP_SCAN: u64 = 0xC060_6610;

    /// A condition on an argument: its number, its width, and what it has to be.
    type Argument = (u8, SeccompCmpArgLen, SeccompCmpOp, u64);
    type Call = (libc::c_long, Vec<Argument>);

    /// What wasmtime, the threads, the memory and the connections of the sandbox need.
    fn allowed() -> Vec<Call> {
        let any = |call| (call, Vec::new());
        let of = |flags: libc::c_int| u64::from(flags.cast_unsigned());
        // No code but the one that is there: it was mapped before.
        let no_code = (2, Qword, MaskedEq(of(libc::PROT_EXEC)), 0);
        let thread = of(libc::CLONE_VM | libc::CLONE_THREAD);
        let namespaces = of(libc::CLONE_NEWNS
            | libc::CLONE_NEWCGROUP
            | libc::CLONE_NEWUTS
            | libc::CLONE_NEWIPC
            | libc::CLONE_NEWUSER
            | libc::CLONE_NEWPID
            | libc::CLONE_NEWNET);
        let option =
            |level, name| (libc::SYS_setsockopt, vec![(1, Dword, Eq, of(level)), (2, Dword, Eq, of(name))]);
        vec![
            // Memory.
            (libc::SYS_mmap, vec![no_code.clone()]),
            (libc::SYS_mprotect, vec![no_code]),
            any(libc::SYS_munmap),
            any(libc::SYS_mremap),
            any(libc::SYS_madvise),
            any(libc::SYS_brk),
            (libc::SYS_ioctl, vec![(1, Dword, Eq, PAGEMAP_SCAN)]),
            // Threads; `clone3` is answered by the other filter.
            (libc::SYS_clone, vec![(0, Qword, MaskedEq(thread | namespaces), thread)]),
            any(libc::SYS_clone3),
            any(libc::SYS_exit),
            any(libc::SYS_exit_group),
            any(libc::SYS_futex),
            any(libc::SYS_set_robust_list),
            any(libc::SYS_rseq),
            any(libc::SYS_gettid),
            any(libc::SYS_getpid),
            any(libc::SYS_sched_yield),
            any(libc::SYS_sched_getaffinity),
            (libc::SYS_prctl, vec![(0, Dword, Eq, of(libc::PR_SET_NAME))]),
            // Signals: those of WebAssembly's traps, the ones to stop, and abort's.
            any(libc::SYS_sigaltstack),
            any(libc::SYS_rt_sigaction),
            any(libc::SYS_rt_sigprocmask),
            any(libc::SYS_rt_sigreturn),
            any(libc::SYS_rt_sigtimedwait),
            any(libc::SYS_restart_syscall),
            (libc::SYS_tgkill, vec![(0, Dword, Eq, u64::from(std::process::id()))]),
            // Time and chance.
            any(libc::SYS_clock_gettime),
            any(libc::SYS_clock_nanosleep),
            any(libc::SYS_nanosleep),
            any(libc::SYS_getrandom),
            // The connections that come in, and the log.
            any(libc::SYS_accept4),
            any(libc::SYS_recvfrom),
            any(libc::SYS_sendto),
            any(libc::SYS_shutdown),
            any(libc::SYS_read),
            any(libc::SYS_readv),
            any(libc::SYS_write),
            any(libc::SYS_writev),
            any(libc::SYS_close),
            option(libc::SOL_SOCKET, libc::SO_RCVTIMEO),
            option(libc::SOL_SOCKET, libc::SO_SNDTIMEO),
            option(libc::IPPROTO_TCP, libc::TCP_NODELAY),
        ]
    }

    pub fn allow_only() -> Result<(), Error> {
        let refused = |number: libc::c_int| SeccompAction::Errno(number.cast_unsigned());
        // Its arguments lie in memory, where no filter sees them: the C library then takes `clone`. Of two filters that
        // disagree the stricter decides, so this one stands beside the other.
        let no_clone3 =
            filter(vec![(libc::SYS_clone3, Vec::new())], SeccompAction::Allow, refused(libc::ENOSYS))?;
        let only = filter(allowed(), refused(libc::EPERM), SeccompAction::Allow)?;
        apply_filter_all_threads(&no_clone3)?;
        apply_filter_all_threads(&only)
    }

    fn filter(calls: Vec<Call>, other: SeccompAction, these: SeccompAction) -> Result<BpfProgram, Error> {
        let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
        for (call, arguments) in calls {
            let of_call = rules.entry(call).or_default();
            let conditions: Vec<_> = arguments
                .into_iter()
                .map(|(index, width, operator, value)| SeccompCondition::new(index, width, operator, value))
                .collect::<Result<_, _>>()?;
            // A call without a rule is in the filter whatever its arguments are.
            if !conditions.is_empty() {
                of_call.push(SeccompRule::new(conditions)?);
            }
        }
        let architecture = std::env::consts::ARCH.try_into()?;
        Ok(SeccompFilter::new(rules, other, these, architecture)?.try_into()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_of_a_confinement_is_seen() {
        let said = |held: &[&str], missing: &[&str]| {
            let own = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
            Confinement { held: own(held), missing: own(missing) }.to_string()
        };
        assert!(is_confined(&said(&["limits", "Landlock", "seccomp"], &[])));
        assert!(!is_confined(&said(&["limits"], &["Landlock (not in this kernel)"])));
        assert!(!is_confined(&said(&[], &["seccomp (refused)"])));
        assert!(!is_confined(&said(&[], &[])));
    }
}
