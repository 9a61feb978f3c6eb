//! Whether a checkpoint is a denoiser, as far as its configuration tells.
//!
//! Many denoisers keep the `model_type` of what they were made from, and differ in the class of their code (`architectures`,
//! `auto_map`) only, or in nothing. What may be a denoiser is never taken for an autoregressive model without a word: it would
//! run, and write nonsense.
//!
//! Sources: the modelling code of the checkpoints' authors (dllm `pipelines/a2d`, CoDA `modeling_coda.py`, Stable-DiffCoder's
//! modelling file, SDAR `generate.py`, Fast-dLLM v2).

use crate::model::overrides::SpecOverrides;
use crate::model::spec::Attention;
use crate::model::spec::Shift;
use crate::model::spec::TokenId;

/// What a configuration says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A denoiser; what is not said must be said by the user.
    Denoiser {
        /// Who sees whom.
        attention: Option<Attention>,
        /// Where predictions are read.
        shift: Option<Shift>,
        /// The mask of the reference code, where checkpoints do not name it.
        mask: Option<TokenId>,
    },
    /// It continues text from left to right.
    Autoregressive,
    /// It may be either; the text says why.
    Unclear(String),
}

/// Classes of the Transformers library that are no denoisers.
const AUTOREGRESSIVE: [&str; 3] = ["llamaforcausallm", "qwen2forcausallm", "qwen3forcausallm"];

impl Kind {
    fn denoiser(attention: Attention, shift: Shift) -> Self {
        Self::Denoiser { attention: Some(attention), shift: Some(shift), mask: None }
    }

    /// Reads a type and the classes of a checkpoint's code. `block` is the block size that the configuration names.
    pub fn recognise(model_type: &str, classes: &[String], block: Option<usize>, names_a_mask: bool) -> Self {
        let blocks = |usual: usize| Attention::BlockCausal(block.unwrap_or(usual).max(1));
        let of = |name: &str| match name {
            name if name.starts_with("dream") => Some(Self::denoiser(Attention::Bidirectional, Shift::Right)),
            name if name.starts_with("coda") => Some(Self::denoiser(Attention::Bidirectional, Shift::Right)),
            name if name.starts_with("llada2") => Some(Self::denoiser(blocks(32), Shift::None)),
            name if name.starts_with("llada") => Some(Self::denoiser(Attention::Bidirectional, Shift::None)),
            name if name.starts_with("sdar") => Some(Self::denoiser(blocks(4), Shift::None)),
            name if name.starts_with("fast_dllm") => Some(Self::denoiser(blocks(32), Shift::Right)),
            name if name.starts_with("stablediffcoder") => {
                Some(Self::Denoiser { attention: Some(blocks(4)), shift: Some(Shift::None), mask: Some(5) })
            }
            // Trained with masks everywhere or in blocks; the same class for both.
            name if name.starts_with("a2d") => Some(Self::Denoiser { attention: None, shift: Some(Shift::None), mask: None }),
            _ => None,
        };
        let lower: Vec<String> = classes.iter().map(|class| class.to_lowercase()).collect();
        if let Some(kind) = of(&model_type.to_lowercase()).or_else(|| lower.iter().find_map(|class| of(class))) {
            return kind;
        }
        match lower.iter().zip(classes).find(|(class, _)| !AUTOREGRESSIVE.contains(&class.as_str())) {
            Some((_, class)) => Self::Unclear(format!("its code, {class}, is not known")),
            None if names_a_mask => Self::Unclear("its configuration names a mask token".to_owned()),
            None => Self::Autoregressive,
        }
    }

