//! What a recipe's types cannot say: the ranges of numbers, and what goes together.

use std::fmt::Display;

use crate::train::corrupt::weighting::Weighting;
use crate::train::recipe::NewFamily;
use crate::train::recipe::NewModel;
use crate::train::recipe::OptimiserRecipe;
use crate::train::recipe::Recipe;
use crate::train::recipe::Trained;
use crate::train::recipe::data::DataRecipe;
use crate::train::recipe::stage::StageKind;
use crate::train::recipe::stage::StageRecipe;
use crate::train::schedule::Shape;

/// A key, with its tables, and what is wrong with it.
type Wrong = (String, String);

fn wrong<T>(key: &str, reason: impl Into<String>) -> Result<T, Wrong> {
    Err((key.to_owned(), reason.into()))
}

fn at_least(key: &str, value: usize, least: usize) -> Result<(), Wrong> {
    if value >= least { Ok(()) } else { wrong(key, format!("{value} is too small; it is at least {least}")) }
}

fn within(key: &str, value: impl Into<f64> + Display + Copy, least: f64, most: f64) -> Result<(), Wrong> {
    if (least..=most).contains(&value.into()) { Ok(()) } else { wrong(key, format!("{value} is not from {least} to {most}")) }
}

fn positive(key: &str, value: impl Into<f64> + Display + Copy) -> Result<(), Wrong> {
    if value.into() > 0.0 && value.into().is_finite() { Ok(()) } else { wrong(key, format!("{value} is not above 0")) }
}

impl Recipe {
    /// Finds the first key with a value that cannot be.
    pub(super) fn check(&self) -> Result<(), Wrong> {
        let named = !self.name.is_empty() && self.name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        if !named || self.name.starts_with('.') {
            return wrong("name", "a name has letters, digits, `-`, `_` and `.`");
        }
        at_least("checkpoint_every", self.checkpoint_every, 1)?;
        if let Some(average) = self.average {
            within("average", average, 0.0, 0.99999)?;
        }
        match (&self.model.new, &self.model.base) {
            (Some(new), None) => new.check(self.data.length)?,
            (None, Some(base)) => at_least("model.base.rank", base.rank, 1)?,
            _ => return wrong("model", "give either model.new or model.base"),
        }
        self.data.check(self.model.new.is_some())?;
        self.optimiser.check()?;
        if self.stages.is_empty() {
            return wrong("stage", "there is none");
        }
        (0..self.stages.len()).try_for_each(|index| self.check_stage(index))
    }

    fn check_stage(&self, index: usize) -> Result<(), Wrong> {
        let stage = &self.stages[index];
        let key = |part: &str| format!("stage {} ({}): {part}", index + 1, stage.kind.name());
        let StageRecipe { steps, batch, passes, rate, masking, alpha, share, kept_weight, slots, trajectories, spans, .. } =
            stage;
        at_least(&key("steps"), *steps, 1)?;
        at_least(&key("batch"), *batch, 1)?;
        at_least(&key("passes"), *passes, 1)?;
        positive(&key("rate"), *rate)?;
        within(&key("alpha"), *alpha, 0.0, 1.0)?;
        within(&key("share"), *share, 0.0, 1.0)?;
        within(&key("kept_weight"), *kept_weight, 0.0, 1.0)?;
        at_least(&key("slots"), *slots, 2)?;
        at_least(&key("trajectories"), *trajectories, 2)?;
        at_least(&key("spans"), *spans, 1)?;
        within(&key("masking.wrong"), masking.wrong, 0.0, 1.0)?;
        within(&key("masking.wrong_weight"), masking.wrong_weight, 0.0, 1e3)?;
        if let Weighting::Cart(p) = masking.weighting {
            within(&key("masking.weighting.cart"), p, 0.0, 1.0)?;
        }
        let family = self.model.new.as_ref().map(|new| new.family);
        if matches!(stage.kind, StageKind::Order | StageKind::Policy) {
            if !matches!(family, Some(NewFamily::Llada | NewFamily::Dream)) {
                return wrong(&key("kind"), "trajectories are sampled from new models of the family llada or dream only");
            }
            if *slots >= self.data.length {
                return wrong(&key("slots"), "a span is shorter than data.length");
            }
        }
        let adapter = self.model.base.as_ref().is_some_and(|base| base.trained == Trained::Adapter);
        if stage.kind == StageKind::Edit && (adapter || family == Some(NewFamily::Llama)) {
            return wrong(&key("kind"), "this model learns to edit in the stage `mask` already, or not at all");
        }
        Ok(())
    }
}

