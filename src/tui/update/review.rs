//! Reviewing hunks, and what can be done with them.

use crate::tui::engine::Method;
use crate::tui::engine::Options;
use crate::tui::export::Recording;
use crate::tui::host::Job;
use crate::tui::keymap::Action;
use crate::tui::keymap::Context;
use crate::tui::keymap::Keymap;
use crate::tui::sideways;
use crate::tui::state::Layout;
use crate::tui::state::Mode;
use crate::tui::state::Review;
use crate::tui::state::State;
use crate::tui::update::Effect;
use crate::tui::update::browse;
use crate::tui::update::prompt;
use crate::tui::update::tell;
use crate::tui::update::verify;

/// Candidates made when a hunk is denoised again: the first is greedy and likely to be the same.
const AGAIN: usize = 2;

pub(super) fn act(state: &mut State, keymap: &Keymap, action: Action) -> Vec<Effect> {
    let Some(review) = &mut state.review else {
        state.mode = Mode::Browse;
        return Vec::new();
    };
    let count = review.hunks().len();
    match action {
        Action::Accept | Action::Reject => decide(review, action == Action::Accept),
        Action::AcceptAll => {
            review.present().into_iter().flat_map(|decisions| &mut decisions.hunks).for_each(|hunk| hunk.accepted = Some(true));
        }
        Action::NextHunk | Action::PreviousHunk => {
            review.scroll = 0;
            review.focus = None;
            if let Some(decisions) = review.present() {
                let next = if action == Action::NextHunk { decisions.at + 1 } else { decisions.at.saturating_sub(1) };
                decisions.at = next.min(count.saturating_sub(1));
            }
        }
        Action::NextCandidate | Action::PreviousCandidate => {
            let (all, by) = (review.candidates.len().max(1), if action == Action::NextCandidate { 1 } else { -1 });
            review.candidate = (review.candidate as isize + by).rem_euclid(all as isize) as usize;
            review.scroll = 0;
            review.focus = None;
        }
        Action::Compare if review.candidates.len() < 2 => {
            let told = format!(
                "there is one candidate only: {} before the start asks for more",
                keymap.key_text(Context::Prompt, Action::MoreCandidates)
            );
            tell(state, told, false);
        }
        Action::Compare => review.compare = !review.compare,
        Action::SideBySide => {
            review.layout = match review.layout {
                Layout::Unified => Layout::SideBySide,
                Layout::SideBySide => Layout::Unified,
                Layout::Auto if Layout::is_wide(state.size.0) => Layout::Unified,
                Layout::Auto => Layout::SideBySide,
            };
        }
        Action::ScrollLeft | Action::ScrollRight => sideways::scroll(state, action == Action::ScrollRight),
        Action::PageUp => review.scroll = (review.scroll - 5).max(-100_000),
        Action::PageDown => review.scroll = (review.scroll + 5).min(100_000),
        Action::Apply => return apply(state, keymap, false, false),
        Action::Stage => return apply(state, keymap, true, false),
        Action::AllowHidden => return apply(state, keymap, false, true),
        Action::EditHunk => return edit(state),
        Action::AgainHunk => return again_hunk(state),
        Action::Again => return again(state),
        Action::Instruct => {
            state.follow_up = true;
            state.mode = Mode::Prompt;
        }
        Action::Time if state.run.as_ref().is_some_and(|run| !run.frames.is_empty()) => state.mode = Mode::Run,
        Action::Time => tell(state, "the run showed no steps", false),
        Action::Copy => {
            let text = review.hunks().get(review.at()).map(|each| each.hunk.new.clone()).unwrap_or_default();
            return browse::copy(state, text);
        }
        Action::Export => return export(state),
        Action::Verify => return verify::toggle(state),
        Action::NextDiagnostic | Action::PreviousDiagnostic => return verify::go(state, keymap, action),
        Action::RemaskBlamed => return verify::mend(state, keymap, 1),
        Action::Mend => return verify::mend(state, keymap, state.rounds),
        Action::Cancel if review.compare => review.compare = false,
        Action::Cancel if state.verifying.is_some() => return verify::stop(state),
        Action::Cancel => {
            state.review = None;
            state.run = None;
            state.mode = Mode::Browse;
        }
        _ => {}
    }
    Vec::new()
}