    /// The attention and shift of a denoiser, or `None` for an autoregressive model, with what the user says over what the
    /// configuration says. `mask` is a mask token of the vocabulary, which an autoregressive model has no use for.
    ///
    /// # Errors
    /// It is not clear; the text says what to say.
    pub fn resolve(&self, said: &SpecOverrides, mask: Option<&str>) -> Result<Option<(Attention, Shift)>, String> {
        let (attention, shift) = match self {
            Self::Denoiser { attention, shift, .. } => (*attention, *shift),
            Self::Autoregressive | Self::Unclear(_) => (None, None),
        };
        let missing = |what: &str| {
            format!(
                "this denoiser does not say {what}; say it with --spec attention=bidirectional|block-causal:N,shift=right|none, or in \
                 a dcode.toml beside config.json"
            )
        };
        match (said.attention.or(attention), said.shift.or(shift)) {
            (Some(Attention::Causal), _) => Ok(None),
            (Some(attention), Some(shift)) => Ok(Some((attention, shift))),
            (Some(_), None) => Err(missing("where its predictions are read (shift)")),
            (None, Some(_)) => Err(missing("who sees whom (attention)")),
            (None, None) => {
                let reason = match (self, mask) {
                    (Self::Unclear(reason), _) => reason.clone(),
                    (_, Some(mask)) => format!("its vocabulary has a mask token, {mask}"),
                    _ => return Ok(None),
                };
                Err(format!(
                    "it may be a denoiser, because {reason}; say what it is with --spec \
                     attention=bidirectional|block-causal:N,shift=right|none or --spec attention=causal, or in a dcode.toml beside \
                     config.json"
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(model_type: &str, classes: &[&str]) -> Kind {
        let classes: Vec<String> = classes.iter().map(|class| (*class).to_owned()).collect();
        Kind::recognise(model_type, &classes, None, false)
    }

    #[test]
    fn denoisers_are_known_by_type_or_class() {
        let bidirectional = |shift| Kind::denoiser(Attention::Bidirectional, shift);
        let blocks = |size, shift| Kind::denoiser(Attention::BlockCausal(size), shift);
        for (model_type, classes, expected) in [
            ("Dream", &["DreamModel"][..], bidirectional(Shift::Right)),
            ("llada", &["LLaDAModelLM"], bidirectional(Shift::None)),
            ("sdar", &["SDARForCausalLM"], blocks(4, Shift::None)),
            ("qwen3", &["SDARForCausalLM"], blocks(4, Shift::None)),
            ("llada2_moe", &["LLaDA2MoeModelLM"], blocks(32, Shift::None)),
            ("CoDA", &["CoDALanguageModel"], bidirectional(Shift::Right)),
            ("qwen3", &["CoDALanguageModel"], bidirectional(Shift::Right)),
            ("Fast_dLLM_Qwen", &["Fast_dLLM_QwenForCausalLM"], blocks(32, Shift::Right)),
            (
                "llama",
                &["StableDiffcoderForCausalLM"],
                Kind::Denoiser { attention: Some(Attention::BlockCausal(4)), shift: Some(Shift::None), mask: Some(5) },
            ),
            ("a2d-qwen2", &["A2DQwen2LMHeadModel"], Kind::Denoiser { attention: None, shift: Some(Shift::None), mask: None }),
            ("qwen2", &["Qwen2ForCausalLM"], Kind::Autoregressive),
            ("llama", &[], Kind::Autoregressive),
        ] {
            assert_eq!(kind(model_type, classes), expected, "{model_type} {classes:?}");
        }
        assert!(
            matches!(kind("qwen2", &["Qwen2ForCausalLM", "MyDiffusionModel"]), Kind::Unclear(reason) if reason.contains("MyDiffusionModel"))
        );
        assert!(matches!(Kind::recognise("qwen2", &[], None, true), Kind::Unclear(_)));
        assert_eq!(Kind::recognise("sdar", &[], Some(16), false), blocks(16, Shift::None));
    }

    #[test]
    fn what_is_not_clear_must_be_said() {
        let said = |text: &str| text.parse::<SpecOverrides>().unwrap();
        let unclear = Kind::Unclear("x".to_owned());
        let error = unclear.resolve(&said(""), None).unwrap_err();
        assert!(error.contains("because x") && error.contains("--spec"), "{error}");
        assert!(Kind::Autoregressive.resolve(&said(""), Some("<M>")).unwrap_err().contains("<M>"));
        assert_eq!(Kind::Autoregressive.resolve(&said(""), None), Ok(None));
        for kind in [&unclear, &Kind::Autoregressive] {
            assert_eq!(kind.resolve(&said("attention=causal"), Some("<M>")), Ok(None));
            let whole = kind.resolve(&said("attention=bidirectional,shift=right"), Some("<M>"));
            assert_eq!(whole, Ok(Some((Attention::Bidirectional, Shift::Right))));
            assert!(kind.resolve(&said("attention=bidirectional"), None).unwrap_err().contains("shift"));
            assert!(kind.resolve(&said("shift=none"), None).unwrap_err().contains("attention"));
        }
        let part = Kind::Denoiser { attention: None, shift: Some(Shift::None), mask: None };
        assert!(part.resolve(&said(""), None).unwrap_err().contains("who sees whom"));
        let whole = part.resolve(&said("attention=block-causal:32"), None);
        assert_eq!(whole, Ok(Some((Attention::BlockCausal(32), Shift::None))));
        let dream = Kind::denoiser(Attention::Bidirectional, Shift::Right);
        assert_eq!(dream.resolve(&said("shift=none"), None), Ok(Some((Attention::Bidirectional, Shift::None))));
    }
}
