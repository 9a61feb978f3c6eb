//! How checkpoints call their tensors. The loader asks for the names of the Llama family in Hugging Face's form.

use std::borrow::Cow;

/// A scheme of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// `model.layers.0.self_attn.q_proj.weight`: Llama, Qwen and what is made from them.
    Llama,
    /// `model.transformer.blocks.0.q_proj.weight`: LLaDA.
    Llada,
    /// `model.layers.0.attention.dense.weight`: LLaDA 2.
    Llada2,
}

impl Naming {
    /// The scheme of a checkpoint that holds the tensors that `has` knows.
    pub fn detect(has: impl Fn(&str) -> bool) -> Self {
        if has("model.transformer.wte.weight") {
            Self::Llada
        } else if has("model.word_embeddings.weight") {
            Self::Llada2
        } else {
            Self::Llama
        }
    }

    /// The checkpoint's name of the tensor that the Llama family calls `name`.
    pub fn of(self, name: &str) -> Cow<'_, str> {
        let found = match self {
            Self::Llama => None,
            Self::Llada => llada(name),
            Self::Llada2 => llada2(name),
        };
        found.map_or_else(|| Cow::Owned(name.to_owned()), Cow::Owned)
    }
}

/// A name in the parts that schemes change: whether it belongs to a layer, and what it is.
fn parts(name: &str) -> Option<(Option<&str>, &str, &str)> {
    let (base, kind) = name.rsplit_once('.')?;
    match base.strip_prefix("model.layers.").and_then(|rest| rest.split_once('.')) {
        Some((layer, part)) => Some((Some(layer), part, kind)),
        None => Some((None, base, kind)),
    }
}

fn llada(name: &str) -> Option<String> {
    let (layer, part, kind) = parts(name)?;
    let part = match part {
        "model.embed_tokens" => "wte",
        "model.norm" => "ln_f",
        "lm_head" => "ff_out",
        "input_layernorm" => "attn_norm",
        "post_attention_layernorm" => "ff_norm",
        "self_attn.o_proj" => "attn_out",
        "mlp.gate_proj" => "ff_proj",
        "mlp.up_proj" => "up_proj",
        "mlp.down_proj" => "ff_out",
        other => other.strip_prefix("self_attn.")?,
    };
    Some(match layer {
        Some(layer) => format!("model.transformer.blocks.{layer}.{part}.{kind}"),
        None => format!("model.transformer.{part}.{kind}"),
    })
}

fn llada2(name: &str) -> Option<String> {
    let (layer, part, kind) = parts(name)?;
    let part = match part {
        "model.embed_tokens" => return Some(format!("model.word_embeddings.{kind}")),
        "self_attn.qkv_proj" => "attention.query_key_value",
        "self_attn.o_proj" => "attention.dense",
        "self_attn.q_norm" => "attention.query_layernorm",
        "self_attn.k_norm" => "attention.key_layernorm",
        _ => return None,
    };
    Some(format!("model.layers.{}.{part}.{kind}", layer?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_are_told_apart_and_translated() {
        assert_eq!(Naming::detect(|name| name == "model.transformer.wte.weight"), Naming::Llada);
        assert_eq!(Naming::detect(|name| name == "model.word_embeddings.weight"), Naming::Llada2);
        assert_eq!(Naming::detect(|_| false), Naming::Llama);
        for (name, llada, llada2) in [
            ("model.embed_tokens.weight", "model.transformer.wte.weight", "model.word_embeddings.weight"),
            ("lm_head.weight", "model.transformer.ff_out.weight", "lm_head.weight"),
            ("model.norm.weight", "model.transformer.ln_f.weight", "model.norm.weight"),
            (
                "model.layers.3.mlp.down_proj.weight",
                "model.transformer.blocks.3.ff_out.weight",
                "model.layers.3.mlp.down_proj.weight",
            ),
            (
                "model.layers.3.self_attn.o_proj.weight",
                "model.transformer.blocks.3.attn_out.weight",
                "model.layers.3.attention.dense.weight",
            ),
        ] {
            assert_eq!(Naming::Llama.of(name), name);
            assert_eq!((&*Naming::Llada.of(name), &*Naming::Llada2.of(name)), (llada, llada2));
        }
    }
}
