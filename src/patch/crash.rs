//! Named places where a test kills the process. Outside tests they are nothing.

/// Kills this process without any clean-up if the test asked for it here: `DCODE_CRASH_POINT=name`, or `name#3` for the third
/// time the place is reached.
#[cfg(test)]
pub(crate) fn point(name: &str) {
    use std::sync::Mutex;
    static REACHED: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let Ok(wanted) = std::env::var("DCODE_CRASH_POINT") else { return };
    let (wanted, nth) = wanted.split_once('#').map_or((wanted.as_str(), 1), |(w, n)| (w, n.parse().unwrap()));
    let mut reached = REACHED.lock().unwrap();
    reached.push(name.to_owned());
    if name == wanted && reached.iter().filter(|r| *r == name).count() == nth {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}

/// Nothing.
#[cfg(not(test))]
#[inline(always)]
pub(crate) fn point(_: &str) {}