/// Accepts or rejects the hunk looked at, and goes to the next one that is not decided.
fn decide(review: &mut Review, accept: bool) {
    review.scroll = 0;
    review.focus = None;
    let Some(decisions) = review.present() else { return };
    let at = decisions.at;
    let Some(hunk) = decisions.hunks.get_mut(at) else { return };
    hunk.accepted = Some(accept);
    let open = |index: &usize| decisions.hunks[*index].accepted.is_none();
    let next = (at + 1..decisions.hunks.len()).find(open).or_else(|| (0..at).find(open));
    decisions.at = next.unwrap_or(at);
}

fn apply(state: &mut State, keymap: &Keymap, stage: bool, allow_hidden: bool) -> Vec<Effect> {
    let Some(review) = &state.review else { return Vec::new() };
    let hunks = review.accepted();
    if hunks.is_empty() {
        let key = |action| keymap.key_text(Context::Review, action);
        let told =
            format!("nothing is accepted yet: {} accepts a hunk, {} all of them", key(Action::Accept), key(Action::AcceptAll));
        tell(state, told, false);
        return Vec::new();
    }
    let note = state.input.text.trim().to_owned();
    let job = Job::Apply { text: state.file.text.clone(), hunks, note, stage, allow_hidden };
    browse::job(state, job)
}

/// Gives the hunk looked at to the user's editor.
fn edit(state: &mut State) -> Vec<Effect> {
    let Some(review) = &state.review else { return Vec::new() };
    let Some(each) = review.hunks().get(review.at()) else { return Vec::new() };
    let suffix = state.file.name.rsplit(['/', '\\']).next().and_then(|name| name.rsplit_once('.'));
    let suffix = suffix.map_or_else(String::new, |(_, extension)| format!(".{extension}"));
    vec![Effect::Edit { text: each.hunk.new.clone(), suffix }]
}

/// The edited text takes the place of the hunk's, which is accepted by that.
pub(super) fn on_edited(state: &mut State, result: Result<String, String>) {
    let mut text = match result {
        Ok(text) => text,
        Err(why) => return tell(state, why, true),
    };
    let Some(review) = &mut state.review else { return };
    let at = review.at();
    let Some(old) = review.hunks().get(at).map(|each| each.hunk.clone()) else { return };
    // Editors add a line end at the end, or leave it out.
    let ends = if old.new.is_empty() { old.old.ends_with('\n') } else { old.new.ends_with('\n') };
    if ends && !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    } else if !ends && text.ends_with('\n') {
        text.pop();
    }
    review.replace(at, text);
}

/// Denoises the hunk looked at again; what is not rejected stays around it.
fn again_hunk(state: &mut State) -> Vec<Effect> {
    let Some(review) = &mut state.review else { return Vec::new() };
    if review.hunks().is_empty() {
        return Vec::new();
    }
    let at = review.at();
    if let Some(hunk) = review.present().and_then(|decisions| decisions.hunks.get_mut(at)) {
        hunk.accepted = Some(false);
    }
    let start = review.start(&state.file.text, at);
    // Another seed each time, or the same text would come again.
    state.options.seed = state.options.seed.wrapping_add(1);
    let options = Options { candidates: AGAIN, method: Method::Denoise, ..state.options };
    prompt::restart(state, start, options, None)
}

/// Everything again, for the same spans of the file.
fn again(state: &mut State) -> Vec<Effect> {
    state.options.seed = state.options.seed.wrapping_add(1);
    prompt::submit(state)
}

/// Writes the run as pictures.
pub(super) fn export(state: &mut State) -> Vec<Effect> {
    let Some(run) = state.run.as_ref().filter(|run| !run.frames.is_empty()) else {
        tell(state, "there is no step to write yet", false);
        return Vec::new();
    };
    let recording = Recording::new(run, &state.input.text, state.look.theme.clone());
    browse::job(state, Job::Export(Box::new(recording)))
}