impl NewModel {
    fn check(&self, length: usize) -> Result<(), Wrong> {
        // 256 bytes and the special tokens.
        at_least("model.new.vocabulary", self.vocabulary, 260)?;
        for (key, value) in [("layers", self.layers), ("heads", self.heads), ("intermediate", self.intermediate)] {
            at_least(&format!("model.new.{key}"), value, 1)?;
        }
        if !self.hidden.is_multiple_of(2 * self.heads) || self.hidden == 0 {
            return wrong("model.new.hidden", format!("{} is not divided by twice the {} heads", self.hidden, self.heads));
        }
        if self.kv_heads == 0 || !self.heads.is_multiple_of(self.kv_heads) {
            return wrong("model.new.kv_heads", format!("{} heads cannot share {}", self.heads, self.kv_heads));
        }
        at_least("model.new.context", self.context, length)?;
        if (self.family == NewFamily::Sdar) != self.block.is_some_and(|block| block > 0) {
            return wrong("model.new.block", "`sdar` needs one, the others have none");
        }
        Ok(())
    }
}

impl DataRecipe {
    fn check(&self, is_new: bool) -> Result<(), Wrong> {
        match [!self.folders.is_empty(), self.corpus.is_some(), self.own.is_some()].iter().filter(|given| **given).count() {
            1 => {}
            0 => return wrong("data.folders", "there is no folder"),
            _ => return wrong("data.corpus", "give one of data.folders, data.corpus and data.own"),
        }
        if is_new && self.folders.is_empty() {
            return wrong("data.folders", "the vocabulary of a new model is made of them");
        }
        at_least("data.length", self.length, 8)?;
        at_least("data.copies", self.copies, 1)?;
        within("data.held_out", self.held_out, 0.0, 0.5)?;
        let shares = self.shares;
        for (key, share) in [("infill", shares.infill), ("edit", shares.edit), ("refactor", shares.refactor)] {
            within(&format!("data.shares.{key}"), share, 0.0, 1e6)?;
        }
        positive("data.shares", shares.infill + shares.edit + shares.refactor)
    }
}

impl OptimiserRecipe {
    fn check(&self) -> Result<(), Wrong> {
        positive("optimiser.rate", self.rate)?;
        positive("optimiser.clip", self.clip)?;
        positive("optimiser.epsilon", self.epsilon)?;
        within("optimiser.weight_decay", self.weight_decay, 0.0, 1.0)?;
        within("optimiser.momentum", self.momentum, 0.0, 0.9999)?;
        self.betas.iter().try_for_each(|&beta| within("optimiser.betas", beta, 0.0, 0.99999))?;
        match self.schedule {
            Shape::Constant => Ok(()),
            Shape::Cosine { floor } => within("optimiser.schedule.cosine.floor", floor, 0.0, 1.0),
            Shape::Wsd { decay, floor } => {
                within("optimiser.schedule.wsd.decay", decay, 0.0, 1.0)?;
                within("optimiser.schedule.wsd.floor", floor, 0.0, 1.0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::train::recipe::tests::GOOD;
    use crate::train::recipe::tests::parse;

    #[test]
    fn what_is_wrong_is_named_with_its_key() {
        for (from, to, expected) in [
            ("rate = 1e-3", "rate = -1.0", "recipes/r.toml: optimiser.rate: -1 is not above 0"),
            ("rate = 1e-3", "rate = nan", "optimiser.rate: NaN is not above 0"),
            ("rate = 1e-3", "ratio = 1e-3", "unknown field `ratio`"),
            ("vocabulary = 300", "vocabulary = 100", "model.new.vocabulary: 100 is too small; it is at least 260"),
            ("hidden = 16", "hidden = 18", "model.new.hidden: 18 is not divided by twice the 2 heads"),
            ("kv_heads = 1", "kv_heads = 3", "model.new.kv_heads"),
            ("context = 64", "context = 16", "model.new.context: 16 is too small; it is at least 32"),
            ("family = \"llada\"", "family = \"bert\"", "line 4: unknown variant `bert`"),
            ("family = \"llada\"", "family = \"sdar\"", "model.new.block"),
            ("decay = 0.2", "decay = 2.0", "optimiser.schedule.wsd.decay: 2 is not from 0 to 1"),
            ("[\"../src\"]", "[]", "data.folders"),
            ("length = 32", "length = 32\ncorpus = \"c\"", "data.corpus: give one"),
            ("folders = [\"../src\"]", "corpus = \"c\"", "data.folders: the vocabulary of a new model"),
            ("length = 32", "length = 32\nlanguages = [\"cobol\"]", "cobol is none of rust, python"),
            (
                "length = 32",
                "length = 32\nshares = { infill = 0.0, edit = 0.0, refactor = 0.0 }",
                "data.shares: 0 is not above 0",
            ),
            ("cart = 0.3", "cart = 1.3", "stage 1 (mask): masking.weighting.cart: 1.3"),
            ("kind = \"edit\"\nsteps = 2", "kind = \"edit\"\nsteps = 0", "stage 2 (edit): steps"),
            ("name = \"tiny\"", "name = \"../x\"", "name: a name has"),
            ("[model.new]", "[model.base]\ntrained = \"adapter\"\n[model.new]", "model: give either"),
            ("kind = \"edit\"", "kind = \"edits\"", "unknown variant `edits`"),
            ("rate = 1e-3\n", "", "missing field `rate`"),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let message = parse(&GOOD.replacen(from, to, 1)).unwrap_err();
            assert!(message.contains(expected) && !message.contains('\n'), "{to}: {message}");
        }
    }
}
